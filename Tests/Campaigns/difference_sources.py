"""Random FROM clauses for difference.py."""

from difference_expressions import Expressions
from difference_tables import SQL_TYPES, TABLES, mark


class Sources(Expressions):
    def item(self, outer, depth):
        """(text, columns, alias) of one thing in FROM."""
        alias = self.name("t")
        pick = self.random.random()
        if self.tables and pick < 0.4:
            table = self.random.choice(list(self.tables))
            return f"{table} AS {alias}", [(f"{alias}.{name}", kind) for name, kind in self.tables[table].items() if kind in SQL_TYPES], alias
        if depth > 0 and pick > 0.85:
            text, kinds = self.select(outer, depth - 1, names=True)
            if not any(kind in SQL_TYPES for kind in kinds):
                return self.item(outer, depth - 1)
            return f"({text}) AS {alias}", [(f"{alias}.c{n}", kind) for n, kind in enumerate(kinds, 1) if kind in SQL_TYPES], alias
        if pick > 0.82:
            rows = ", ".join(f"({mark('int')}::int, {mark('txt')}::text)" for _ in range(3))
            return f"(VALUES {rows}) AS {alias}(user_id, v)", [(f"{alias}.user_id", "int"), (f"{alias}.v", "txt")], alias
        if pick > 0.80:
            return f"generate_series(0, 5) AS {alias}(user_id)", [(f"{alias}.user_id", "int")], alias
        table = self.random.choice([*TABLES, "users", "orders", "events"])
        return f"{table} AS {alias}", [(f"{alias}.{name}", kind) for name, kind in TABLES[table].items()], alias

    def source(self, outer, most, depth):
        """(text, columns, may `*` be written) of a FROM clause."""
        text, scope, alias = self.item(outer, depth)
        plain = True
        for _ in range(self.random.randint(0, most - 1)):
            before = scope
            if self.chance(0.1) and depth > 0:
                inner, kinds = self.select(scope, depth - 1, names=True, correlated=True)
                other = self.name("t")
                text += f" {self.choose('CROSS JOIN LATERAL', ',LATERAL')} ({inner}) AS {other}"
                scope = scope + [(f"{other}.c{n}", kind) for n, kind in enumerate(kinds, 1) if kind in SQL_TYPES]
                continue
            right, columns, other = self.item(outer, depth)
            scope = scope + columns
            keys = [(a, b) for a, _ in before for b, _ in columns if a.endswith("user_id") and b.endswith("user_id")]
            pairs = [(a, b) for a, kind in before for b, second in columns if kind == second or {kind, second} <= {"int", "big", "small"}]
            pairs = [pair for pair in pairs if pair[0] != "stat"]
            join = self.choose("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
            condition = " = ".join(self.random.choice(keys)) if keys and self.chance(0.7) else " = ".join(self.random.choice(pairs)) if pairs else None
            if len(keys) == 1 and len({a for a, _ in before if a.endswith(".user_id")}) == 1 and self.chance(0.25):
                text += f" {join} {right} USING (user_id)"
                scope = scope + [("user_id", "int")]
                plain = False
            elif condition is None or self.chance(0.07):
                text += f" CROSS JOIN {right}" if self.chance(0.5) else f" JOIN {right} ON {self.predicate(scope, 1)}"
            else:
                extra = f" AND {self.predicate(scope if join != 'FULL JOIN' else before, 0)}" if self.chance(0.25) and join != "FULL JOIN" else ""
                text += f" {join} {right} ON {condition}{extra}"
        return text, [column for column in scope if column[1] != "stat"], plain
