#!/usr/bin/python3
"""Looks for answers of pgbraid that are not those of one PostgreSQL.

Random statements (difference_grammar.py) go to the proxy over four shards and to a judge, a database of its own with the
same rows. Rows, column names and types, command tags, parameter types and SQLSTATEs must be the same; the proxy may refuse
(0A000, 53400, 54001) what the judge answers, and what it refuses most is printed. Writing statements run in blocks with
savepoints and outside, and whole tables are compared after them. The session's settings change now and then.

Every finding is printed with both answers; the same seed makes the same statements. The last line is `N passed, M failed`.
"""

import argparse
import collections
import math
import random
import re
import struct
import sys
import time

from psycopg import pq

import shards as cluster
from difference_grammar import KEYS, TABLES, Grammar, quote, rows_of, schema, write

REFUSALS = {"0A000", "53400", "54001"}
SETTINGS = [
    "SET TimeZone = 'Europe/Berlin'", "SET TimeZone = 'America/New_York'", "SET DateStyle = 'SQL, DMY'", "SET extra_float_digits = 0",
    "SET IntervalStyle = 'iso_8601'", "SET enable_hashagg = off", "SET enable_hashjoin = off", "SET jit = off", "SET work_mem = '64kB'", "SET plan_cache_mode = force_generic_plan",
]
# Which row's error comes first is PostgreSQL's freedom.
RACES = {"23502", "23505", "21000"}
# Collations that do not fit each other: where that is noticed depends on the plan.
BY_PLAN = {"42P22"}
# How many of a statement's values become parameters.
PARAMETER_SHARES = [0, 0, 0.5, 1]
FLOATS = {700: ">f", 701: ">d"}


OIDS = {"integer": 23, "smallint": 21, "bigint": 20, "numeric": 1700, "float8": 701, "text": 25, "timestamptz": 1184, "date": 1082,
        "boolean": 16, "jsonb": 3802, "integer[]": 1007, "int4range": 3904}


class Outcome:
    """What a server answered."""

    def __init__(self, result):
        self.code = result.error_field(pq.DiagnosticField.SQLSTATE)
        self.code = self.code.decode() if self.code else None
        self.message = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode()
        self.detail = (result.error_field(pq.DiagnosticField.MESSAGE_DETAIL) or b"").decode()
        # Not their modifiers: an expression's depends on what PostgreSQL folded before.
        self.columns = [(result.fname(n), result.ftype(n), result.fformat(n)) for n in range(result.nfields)]
        self.rows = [tuple(self._value(result.get_value(row, n), n) for n in range(result.nfields)) for row in range(result.ntuples)]
        self.tag = result.command_status
        self.parameters = [result.param_type(n) for n in range(result.nparams)]

    def _value(self, value, column):
        _, kind, is_binary = self.columns[column]
        if value is None or kind not in FLOATS:
            return value
        try:
            return struct.unpack(FLOATS[kind], value)[0] if is_binary else float(value)
        except (struct.error, ValueError):
            return value

    def __str__(self):
        return f"{self.code} {self.message}" if self.code else f"{self.tag} {[column[:2] for column in self.columns]} {self.rows[:12]}"


def is_same(one, two):
    if isinstance(one, float) and isinstance(two, float):
        return (math.isnan(one) and math.isnan(two)) or math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-9)
    return one == two


def order_of_row(row):
    return [(value is not None, format(value, ".12g") if isinstance(value, float) else value.hex() if value is not None else "") for value in row]


def difference(proxy, judge, is_ordered):
    """What is not the same, or None."""
    if BY_PLAN & {proxy.code, judge.code}:
        return None
    if proxy.code != judge.code and not {proxy.code, judge.code} <= RACES:
        return "SQLSTATE"
    if proxy.code:
        return None
    if proxy.columns != judge.columns:
        return "columns"
    if proxy.tag != judge.tag:
        return "tag"
    if proxy.parameters != judge.parameters:
        return "parameters"
    left, right = proxy.rows, judge.rows
    if not is_ordered:
        left, right = sorted(left, key=order_of_row), sorted(right, key=order_of_row)
    if len(left) != len(right) or not all(is_same(a, b) for one, two in zip(left, right) for a, b in zip(one, two)):
        return "rows"
    return None


def is_scale_only(one, two):
    """Equal numbers of different scale (1.5 and 1.50) in a tie are both right."""
    def shorten(value):
        is_number = isinstance(value, bytes) and re.fullmatch(rb"-?\d+\.\d+", value)
        return value.rstrip(b"0").rstrip(b".") if is_number else value

    one, two = ([[shorten(value) for value in row] for row in rows] for rows in (one, two))
    return sorted(one, key=order_of_row) == sorted(two, key=order_of_row)


class Session:
    """One connection, without a driver's own ideas."""

    def __init__(self, words):
        self.connection, self.calls = pq.PGconn.connect(words.encode()), 0
        if self.connection.status != pq.ConnStatus.OK:
            raise RuntimeError(self.connection.error_message.decode())

    def run(self, text):
        result = self.connection.exec_(text.encode())
        if self.connection.status != pq.ConnStatus.OK:
            raise RuntimeError(f"connection lost by {text}")
        return Outcome(result)

    def call(self, text, values, mode):
        """`mode`: (kind, are types given, format of rows)."""
        kind, typed, result_format = mode
        if kind == "simple":
            return [self.run(text)]
        data = [None if value is None else value.encode() for value, _ in values]
        self.calls += 1
        name = f"s{self.calls}".encode()
        types = [OIDS.get(name, 0) if typed else 0 for _, name in values]
        if kind == "params":
            return [Outcome(self.connection.exec_params(text.encode(), data, types, None, result_format))]
        if kind == "sql":
            made = self.run(f"PREPARE {name.decode()} AS {text}")
            return [made] if made.code else [made, self.run(f"EXECUTE {name.decode()}{arguments(values)}")]
        made = Outcome(self.connection.prepare(name, text.encode(), types))
        if made.code:
            return [made]
        answers = [made, Outcome(self.connection.describe_prepared(name))]
        return answers + [Outcome(self.connection.exec_prepared(name, data, None, result_format)) for _ in range(2 if kind == "twice" else 1)]


def arguments(values):
    """Those of EXECUTE."""
    literals = ["NULL" if value is None else quote(value) for value, _ in values]
    return f" ({', '.join(literals)})" if values else ""


class Campaign:
    def __init__(self, seed, proxy_words, judge_words):
        self.random = random.Random(seed)
        self.grammar = Grammar(self.random)
        self.words = proxy_words, judge_words
        self.counts, self.errors, self.refusals, self.kinds = (collections.Counter() for _ in range(4))
        self.examples = {}
        self.findings, self.settings, self.writes = 0, [], 0
        self.connect()
        for statement in schema():
            self.both(statement)
        self.load()

    def connect(self):
        self.proxy, self.judge = (Session(words) for words in self.words)
        self.settings = self.random.sample(SETTINGS, self.random.choice([0, 0, 1, 2]))
        for setting in ["SET timezone = 'UTC'", *self.settings]:
            self.both(setting)

    def both(self, text):
        one, two = self.proxy.run(text), self.judge.run(text)
        if one.code or two.code:
            raise RuntimeError(f"{text}: {one} | {two}")

    def load(self):
        self.writes = 0
        for table in TABLES:
            self.both(f"TRUNCATE {table}")
            self.both(rows_of(self.random, table))

    def report(self, what, text, mode, values, proxy, judge):
        if what == "rows" and is_scale_only(proxy.rows, judge.rows):
            self.counts["ties of another scale"] += 1
            return
        self.findings += 1
        kind = what if what == "rows" else f"{what}: {re.sub(r'[0-9]+', '#', str(proxy)[:60])} | {str(judge)[:5]}"
        self.kinds[kind] += 1
        if self.kinds[kind] > 3 and what != "rows":
            return
        print(f"FAIL {kind} {mode} {self.settings}\n  {text}\n  values {[value for value, _ in values]}\n  proxy: {proxy}\n  judge: {judge}",
              flush=True)

    def outcome(self, text, values, mode, is_ordered):
        """Runs a statement on both: "same", "refused" or "finding"."""
        theirs, ours = self.judge.call(text, values, mode), self.proxy.call(text, values, mode)
        refused = next((outcome for outcome in ours if outcome.code in REFUSALS), None)
        if refused and any(judge.code in REFUSALS for judge in theirs):
            self.counts["both refuse"] += 1
            return "same"
        if refused:
            if any(outcome.code for outcome in theirs):
                self.counts["refused, and an error of the judge"] += 1
            else:
                message = re.sub(r'"[^"]*"', '"..."', f"{refused.message} ({refused.detail})")
                self.counts["refused"] += 1
                self.refusals[message] += 1
                if len(text) < len(self.examples.get(message, "x" * 9999)):
                    self.examples[message] = text
            return "refused"
        code = theirs[-1].code or theirs[0].code
        if code:
            self.errors[f"{code} {re.sub(r'[0-9]+', '#', (theirs[-1].message or theirs[0].message)[:50])}"] += 1
        self.counts["errors of both" if theirs[-1].code or theirs[0].code else "answered"] += 1
        for proxy, judge in zip(ours, theirs):
            what = difference(proxy, judge, is_ordered)
            if what:
                self.report(what, text, mode, values, proxy, judge)
                return "finding"
        if len(ours) != len(theirs):
            self.report("answers", text, mode, values, ours[-1], theirs[-1])
            return "finding"
        return "same"

    def mode(self):
        kind = self.random.choice(["simple", "simple", "params", "prepared", "twice", "sql"])
        return kind, self.random.random() < 0.5, 0 if kind in ("simple", "sql") else self.random.choice([0, 1])

    def read(self):
        template, is_ordered = self.grammar.query()
        for _ in range(self.random.choice([1, 1, 3])):
            mode = self.mode()
            text, values = write(self.random, template, 0 if mode[0] == "simple" else self.random.choice(PARAMETER_SHARES))
            if self.outcome(text, values, mode, is_ordered) != "same":
                break

    def compare_tables(self, text):
        for table in TABLES:
            one, two = self.proxy.run(f"SELECT * FROM {table}"), self.judge.run(f"SELECT * FROM {table}")
            if difference(one, two, False):
                lost = [row for row in two.rows if row not in one.rows]
                more = [row for row in one.rows if row not in two.rows]
                self.findings += 1
                print(f"FAIL {table} is not the same after: {text}\n  {one.code} only judge {lost[:5]} only proxy {more[:5]}", flush=True)
                return False
        return True

    def is_aborted(self):
        return pq.TransactionStatus.INERROR in (self.judge.connection.transaction_status, self.proxy.connection.transaction_status)

    def change(self, count):
        """Writing statements; the judge always has a block, so that it can go back where the proxy refused."""
        sides = [self.judge, self.proxy] if count > 1 or self.random.random() < 0.5 else [self.judge]
        in_block = len(sides) == 2
        for side in sides:
            side.run("BEGIN")
        for _ in range(count):
            good = self.change_once(sides, in_block)
            if good and in_block and self.random.random() < 0.3:
                self.read()
            if not good or self.is_aborted():
                break
        end = "COMMIT" if not self.is_aborted() and (not in_block or self.random.random() < 0.3) else "ROLLBACK"
        for side in sides:
            code = side.run(end).code
            if code:
                self.findings += 1
                print(f"FAIL {end}: {code}", flush=True)
        self.writes += 1
        if self.writes > 20 or not self.compare_tables(end) or not good:
            self.load()

    def change_once(self, sides, in_block):
        """One statement behind a savepoint; false when the tables differ afterwards."""
        template, (kind, typed, result_format) = self.grammar.change(), self.mode()
        kind = kind if kind == "simple" else "prepared" if in_block else "params"
        mode = kind, typed, result_format
        text, values = write(self.random, template, 0 if kind == "simple" else self.random.choice(PARAMETER_SHARES))
        for side in sides:
            side.run("SAVEPOINT s")
        result = self.outcome(text, values, mode, False)
        if result != "same" or self.is_aborted():
            end = "ROLLBACK TO s"
        else:
            end = self.random.choice(["RELEASE s", "SAVEPOINT t", "SAVEPOINT t"])
        for side in sides:
            side.run(end)
        return self.compare_tables(f"{text} {values} {mode} in block: {in_block}")

    def run(self, statements):
        begun, next_time = time.monotonic(), 0
        while sum(self.counts.values()) < statements:
            if self.random.random() < 0.02:
                self.connect()
            if self.random.random() < 0.15:
                self.change(self.random.choice([1, 1, 1, 4]))
            else:
                self.read()
            if time.monotonic() - begun > next_time:
                next_time += 60
                print(dict(self.counts), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--statements", type=int, default=10000)
    parser.add_argument("--first-port", type=int, default=cluster.FIRST_PORT)
    parser.add_argument("--proxy-port", type=int, default=cluster.PROXY_PORT)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    cluster.FIRST_PORT, cluster.PROXY_PORT = options.first_port, options.proxy_port
    keys = [f'[[table]]\nname = "{table}"\nkey = "{key}"' for table, key in KEYS.items() if key != "user_id"]
    checks = cluster.Checks()
    with cluster.temporary_cluster(options.pgbraid, "difference", checks, keys) as (shards, proxy):
        shards.sql(0, "CREATE DATABASE judge OWNER app")
        campaign = Campaign(seed, f"host={proxy.sockets} port={cluster.PROXY_PORT} user=app dbname=postgres",
                            f"host={shards.sockets} port={cluster.FIRST_PORT} user=app dbname=judge")
        campaign.run(options.statements)
    total = sum(campaign.counts.values())
    for name, count in campaign.counts.most_common():
        print(f"{count:7} {count / total:6.1%} {name}")
    for message, count in campaign.refusals.most_common(25):
        print(f"{count:7} {message}\n        {campaign.examples[message][:300]}")
    for message, count in campaign.errors.most_common(12):
        print(f"{count:7} error {message}")
    for kind, count in campaign.kinds.most_common():
        print(f"{count:7} {kind}")
    print(f"{total - campaign.findings} passed, {campaign.findings} failed")
    return 1 if campaign.findings else 0


if __name__ == "__main__":
    sys.exit(main())
