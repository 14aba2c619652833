"""What difference.py reads: queries, cursors, COPY."""

from psycopg import pq

from difference_sides import Sides
from difference_tables import write

# How many of a statement's values become parameters.
PARAMETER_SHARES = [0, 0, 0.5, 1]


class Reading(Sides):
    def query(self):
        """A query and whether its order is total. One that has no rows is drawn anew, once: an empty answer shows little."""
        template, is_ordered = self.grammar.query()
        # An error would end a block.
        if self.judge.connection.transaction_status == pq.TransactionStatus.IDLE and not self.judge.run(write(self.random, template, 0)[0]).rows:
            template, is_ordered = self.grammar.query()
        return template, is_ordered

    def read(self):
        template, is_ordered = self.query()
        for _ in range(self.random.choice([1, 1, 3])):
            mode = self.mode()
            text, values = write(self.random, template, 0 if mode[0] == "simple" else self.random.choice(PARAMETER_SHARES))
            if self.outcome(text, values, mode, is_ordered, "queries") != "same":
                break

    def cursor(self, in_block=False):
        """A cursor, and movements of it."""
        template, is_ordered = self.query()
        if not is_ordered:
            return
        declaration, is_scroll = self.grammar.declaration()
        text, values = write(self.random, declaration + template, 0)
        if not in_block:
            for side in (self.judge, self.proxy):
                side.run("BEGIN" if self.random.random() < 0.8 else "BEGIN ISOLATION LEVEL REPEATABLE READ")
        for side in (self.judge, self.proxy):
            side.run("SAVEPOINT cursor")
        if self.outcome(text, values, ("simple", False, 0), True, "cursors") == "same" and not self.is_aborted():
            is_held = "WITH HOLD" in declaration and not in_block
            for n, movement in enumerate(self.grammar.movements(is_scroll)):
                if n == 2 and is_held and self.random.random() < 0.7:
                    for side in (self.judge, self.proxy):
                        side.run("COMMIT")
                mode = self.random.choice([("simple", False, 0), ("params", False, 0), ("prepared", False, 0)] * 3 + [("params", False, 1)])
                if self.outcome(f"{movement} /* {text} */", [], mode, True, "cursors") != "same" or self.is_aborted():
                    break
            if not self.is_aborted():
                self.outcome("CLOSE c", [], ("simple", False, 0), True, "cursors")
        for side in (self.judge, self.proxy):
            side.run("ROLLBACK TO cursor" if in_block else "ROLLBACK")
            if not in_block:
                side.run("CLOSE ALL")

    def copy(self):
        template, is_ordered = self.query()
        text, values = write(self.random, f"COPY ({template}) TO STDOUT{self.grammar.copy_options()}", 0)
        self.outcome(text, values, ("simple", False, 0), is_ordered, "copies")
