"""The tables of difference.py, their random rows, and values for its statements.

Statements are templates: where a value belongs stands a mark with its type, so that one template can be written with
several values and with parameters. Whatever is left to PostgreSQL (ties of an order, which row of a join an UPDATE takes)
is not asked for, so that there is one right answer.
"""

import re

# Types by short names; "stat" is a float whose last bits depend on the order of rows: it is shown and never used.
SQL_TYPES = {"int": "integer", "small": "smallint", "big": "bigint", "num": "numeric", "flt": "float8", "txt": "text", "tz": "timestamptz",
             "date": "date", "bool": "boolean", "json": "jsonb", "arr": "integer[]", "rng": "int4range", "count": "bigint",
             "mood": "mood", "pair": "pair", "txts": "text[]"}
TYPES = ["int", "int", "int", "txt", "txt", "num", "flt", "big", "tz", "date", "mood", "pair", "txts", "bool", "json", "arr"]

TABLES = {
    "users": {"user_id": "int", "name": "txt", "country": "txt", "born": "date", "score": "flt", "active": "bool"},
    "orders": {"user_id": "int", "id": "int", "amount": "num", "state": "txt", "placed": "tz", "qty": "int", "weight": "flt", "span": "rng", "mood": "mood"},
    "events": {"user_id": "big", "id": "int", "kind": "txt", "day": "date", "data": "json", "tags": "arr", "ok": "bool", "n": "big", "place": "pair"},
    "words": {"word": "txt", "id": "int", "lang": "txt", "len": "small", "owner": "int", "price": "num", "forms": "txts"},
    "countries": {"code": "txt", "label": "txt", "rate": "num", "level": "int", "mood": "mood"},
    "levels": {"level": "int", "title": "txt", "floor": "flt", "since": "date", "corner": "pair"},
}
PRIMARY = {"users": ["user_id"], "orders": ["user_id", "id"], "events": ["user_id", "id"], "words": ["word", "id"], "countries": ["code"], "levels": ["level"]}
KEYS = {"users": "user_id", "orders": "user_id", "events": "user_id", "words": "word"}
COLUMN_TYPES = {("words", "lang"): 'text COLLATE "C"',
                ("countries", "rate"): "numeric(10,2)", ("users", "name"): 'text COLLATE "en-x-icu"'}
TEXTS = ["a", "b", "B", "ab", "a b", "é", "", "zz", "x_y", "50%", "NULL", "O'k", "de", "fr", "\\n"]
VALUES = {
    "int": [0, 1, 2, 3, 4, 5, 7, 11, -1, 40], "small": [0, 1, 2, 3, -5], "big": [0, 1, 2, 3, 5, 7, 3000000000, -4, -11],
    # Of several scales, but equal ones of the same: which of them a tie shows, and then writes, is left open.
    "num": ["0.00", "1.50", "1.50", "2.25", "-3.10", "100.00", "0.01", "7", "0.125", "-4.5", "33.3333", "12"], "flt": [0, 0.5, 1.5, -2.25, -4, -11, 8, 1024.125], "txt": TEXTS,
    "tz": ["2024-03-31 00:30:00+00", "2024-03-31 02:30:00+00", "2024-01-01 00:00:00+00", "2023-12-31 23:59:59.5+00", "2024-07-01 12:00:00+02"],
    "date": ["2024-03-31", "2024-02-29", "2023-12-31", "2024-01-01"], "bool": ["true", "false"],
    "json": ['{"a": 1, "b": "x"}', '{"a": 2}', "[1, 2]", "null", '"s"', '{"b": {"c": 1.50}}'], "arr": ["{1,2}", "{}", "{3}", "{2,NULL}", "{1,2,3}"],
    "mood": ["sad", "ok", "glad", "Zest"], "pair": ["(1,a)", "(1,b)", "(,)", "(2,\"a b\")", "(-1,é)"],
    "txts": ["{a,b}", "{}", "{NULL,a}", "{\"x,y\",\"\"}", "{b}"],
    "rng": ["[-3,5)", "[-12,9)", "[2,9)", "empty"],
    "count": [0, 1, 2, 3, 5, 8], "like": ["a%", "%b", "_", "%", "x\\_y", "%é%"],
}
MARK = re.compile("\x01(\\w+)\x02")


def types():
    return ["CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad', 'Zest')", "CREATE TYPE pair AS (a integer, b text)"]


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
            return f"${len(values)}" + ("" if kind != "pair" and random.random() < 0.4 else f"::{sql}")
        if kind in ("int", "count", "small", "num", "flt", "big"):
            return f"({chosen})" if str(chosen).startswith("-") else str(chosen)
        if kind == "bool":
            return str(chosen)
        # PostgreSQL reads no row without its type.
        is_bare = kind in ("like", "txt") or kind != "pair" and random.random() < 0.3
        return quote(chosen) if is_bare else f"{quote(chosen)}::{sql}"

    return MARK.sub(value, template), values
