#!/usr/bin/python3
"""Dumps a cluster through its proxy with pg_dump, and restores it into one PostgreSQL and into clusters of other sizes.

While transfers between accounts of several shards run, dumps are made in every format; each must be of one moment: every
account has its opening balance and its transfers, no more and no less. Then the cluster is dumped at rest, and what comes of
restoring it is compared with it: every table's rows by their md5, everything else by dumping the schema again, text against text.
Afterwards new rows draw numbers from all sequences, none of which may be a restored row's or come twice.

Every check prints a line; the last line is `N passed, M failed`.
"""

import argparse
import contextlib
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import threading

import psycopg

import dump_rows
from shards import BINARIES, FIRST_PORT, PROXY_PORT, Checks, Shards, temporary_cluster

HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMA = os.path.join(HERE, "dump_schema.sql")
TABLES = ["currency", "category", "account", "purchase", "transfer", "everything", 'stock."Item list"', "stock.empty"]
CONTENTS = [
    "TABLE currency, category, account, purchase, transfer, everything", "SEQUENCE down, wheel, untouched, put", "FUNCTION twice, trim_note",
    "TYPE mood, address", "DOMAIN positive", "SCHEMA stock"]
FORMATS = {"plain": [], "plain with INSERT": ["--inserts", "--rows-per-insert=20"], "custom": ["-Fc"], "tar": ["-Ft"], "directory": ["-Fd"]}


class Place:
    """A database that is dumped or restored into: one server, or a cluster by its proxy."""

    def __init__(self, name, host, port):
        self.name, self.host, self.port = name, host, port

    def run(self, program, *words, check=True, text=None):
        """A program of PostgreSQL that is told where by the environment, and may be given a text to read."""
        environment = {**os.environ, "PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": "postgres", "PGDATABASE": "postgres"}
        done = subprocess.run([os.path.join(BINARIES, program), *words], env=environment, input=text, capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"{program} {' '.join(words)[:200]} at {self.name}: {done.stderr[-2000:]}")
        return done

    def psql(self, *words, **options):
        return self.run("psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", *words, **options)

    def sql(self, text):
        return self.psql("-c", text).stdout.splitlines()

    def connect(self):
        return psycopg.connect(host=self.host, port=self.port, user="postgres", dbname="postgres", prepare_threshold=None)

    def clear(self):
        for what in CONTENTS:
            self.psql("-c", f"DROP {what.replace(' ', ' IF EXISTS ', 1)} CASCADE")

    def checksums(self):
        """md5 over the ordered rows of every table."""
        sums = {}
        for table in TABLES:
            lines = sorted(self.psql("-c", f"COPY (SELECT * FROM {table}) TO STDOUT").stdout.splitlines())
            sums[table] = f"{len(lines)} {hashlib.md5(chr(10).join(lines).encode()).hexdigest()}"
        return sums

    def schema(self):
        """The dump of all definitions, less the key that pg_dump draws for each dump."""
        text = self.run("pg_dump", "--schema-only").stdout
        return [line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]

    def dump(self, path, *words):
        self.run("pg_dump", *words, "-f", path)
        return path

    def restore(self, path, *words):
        with open(path, "rb") if os.path.isfile(path) else contextlib.nullcontext() as file:
            is_plain = file is not None and file.read(5) != b"PGDMP" and not path.endswith(".tar")
        if is_plain:
            return self.psql("-o", os.devnull, "-f", path)
        return self.run("pg_restore", "-d", "postgres", "--exit-on-error", *words, path)


class Transfers:
    """Moves money between accounts, with a row on either side, until it is told to end."""

    def __init__(self, place, accounts, threads=3):
        self.place, self.accounts, self.ending, self.count = place, accounts, threading.Event(), 0
        self.threads = [threading.Thread(target=self._run, args=(seed,), daemon=True) for seed in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def _run(self, seed):
        choice = random.Random(seed)
        with self.place.connect() as connection:
            while not self.ending.is_set():
                source, target = sorted(choice.sample(range(1, self.accounts + 1), 2))
                amount = choice.randrange(1, 50)
                with connection.transaction():
                    for user, change in ((source, -amount), (target, amount)):
                        connection.execute("UPDATE account SET balance = balance + %s WHERE user_id = %s", (change, user))
                        connection.execute("INSERT INTO transfer (user_id, amount) VALUES (%s, %s)", (user, change))
                self.count += 1


def is_of_one_moment(place, accounts):
    """Whether balances and transfers agree, and the text of what is wrong."""
    total = place.sql("SELECT count(*), sum(balance) FROM account")[0]
    wrong = place.sql(
        f"SELECT count(*) FROM account a WHERE balance <> {dump_rows.OPENING} + coalesce((SELECT sum(amount) FROM transfer t WHERE t.user_id = a.user_id), 0)")[0]
    ahead = place.sql("SELECT last_value >= (SELECT max(id) FROM transfer) FROM transfer_id_seq")[0]
    return (total, wrong, ahead) == (f"{accounts}|{accounts * dump_rows.OPENING}", "0", "t"), f"{total}, {wrong} accounts wrong, sequence ahead: {ahead}"


def dump_under_load(checks, source, single, options):
    for name, words in FORMATS.items():
        with tempfile.TemporaryDirectory(dir=options.directory) as directory:
            path = os.path.join(directory, "dump" + (".tar" if "-Ft" in words else ""))
            with Transfers(source, options.accounts) as transfers:
                before = transfers.count
                source.dump(path, *words)
                during = transfers.count - before
            single.clear()
            single.restore(path)
            right, detail = is_of_one_moment(single, options.accounts)
            checks.check(f"the {name} dump is of one moment, with {during} transfers while it was made", right and during > 0, detail)


def compare(checks, what, source, target):
    """Rows and definitions of two places."""
    right, got = source.checksums(), target.checksums()
    for table in TABLES:
        checks.check(f"{what}: {table}", right[table] == got[table], got[table])
    schemas = source.schema(), target.schema()
    differing = [line for line in schemas[1] if line not in schemas[0]] + [line for line in schemas[0] if line not in schemas[1]]
    checks.check(f"{what}: {len(schemas[0])} lines of definitions", schemas[0] == schemas[1], differing[:6])
    query = "SELECT schemaname, sequencename, start_value, increment_by, min_value, max_value, cycle, last_value FROM pg_sequences WHERE schemaname <> 'pgbraid' ORDER BY 1, 2"
    rows = [place.sql(query) for place in (source, target)]
    checks.check(f"{what}: {len(rows[0])} sequences", rows[0] == rows[1], [pair for pair in zip(*rows) if pair[0] != pair[1]])


def draw(checks, what, place, accounts):
    """New rows of all tables whose columns have sequences."""
    for _ in range(3):
        for user in range(1, accounts, 7):
            place.sql(f"INSERT INTO purchase (user_id, amount) VALUES ({user}, 1); INSERT INTO transfer (user_id, amount) VALUES ({user}, 0)")
        place.sql("INSERT INTO everything (user_id) VALUES " + ", ".join(f"({user})" for user in range(1, 60)))
        place.sql("INSERT INTO account (name) VALUES ('new'), ('new'), ('new'), ('new'), ('new')")
    place.sql("INSERT INTO category (label) VALUES ('new')")
    for table, column in (("purchase", "id"), ("transfer", "id"), ("everything", "id"), ("account", "user_id"), ("category", "id")):
        counts = place.sql(f"SELECT count(*), count(DISTINCT {column}) FROM {table}")[0].split("|")
        checks.check(f"{what}: numbers of {table} come once", counts[0] == counts[1], counts)
    numbers = [place.sql("SELECT nextval('stock.counter')")[0] for _ in range(9)]
    before = place.sql("SELECT last_value FROM stock.counter")[0]
    checks.check(f"{what}: new numbers of a sequence", len(set(numbers)) == 9 and max(map(int, numbers)) == int(before) > 180, numbers)


def restore_everywhere(checks, source, targets, options):
    """Every format into every place."""
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        globals_path = os.path.join(directory, "globals")
        source.run("pg_dumpall", "--globals-only", "-f", globals_path)
        paths = {name: os.path.join(directory, name.replace(" ", "-") + (".tar" if "-Ft" in words else "")) for name, words in FORMATS.items()}
        for name, words in FORMATS.items():
            source.dump(paths[name], *words)
        for target in targets:
            # The roles that are there already are errors, as with any other server.
            target.run("psql", "-X", "-q", "-f", globals_path)
            for name in FORMATS if target is targets[0] else ["plain", "custom"]:
                target.clear()
                target.restore(paths[name])
                compare(checks, f"{name} into {target.name}", source, target)
            target.restore(paths["custom"], "--clean")
            compare(checks, f"custom --clean into {target.name}", source, target)
            draw(checks, target.name, target, options.accounts)
        in_parts(checks, source, targets[-1], directory)
        # From one PostgreSQL into pgbraid.
        targets[-1].clear()
        targets[-1].restore(targets[0].dump(os.path.join(directory, "single"), "-Fc"))
        compare(checks, f"a dump of {targets[0].name} into {targets[-1].name}", targets[0], targets[-1])


def in_parts(checks, source, target, directory):
    """The schema, then the rows; one table alone; what is refused."""
    path = os.path.join(directory, "part")
    target.clear()
    for words in (["--schema-only"], ["--data-only"]):
        target.restore(source.dump(path, *words))
    compare(checks, f"--schema-only and --data-only into {target.name}", source, target)
    target.sql("DROP TABLE category CASCADE")
    target.restore(source.dump(path, "-t", "category"))
    checks.check(f"-t category into {target.name}", source.checksums()["category"] == target.checksums()["category"])
    again = target.run("pg_restore", "-d", "postgres", "-j", "3", "--clean", "--if-exists", "--exit-on-error", os.path.join(directory, "directory"), check=False)
    checks.check(f"pg_restore -j 3 --clean into {target.name}", again.returncode == 0, again.stderr[-300:])
    if again.returncode == 0:
        compare(checks, f"pg_restore -j 3 into {target.name}", source, target)
    several = source.run("pg_dump", "-Fd", "-j", "2", "-f", os.path.join(directory, "parallel"), check=False)
    checks.check("pg_dump -j 2 is refused", "SET TRANSACTION SNAPSHOT is not supported" in several.stderr, several.stderr[:200])


@contextlib.contextmanager
def one_server():
    with tempfile.TemporaryDirectory(prefix="pgbraid-one-", dir="/tmp", ignore_cleanup_errors=True) as directory:
        os.chmod(directory, 0o755)
        server = Shards(os.path.join(directory, "server"), 1)
        server.create()
        try:
            yield Place("one PostgreSQL", server.sockets, FIRST_PORT)
        finally:
            server.stop_all()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=".build/release/pgbraid")
    parser.add_argument("--shards", type=int, default=4, help="of the cluster that is dumped")
    parser.add_argument("--targets", type=int, nargs="*", default=[2, 4, 3], help="shards of the clusters that are restored into")
    parser.add_argument("--accounts", type=int, default=dump_rows.ACCOUNTS)
    parser.add_argument("--directory", help="where dumps are kept while they are needed")
    options = parser.parse_args()
    checks = Checks()
    with contextlib.ExitStack() as stack:
        def cluster(name, count):
            shards, proxy = stack.enter_context(temporary_cluster(options.program, name, checks, count=count))
            return shards, Place(f"{count} shards", proxy.sockets, PROXY_PORT)

        _, source = cluster("dump", options.shards)
        single = stack.enter_context(one_server())
        for place in (source, single):
            place.sql("CREATE ROLE reader")
        source.psql("-o", os.devnull, "-f", SCHEMA)
        source.psql("-o", os.devnull, text=";\n".join(dump_rows.statements(options.accounts)) + ";")
        dump_under_load(checks, source, single, options)
        targets = [cluster(f"to{number}-{count}", count)[1] for number, count in enumerate(options.targets)]
        restore_everywhere(checks, source, [single, *targets], options)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
