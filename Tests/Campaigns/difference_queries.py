"""Random queries for difference.py."""

import re

from difference_simple import DIRECTIONS, Simple
from difference_tables import MARK, SQL_TYPES, TYPES, mark

# What may make a column a constant to PostgreSQL.
CONSTANT = re.compile(" = (?:ANY|[(]?\x01)|IN [(]|NOT DISTINCT| IS TRUE")


class Queries(Simple):
    # Whether the tables of the query are bound to one key each, so that most likely one shard answers.
    is_bound = False

    def binding(self, scope):
        """A condition that binds the sharding keys."""
        users, words = [[text for text, _ in scope if text.endswith(end)] for end in (".user_id", ".word")]
        ties = [f"{text} = {users[0]}" for text in users[1:]]
        return " AND ".join([f"{text} = {mark(kind)}" for text, kind in [*((text, "int") for text in users[:1]), *((text, "txt") for text in words)]] + ties)

    def alias(self, texts, names):
        return ", ".join(f"{text} AS c{n}" if names else f"{text} AS {self.choose('x', 'user_id', 'y')}{n}" if self.chance(0.2) else text
                         for n, text in enumerate(texts, 1))

    def select(self, outer=(), depth=2, names=False, kinds=None, correlated=False):
        """(text, types of its columns) of a SELECT without ORDER BY, or with a LIMIT within it and a total order."""
        source, scope, plain = self.source(outer if correlated else (), self.choose(1, 1, 2, 2, 3) if depth > 0 else 1, depth)
        where = ""
        if correlated:
            where = f" WHERE {self.correlation(scope, outer)}"
        elif self.chance(0.6):
            where = f" WHERE {self.predicate(scope + list(outer if self.chance(0.3) and correlated else ()))}"
        binding = self.binding(scope) if self.is_bound and not correlated else ""
        if binding:
            where = f" WHERE {binding}" + (f" AND ({where.removeprefix(' WHERE ')})" if where else "")
        pick = self.random.random()
        tail = ""
        if kinds:
            texts, distinct = [self.expression(kind, scope) for kind in kinds], self.choose("", "", "DISTINCT ")
        elif pick < 0.4:
            kinds = [self.random.choice(TYPES) for _ in range(self.random.randint(1, 4))]
            texts, distinct = [self.expression(kind, scope) for kind in kinds], self.choose("", "", "DISTINCT ")
            # Subqueries may have columns that are shown and never used, and no order is over them.
            if plain and not names and self.chance(0.15) and "SELECT" not in source and " w AS" not in f" {source}":
                texts, kinds, distinct = ["*"], [kind for _, kind in scope], ""
        elif pick < 0.48:
            columns = [self.random.choice(scope) for _ in range(3)]
            texts, kinds = [text for text, _ in columns], [kind for _, kind in columns]
            # -3.1 and -3.10 are equal, and may be shown as text.
            ends = [f"({text})::text" for text, kind in columns if kind in ("num", "json")]
            distinct = f"DISTINCT ON ({texts[0]}) "
            tail = f" ORDER BY {texts[0]} {self.choose('', 'DESC')}, {', '.join(texts[1:])} DESC" + "".join(f", {end}" for end in ends)
        elif pick < 0.60:
            columns = [self.random.choice(scope), self.window(scope)] + ([self.window(scope)] if self.chance(0.3) else [])
            texts, kinds, distinct = [text for text, _ in columns], [kind for _, kind in columns], ""
        else:
            keys = [self.random.choice(scope) for _ in range(self.random.randint(0, 2))]
            if keys and self.chance(0.3):
                kind = self.choose("int", "txt", "date")
                keys[0] = (self.expression(kind, scope, 1) if self.chance(0.8) else self.choose("1", "2") if kind == "int" else mark(kind), kind)
            columns = keys + [self.aggregate(scope) for _ in range(self.random.randint(1, 3))]
            texts, kinds, distinct = [text for text, _ in columns], [kind for _, kind in columns], self.choose("", "", "", "DISTINCT ")
            if keys:
                by = [text if not MARK.search(text) and text in [column for column, _ in scope] else str(n) for n, text in enumerate(texts[:len(keys)], 1)]
                both = ", ".join(by)
                # PostgreSQL 15 leaves a constant out of ORDER BY and DISTINCT, although grouping sets make NULLs of it; conditions make them, and equal columns, too.
                is_constant = not any(text in texts[0] for text, _ in scope) or CONSTANT.search(where) or " = " in source or "USING" in source
                tail = " GROUP BY " + (self.choose(f"ROLLUP ({both})", f"CUBE ({both})", f"GROUPING SETS (({both}), ())", f"GROUPING SETS (({by[0]}), ({by[-1]}))")
                                       if self.chance(0.25) and not is_constant else both)
            if self.chance(0.25):
                tail += f" HAVING {self.choose('count(*)', 'max(' + self.expression('int', scope, 0) + ')')} >= {mark('int')}"
            if self.chance(0.2):
                texts.append(f"{self.aggregate_number(scope)} + {self.aggregate_number(scope)} * 2")
                kinds = kinds + ["num"]
        text = f"SELECT {distinct}{self.alias(texts, names) if texts != ['*'] else '*'} FROM {source}{where}{tail}"
        if names and "ORDER BY" not in tail and self.chance(0.12):
            text += f" ORDER BY {', '.join(str(n) for n in range(1, len(kinds) + 1))} LIMIT {self.random.randint(0, 6)}"
        return text, kinds

    def aggregate_number(self, scope):
        return self.random.choice([f"sum({self.expression('int', scope, 0)})", "count(*)", f"max({self.expression('num', scope, 0)})", f"avg({self.expression('int', scope, 0)})"])

    def order(self, kinds):
        places = [str(n) for n, kind in enumerate(kinds, 1) if kind != "stat"]
        self.random.shuffle(places)
        places += [str(n) for n, kind in enumerate(kinds, 1) if kind == "stat"]
        return ", ".join(place + self.random.choice(DIRECTIONS) for place in places)

    def query(self):
        """(text, is its order total) of a whole query."""
        self.tables, self.names, head, self.is_bound = {}, 0, "", self.chance(0.15)
        if self.chance(0.25):
            return self.simple()
        if self.chance(0.15):
            text, kinds = self.select(depth=1, names=True)
            head = f"WITH w AS {self.choose('', '', 'MATERIALIZED ', 'NOT MATERIALIZED ')}({text}) "
            if any(kind in SQL_TYPES for kind in kinds):
                self.tables["w"] = {f"c{n}": kind for n, kind in enumerate(kinds, 1)}
        if self.chance(0.15):
            kinds = [self.random.choice(TYPES[:-2]) for _ in range(self.random.randint(1, 3))]
            parts = [self.select(depth=1, kinds=kinds)[0] for _ in range(self.choose(2, 2, 3))]
            text = parts[0]
            for part in parts[1:]:
                text += f" {self.choose('UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT', 'EXCEPT ALL', 'INTERSECT ALL')} {part}"
            # Ordered by one column alone: the rows of one value come in any order.
            if self.chance(0.3):
                return f"{head}{text} ORDER BY {self.random.randint(1, len(kinds))}{self.random.choice(DIRECTIONS)}", False
        else:
            text, kinds = self.select()
        if "ORDER BY" in text.split(" FROM ")[-1] and "DISTINCT ON" in text[:20] or self.chance(0.3) or not kinds:
            return head + text, False
        return f"{head}{text} ORDER BY {self.order(kinds)}{self.cut()}", True
