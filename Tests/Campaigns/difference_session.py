"""Sessions of difference.py and what servers answer."""

import struct

from psycopg import pq

from difference_tables import quote

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

    @property
    def has_result(self):
        """Whether it tells rows, or how many it changed."""
        return bool(self.columns) or self.copied is not None or self.count is not None

    @property
    def is_filled(self):
        return bool(self.rows or self.copied or self.count)

    @property
    def count(self):
        """Of the command's tag: UPDATE 3."""
        last = (self.tag or b"").split()[-1:]
        return int(last[0]) if last and last[0].isdigit() else None

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


class Session:
    """One connection, without a driver's own ideas."""

    def __init__(self, words, trace=lambda text, outcome: None):
        self.trace = trace
        self.connection, self.calls = pq.PGconn.connect(words.encode()), 0
        if self.connection.status != pq.ConnStatus.OK:
            raise RuntimeError(self.connection.error_message.decode())

    def run(self, text):
        result = self.connection.exec_(text.encode())
        if self.connection.status != pq.ConnStatus.OK:
            raise RuntimeError(f"connection lost by {text}")
        outcome = Outcome(result) if result.status != pq.ExecStatus.COPY_OUT else self.copied(Outcome(result))
        self.trace(text, outcome)
        return outcome

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
        """The answers to a statement. `mode`: (kind, are types given, format of rows)."""
        if mode[0] == "simple":
            return [self.run(text)]
        self.calls += 1
        answers = self.call_extended(f"s{self.calls}", text, values, mode)
        for answer in answers:
            self.trace(f"{mode} {text} {[value for value, _ in values]}", answer)
        return answers

    def call_extended(self, name, text, values, mode):
        kind, typed, result_format = mode
        if kind == "sql":
            made = self.run(f"PREPARE {name} AS {text}")
            return [made] if made.code else [made, self.run(f"EXECUTE {name}{arguments(values)}")]
        data = [None if value is None else value.encode() for value, _ in values]
        types = [OIDS.get(type, 0) if typed else 0 for _, type in values]
        if kind == "params":
            return [Outcome(self.connection.exec_params(text.encode(), data, types, None, result_format))]
        made = Outcome(self.connection.prepare(name.encode(), text.encode(), types))
        if made.code:
            return [made]
        answers = [made, Outcome(self.connection.describe_prepared(name.encode()))]
        return answers + [Outcome(self.connection.exec_prepared(name.encode(), data, None, result_format)) for _ in range(2 if kind == "twice" else 1)]


def arguments(values):
    """Those of EXECUTE."""
    literals = ["NULL" if value is None else quote(value) for value, _ in values]
    return f" ({', '.join(literals)})" if values else ""
