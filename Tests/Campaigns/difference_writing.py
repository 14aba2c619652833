"""What difference.py writes, and the whole tables compared afterwards."""

from difference_comparison import difference
from difference_random_writes import random_write
from difference_reading import PARAMETER_SHARES, Reading
from difference_sides import REFUSALS
from difference_tables import KEYS, TABLES, write


class Writing(Reading):
    def compare_tables(self, text):
        """All rows of the tables that a statement speaks of, or of all."""
        spoken = [table for table in TABLES if table in text]
        for table in spoken or TABLES:
            one, two = self.proxy.run(f"SELECT * FROM {table}"), self.judge.run(f"SELECT * FROM {table}")
            if difference(one, two, False):
                lost = [row for row in two.rows if row not in one.rows]
                more = [row for row in one.rows if row not in two.rows]
                self.find("tables", f"{table} is not the same after: {text}\n  {one.code} only judge {lost[:5]} only proxy {more[:5]}")
                return False
        return True

    def is_placed(self, text):
        """Whether all copies of a reference table are the same, and keys find their rows. Outside of blocks."""
        for table in TABLES:
            if table in KEYS:
                key = KEYS[table]
                whole = self.proxy.run(f"SELECT {key}, count(*) FROM {table} GROUP BY 1").rows
                wrong = [(value, count) for value, count in whole
                         if self.proxy.call(f"SELECT count(*) FROM {table} WHERE {key} = $1", [(value.decode(), "")], ("params", False, 0))[0].rows != [(count,)]]
            else:
                copies = self.place.rows_of_shards(f"SELECT * FROM {table}")
                wrong = [copy for copy in copies if copy != copies[0]]
            if wrong:
                self.find("places", f"{table} is not in its place after: {text}\n  {wrong[:3]}")
                return False
        return True

    def write_randomly(self):
        """A statement whose rows are the proxy's choice; the tables are filled anew after it."""
        text, table, is_told = random_write(self.random)
        kind = self.random.choice(["simple", "params"])
        before = self.proxy.run(f"SELECT * FROM {table}").rows
        answer = self.proxy.call(text, [], (kind, False, 0))[0]
        self.tally.counts["random writes refused" if answer.code in REFUSALS else "random writes"] += 1
        if answer.code in REFUSALS:
            message = f"random write: {answer.message} ({answer.detail})"
            self.tally.refusals[message] += 1
            self.tally.note_example(message, text)
        elif answer.code and answer.code not in ("23505", "23502", "21000"):
            self.find("random write", f"{text}\n  {answer}")
        after = self.proxy.run(f"SELECT * FROM {table}").rows
        told = [row for row in answer.rows if row not in after] if is_told else []
        kept = before != after and answer.code and sorted(map(str, before)) != sorted(map(str, after))
        if told or kept:
            self.find("rows that are not there" if told else "an error that changed rows", f"{text}\n  {answer}\n  {after[:8]}")
        self.is_placed(f"{text} {kind}")
        self.load()

    def change(self, count):
        """Writing statements; the judge always has a block, so that it can go back where the proxy refused."""
        sides = [self.judge, self.proxy] if count > 1 or self.random.random() < 0.5 else [self.judge]
        in_block = len(sides) == 2
        begin = self.random.choice(["BEGIN", "BEGIN", "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ"])
        for side in sides:
            side.run(begin)
        for _ in range(count):
            good = self.change_once(sides, in_block)
            if good and in_block and self.random.random() < 0.3:
                self.random.choice([self.read, self.read, self.copy, lambda: self.cursor(in_block=True)])()
            if not good or self.is_aborted():
                break
        end = "COMMIT" if not self.is_aborted() and (not in_block or self.random.random() < 0.3) else "ROLLBACK"
        for side in sides:
            code = side.run(end).code
            if code in REFUSALS and side is self.proxy:
                self.tally.counts["refused commits"] += 1
                good = False
            elif code:
                self.find(f"{end}: {code}", side.words)
        self.writes += 1
        is_good = good and self.compare_tables(end) and (self.random.random() < 0.85 or self.is_placed("several statements"))
        if self.writes > 20 or not is_good:
            self.load()

    def change_once(self, sides, in_block):
        """One statement behind a savepoint; false when the tables differ afterwards."""
        template, (kind, typed, result_format) = self.grammar.change(), self.mode()
        while self.grammar.is_move and not in_block:
            template = self.grammar.change()
        kind = kind if kind == "simple" else "prepared" if in_block else "params"
        mode = kind, typed, result_format
        text, values = write(self.random, template, 0 if kind == "simple" else self.random.choice(PARAMETER_SHARES))
        for side in sides:
            side.run("SAVEPOINT s")
        result = self.outcome(text, values, mode, False, "writes")
        if result != "same" or self.is_aborted():
            end = "ROLLBACK TO s"
        else:
            end = self.random.choice(["RELEASE s", "SAVEPOINT t", "SAVEPOINT t"])
        for side in sides:
            side.run(end)
        return result != "apart" and self.compare_tables(f"{text} {values} {mode} in block: {in_block}")
