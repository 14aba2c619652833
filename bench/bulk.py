"""Many rows at once: COPY into a sharded table, and aggregates and ordered rows over millions of them.

COPY is compared with COPY of the same file into one table of one PostgreSQL, with as many shards as the machine has
processors. The queries run over four shards, against one PostgreSQL that has all rows on the same processors, and
against the same four shards mounted in one PostgreSQL as a hash-partitioned table of postgres_fdw. Each round runs every
target once, in turn; each answer is compared with that of one PostgreSQL.
"""

import os
import subprocess
import time

from cluster import SHARD_COUNT
from measure import median, median_ratio

# The databases: of queries all rows, the shards' rows, the shards mounted; of COPY one table, and the shards'.
WHOLE, PARTS, MOUNTED, PLAIN, SPLIT = "whole", "parts", "mounted", "plain", "split"
COLUMNS = "user_id bigint NOT NULL, reading_id bigint NOT NULL, kind integer NOT NULL, amount bigint NOT NULL, price numeric(12,2) NOT NULL, at timestamptz NOT NULL"
TABLE = f"CREATE TABLE reading ({COLUMNS})"
ROWS = """SELECT i % 1000003, i, i % 997, (i * 7919) % 1000000007, ((i * 31) % 100000) / 100.0,
    timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second' FROM generate_series({first}::bigint, {last}) i"""
# What each compares, and the statement.
QUERIES = {
    "count, sum and avg by group": "SELECT kind, count(*), sum(amount), avg(price) FROM reading GROUP BY kind ORDER BY kind",
    "the first 100 in order": "SELECT * FROM reading ORDER BY amount DESC, reading_id LIMIT 100",
    "count, sum and avg of all": "SELECT count(*), sum(amount), avg(price) FROM reading",
}
COPY_RATIO_LIMIT = 0.8


class Timed:
    """One run of one target: its seconds, and rows a second where rows were sent."""

    def __init__(self, seconds, rows=0):
        self.seconds = seconds
        self.rate = rows / seconds


class Bulk:
    """The databases of these comparisons, made once and kept with the servers' data."""

    def __init__(self, shards, rows):
        self.shards, self.rows = shards, rows
        self.file = os.path.join(shards.directory, "reading.copy")

    def databases(self):
        return set(self.shards.sql(0, "postgres", "SELECT datname FROM pg_database").split())

    def make_databases(self):
        """Empty tables, unless an earlier run has made them."""
        present = self.databases()
        for database, count in ((WHOLE, 1), (PLAIN, 1), (PARTS, SHARD_COUNT), (SPLIT, SHARD_COUNT)):
            for shard in range(count if database not in present else 0):
                self.shards.sql(shard, "postgres", f"CREATE DATABASE {database}")
                self.shards.sql(shard, database, TABLE)

    def write_file(self, rows):
        """A file of `rows` rows in COPY's text format."""
        with open(self.file, "wb") as file:
            subprocess.run(
                self._psql(self.shards.socket_directory(0), self.shards.port, WHOLE)
                + ["-c", f"COPY ({ROWS.format(first=1, last=rows)}) TO STDOUT"], check=True, stdout=file)

    def copy(self, host, port, database):
        """Seconds that COPY of the file into the emptied table took."""
        words = self._psql(host, port, database)
        subprocess.run([*words, "-c", "TRUNCATE reading"], check=True)
        with open(self.file, "rb") as file:
            begin = time.monotonic()
            subprocess.run([*words, "-c", "COPY reading FROM STDIN"], check=True, stdin=file)
            return time.monotonic() - begin

    def fill(self, proxy):
        """All rows into one PostgreSQL and, through the proxy, into the shards; and mounts these by postgres_fdw."""
        for host, port, database in ((self.shards.socket_directory(0), self.shards.port, WHOLE), (proxy.host, proxy.port, "postgres")):
            words = self._psql(host, port, database)
            if subprocess.run([*words, "-c", "SELECT count(*) FROM reading"], check=True, capture_output=True,
                              text=True).stdout.strip() == str(self.rows):
                continue
            self.write_file(self.rows)
            self.copy(host, port, database)
            subprocess.run([*words, "-c", "VACUUM ANALYZE reading"], check=True)
        if os.path.exists(self.file):
            os.remove(self.file)
        if MOUNTED not in self.databases():
            self._mount()

    def _mount(self):
        self.shards.sql(0, "postgres", f"CREATE DATABASE {MOUNTED}")
        statements = ["CREATE EXTENSION postgres_fdw", f"{TABLE} PARTITION BY HASH (user_id)"]
        for shard in range(SHARD_COUNT):
            statements += [
                f"CREATE SERVER shard{shard} FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{self.shards.socket_directory(shard)}', "
                f"port '{self.shards.port}', dbname '{PARTS}', async_capable 'true', fetch_size '10000', use_remote_estimate 'true')",
                f"CREATE USER MAPPING FOR postgres SERVER shard{shard} OPTIONS (user 'postgres', password_required 'false')",
                f"CREATE FOREIGN TABLE reading{shard} PARTITION OF reading FOR VALUES WITH (MODULUS {SHARD_COUNT}, REMAINDER {shard}) "
                f"SERVER shard{shard} OPTIONS (table_name 'reading')",
            ]
        self.shards.sql(0, MOUNTED, "; ".join(statements))

    def answer(self, host, port, database, query):
        """Seconds a query took, and its rows."""
        begin = time.monotonic()
        words = [*self._psql(host, port, database), "-c", query]
        result = subprocess.run(words, check=True, capture_output=True, text=True)
        return time.monotonic() - begin, result.stdout

    def _psql(self, host, port, database):
        return [f"{self.shards.binaries}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", str(port), "-U", "postgres",
                "-d", database]


def compare_copies(bulk, proxy, rows, rounds, report):
    """Runs of COPY by target."""
    bulk.write_file(rows)
    targets = {"PostgreSQL": (bulk.shards.socket_directory(0), bulk.shards.port, PLAIN), "pgbraid": (proxy.host, proxy.port, "postgres")}
    runs = {name: [] for name in targets}
    for number in range(rounds + 1):
        for name in sorted(targets, reverse=number % 2 == 1):
            seconds = bulk.copy(*targets[name])
            # The first round warms files and caches.
            if number > 0:
                runs[name].append(Timed(seconds, rows))
        report(".")
    report("\n")
    os.remove(bulk.file)
    return runs


def compare_queries(bulk, proxy, query, rounds, report):
    """Runs of one query by target; every answer must be that of one PostgreSQL."""
    directory, port = bulk.shards.socket_directory(0), bulk.shards.port
    targets = {"PostgreSQL": (directory, port, WHOLE), "postgres_fdw": (directory, port, MOUNTED), "pgbraid": (proxy.host, proxy.port, "postgres")}
    runs = {name: [] for name in targets}
    expected = bulk.answer(*targets["PostgreSQL"], query)[1]
    for number in range(rounds):
        names = list(targets)
        for name in names[number % len(names):] + names[:number % len(names)]:
            seconds, rows = bulk.answer(*targets[name], query)
            if rows != expected:
                raise RuntimeError(f"{name} answers {query} otherwise than one PostgreSQL")
            runs[name].append(Timed(seconds))
        report(".")
    report("\n")
    return runs


def summary(title, runs):
    """Medians, and how many times as fast pgbraid is as each other target."""
    others = [name for name in runs if name != "pgbraid"]
    return {
        "title": title, "rounds": len(runs["pgbraid"]),
        "rows": {name: {"seconds": median(list_of_runs, "seconds"), "rate": median(list_of_runs, "rate")} for name, list_of_runs in runs.items()},
        "speed_ratios": {name: median_ratio(runs[name], runs["pgbraid"], "seconds") for name in others},
    }


def lines_of(table):
    """One comparison as a Markdown table."""
    has_rates = any(row["rate"] for row in table["rows"].values())
    lines = [f"| | seconds |{' rows/s |' if has_rates else ''}", f"|---|---:|{'---:|' if has_rates else ''}"]
    for name, row in table["rows"].items():
        rate = " {:,.0f} |".format(row["rate"]) if has_rates else ""
        lines.append(f"| {name} | {row['seconds']:.2f} |{rate}")
    ratios = ", ".join(f"{ratio:.2f} times as fast as {name}" for name, ratio in table["speed_ratios"].items())
    return "\n".join(lines + ["", f"pgbraid, median of {table['rounds']} rounds: {ratios}."])
