"""Random queries of the kind that applications send most, for difference.py: one table, some of its columns or sums over groups of
them, in an order of columns that need not be shown, page by page. What merges rows of shards does most of its work for them."""

from difference_aggregates import Aggregates
from difference_tables import KEYS, PRIMARY, TABLES, TYPES, mark

DIRECTIONS = ["", "", " DESC", " DESC", " NULLS FIRST", " ASC NULLS LAST", " DESC NULLS FIRST", " DESC NULLS LAST"]


class Simple(Aggregates):
    def simple(self):
        """(text, is its order total) of a whole query."""
        table, alias = self.random.choice([*KEYS, *KEYS, *KEYS, *TABLES]), self.name("t")
        scope = [(f"{alias}.{name}", kind) for name, kind in TABLES[table].items()]
        source = f"FROM {table} AS {alias}" + (f" WHERE {self.predicate(scope, 0)}" if self.chance(0.3) else "")
        if self.chance(0.45):
            return self.grouped(scope, source)
        columns = self.random.sample(scope, self.choose(1, 1, 2, 3))
        shown = ", ".join(text for text, _ in columns)
        if self.chance(0.5):
            return self.ordered(f"SELECT DISTINCT {shown} {source}", [str(n) for n in range(1, len(columns) + 1)])
        # A primary key at the end makes the order total.
        others = [text for text, _ in self.random.sample(scope, self.choose(0, 1, 2))]
        return self.ordered(f"SELECT {shown} {source}", others, [f"{alias}.{name}" for name in PRIMARY[table]])

    def grouped(self, scope, source):
        keys = self.random.sample(scope, self.choose(0, 1, 1, 2))
        # PostgreSQL finishes an average, and then all other columns with it.
        functions = ["count", "min", "bool", "sum"] + self.choose([], ["avg"])
        calls = [self.aggregate_of_column(scope, functions) for _ in range(self.choose(1, 2, 3))]
        shown, hidden = (keys + calls, []) if self.chance(0.75) else (calls, [text for text, _ in keys])
        by = f" GROUP BY {', '.join(text for text, _ in keys)}" if keys else ""
        having = f" HAVING {self.aggregate_of_column(scope, ['count', 'sum'])[0]} > {mark('int')}" if self.chance(0.1) else ""
        places = [str(n) for n, (_, kind) in enumerate(shown, 1) if kind != "stat"]
        if self.chance(0.25):
            places.append(self.aggregate_of_column(scope, ["count", "sum"])[0])
        return self.ordered(f"SELECT {', '.join(text for text, _ in shown)} {source}{by}{having}", places, hidden)

    def aggregate_of_column(self, scope, functions):
        """(text, type) of an aggregate of a column as it is."""
        column, kind = self.random.choice([column for column in scope if column[1] in TYPES and column[1] not in ("bool", "json", "pair")])
        truth = self.column("bool", scope) if self.chance(0.5) else None
        options = [("count", "count(*)", "big"), ("count", f"count({column})", "big"), ("min", f"{self.choose('min', 'max')}({column})", kind),
                   ("bool", f"{self.choose('bool_and', 'bool_or', 'every')}({truth or self.predicate(scope, 0)})", "bool")]
        for function, number, result in (("sum", "int", "big"), ("sum", "big", "num"), ("sum", "num", "num"), ("avg", "int", "num"), ("avg", "num", "num"),
                                         ("avg", "flt", "stat")):
            if self.column(number, scope):
                options.append((function, f"{function}({self.column(number, scope)})", result))
        _, text, result = self.random.choice([option for option in options if option[0] in functions])
        return text + (f" FILTER (WHERE {self.predicate(scope, 0)})" if self.chance(0.1) else ""), result

    def ordered(self, text, places, end=()):
        """The query in an order of `places`, shuffled, and then of `end`, and cut; or as it is."""
        if self.chance(0.2) or not places and not end:
            return text, False
        self.random.shuffle(places)
        return f"{text} ORDER BY {', '.join(place + self.random.choice(DIRECTIONS) for place in [*places, *end])}{self.cut()}", True

    def cut(self):
        """The end of a query that shows a part of its rows, or nothing."""
        limit = mark("count") if self.chance(0.3) else self.random.randint(0, 12)
        offset, some = mark("count") if self.chance(0.2) else self.random.randint(0, 6), self.random.randint(1, 9)
        return self.choose("", "", "", "", f" LIMIT {limit}", f" LIMIT {limit} OFFSET {offset}", f" OFFSET {offset}", f" OFFSET {offset} LIMIT {limit}",
                           f" FETCH FIRST {some} ROWS ONLY", f" FETCH FIRST {some} ROWS WITH TIES", f" OFFSET {offset} ROWS FETCH NEXT {some} ROWS ONLY")
