"""The two sides of difference.py, the proxy and the judge: one statement on both, and what is counted and reported."""

import collections
import random
import re

from psycopg import pq

from difference_grammar import Grammar
from difference_session import Session, difference, is_scale_only
from difference_tables import TABLES, rows_of, schema, types

REFUSALS = {"0A000", "53400", "54001"}
SETTINGS = [
    "SET TimeZone = 'Europe/Berlin'", "SET TimeZone = 'America/New_York'", "SET DateStyle = 'SQL, DMY'", "SET extra_float_digits = 0",
    "SET IntervalStyle = 'iso_8601'", "SET enable_hashagg = off", "SET enable_hashjoin = off", "SET jit = off", "SET work_mem = '64kB'", "SET plan_cache_mode = force_generic_plan",
]


class Sides:
    def __init__(self, seed, proxy_words, judge_words, shards):
        self.random = random.Random(seed)
        self.grammar = Grammar(self.random)
        self.words, self.shards = (proxy_words, judge_words), shards
        self.counts, self.errors, self.refusals, self.kinds = (collections.Counter() for _ in range(4))
        self.examples = {}
        self.findings, self.settings, self.writes, self.filled = 0, [], 0, 0
        self.connect()
        for statement in types():
            self.judge.run(statement)
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
            self.both(f"DELETE FROM {table}")
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
        self.filled += bool(theirs[-1].rows or theirs[-1].copied)
        for proxy, judge in zip(ours, theirs):
            if self.is_late_check(proxy, judge):
                self.counts["unique keys checked late"] += 1
                return "refused"
            what = difference(proxy, judge, is_ordered)
            if what:
                self.report(what, text, mode, values, proxy, judge)
                return "finding"
        if len(ours) != len(theirs):
            self.report("answers", text, mode, values, ours[-1], theirs[-1])
            return "finding"
        return "same"

    def is_late_check(self, proxy, judge):
        """Of rows that move unique keys are checked when all have left their places."""
        return self.grammar.is_move and judge.code == "23505" and proxy.code is None

    def mode(self):
        kind = self.random.choice(["simple", "simple", "params", "prepared", "twice", "sql"])
        return kind, self.random.random() < 0.5, 0 if kind in ("simple", "sql") else self.random.choice([0, 1])

    def is_aborted(self):
        return pq.TransactionStatus.INERROR in (self.judge.connection.transaction_status, self.proxy.connection.transaction_status)
