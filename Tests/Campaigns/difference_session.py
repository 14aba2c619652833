"""Sessions of difference.py and what servers answer."""

import math
import re
import struct

from psycopg import pq

from difference_tables import quote

# Which row's error comes first is PostgreSQL's freedom.
RACES = {"23502", "23505", "21000", "22003"}
# Collations that do not fit each other: where that is noticed depends on the plan.
BY_PLAN = {"42P22"}
FLOATS = {700: ">f", 701: ">d"}
# The first OID of types of users, which are not the same on two servers.
FIRST_USER_OID = 16384
OIDS = {"integer": 23, "smallint": 21, "bigint": 20, "numeric": 1700, "float8": 701, "text": 25, "timestamptz": 1184, "date": 1082,
        "boolean": 16, "jsonb": 3802, "integer[]": 1007, "int4range": 3904, "text[]": 1009}


def type_of(oid):
    return min(oid, FIRST_USER_OID)


class Outcome:
    """What a server answered."""

    def __init__(self, result):
        self.code = result.error_field(pq.DiagnosticField.SQLSTATE)
        self.code = self.code.decode() if self.code else None
        self.message = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode()
        self.detail = (result.error_field(pq.DiagnosticField.MESSAGE_DETAIL) or b"").decode()
        # Not their modifiers: an expression's depends on what PostgreSQL folded before.
        self.columns = [(result.fname(n), type_of(result.ftype(n)), result.fformat(n)) for n in range(result.nfields)]
        self.rows = [tuple(self._value(result.get_value(row, n), n) for n in range(result.nfields)) for row in range(result.ntuples)]
        self.copied = None
        self.tag = result.command_status
        self.parameters = [type_of(result.param_type(n)) for n in range(result.nparams)]

    def _value(self, value, column):
        _, kind, is_binary = self.columns[column]
        if value is None or kind not in FLOATS:
            return value
        try:
            return struct.unpack(FLOATS[kind], value)[0] if is_binary else float(value)
        except (struct.error, ValueError):
            return value

    def __str__(self):
        return f"{self.code} {self.message}" if self.code else f"{self.tag} {[column[:2] for column in self.columns]} {self.rows[:12]}{self.copied[:12] if self.copied else ''}"


def is_same(one, two):
    if isinstance(one, float) and isinstance(two, float):
        return (math.isnan(one) and math.isnan(two)) or math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-9)
    return one == two


def order_of_row(row):
    return [(value is not None, format(value, ".12g") if isinstance(value, float) else value.hex() if value is not None else "") for value in row]


def difference(proxy, judge, is_ordered):
    """What is not the same, or None."""
    if BY_PLAN & {proxy.code, judge.code}:
        return None
    if proxy.code != judge.code and not {proxy.code, judge.code} <= RACES:
        return "SQLSTATE"
    if proxy.code:
        return None
    if proxy.copied != judge.copied and not is_same_copy(proxy.copied, judge.copied, is_ordered):
        return "copied"
    if proxy.columns != judge.columns:
        return "columns"
    if proxy.tag != judge.tag:
        return "tag"
    if proxy.parameters != judge.parameters:
        return "parameters"
    left, right = proxy.rows, judge.rows
    if not is_ordered:
        left, right = sorted(left, key=order_of_row), sorted(right, key=order_of_row)
    if len(left) != len(right) or not all(is_same(a, b) for one, two in zip(left, right) for a, b in zip(one, two)):
        return "rows"
    return None


def is_same_copy(one, two, is_ordered):
    """Lines of COPY: floats may differ in their last digits, and lines come in any order without ORDER BY."""
    if one is None or two is None:
        return False
    # Not certain to be comparable: floats of binary rows.
    if b"PGCOPY" in (one + [b""])[0]:
        return sum(map(len, one)) == sum(map(len, two))

    def fields(line):
        return [float(word) if re.fullmatch(rb"-?\d+(\.\d+)?(e[-+]\d+)?", word) else word for word in re.split(rb"[,|\t\n\"]", line)]

    left, right = ([fields(line) for line in lines] for lines in (one, two))
    if not is_ordered:
        left, right = sorted(left, key=order_of_row), sorted(right, key=order_of_row)
    return len(left) == len(right) and all(len(a) == len(b) and all(map(is_same, a, b)) for a, b in zip(left, right))


def is_scale_only(one, two):
    """Equal numbers of different scale (1.5 and 1.50) in a tie are both right."""
    def shorten(value):
        # Binary: digits, weight and sign are the number; then comes its scale.
        if isinstance(value, bytes) and len(value) >= 8 and len(value) == 8 + 2 * int.from_bytes(value[:2], "big"):
            return value[:6] + value[8:]
        is_number = isinstance(value, bytes) and re.fullmatch(rb"-?\d+\.\d+", value)
        return value.rstrip(b"0").rstrip(b".") if is_number else value

    one, two = ([[shorten(value) for value in row] for row in rows] for rows in (one, two))
    return sorted(one, key=order_of_row) == sorted(two, key=order_of_row)


class Session:
    """One connection, without a driver's own ideas."""

    def __init__(self, words):
        self.connection, self.calls = pq.PGconn.connect(words.encode()), 0
        if self.connection.status != pq.ConnStatus.OK:
            raise RuntimeError(self.connection.error_message.decode())

    def run(self, text):
        result = self.connection.exec_(text.encode())
        if self.connection.status != pq.ConnStatus.OK:
            raise RuntimeError(f"connection lost by {text}")
        if result.status != pq.ExecStatus.COPY_OUT:
            return Outcome(result)
        return self.copied(Outcome(result))

    def copied(self, start):
        """The rows of COPY TO STDOUT, and how it ended."""
        lines = []
        while True:
            size, data = self.connection.get_copy_data(0)
            if size < 0:
                break
            lines.append(bytes(data))
        end = Outcome(self.connection.get_result())
        while self.connection.get_result() is not None:
            pass
        end.copied = lines
        # Formats of the columns.
        end.columns = [("", 0, column[2]) for column in start.columns]
        return end

    def call(self, text, values, mode):
        """`mode`: (kind, are types given, format of rows)."""
        kind, typed, result_format = mode
        if kind == "simple":
            return [self.run(text)]
        data = [None if value is None else value.encode() for value, _ in values]
        self.calls += 1
        name = f"s{self.calls}".encode()
        types = [OIDS.get(name, 0) if typed else 0 for _, name in values]
        if kind == "params":
            return [Outcome(self.connection.exec_params(text.encode(), data, types, None, result_format))]
        if kind == "sql":
            made = self.run(f"PREPARE {name.decode()} AS {text}")
            return [made] if made.code else [made, self.run(f"EXECUTE {name.decode()}{arguments(values)}")]
        made = Outcome(self.connection.prepare(name, text.encode(), types))
        if made.code:
            return [made]
        answers = [made, Outcome(self.connection.describe_prepared(name))]
        return answers + [Outcome(self.connection.exec_prepared(name, data, None, result_format)) for _ in range(2 if kind == "twice" else 1)]


def arguments(values):
    """Those of EXECUTE."""
    literals = ["NULL" if value is None else quote(value) for value, _ in values]
    return f" ({', '.join(literals)})" if values else ""
