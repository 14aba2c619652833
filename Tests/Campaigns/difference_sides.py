"""The two sides of difference.py, the proxy and the judge: one statement on both, and what is counted and reported."""

import collections
import re

from psycopg import pq

from difference_comparison import depends_on_plan, difference, is_scale_only
from difference_grammar import Grammar
from difference_journal import Tally
from difference_session import Session
from difference_tables import TABLES, rows_of

# How many exchanges are told before the first finding of a piece.
HISTORY = 30
REFUSALS = {"0A000", "53400", "54001"}
SETTINGS = [
    "SET TimeZone = 'Europe/Berlin'", "SET TimeZone = 'America/New_York'", "SET DateStyle = 'SQL, DMY'", "SET extra_float_digits = 0",
    "SET IntervalStyle = 'iso_8601'", "SET enable_hashagg = off", "SET enable_hashjoin = off", "SET jit = off", "SET work_mem = '64kB'", "SET plan_cache_mode = force_generic_plan",
]


class Sides:
    """A piece of the campaign: `place` is the proxy's, `name` tells the piece in what is printed."""

    def __init__(self, random, place, judge_words, name, is_traced=False):
        self.random, self.place, self.name = random, place, name
        self.grammar = Grammar(self.random)
        self.words = place.words, judge_words
        # What was said last, and all of it when it is traced.
        self.said = collections.deque(maxlen=None if is_traced else HISTORY)
        self.tally = Tally()
        self.settings, self.writes = [], 0
        self.connect()
        self.load()

    def connect(self):
        self.proxy, self.judge = (Session(words, lambda text, outcome, side=side: self.said.append((side, text, outcome)))
                                  for words, side in zip(self.words, ("proxy", "judge")))
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

    def find(self, kind, text):
        """Counts a finding and prints it."""
        self.tally.findings[kind] += 1
        if self.tally.findings[kind] <= 3 or kind == "rows":
            print(f"FAIL {kind}, {self.name}, statement {self.tally.statements} {self.settings}\n  {text}", flush=True)
        if self.tally.findings.total() == 1:
            self.print_history()

    def print_history(self):
        for side, text, outcome in self.said:
            print(f"    {side}: {text[:1000]}\n        {str(outcome)[:150]}", flush=True)

    def report(self, what, text, mode, values, proxy, judge, is_ordered):
        if what == "rows" and is_scale_only(text, proxy.rows, judge.rows, is_ordered):
            self.tally.counts["ties of another scale"] += 1
            return
        kind = what if what == "rows" else f"{what}: {re.sub(r'[0-9]+', '#', str(proxy)[:60])} | {str(judge)[:5]}"
        self.find(kind, f"{mode}\n  {text}\n  values {[value for value, _ in values]}\n  proxy: {proxy}\n  judge: {judge}")

    def refuse(self, refused, text, is_error):
        self.tally.counts["refused, and an error of the judge" if is_error else "refused"] += 1
        if not is_error:
            message = re.sub(r'"[^"]*"', '"..."', f"{refused.message} ({refused.detail})")
            self.tally.refusals[message] += 1
            self.tally.note_example(message, text)
        return "refused"

    def note_answer(self, answer, subject, kind, mode):
        self.tally.settings[f"{self.place.count} shards, {mode[0]}, {'binary' if mode[2] else 'text'}"] += 1
        if answer.has_result:
            self.tally.answered[subject] += 1
            self.tally.filled[subject] += answer.is_filled
        # What a cursor fetches is not told by the counters.
        if subject in ("queries", "writes"):
            self.tally.plans[kind] += 1

    def outcome(self, text, values, mode, is_ordered, subject):
        """Runs a statement on both: "same", "refused", "apart" (one of them may have done it) or "finding". `subject`: what the statement is, for the counts."""
        theirs, ours = self.judge.call(text, values, mode), self.proxy.call(text, values, mode)
        kind, refused = self.place.kinds.since(), next((outcome for outcome in ours if outcome.code in REFUSALS), None)
        if refused and any(judge.code in REFUSALS for judge in theirs):
            self.tally.counts["both refuse"] += 1
            return "same"
        if refused:
            return self.refuse(refused, text, any(outcome.code for outcome in theirs))
        code = theirs[-1].code or theirs[0].code
        self.tally.counts["errors of both" if code else "answered"] += 1
        if code:
            self.tally.errors[f"{code} {re.sub(r'[0-9]+', '#', (theirs[-1].message or theirs[0].message)[:50])}"] += 1
        else:
            self.note_answer(theirs[-1], subject, kind, mode)
        for proxy, judge in zip(ours, theirs):
            if depends_on_plan(text, proxy, judge):
                self.tally.counts["errors that depend on the plan"] += 1
                return "same" if proxy.code == judge.code else "apart"
            if self.is_late_check(proxy, judge):
                self.tally.counts["unique keys checked late"] += 1
                return "refused"
            what = difference(proxy, judge, is_ordered)
            if what:
                self.report(what, text, mode, values, proxy, judge, is_ordered)
                return "finding"
        if len(ours) != len(theirs):
            self.report("answers", text, mode, values, ours[-1], theirs[-1], is_ordered)
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
