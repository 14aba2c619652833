"""Random statements for difference.py, and the tables they speak of.

Statements are templates: where a value belongs stands a mark with its type, so that one template can be written with
several values and with parameters. Whatever is left to PostgreSQL (ties of an order, which row of a join an UPDATE takes)
is not asked for, so that there is one right answer.
"""

import re

# Types by short names; "stat" is a float whose last bits depend on the order of rows: it is shown and never used.
SQL_TYPES = {"int": "integer", "small": "smallint", "big": "bigint", "num": "numeric", "flt": "float8", "txt": "text", "tz": "timestamptz",
             "date": "date", "bool": "boolean", "json": "jsonb", "arr": "integer[]", "rng": "int4range", "count": "bigint"}
TYPES = ["int", "int", "int", "txt", "txt", "num", "flt", "big", "tz", "date", "bool", "json", "arr"]

TABLES = {
    "users": {"user_id": "int", "name": "txt", "country": "txt", "born": "date", "score": "flt", "active": "bool"},
    "orders": {"user_id": "int", "id": "int", "amount": "num", "state": "txt", "placed": "tz", "qty": "int", "weight": "flt", "span": "rng"},
    "events": {"user_id": "big", "id": "int", "kind": "txt", "day": "date", "data": "json", "tags": "arr", "ok": "bool", "n": "big"},
    "words": {"word": "txt", "id": "int", "lang": "txt", "len": "small", "owner": "int", "price": "num"},
    "countries": {"code": "txt", "label": "txt", "rate": "num", "level": "int"},
    "levels": {"level": "int", "title": "txt", "floor": "flt", "since": "date"},
}
PRIMARY = {"users": ["user_id"], "orders": ["user_id", "id"], "events": ["user_id", "id"], "words": ["word", "id"], "countries": ["code"], "levels": ["level"]}
KEYS = {"users": "user_id", "orders": "user_id", "events": "user_id", "words": "word"}
COLUMN_TYPES = {("orders", "amount"): "numeric(10,2)", ("words", "price"): "numeric", ("words", "lang"): 'text COLLATE "C"',
                ("countries", "rate"): "numeric(10,2)", ("users", "name"): 'text COLLATE "en-x-icu"'}
TEXTS = ["a", "b", "B", "ab", "a b", "é", "", "zz", "x_y", "50%", "NULL", "O'k", "de", "fr", "\\n"]
VALUES = {
    "int": [0, 1, 2, 3, 4, 5, 7, 11, -1, 40], "small": [0, 1, 2, 3, -5], "big": [0, 1, 2, 3, 5, 7, 3000000000, -4, -11],
    "num": ["0.00", "1.50", "1.50", "2.25", "-3.10", "100.00", "0.01"], "flt": [0, 0.5, 1.5, -2.25, -4, -11, 8, 1024.125], "txt": TEXTS,
    "tz": ["2024-03-31 00:30:00+00", "2024-03-31 02:30:00+00", "2024-01-01 00:00:00+00", "2023-12-31 23:59:59.5+00", "2024-07-01 12:00:00+02"],
    "date": ["2024-03-31", "2024-02-29", "2023-12-31", "2024-01-01"], "bool": ["true", "false"],
    "json": ['{"a": 1, "b": "x"}', '{"a": 2}', "[1, 2]", "null", '"s"', '{"b": {"c": 1.50}}'], "arr": ["{1,2}", "{}", "{3}", "{2,NULL}", "{1,2,3}"],
    "rng": ["[-3,5)", "[-12,9)", "[2,9)", "empty"],
    "count": [0, 1, 2, 3, 5, 8], "like": ["a%", "%b", "_", "%", "x\\_y", "%é%"],
}
MARK = re.compile("\x01(\\w+)\x02")


def schema():
    for table, columns in TABLES.items():
        parts = [f"{name} {COLUMN_TYPES.get((table, name), SQL_TYPES[kind])}" for name, kind in columns.items()]
        yield f"CREATE TABLE {table} ({', '.join(parts)}, PRIMARY KEY ({', '.join(PRIMARY[table])}))"


def quote(value):
    return "'" + str(value).replace("'", "''") + "'"


def rows_of(random, table):
    """INSERT with random rows: many ties, many NULLs."""
    rows, seen = [], set()
    for number in range({"users": 16, "orders": 40, "events": 40, "words": 30, "countries": 6, "levels": 5}[table]):
        row = {}
        for name, kind in TABLES[table].items():
            empty = name not in PRIMARY[table] and random.random() < 0.2
            value = number % 3 if name == "id" else random.choice(VALUES[kind])
            row[name] = "NULL" if empty else quote(value)
        primary = tuple(row[name] for name in PRIMARY[table])
        if primary not in seen:
            seen.add(primary)
            rows.append(f"({', '.join(row.values())})")
    return f"INSERT INTO {table} VALUES {', '.join(rows)}"


def mark(kind):
    return f"\x01{kind}\x02"


def write(random, template, parameters):
    """The template with values: (text, parameters). `parameters`: the share of values that become parameters."""
    values = []

    def value(match):
        kind = match[1]
        chosen = random.choice(VALUES[kind])
        sql = SQL_TYPES.get(kind, "text")
        if random.random() < parameters:
            values.append((None if random.random() < 0.05 else str(chosen), sql))
            return f"${len(values)}" + ("" if random.random() < 0.4 else f"::{sql}")
        if kind in ("int", "count", "small", "num", "flt", "big"):
            return f"({chosen})" if str(chosen).startswith("-") else str(chosen)
        if kind == "bool":
            return str(chosen)
        return quote(chosen) if kind in ("like", "txt") or random.random() < 0.3 else f"{quote(chosen)}::{sql}"

    return MARK.sub(value, template), values


class Grammar:
    def __init__(self, random):
        self.random = random
        self.tables, self.names = {}, 0

    def choose(self, *options):
        return self.random.choice(options)

    def chance(self, share):
        return self.random.random() < share

    def name(self, letter):
        self.names += 1
        return f"{letter}{self.names}"

    # Expressions

    def column(self, kind, scope):
        found = [text for text, other in scope if other == kind or {other, kind} == {"small", "int"}]
        return self.random.choice(found) if found else None

    def expression(self, kind, scope, depth=2):
        column = self.column(kind, scope)
        if column and (depth <= 0 or self.chance(0.5)):
            return column
        if depth <= 0 or (not column and self.chance(0.3)):
            return f"{mark(kind)}" if kind in ("int", "num") else f"{mark(kind)}::{SQL_TYPES[kind]}"
        e = lambda other: self.expression(other, scope, depth - 1)
        options = {
            "int": ["{int} + {int}", "{int} - {int}", "length({txt})", "cardinality({arr})", "abs({int})", "greatest({int}, {int})", "({bool})::int",
                    "extract(year FROM {date})::int", "{date} - {date}", "{num}::int", "mod({int}, 3)", "-{int}", "sub:int", "strpos({txt}, 'a')", "lower({rng})"],
            "small": ["{int}::smallint"], "big": ["{int}::bigint", "{big} + {int}", "{big} * 2", "sub:big"],
            "num": ["{num} * 2", "round({num}, 1)", "{int}::numeric", "{num} / nullif({num}, 0)", "{num} + {int}", "sub:num", "trunc({num})"],
            "flt": ["{flt} + {flt}", "{int}::float8", "{flt} * 0.5", "abs({flt})", "{num}::float8", "sub:flt", "nullif({big}, {flt})", "{big} - {flt}"],
            "txt": ["upper({txt})", "{txt} || {txt}", "substr({txt}, 1, 1)", "{num}::text", "{flt}::text", "{date}::text", "{tz}::text", "{data}",
                    "to_char({tz}, 'YYYY-MM-DD HH24')", "left({txt}, 1)", "concat({txt}, {int})", "md5({txt})", "sub:txt", "({bool})::text", "{arr}::text"],
            "tz": ["{tz} + interval '1 day'", "date_trunc('day', {tz})", "{date}::timestamptz", "greatest({tz}, {tz})", "sub:tz"],
            "date": ["{date} + {int}", "({tz})::date", "least({date}, {date})", "sub:date"],
            "bool": ["pred"], "json": ["to_jsonb({int})", "jsonb_build_object('k', {txt})", "({json}) -> 'b'", "to_jsonb({num})"],
            "arr": ["{arr} || {int}", "ARRAY[{int}, {int}]"], "rng": ["{rng} * {rng}", "int4range({int}, NULL)"],
        }[kind] + ["coalesce({same}, {same})", "CASE WHEN {bool} THEN {same} ELSE {same} END", "CASE WHEN {bool} THEN {same} END", "nullif({same}, {same})"]
        form = self.random.choice(options)
        if form == "pred":
            return f"({self.predicate(scope, depth - 1)})"
        if form.startswith("sub:"):
            return self.scalar(kind, scope, depth - 1)
        form = form.replace("{data}", "({json} ->> 'b')").replace("{same}", "{" + kind + "}")
        return "(" + re.sub(r"\{(\w+)\}", lambda match: e(match[1]), form) + ")"

    def scalar(self, kind, scope, depth):
        source, inner, _ = self.source(scope, 1, depth)
        function = self.choose("max", "min") if kind != "bool" else "bool_or"
        if kind in ("int", "big") and self.chance(0.4):
            return f"(SELECT count(*) FROM {source} WHERE {self.correlation(inner, scope)})" + ("::int" if kind == "int" else "")
        return f"(SELECT {function}({self.expression(kind, inner, 0)}) FROM {source} WHERE {self.correlation(inner, scope)})"

    def correlation(self, inner, outer):
        pairs = [(a, b) for a, kind in inner for b, other in outer if kind == other or {kind, other} <= {"int", "big"}]
        keys = [pair for pair in pairs if all(text.endswith("user_id") or text.endswith("word") for text in pair)]
        if keys and self.chance(0.5):
            condition = " = ".join(self.random.choice(keys))
        elif pairs and self.chance(0.6):
            condition = f" {self.choose('=', '=', '<')} ".join(self.random.choice(pairs))
        else:
            return self.predicate(inner, 0)
        return condition if self.chance(0.6) else f"{condition} AND {self.predicate(inner, 0)}"

    def predicate(self, scope, depth=2):
        if depth > 0 and self.chance(0.3):
            one, two = self.predicate(scope, depth - 1), self.predicate(scope, depth - 1)
            return self.choose(f"({one} AND {two})", f"({one} OR {two})", f"NOT ({one})", f"({one}) IS NOT TRUE")
        keys = [(text, kind) for text, kind in scope if text.endswith(("user_id", "word"))]
        text, kind = self.random.choice(keys if keys and self.chance(0.3) else scope or [("1", "int")])
        if kind == "stat":
            return "true"
        value = mark(kind) if self.chance(0.6) else self.expression(kind, scope, depth - 1)
        compare = self.choose("=", "=", "<", ">", "<=", ">=", "<>")
        options = [f"{text} {compare} {value}", f"{text} IS NULL", f"{text} IS NOT NULL", f"{text} IS DISTINCT FROM {value}",
                   f"{text} IN ({mark(kind)}, {mark(kind)}, {value})", f"{text} BETWEEN {mark(kind)} AND {value}", f"{text} = {value}",
                   f"{text} NOT IN ({mark(kind)}, {mark(kind)})", f"{text} IS NOT DISTINCT FROM {value}"]
        if kind not in ("arr", "rng"):
            options.append(f"{text} = ANY (ARRAY[{mark(kind)}, {mark(kind)}]::{SQL_TYPES[kind]}[])")
        if kind == "txt":
            options += [f"{text} LIKE {mark('like')}", f"{text} ILIKE {mark('like')}", f'{text} COLLATE "C" < {mark("txt")}']
        if kind == "bool":
            options += [text, f"NOT {text}", f"{text} IS TRUE", f"{text} IS UNKNOWN"]
        if kind == "rng":
            options += [f"{text} @> {mark('int')}", f"{text} && {value}"]
        if kind == "arr":
            options += [f"{text} && {value}", f"{mark('int')} = ANY ({text})", f"{text} @> ARRAY[{mark('int')}]"]
        if kind == "json":
            options += [f"{text} @> {value}", f"{text} ? 'a'", f"({text} ->> 'a') = {mark('txt')}"]
        if depth > 0 and self.chance(0.35):
            source, inner, _ = self.source(scope, 1, depth - 1)
            same = self.expression(kind, inner, 0)
            where = self.correlation(inner, scope) if self.chance(0.5) else self.predicate(inner, 0)
            options = [f"EXISTS (SELECT 1 FROM {source} WHERE {where})", f"NOT EXISTS (SELECT {self.choose('', '1', '*')} FROM {source} WHERE {where})",
                       f"{text} IN (SELECT {same} FROM {source} WHERE {where})", f"{text} NOT IN (SELECT {same} FROM {source} WHERE {where})",
                       f"{text} {compare} {self.choose('ANY', 'ALL')} (SELECT {same} FROM {source} WHERE {where})"]
        elif self.chance(0.08) and len(scope) > 1:
            other, second = self.random.choice([column for column in scope if column[1] != "stat"])
            options = [f"({text}, {other}) {self.choose('=', '<', '>=', '<>')} ({mark(kind)}, {mark(second)})",
                       f"({text}, {other}) IN (({mark(kind)}, {mark(second)}), ({mark(kind)}, {mark(second)}))"]
        return self.random.choice(options)

    # FROM

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

    # Queries

    def aggregate(self, scope):
        """(text, type) of a call of an aggregate."""
        e = lambda kind: self.column(kind, scope) or self.expression(kind, scope, 1)
        kind = self.choose("int", "num", "flt", "txt", "big", "date", "tz")
        number = self.choose("int", "num", "flt", "big")
        once = e(kind)
        unique = MARK.search(once) is None
        options = [
            ("count(*)", "big"), (f"count({e(kind)})", "big"), (f"count(DISTINCT {e(kind)})", "big"), (f"min({e(kind)})", kind), (f"max({e(kind)})", kind),
            (f"sum({e('int')})", "big"), (f"sum({e('num')})", "num"), (f"sum({e('flt')})", "flt"), (f"sum({e('big')})", "num"),
            (f"avg({e('int')})", "num"), (f"avg({e('num')})", "num"), (f"avg({e('flt')})", "stat"), (f"bool_and({e('bool')})", "bool"),
            (f"bool_or({e('bool')})", "bool"), (f"{self.choose('stddev', 'var_pop', 'variance', 'stddev_pop')}({e('num')})", "num"),
            (f"{self.choose('stddev', 'var_samp')}({e('flt')})", "stat"), (f"sum(DISTINCT {e('int')})", "big"), (f"avg(DISTINCT {e('num')})", "num"),
            (f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {e('flt')})", "stat"), (f"percentile_disc(0.3) WITHIN GROUP (ORDER BY {e(kind)})", kind),
            (f"mode() WITHIN GROUP (ORDER BY {e(kind)} DESC)", kind), (f"corr({e('flt')}, {e('flt')})", "stat"), (f"bit_or({e('int')})", "int"),
            (f"rank({mark('int')}) WITHIN GROUP (ORDER BY {e('int')})", "big"), (f"regr_count({e('flt')}, {e('flt')})", "big"),
            (f"string_agg(DISTINCT {e('txt')}, ',')", "txt"), (f"array_agg(DISTINCT {e('int')})", "arr"), (f"every({e('bool')})", "bool"),
        ]
        if unique:
            options += [(f"array_agg({once} ORDER BY {once} {self.choose('DESC', 'NULLS FIRST', '')})", "arr" if kind == "int" else "other"),
                        (f"jsonb_agg({once} ORDER BY {once})", "json"), (f"string_agg({once}::text, '|' ORDER BY {once}::text)", "txt")]
        text, result = self.random.choice(options)
        if self.chance(0.2):
            text += f" FILTER (WHERE {self.predicate(scope, 1 if self.chance(0.2) else 0)})"
        return text, result

    def window(self, scope):
        e = lambda kind: self.column(kind, scope) or self.expression(kind, scope, 1)
        usable = [text for text, kind in scope if kind not in ("stat", "other")]
        keys = [text for text in usable if text.endswith(("user_id", "word"))]
        partition = self.random.choice(keys) if keys and self.chance(0.5) else self.random.choice(usable)
        over = f"PARTITION BY {partition} " if self.chance(0.75) else ""
        total = f"ORDER BY {self.random.choice(usable)} {self.choose('', 'DESC', 'NULLS FIRST')}, {', '.join(usable)}"
        peers = self.choose("", f"ORDER BY {self.random.choice(usable)} {self.choose('', 'DESC')}")
        kind = self.choose("int", "num", "txt", "date")
        text, result, order = self.random.choice([
            ("row_number()", "big", total), ("rank()", "big", peers), ("dense_rank()", "big", peers), (f"sum({e('int')})", "big", peers),
            (f"count({e(kind)})", "big", peers), (f"lag({e(kind)})", kind, total), (f"lead({e(kind)}, 2)", kind, total), ("ntile(3)", "int", total),
            (f"first_value({e(kind)})", kind, total), (f"max({e(kind)})", kind, peers), (f"avg({e('num')})", "num", peers), ("percent_rank()", "stat", peers),
            (f"sum({e('int')}) FILTER (WHERE {self.predicate(scope, 0)})", "big", total),
        ])
        frame = " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING" if order == total and result != "int" and "row_number" not in text and self.chance(0.2) else ""
        return f"{text} OVER ({over}{order}{frame})", result

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
        pick = self.random.random()
        tail = ""
        if kinds:
            texts, distinct = [self.expression(kind, scope) for kind in kinds], self.choose("", "", "DISTINCT ")
        elif pick < 0.4:
            kinds = [self.random.choice(TYPES) for _ in range(self.random.randint(1, 4))]
            texts, distinct = [self.expression(kind, scope) for kind in kinds], self.choose("", "", "DISTINCT ")
            if plain and not names and self.chance(0.15):
                texts, kinds, distinct = ["*"], [kind for _, kind in scope], ""
        elif pick < 0.48:
            columns = [self.random.choice(scope) for _ in range(3)]
            texts, kinds = [text for text, _ in columns], [kind for _, kind in columns]
            distinct, tail = f"DISTINCT ON ({texts[0]}) ", f" ORDER BY {texts[0]} {self.choose('', 'DESC')}, {', '.join(texts[1:])} DESC"
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
                tail = " GROUP BY " + (self.choose(f"ROLLUP ({both})", f"CUBE ({both})", f"GROUPING SETS (({both}), ())", f"GROUPING SETS (({by[0]}), ({by[-1]}))")
                                       if self.chance(0.25) else both)
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
        return ", ".join(place + self.choose("", "", " DESC", " NULLS FIRST", " DESC NULLS LAST") for place in places)

    def query(self):
        """(text, is its order total) of a whole query."""
        self.tables, self.names, head = {}, 0, ""
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
        else:
            text, kinds = self.select()
        if "ORDER BY" in text.split(" FROM ")[-1] and "DISTINCT ON" in text[:20] or self.chance(0.3) or not kinds:
            return head + text, False
        text += f" ORDER BY {self.order(kinds)}"
        pick = self.random.random()
        if pick < 0.35:
            text += f" LIMIT {mark('count') if self.chance(0.3) else self.random.randint(0, 12)}" + (f" OFFSET {self.random.randint(0, 5)}" if self.chance(0.5) else "")
        elif pick < 0.45:
            text += f" FETCH FIRST {self.random.randint(1, 9)} ROWS {self.choose('ONLY', 'WITH TIES')}"
        return head + text, True

    # Writing statements

    def returning(self, table, alias=None):
        columns = [(f"{alias or table}.{name}", kind) for name, kind in TABLES[table].items()]
        if self.chance(0.5):
            return ""
        return " RETURNING " + self.choose(f"{alias or table}.*", ", ".join(self.expression(self.random.choice(TYPES[:-2]), columns, 1) for _ in range(2)))

    def assignments(self, table, scope):
        free = [name for name in TABLES[table] if name not in PRIMARY[table]]
        chosen = self.random.sample(free, self.choose(1, 1, 2))
        sets = ", ".join(f"{name} = {self.expression(TABLES[table][name], scope, 1)}" for name in chosen)
        return sets

    def change(self):
        self.tables, self.names = {}, 0
        table = self.random.choice([*TABLES, *KEYS, *KEYS])
        columns = TABLES[table]
        pick = self.random.random()
        if pick < 0.4:
            alias = self.name("t")
            own = [(f"{alias}.{name}", kind) for name, kind in columns.items()]
            if pick < 0.25:
                text = f"UPDATE {table} AS {alias} SET {self.assignments(table, own)}"
                word = "FROM"
            else:
                text, word = f"DELETE FROM {table} AS {alias}", "USING"
            where = self.predicate(own)
            if self.chance(0.3):
                source, scope, _ = self.source((), 1, 1)
                text += f" {word} {source}"
                where = self.correlation(own, scope) + f" AND {self.predicate(own, 0)}"
            return f"{text} WHERE {where}{self.returning(table, alias)}"
        names = ", ".join(columns)
        if pick < 0.75:
            rows = ", ".join("(" + ", ".join("NULL" if name not in PRIMARY[table] and self.chance(0.15) else mark(kind) for name, kind in columns.items()) + ")"
                             for _ in range(self.choose(1, 1, 2, 4)))
            text = f"INSERT INTO {table} ({names}) VALUES {rows}"
        else:
            query, _ = self.select(depth=1, kinds=list(columns.values()))
            text = f"INSERT INTO {table} ({names}) {query} ORDER BY {', '.join(str(n) for n in range(1, len(columns) + 1))}"
            if self.chance(0.4):
                text += f" LIMIT {self.random.randint(1, 9)}"
        if self.chance(0.6):
            target = f"({', '.join(PRIMARY[table])})"
            free = [name for name in columns if name not in PRIMARY[table]]
            name = self.random.choice(free)
            text += " ON CONFLICT " + self.choose("DO NOTHING", f"{target} DO NOTHING", f"{target} DO UPDATE SET {name} = excluded.{name}",
                                                  f"{target} DO UPDATE SET {name} = coalesce({table}.{name}, excluded.{name}) WHERE {table}.{name} IS NOT NULL")
        return text + self.returning(table)
