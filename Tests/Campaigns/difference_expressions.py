"""Random expressions and conditions for difference.py."""

import re

from difference_tables import SQL_TYPES, mark

# Volatile, with a certain value.
VOLATILE = {"int": ["floor(random())::int"], "flt": ["trunc(random())"], "bool": ["random() < 2", "clock_timestamp() > '2024-01-01'", "now() > {date}"],
            "date": ["least(now()::date, '2024-01-01'::date, {date})"], "tz": ["least(clock_timestamp(), '2024-01-01'::timestamptz, {tz})"]}


class Expressions:
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
                    "extract(year FROM {date})::int", "{date} - {date}", "{num}::int", "mod({int}, 3)", "-{int}", "sub:int", "strpos({txt}, 'a')", "lower({rng})", "({pair}).a"],
            "small": ["{int}::smallint"], "big": ["{int}::bigint", "{big} + {int}", "{big} * 2", "sub:big"],
            "num": ["{num} * 2", "round({num}, 1)", "{int}::numeric", "{num} / nullif({num}, 0)", "{num} + {int}", "sub:num", "trunc({num})"],
            "flt": ["{flt} + {flt}", "{int}::float8", "{flt} * 0.5", "abs({flt})", "{num}::float8", "sub:flt", "nullif({big}, {flt})", "{big} - {flt}"],
            "txt": ["upper({txt})", "{txt} || {txt}", "substr({txt}, 1, 1)", "{num}::text", "{flt}::text", "{date}::text", "{tz}::text", "{data}",
                    "to_char({tz}, 'YYYY-MM-DD HH24')", "left({txt}, 1)", "concat({txt}, {int})", "md5({txt})", "sub:txt", "({bool})::text", "{arr}::text",
                    "{mood}::text", "({pair}).b", "array_to_string({txts}, '-')", "{pair}::text"],
            "tz": ["{tz} + interval '1 day'", "date_trunc('day', {tz})", "{date}::timestamptz", "greatest({tz}, {tz})", "sub:tz"],
            "date": ["{date} + {int}", "({tz})::date", "least({date}, {date})", "sub:date"],
            "bool": ["pred"], "json": ["to_jsonb({int})", "jsonb_build_object('k', {txt})", "({json}) -> 'b'", "to_jsonb({num})"],
            "arr": ["{arr} || {int}", "ARRAY[{int}, {int}]"], "rng": ["{rng} * {rng}", "int4range({int}, NULL)"], "mood": ["greatest({mood}, {mood})", "sub:mood"], "pair": ["ROW({int}, {txt})::pair"],
            "txts": ["{txts} || {txt}", "ARRAY[{txt}, {txt}]", "string_to_array({txt}, ' ')", "array(SELECT x FROM unnest({txts}) AS x ORDER BY x)"],
        }[kind] + ["coalesce({same}, {same})", "CASE WHEN {bool} THEN {same} ELSE {same} END", "CASE WHEN {bool} THEN {same} END", "nullif({same}, {same})"]
        form = self.random.choice(options)
        if self.chance(0.02) and kind in VOLATILE:
            form = self.random.choice(VOLATILE[kind])
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
            return self.choose(f"({one} AND {two})", f"({one} OR {two})", f"({one} OR {two})", f"NOT ({one})", f"({one}) IS NOT TRUE")
        keys = [(text, kind) for text, kind in scope if text.endswith(("user_id", "word"))]
        text, kind = self.random.choice(keys if keys and self.chance(0.3) else scope or [("1", "int")])
        if kind == "stat":
            return "true"
        value = mark(kind) if self.chance(0.6) else self.expression(kind, scope, depth - 1)
        compare = self.choose("=", "<", ">", "<=", ">=", "<>")
        options = [f"{text} {compare} {value}", f"{text} IS NULL", f"{text} IS NOT NULL", f"{text} IS DISTINCT FROM {value}",
                   f"{text} IN ({mark(kind)}, {mark(kind)}, {mark(kind)}, {value})", f"{text} BETWEEN {mark(kind)} AND {value}", f"{text} IS NOT NULL",
                   f"{text} NOT IN ({mark(kind)}, {mark(kind)})", f"{text} IS NOT DISTINCT FROM {value}"]
        if kind not in ("arr", "rng", "txts"):
            options.append(f"{text} = ANY (ARRAY[{mark(kind)}, {mark(kind)}]::{SQL_TYPES[kind]}[])")
        if kind == "txt":
            options += [f"{text} LIKE {mark('like')}", f"{text} ILIKE {mark('like')}", f'{text} COLLATE "C" < {mark("txt")}']
        if kind == "bool":
            options += [text, f"NOT {text}", f"{text} IS TRUE", f"{text} IS UNKNOWN"]
        if kind == "rng":
            options += [f"{text} @> {mark('int')}", f"{text} && {value}"]
        if kind == "arr":
            options += [f"{text} && {value}", f"{mark('int')} = ANY ({text})", f"{text} @> ARRAY[{mark('int')}]"]
        if kind == "mood":
            options += [f"{text} {compare} {mark(kind)}", f"{text}::text {compare} {mark('txt')}"]
        if kind == "pair":
            options += [f"({text}).a {compare} {mark('int')}", f"({text}).b IS NULL"]
        if kind == "txts":
            options += [f"{text} && {value}", f"{mark('txt')} = ANY ({text})", f"cardinality({text}) > {mark('int')}"]
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
