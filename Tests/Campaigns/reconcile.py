#!/usr/bin/python3
"""Shows that `pgbraid reconcile` finds exactly what was spoilt, in bounded memory, and raises no false alarm while work is in flight.

Five million accounts on four shards are compared with another PostgreSQL that has the same ones. A hundred of them are spoilt by direct writes on
shards: deleted, made up, changed, moved to another shard. Meanwhile clients move money between shards, more than 500 times a second, each with a
debit on the one and a credit on the other, and a writer renames accounts first here and then, a little later, there. Debits and credits are compared over and over
again: no look, not even the first, may see one without the other. With `consistent_reads = "off"` first looks must see some, or that proves nothing.
In the end the repair is run, and all is equal.

Every check prints a line; the last line is `N passed, M failed`.
"""

import argparse
import collections
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import psycopg

from shards import BINARIES, FIRST_PORT, PROXY_PORT, Checks, Shards, as_service_user, make_directory, temporary_cluster

SHARDS, SEED, OPENING = 4, 0x7A5B_2236_7996_DCFD, 1000

TABLES = """
CREATE TABLE account (user_id bigint PRIMARY KEY, owner text NOT NULL, nickname text NOT NULL DEFAULT '', balance bigint NOT NULL DEFAULT 1000);
CREATE TABLE entry (user_id bigint, id bigint, amount int, PRIMARY KEY (user_id, id, amount));
CREATE TABLE currency (id int PRIMARY KEY, name text)
"""

# Both accounts in the order of their keys, so that no two clients wait for each other in a circle.
TRANSFER = r"""
\set a random(1, :quarter)
\set b random(1, :quarter)
\set low least(:a, :b)
\set high greatest(:a, :b)
\set id random(1, 9000000000000000000)
BEGIN;
UPDATE account SET balance = balance - 1 WHERE user_id = :low;
INSERT INTO entry VALUES (:low, :id, -1);
UPDATE account SET balance = balance + 1 WHERE user_id = :high;
INSERT INTO entry VALUES (:high, :id, 1);
COMMIT;
"""

# Of accounts whose balances are not kept.
PAYMENT = r"""
\set a random(:quarter + 1, 2 * :quarter)
\set b random(:quarter + 1, 2 * :quarter)
\set id random(1, 9000000000000000000)
BEGIN;
INSERT INTO entry VALUES (:a, :id, -1);
INSERT INTO entry VALUES (:b, :id, 1);
COMMIT;
"""


def place(key):
    """The shard of a key, as SQL: PostgreSQL's partition hash modulo 5,040, which 4 divides."""
    return f"((hashint8extended({key}, {SEED}) & 3) + 3) & 3"


def comparisons(external, rows):
    ledger = f'{{ host = "{external.sockets}", port = {FIRST_PORT} }}'
    return f"""
[[reconciliation]]
name = "accounts"
entity_type = "account"
source = "SELECT user_id, owner, nickname FROM account"
source_database = {ledger}
target = "SELECT user_id, owner, nickname FROM account"
key = "user_id"
repair_table = "account"
recheck_after = "5s"

[[reconciliation]]
name = "transfers"
source = "SELECT id, -amount AS amount FROM entry WHERE amount < 0"
target = "SELECT id, amount FROM entry WHERE amount > 0"
key = "id"

[[reconciliation]]
name = "balances"
source = "SELECT user_id, balance FROM account WHERE balance <> {OPENING}"
target = \"\"\"SELECT user_id, {OPENING} + sum(amount) AS balance FROM entry
    WHERE user_id <= {rows // 4} GROUP BY user_id HAVING sum(amount) <> 0\"\"\"
key = "user_id"

[[reconciliation]]
name = "owners"
check = "children_without_parents"
child_table = "entry"
child_columns = "user_id"
parent_table = "account"
parent_columns = "user_id"
""".splitlines()


class External(Shards):
    """The other PostgreSQL: one server."""

    def __init__(self):
        directory = tempfile.mkdtemp(prefix="pgbraid-reconcile-external-", dir="/tmp")
        os.chmod(directory, 0o755)
        super().__init__(directory, 1, {"max_wal_size": "4GB", "maintenance_work_mem": "256MB"})


class Reconcile:
    """Runs the command and measures it."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.peak = 0

    def __call__(self, *words):
        """Exit status and results by name."""
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen([self.proxy.executable, "reconcile", "--config", self.proxy.config, "--json", *words], stdout=output, stderr=errors)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.peak = max(self.peak, usage.ru_maxrss // 1024)
            output.seek(0)
            errors.seek(0)
            text = output.read()
            try:
                results = [json.loads(line) for line in text.splitlines()]
            except ValueError:
                raise RuntimeError(f"not JSON: {text[:500]} {errors.read()[:500]}")
            return process.returncode, {result["name"]: result for result in results}


def load(shards, external, proxy, rows):
    for statement in TABLES.split(";"):
        proxy.sql(statement)
    proxy.sql("INSERT INTO currency SELECT g, 'currency ' || g FROM generate_series(1, 200) g")
    owner = "'owner ' || (g * 7919) % 100003"

    def fill(shard):
        shards.sql(shard, f"INSERT INTO account (user_id, owner) SELECT g, {owner} FROM generate_series(1::bigint, {rows}) g WHERE {place('g')} = {shard}")
        shards.sql(shard, "VACUUM (ANALYZE) account")

    def fill_external():
        external.sql(0, f"CREATE TABLE account AS SELECT g AS user_id, {owner} AS owner, ''::text AS nickname FROM generate_series(1::bigint, {rows}) g")
        external.sql(0, "ALTER TABLE account ADD PRIMARY KEY (user_id)")
        external.sql(0, "VACUUM (ANALYZE) account")

    threads = [threading.Thread(target=fill, args=(shard,)) for shard in range(SHARDS)] + [threading.Thread(target=fill_external)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return shards.total("SELECT count(*) FROM account"), external.total("SELECT count(*) FROM account")


def spoil(shards, rows, choice):
    """A quarter each of deleted, made up, changed and moved rows; the inconsistencies they are, as (comparison, kind, key)."""
    keys = choice.sample(range(rows // 2 + 1, rows + 1), 75)
    found = set()
    homes = {key: shards.sql(0, f"SELECT {place(f'{key}::bigint')}")[0][0] for key in keys + [rows + n for n in range(1, 26)]}
    for key in keys[:25]:
        shards.sql(homes[key], f"DELETE FROM account WHERE user_id = {key}")
        found.add(("accounts", "missing", str(key)))
    for key in keys[25:50]:
        shards.sql(homes[key], f"UPDATE account SET owner = owner || '!' WHERE user_id = {key}")
        found.add(("accounts", "changed", str(key)))
    for key in keys[50:75]:
        away = (homes[key] + choice.randrange(1, SHARDS)) % SHARDS
        row = shards.sql(homes[key], f"DELETE FROM account WHERE user_id = {key} RETURNING owner, nickname, balance")[0]
        shards.sql(away, f"INSERT INTO account VALUES ({key}, '{row[0]}', '{row[1]}', {row[2]})")
        found.add(("misplaced_rows", "misplaced", str(key)))
    for key in range(rows + 1, rows + 26):
        shards.sql(homes[key], f"INSERT INTO account (user_id, owner) VALUES ({key}, 'nobody')")
        found.add(("accounts", "extra", str(key)))
    return found


class Transfers:
    """pgbench, moving money between accounts of the first half."""

    def __init__(self, proxy, rows, clients, rate):
        self.directory = tempfile.mkdtemp(prefix="pgbraid-reconcile-", dir="/tmp")
        make_directory(self.directory)
        words = []
        for name, text, weight in (("transfer", TRANSFER, 1), ("payment", PAYMENT, 3)):
            script = os.path.join(self.directory, name)
            with open(script, "w") as file:
                file.write(text)
            os.chmod(script, 0o644)
            words += ["-f", f"{script}@{weight}"]
        self.log = open(os.path.join(self.directory, "log"), "w+")
        words = [os.path.join(BINARIES, "pgbench"), "-n", *words, "-D", f"quarter={rows // 4}", "-c", str(clients), "-T", "3600", "-h", proxy.sockets,
                 "-p", str(PROXY_PORT), "-U", "app", "postgres"] + (["-R", str(rate)] if rate else [])
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log, cwd="/", **as_service_user())

    def stop(self):
        """What it had to say."""
        self.process.terminate()
        self.process.wait()
        self.log.seek(0)
        text = self.log.read()
        shutil.rmtree(self.directory)
        return text


def crossing(shards):
    """How many transfers there are, and how many of them have their parts on two shards."""
    sides = [[{row[0] for row in shards.sql(shard, f"SELECT id FROM entry WHERE amount = {amount}")} for shard in range(SHARDS)] for amount in (-1, 1)]
    return sum(map(len, sides[0])), sum(len(ids - sides[1][shard]) for shard, ids in enumerate(sides[0]))


class Renaming:
    """Renames accounts in the cluster and, `delay` seconds later, in the other database."""

    def __init__(self, proxy, external, rows, delay, seed):
        self.proxy, self.external, self.rows, self.delay = proxy, external, rows, delay
        self.choice = random.Random(seed)
        self.stopping = threading.Event()
        self.late = queue.Queue()
        self.count = 0
        self.failures = []
        self.threads = [threading.Thread(target=self._run, args=(step,), daemon=True) for step in (self._here, self._there)]
        for thread in self.threads:
            thread.start()

    def _run(self, step):
        try:
            step()
        except psycopg.Error as error:
            self.failures.append(str(error))
        finally:
            if step == self._here:
                self.late.put(None)

    def _here(self):
        with self.proxy.connect(autocommit=True) as connection:
            while not self.stopping.wait(0.01):
                key = self.choice.randrange(1, self.rows // 2)
                self.count += 1
                connection.execute(f"UPDATE account SET nickname = 'nick {self.count}' WHERE user_id = {key}")
                self.late.put((time.monotonic() + self.delay, key, self.count))

    def _there(self):
        with psycopg.connect(host=self.external.sockets, port=FIRST_PORT, user="postgres", dbname="postgres", autocommit=True) as connection:
            while (item := self.late.get()) is not None:
                moment, key, number = item
                time.sleep(max(0, moment - time.monotonic()))
                connection.execute(f"UPDATE account SET nickname = 'nick {number}' WHERE user_id = {key}")

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def told(results):
    return collections.Counter((name, one["kind"], one["key"]["user_id"]) for name, result in results.items() for one in result["inconsistencies"])


def under_load(checks, shards, external, proxy, arguments, choice):
    reconcile = Reconcile(proxy)
    transfers = Transfers(proxy, arguments.rows, arguments.clients, arguments.rate)
    renaming = Renaming(proxy, external, arguments.rows, 0.5, arguments.seed)
    try:
        time.sleep(2)
        counted, begun = crossing(shards)[1], time.monotonic()
        status, results = reconcile("accounts", "transfers", "balances", "owners", "reference_tables", "prepared_transactions")
        first = results["accounts"]["first_look_count"]
        checks.check("before anything is spoilt all is equal", status == 0 and not told(results), {name: result.get("error", result["status"]) for name, result in results.items()})
        checks.check("work in flight between the databases was seen, and was no difference", first > 0, f"{first} at the first look")
        planted = spoil(shards, arguments.rows, choice)
        status, results = reconcile("accounts", "misplaced_rows", "transfers", "balances")
        found = told(results)
        checks.check(
            f"exactly the {len(planted)} planted differences are found", status == 1 and found == collections.Counter(planted),
            f"{sum(found.values())} found, {len(planted - set(found))} not found, {len(set(found) - planted)} not planted; {results['accounts']['seconds']:.0f} s "
            f"for {results['accounts']['row_count']} rows, {results['misplaced_rows']['seconds']:.0f} s for misplaced rows")
        checks.check("the counts say the same", sum(result["inconsistency_count"] for result in results.values()) == len(planted))
        checks.check(f"memory stays bounded: at most {arguments.megabytes} MB", reconcile.peak <= arguments.megabytes, f"peak resident size {reconcile.peak} MB")
        alarms, looks, runs, end = 0, 0, 0, time.monotonic() + arguments.seconds
        while time.monotonic() < end:
            status, results = reconcile("transfers", "balances", "--no-store")
            runs += 1
            alarms += status != 0
            looks += sum(result["first_look_count"] for result in results.values())
        checks.check(f"{runs} comparisons of {results['transfers']['row_count']} debits and credits while money moves: no false alarm", alarms == 0 and runs > 1)
        checks.check("nor did any first look see half of a transfer", looks == 0, looks)
        count, seconds = crossing(shards)[1] - counted, time.monotonic() - begun
        checks.check(f"at least {arguments.least} transfers a second between shards meanwhile", count / seconds >= arguments.least, f"{count / seconds:.0f} a second for {seconds:.0f} s")
    finally:
        renaming.stop()
        text = transfers.stop()
    failed = renaming.failures + [line for line in text.splitlines() if "error" in line.lower() or "aborted" in line]
    checks.check(f"{renaming.count} accounts were renamed, and no transfer failed", not failed, failed[:3])
    return planted


def repair(checks, shards, proxy, reconcile, arguments):
    path = os.path.join(os.path.dirname(proxy.config), "repair.sql")
    before = crossing(shards)[0]
    status, results = reconcile("accounts", "misplaced_rows", "--repair", path)
    checks.check("the repair is written, and nothing is changed by that", status == 1 and sum(told(results).values()) == 100 and crossing(shards)[0] == before)
    os.chmod(path, 0o644)
    run = subprocess.run(
        [os.path.join(BINARIES, "psql"), "-q", "-X", "-v", "ON_ERROR_STOP=1", "-h", proxy.sockets, "-p", str(PROXY_PORT), "-U", "app", "-f", path, "postgres"],
        capture_output=True, text=True, cwd="/")
    checks.check("the repair runs", run.returncode == 0, run.stderr[:300])
    status, results = reconcile("accounts", "misplaced_rows", "transfers", "balances")
    checks.check("behind it all is equal", status == 0, {name: result["status"] for name, result in results.items()})


def by_service(checks, proxy):
    task = proxy.sql("SELECT pgbraid.reconcile('transfers')", user="postgres")[0][0]
    begun = time.monotonic()
    row = None
    while time.monotonic() - begun < 60:
        row = proxy.sql(f"SELECT status, row_count FROM pgbraid.reconciliation_tasks WHERE id = '{task}'", user="postgres")[0]
        if row[0] not in ("requested", "running"):
            break
        time.sleep(0.2)
    checks.check("a comparison that SQL asked for is made by the proxy", row[0] == "equal" and row[1] > 0, f"{row}, {time.monotonic() - begun:.1f} s")


def without_atomic_reads(checks, proxy, shards, arguments):
    """The same looks where reads may see half of a transaction."""
    proxy.kill()
    with open(proxy.config) as file:
        text = file.read()
    with open(proxy.config, "w") as file:
        file.write(text.replace("[transactions]", '[transactions]\nconsistent_reads = "off"'))
    proxy.start()
    reconcile = Reconcile(proxy)
    transfers = Transfers(proxy, arguments.rows, arguments.clients, arguments.rate)
    looks, alarms, end = 0, 0, time.monotonic() + 60
    try:
        while not looks and time.monotonic() < end:
            status, results = reconcile("transfers", "--no-store")
            looks += results["transfers"]["first_look_count"]
            alarms += status != 0
    finally:
        transfers.stop()
    checks.check('with consistent_reads = "off" a first look sees half of a transfer', looks > 0, looks)
    checks.check("which the second look finds whole", alarms == 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1_000_000))
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rate", type=int, default=0, help="transfers a second that are begun; 0: as many as there can be")
    parser.add_argument("--least", type=int, default=500, help="transfers a second between shards that must be made")
    parser.add_argument("--seconds", type=float, default=45, help="how long debits and credits are compared over and over")
    parser.add_argument("--megabytes", type=int, default=100, help="memory that the command may have")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    checks = Checks()
    choice = random.Random(arguments.seed)
    external = External()
    try:
        external.create()
        with temporary_cluster(arguments.pgbraid, "reconcile", checks, sections=comparisons(external, arguments.rows), count=SHARDS, server_settings={"max_wal_size": "4GB"}) as (shards, proxy):
            begun = time.monotonic()
            here, there = load(shards, external, proxy, arguments.rows)
            checks.check(f"{arguments.rows} accounts here and there, in {time.monotonic() - begun:.0f} s", here == there == arguments.rows)
            under_load(checks, shards, external, proxy, arguments, choice)
            repair(checks, shards, proxy, Reconcile(proxy), arguments)
            by_service(checks, proxy)
            without_atomic_reads(checks, proxy, shards, arguments)
    finally:
        external.stop_all()
    shutil.rmtree(external.directory)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
