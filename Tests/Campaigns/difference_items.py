"""Random WITH in front of writing statements, and writing WITH items, for difference.py."""

from difference_changes import Changes
from difference_tables import KEYS, SQL_TYPES, TABLES


class Items(Changes):
    def change(self):
        """A writing statement."""
        self.tables, self.names, self.is_move, self.is_bound = {}, 0, False, False
        table = self.random.choice([*TABLES, *KEYS, *KEYS])
        pick = self.random.random()
        if pick < 0.15:
            return self.writing_with(table)
        head = ""
        if pick < 0.27:
            head = self.reading_with()
        return head + self.plain_change(table)

    def reading_with(self):
        text, kinds = self.select(depth=1, names=True)
        if any(kind in SQL_TYPES for kind in kinds):
            self.tables["w"] = {f"c{n}": kind for n, kind in enumerate(kinds, 1)}
        return f"WITH w AS {self.choose('', 'MATERIALIZED ')}({text}) "

    def writing_with(self, table):
        """A WITH item that writes, and a statement that reads its rows and perhaps writes another table."""
        make = self.choose(self.update, self.delete, self.delete, self.insert)
        head = f"WITH w AS ({make(table, must_return=True)}) "
        pick = self.random.random()
        if pick < 0.35:
            return head + self.select(depth=1)[0]
        if pick < 0.5:
            columns = ", ".join(f"{self.choose('count', 'min', 'max')}(c{n}::text)" for n in range(1, len(self.tables["w"]) + 1))
            return head + f"SELECT count(*), {columns} FROM w"
        other = self.random.choice([name for name in TABLES if name != table])
        return head + self.choose(self.insert, self.update, self.delete)(other)
