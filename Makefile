# make run    a cluster of four PostgreSQL servers on this machine, pgbraid in front of it, and sample data
# make test   build everything and run all tests
# make dialogues  the dialogues of the tests by the simple and the extended protocol, in text and binary, on 1, 2 and 4 shards
# make build  the optimised executables, .build/release/pgbraid and pgbraid-relay
# make fuzz   spoilt frames from clients and a shard against a build with address sanitizer; FUZZ="--seed N ..."
# make memory the proxy's peak memory under bulk loads and slow peers; MEMORY="--copy-megabytes N ..."
# make soak   ten minutes of mixed load with kills, and whether anything is left behind; SOAK="--seed N --seconds N ..."
# make bench  compare with PgBouncer and PostgreSQL; writes docs/performance.md
# make outbox-bench  events a second of pgbraid-relay, beside a relay that takes them one by one and beside the broker alone; writes nothing
# make train  profile the executable for the compiler, after changes to the code every query passes; TRAIN="--program FILE ..."
# make transfers  show that no read sees half of a transaction, also with the proxy and shards being killed; three minutes
# make simulate  whole proxies against a model of PostgreSQL, a million seeds, hours; what was done is kept in .build/simulation.txt
#             and not done again; SIMULATE="--seed N --count M ..."
# make mutants  the simulation against proxies with a mistake each (Tests/Campaigns/mutants); MUTANTS="--seeds N ..."
# make difference  100,000 random statements to proxies and to one PostgreSQL, whose answers must be the same; what was done is kept in
#             .build/difference.txt and not done again; DIFFERENCE="--seed N --statements M ..."
# make difference-mutants  the same against proxies that merge wrongly (Tests/Campaigns/merge_mutants)
# make tpch   TPC-H's 22 queries compared with one PostgreSQL, and how each was answered; TPCH="--scale 0.1 --only 3 5 ..."
# make sagas  1,000 sagas while the proxy is killed; SAGAS="--sagas N ..."
# make outbox  200,000 events of an outbox while relays, broker, proxy and shards are killed; OUTBOX="--kafka --events N ..."
# make reconcile  exactly the planted differences of five million rows, while money moves; RECONCILE="--rows N ..."
# make idempotency  requests that are cut and killed at every step are done once; IDEMPOTENCY="--only cuts --keys N ..."
# make dump   pg_dump through the proxy while transactions run, restored into one PostgreSQL and other clusters; DUMP="--targets 2 8 ..."
# make locks  advisory locks of a hundred clients over four shards, with holders being killed; LOCKS="--clients N ..."
# make capacity  forecasts of made-up histories, heavy keys, samples by two proxies; CAPACITY="--rows N --only skew ..."
# make status-page  the HTTP endpoint's page in headless Chromium while a shard stops and comes back, with pictures; STATUS_PAGE="--keep DIRECTORY"
# make crash  kill the proxy and shards under load and look whether any transaction is halved; some minutes
#
# Works as root and as an ordinary user. What is missing is installed by apt (with sudo when not root).

.PHONY: run test dialogues build fuzz memory soak build-asan bench train crash contention pgbench transfers simulate mutants difference difference-mutants tpch dump sagas outbox outbox-bench reconcile idempotency locks capacity status-page lint packages test-packages clean

# Where `make run` keeps its servers, and where the proxy listens.
DATA ?= /tmp/pgbraid-dev
SHARDS ?= 4

# What `make simulate` lives, and where it adds what came of it.
SIMULATE ?= --seed 0 --count 1000000 --check-reads --jobs $(shell nproc) --report .build/simulation.txt

# What `make difference` compares, and where it adds what came of it.
DIFFERENCE ?= --seed 0 --statements 100000 --journal .build/difference.txt

# With Swift's libraries inside, the executable runs anywhere and calls into the runtime without detours (0.2 µs less
# for a forwarded transaction). Toolchains without the static libraries link them dynamically.
SWIFT_HOME := $(shell dirname "$$(dirname "$$(readlink -f "$$(command -v swift)")")")
STATIC := $(if $(wildcard $(SWIFT_HOME)/lib/swift_static),--static-swift-stdlib)

# What usually happens to a forwarded transaction, for the compiler (docs/decisions/0009). Its name has a checksum, so that
# another profile makes everything be built again; the compiler would keep what it made of the same code with another profile.
PROFILE_TEXT := bench/hot-path.proftext
PROFILE := $(CURDIR)/.build/hot-path-$(firstword $(shell cksum < $(PROFILE_TEXT))).profdata
PROFDATA := $(wildcard $(SWIFT_HOME)/bin/llvm-profdata)
OPTIMISED := $(if $(PROFDATA),$(addprefix -Xswiftc ,-Xfrontend -ir-profile-use=$(PROFILE) -Xfrontend -function-sections \
	-Xfrontend -disable-incremental-llvm-codegen -Xllvm -split-machine-functions))

run: build
	@bash scripts/run-development.sh "$(DATA)" "$(SHARDS)"

build: packages $(if $(PROFDATA),$(PROFILE))
	swift build -c release --product pgbraid $(STATIC) $(OPTIMISED)
	swift build -c release --product pgbraid-relay $(STATIC) $(OPTIMISED)

$(PROFILE): $(PROFILE_TEXT)
	mkdir -p $(@D)
	$(PROFDATA) merge $< -o $@

# Builds an executable that counts, lets it serve pgbench, and writes bench/hot-path.proftext.
train: packages
	@bash scripts/install-packages.sh test
	bench/train $(TRAIN)

test: test-packages
	swift build --build-tests
	swift test --disable-xctest --skip-build

dialogues: test-packages
	swift build --build-tests
	PGBRAID_PROTOCOLS=all swift test --disable-xctest --skip-build --filter DialogueTests

bench: build
	@bash scripts/install-packages.sh bench
	bench/run $(BENCH)

transfers: build
	@bash scripts/install-packages.sh test
	/usr/bin/python3 Tests/Campaigns/transfer_proof.py $(TRANSFERS)

pgbench: build
	@bash scripts/install-packages.sh test
	/usr/bin/python3 Tests/Campaigns/pgbench_scripts.py $(PGBENCH)

contention: build
	@bash scripts/install-packages.sh test
	/usr/bin/python3 Tests/Campaigns/contention.py $(CONTENTION)

difference: build
	@bash scripts/install-packages.sh test
	/usr/bin/python3 Tests/Campaigns/difference.py $(DIFFERENCE)

difference-mutants: packages
	@bash scripts/install-packages.sh test
	/usr/bin/python3 Tests/Campaigns/difference_mutants.py $(MUTANTS)

tpch: build
	@bash scripts/install-packages.sh test
	/usr/bin/python3 Tests/Campaigns/tpch.py $(TPCH)

sagas: build
	@bash scripts/install-packages.sh test
	/usr/bin/python3 Tests/Campaigns/sagas.py $(SAGAS)

outbox: build
	@bash scripts/install-packages.sh broker
	/usr/bin/python3 Tests/Campaigns/outbox.py $(OUTBOX)

outbox-bench: build
	@bash scripts/install-packages.sh broker
	/usr/bin/python3 bench/outbox.py $(OUTBOX)

reconcile: build
	@bash scripts/install-packages.sh test
	/usr/bin/python3 Tests/Campaigns/reconcile.py $(RECONCILE)

idempotency: build
	@bash scripts/install-packages.sh test
	/usr/bin/python3 Tests/Campaigns/idempotency.py $(IDEMPOTENCY)

dump: build
	@bash scripts/install-packages.sh test
	/usr/bin/python3 Tests/Campaigns/dump.py $(DUMP)

locks: build
	@bash scripts/install-packages.sh test
	/usr/bin/python3 Tests/Campaigns/locks.py $(LOCKS)

capacity: build
	@bash scripts/install-packages.sh browser
	/usr/bin/python3 Tests/Campaigns/capacity.py $(CAPACITY)

status-page: build
	@bash scripts/install-packages.sh browser
	/usr/bin/python3 Tests/Campaigns/status_page.py $(STATUS_PAGE)

crash: build
	@bash scripts/install-packages.sh test
	/usr/bin/python3 Tests/Campaigns/crash_campaign.py $(CRASH)

simulate: packages $(if $(PROFDATA),$(PROFILE))
	swift build -c release --product simulate $(STATIC) $(OPTIMISED)
	.build/release/simulate $(SIMULATE)

mutants: packages
	/usr/bin/python3 Tests/Campaigns/mutants.py $(MUTANTS)

build-asan: packages
	swift build --sanitize=address --scratch-path .build-asan --product pgbraid

fuzz: build-asan
	/usr/bin/python3 Tests/Campaigns/frame_fuzz.py --program .build-asan/debug/pgbraid $(FUZZ)

memory: build
	/usr/bin/python3 Tests/Campaigns/memory_bounds.py --program .build/release/pgbraid $(MEMORY)

soak: build
	/usr/bin/python3 Tests/Campaigns/soak.py --program .build/release/pgbraid $(SOAK)

lint:
	swift format lint --recursive --parallel Sources Tests Package.swift

packages:
	@bash scripts/install-packages.sh run

test-packages:
	@bash scripts/install-packages.sh test

clean:
	rm -rf .build
