#!/usr/bin/python3
"""TPC-H's 22 queries through the proxy over four shards, compared with one PostgreSQL that has the same rows.

orders and lineitem are sharded by order, customer by customer, part and partsupp by part; supplier, nation and region are
reference tables. Every answer must be the judge's, row by row, and not empty. Each line tells how the query was answered:

  one shard   its rows are on one shard
  merge       each shard answers its share, and the proxy puts the rows together
  partial     each shard sends partial results, and one of them makes the rows of these
  gather      the rows that the query reads are fetched, and it runs on one shard

and how long the proxy and the judge took. Every check prints a line; the last line is `N passed, M failed`.
"""

import argparse
import os
import re
import sys
import time

import psycopg

from shards import FIRST_PORT, Checks, temporary_cluster
from tpch_rows import KEYS, SCHEMA, Generator

QUERIES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tpch_queries.sql")
# Counters of SHOW STATS, the first that has grown tells the kind.
KINDS = (("gathered_statements", "gather"), ("finished_statements", "partial"), ("scatter_statements", "merge"))


def queries(scale):
    """(title, text) of each query."""
    with open(QUERIES) as file:
        parts = re.split(r"^-- (\d+ .*)\n", file.read(), flags=re.MULTILINE)[1:]
    return [(title, text.strip().rstrip(";").replace(":fraction", f"{0.0001 / scale:.7f}")) for title, text in zip(parts[::2], parts[1::2])]


def load(connection, generator, table):
    with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        lines = []
        for row in generator.rows(table):
            lines.append("\t".join(row) + "\n")
            if len(lines) == 5000:
                copy.write("".join(lines))
                lines.clear()
        copy.write("".join(lines))


def prepare(checks, proxy, judge, generator):
    for side in (proxy, judge):
        for statement in filter(None, map(str.strip, SCHEMA.split(";"))):
            side.execute(statement)
    for table in Generator.TABLES:
        begun = time.monotonic()
        for side in (proxy, judge):
            load(side, generator, table)
        counts = [side.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for side in (proxy, judge)]
        checks.check(f"{counts[1]} rows of {table}", counts[0] == counts[1], f"in {time.monotonic() - begun:.1f} s")
    for side in (proxy, judge):
        # The judge would read all lines for each part otherwise.
        side.execute("CREATE INDEX ON lineitem (l_partkey, l_suppkey)")
        side.execute("ANALYZE")


def timed(connection, text):
    begun = time.monotonic()
    try:
        rows = connection.execute(text).fetchall()
    except psycopg.Error as error:
        rows = f"{error.sqlstate} {error}"
    return rows, time.monotonic() - begun


def compare(checks, cluster, proxy, judge, title, text):
    before = cluster.statistics()
    said, seconds = timed(proxy, text)
    after = cluster.statistics()
    right, usual = timed(judge, text)
    kind = next((kind for name, kind in KINDS if after[name] > before[name]), "one shard")
    is_filled = isinstance(right, list) and bool(right) and any(value is not None for value in right[0])
    detail = f"{kind}, {len(right)} row(s), {seconds:.2f} s (judge {usual:.2f} s)"
    if said != right:
        detail += f"\n  proxy: {str(said)[:800]}\n  judge: {str(right)[:800]}"
    checks.check(f"query {title}:", said == right and is_filled, detail)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--scale", type=float, default=0.1, help="1 is six million line items")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of queries")
    arguments = parser.parse_args()
    checks = Checks()
    sections = ["[limits]", 'merge = "512MB"']
    for table, key in KEYS.items():
        sections += ["[[table]]", f'name = "{table}"', f'key = "{key}"']
    with temporary_cluster(arguments.pgbraid, "tpch", checks, sections=sections) as (shards, cluster):
        shards.sql(0, "CREATE DATABASE judge OWNER app")
        judge = psycopg.connect(host=shards.sockets, port=FIRST_PORT, user="app", dbname="judge", autocommit=True)
        proxy = cluster.connect(autocommit=True)
        prepare(checks, proxy, judge, Generator(arguments.scale, arguments.seed))
        for title, text in queries(arguments.scale):
            if not arguments.only or int(title.split()[0]) in arguments.only:
                compare(checks, cluster, proxy, judge, title, text)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
