"""Random INSERT, UPDATE, DELETE and MERGE for difference.py.

Which row of a join an UPDATE takes is PostgreSQL's freedom: where rows of FROM are assigned, at most one fits each target row.
"""

from difference_queries import Queries
from difference_tables import KEYS, PRIMARY, SQL_TYPES, TABLES, TYPES, mark


class Changes(Queries):
    # Whether the last statement changes sharding keys: unique keys are then checked later than PostgreSQL does (docs/limits.md).
    is_move = False

    def plain_change(self, table):
        make = self.choose(self.insert, self.update, self.update, self.delete, self.merge)
        return make(table)

    def columns_of(self, table, alias):
        return [(f"{alias}.{name}", kind) for name, kind in TABLES[table].items()]

    def returning(self, table, alias=None):
        if self.chance(0.5):
            return ""
        columns = self.columns_of(table, alias or table)
        depth = 1 if self.chance(0.7) else 2
        return " RETURNING " + self.choose(f"{alias or table}.*", ", ".join(self.expression(self.random.choice(TYPES[:-2]), columns, depth) for _ in range(2)))

    def forced_returning(self, table, alias=None):
        """RETURNING with names c1, c2 ..., whose types `tables` gets for the item `w`."""
        columns = [column for column in self.columns_of(table, alias or table) if column[1] in SQL_TYPES]
        chosen = self.random.sample(columns, self.choose(2, 3))
        if self.chance(0.7) and table in KEYS and all(not text.endswith("." + KEYS[table]) for text, _ in chosen):
            chosen[0] = next(column for column in columns if column[0].endswith("." + KEYS[table]))
        self.tables = {"w": {f"c{n}": kind for n, (_, kind) in enumerate(chosen, 1)}}
        return " RETURNING " + ", ".join(f"{text} AS c{n}" for n, (text, _) in enumerate(chosen, 1))

    # UPDATE and DELETE

    def assignments(self, table, scope, depth=1):
        """SET's list. Constants stand for sharding keys more often than not, so that rows move to few places and many."""
        free = [name for name in TABLES[table] if name not in PRIMARY[table]]
        chosen = self.random.sample(free, self.choose(1, 1, 2))
        sets = [f"{name} = {self.expression(TABLES[table][name], scope, self.choose(depth, depth, 2))}" for name in chosen]
        if table not in KEYS or not self.chance(0.15):
            return sets
        self.is_move = True
        key = KEYS[table]
        old = next(text for text, _ in scope if text.endswith("." + key))
        new = [f"{old} || 'x'", f"left({old}, 1)"] if key == "word" else [f"{old} + 100", f"{old} * 3 + 50", f"-{old} - 70"]
        new += [mark(TABLES[table][key]), self.expression(TABLES[table][key], scope, 1)]
        return [f"{key} = {self.random.choice(new)}"] + (sets if self.chance(0.4) else [])

    def single(self, table, scope):
        """Keys that leave one row."""
        values = " AND ".join(f"{text} = {mark(kind)}" for text, kind in scope if text.split(".")[1] in PRIMARY[table])
        return values

    def unique_source(self, own):
        """(text, columns, condition): rows of which at most one fits each row of the target."""
        alias, pick = self.name("t"), self.random.random()
        if pick < 0.45:
            table = self.random.choice(list(TABLES))
            scope = self.columns_of(table, alias)
            ties = [f"{alias}.{name} = {self.column(kind, own) or mark(kind)}" for name, kind in TABLES[table].items() if name in PRIMARY[table]]
            keys = [text for text, _ in own if text.endswith("user_id")]
            if keys and PRIMARY[table][0] == "user_id" and self.chance(0.6):
                ties[0] = f"{alias}.user_id = {keys[0]}"
            return f"{table} AS {alias}", scope, " AND ".join(ties)
        key, kind = self.random.choice([column for column in own if column[1] in ("int", "txt", "big", "date")] or own[:1])
        if pick < 0.6:
            rows = ", ".join(f"({n}, {mark('txt')}::text)" for n in self.random.sample(range(-1, 8), 3))
            key = self.column("int", own) or mark("int")
            return f"(VALUES {rows}) AS {alias}(user_id, v)", [(f"{alias}.user_id", "int"), (f"{alias}.v", "txt")], f"{alias}.user_id = {key}"
        source, scope, _ = self.source((), self.choose(1, 1, 2), 1)
        inner = self.column(kind, scope) or self.expression(kind, scope, 1)
        call, result = self.aggregate(scope)
        shape = f"SELECT {inner} AS k, {call} AS m, count(*) AS n FROM {source}"
        if self.chance(0.5):
            shape += f" WHERE {self.predicate(scope, 1)}"
        columns = [(f"{alias}.k", kind), (f"{alias}.n", "big")] + ([(f"{alias}.m", result)] if result in SQL_TYPES else [])
        return f"({shape} GROUP BY 1) AS {alias}", columns, f"{alias}.k = {key}"

    def update(self, table, must_return=False):
        alias = self.name("t")
        own = self.columns_of(table, alias)
        source, scope, ties, pick = "", own, [], self.random.random()
        if pick < 0.35:
            text, columns, tie = self.unique_source(own)
            source, scope, ties = f" FROM {text}", own + columns, [tie]
        elif pick < 0.5:
            text, columns, _ = self.source((), self.choose(1, 2), 1)
            source, ties = f" FROM {text}", [self.correlation(own, columns)]
        sets = self.assignments(table, scope)
        if self.chance(0.1) and not self.is_move:
            free = self.random.sample([name for name in TABLES[table] if name not in PRIMARY[table]], 2)
            inner, columns, _ = self.source(own, 1, 1)
            values = ", ".join(f"max({self.expression(kind, columns, 0)})" if kind not in ("bool", "json", "rng", "pair")
                               else f"min({self.expression(kind, columns, 0)}::text)::{SQL_TYPES[kind]}" for kind in (TABLES[table][name] for name in free))
            sets = [f"({', '.join(free)}) = (SELECT {values} FROM {inner} WHERE {self.correlation(columns, own)})"]
        if self.is_move and self.chance(0.5):
            ties.append(self.single(table, own))
        elif not ties or self.chance(0.6):
            ties.append(self.predicate(scope, self.choose(0, 1, 2)))
        where = " AND ".join(f"({tie})" for tie in ties)
        end = self.forced_returning(table, alias) if must_return else self.returning(table, alias)
        return f"UPDATE {table} AS {alias} SET {', '.join(sets)}{source} WHERE {where}{end}"

    def delete(self, table, must_return=False):
        alias = self.name("t")
        own = self.columns_of(table, alias)
        source, where = "", self.predicate(own)
        if self.chance(0.4):
            text, columns, _ = self.source((), self.choose(1, 1, 2), 1)
            source, where = f" USING {text}", f"{self.correlation(own, columns)} AND ({self.predicate(own + columns, self.choose(0, 1))})"
        end = self.forced_returning(table, alias) if must_return else self.returning(table, alias)
        return f"DELETE FROM {table} AS {alias}{source} WHERE {where}{end}"

    # INSERT

    def insert(self, table, must_return=False):
        columns, names = TABLES[table], ", ".join(TABLES[table])
        if self.chance(0.5):
            rows = ", ".join("(" + ", ".join("NULL" if name not in PRIMARY[table] and self.chance(0.15) else self.value(kind) for name, kind in columns.items()) + ")"
                             for _ in range(self.choose(1, 1, 2, 4)))
            text = f"INSERT INTO {table} ({names}) VALUES {rows}"
        elif self.chance(0.4):
            # Of two rows with one key ON CONFLICT takes either.
            source = self.random.choice([name for name in TABLES if PRIMARY[name][0] == PRIMARY[table][0] and len(PRIMARY[name]) <= len(PRIMARY[table])])
            scope = self.columns_of(source, source)
            values = [f"{source}.{name}" if name == PRIMARY[table][0] else f"{source}.id + 20" if name == "id" and "id" in TABLES[source]
                      else self.expression(kind, scope, 1) for name, kind in columns.items()]
            text = f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM {source}" + (f" WHERE {self.predicate(scope)}" if self.chance(0.5) else "")
        else:
            query, _ = self.select(depth=1, kinds=list(columns.values()))
            text = f"INSERT INTO {table} ({names}) {query} ORDER BY {', '.join(str(n) for n in range(1, len(columns) + 1))}"
            if self.chance(0.4):
                text += f" LIMIT {self.random.randint(1, 9)}"
        if self.chance(0.6):
            target = f"({', '.join(PRIMARY[table])})"
            name = self.random.choice([name for name in columns if name not in PRIMARY[table]])
            kind, own = columns[name], self.columns_of(table, table)
            text += " ON CONFLICT " + self.choose(
                "DO NOTHING", f"{target} DO NOTHING", f"{target} DO UPDATE SET {name} = excluded.{name}",
                f"{target} DO UPDATE SET {name} = coalesce({table}.{name}, excluded.{name}) WHERE {table}.{name} IS NOT NULL",
                f"{target} DO UPDATE SET {name} = {self.expression(kind, own, 2)} WHERE {self.predicate(own, 1)}")
        return text + (self.forced_returning(table) if must_return else self.returning(table))

    def value(self, kind):
        return mark(kind) if self.chance(0.93) else self.expression(kind, [], 2)

    # MERGE

    def merge(self, table):
        alias = self.name("t")
        own = self.columns_of(table, alias)
        text, columns, tie = self.unique_source(own)
        scope, actions = own + columns, []
        for _ in range(self.choose(1, 1, 2)):
            condition = f" AND {self.predicate(scope, self.choose(0, 1))}" if self.chance(0.5) else ""
            sets = [f"{name} = {self.expression(TABLES[table][name], scope, 1)}"
                    for name in self.random.sample([name for name in TABLES[table] if name not in PRIMARY[table]], self.choose(1, 2))]
            actions.append(f"WHEN MATCHED{condition} THEN " + self.choose("DO NOTHING", "DELETE", *[f"UPDATE SET {', '.join(sets)}"] * 3))
        if self.chance(0.5):
            condition = f" AND {self.predicate(columns, self.choose(0, 1))}" if self.chance(0.4) else ""
            values = [self.expression(kind, columns, 0) for kind in TABLES[table].values()]
            keys = [column for column, _ in columns if column.endswith("user_id")]
            if keys and PRIMARY[table][0] == "user_id" and self.chance(0.8):
                values[0] = keys[0]
            actions.append(f"WHEN NOT MATCHED{condition} THEN INSERT ({', '.join(TABLES[table])}) VALUES ({', '.join(values)})")
        return f"MERGE INTO {table} AS {alias} USING {text} ON {tie} {' '.join(actions)}"
