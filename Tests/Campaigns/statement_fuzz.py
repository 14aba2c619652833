"""Statements nobody should write: valid ones mutated, bytes that are no text, quotes without end, lists without measure.

Whatever the statement, its session must answer with exactly one ReadyForQuery, and the next statement must be answered.
"""

import struct
import time

import wire
from wire import Client, frame

VALID = [
    "SELECT v FROM t WHERE user_id = 5", "SELECT user_id, v FROM t WHERE user_id IN (1, 2, 3) ORDER BY v DESC NULLS LAST LIMIT 3 OFFSET 1",
    "INSERT INTO t (user_id, v) VALUES (1, 'a'), (2, E'b\\n'), (3, $$c$$) ON CONFLICT DO NOTHING RETURNING *",
    "UPDATE t SET v = upper(v) || 'x' WHERE user_id = 7 AND v LIKE '%a' ESCAPE '!'", "DELETE FROM t USING r WHERE t.user_id = r.a",
    "WITH RECURSIVE w(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM w WHERE n < 5) SELECT * FROM w JOIN t ON user_id = n",
    "SELECT count(*), avg(user_id), string_agg(v, ',' ORDER BY v) FILTER (WHERE v <> '') FROM t GROUP BY v HAVING count(*) > 1",
    "SELECT a.v, b.v FROM t a LEFT JOIN t b USING (user_id) WHERE a.user_id BETWEEN 1 AND 9 AND b.v IS NOT NULL",
    "SELECT CASE WHEN user_id % 2 = 0 THEN 'even' ELSE v END, rank() OVER (PARTITION BY v ORDER BY user_id) FROM t",
    "SELECT ARRAY[1, 2], ROW(1, 'x'), '{1,2}'::int[], CAST('1' AS numeric(5, 2)), date '2020-01-01' AT TIME ZONE 'UTC'",
    "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", "COMMIT", "SAVEPOINT s", "ROLLBACK TO SAVEPOINT s", "ROLLBACK",
    "SET search_path TO public, pg_catalog", "SHOW ALL", "SET LOCAL work_mem = '2MB'", "RESET ALL", "DISCARD PLANS",
    "CREATE TEMP TABLE f (a int PRIMARY KEY, b text DEFAULT 'x' CHECK (b <> ''))", "DROP TABLE IF EXISTS f, g CASCADE",
    "ALTER TABLE f ADD COLUMN c int, DROP COLUMN b", "CREATE INDEX ON f (a DESC, (b || 'x')) WHERE a > 0",
    "PREPARE p (int) AS SELECT v FROM t WHERE user_id = $1", "EXECUTE p (3)", "DEALLOCATE ALL",
    "DECLARE c CURSOR FOR SELECT v FROM t WHERE user_id = 1", "FETCH ALL FROM c", "CLOSE ALL", "LISTEN l", "NOTIFY l, 'x'", "UNLISTEN *",
    "COPY t TO STDOUT (FORMAT csv, HEADER, DELIMITER ';')", "COPY t (user_id, v) FROM STDIN WITH (FORMAT text)",
    "EXPLAIN (COSTS off) SELECT 1", "EXPLAIN ANALYZE SELECT v FROM t WHERE user_id = 1", "VALUES (1, 'a'), (2, 'b')", "TABLE t", "LOCK TABLE t",
    "SELECT * FROM t FOR UPDATE SKIP LOCKED", "SELECT /* a /* b */ c */ 1 -- end\n, 2", "SELECT U&'\\0061' UESCAPE '\\', B'101', X'1F', 1e5, .5",
    "MERGE INTO t USING r ON user_id = a WHEN MATCHED THEN DO NOTHING", "SELECT $1::int + $2", "TRUNCATE r", "VACUUM t", "CALL nothing()",
    "SELECT v FROM t WHERE user_id = ANY ($1)", "SELECT 1; SELECT 2; SELECT v FROM t WHERE user_id = 1", "",
]

PIECES = [
    b"'", b'"', b"$$", b"$x$", b"/*", b"*/", b"--", b"E'\\", b"U&'", b";", b"(", b")", b"[", b"]", b",", b"$1", b"$0", b"$65536",
    b"$4294967297", b"$99999999999999999999", b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\0", b"\n", b"\\",
    b"::", b"..", b":=", b"=>", b"@@", b"1e", b"0x", b"9" * 400, b"NULL", b"DEFAULT", b"*", b"user_id", b" IN ", b" AS ", b" FROM t ",
    "é".encode(), "\u202e".encode(), b"pgbraid_1", b"a" * 3000,
]


def huge(dice):
    """A statement without measure in one respect."""
    # Between the last two lies the limit of depth, below which planning without optimisation takes a minute.
    count = dice.choice([100, 1_000, 20_000])
    return dice.choice([
        lambda: "SELECT v FROM t WHERE user_id IN (" + ",".join(map(str, range(count))) + ")",
        lambda: "INSERT INTO t VALUES " + ",".join(f"({n}, 'v')" for n in range(count)),
        lambda: "VALUES " + ",".join("(1)" for _ in range(count)), lambda: "SELECT " + "(" * count + "1" + ")" * count,
        lambda: "SELECT " + "(SELECT " * count + "1" + ")" * count, lambda: "SELECT " + ",".join(f"sum(user_id+{n})" for n in range(count)) + " FROM t",
        lambda: "SELECT " + "- " * count + "1", lambda: "SELECT " + "ARRAY[" * count, lambda: "SELECT '" + "x" * count,
        lambda: "SELECT " + "/*" * count, lambda: "SELECT 1" + ";" * count, lambda: "SELECT " + ",".join(f"${n}" for n in range(1, count)),
        lambda: f"SELECT ${count}", lambda: "SELECT 1 FROM t WHERE " + " AND ".join(f"user_id = {n}" for n in range(count)),
        lambda: "SELECT 1 FROM " + ",".join(f"t t{n}" for n in range(min(count, 3_000))),
        lambda: "SELECT \"" + "i" * count + "\" FROM t", lambda: "SELECT $" + "t" * count + "$ x", lambda: "CREATE TEMP TABLE w (" + ",".join(f"c{n} int" for n in range(count)) + ")",
    ])().encode()


def statement(dice):
    """The bytes of a statement, without the zero that ends it."""
    if dice.random() < 0.01:
        return huge(dice)
    text = bytearray(dice.choice(VALID).encode())
    for _ in range(dice.randrange(0, 4)):
        how, place = dice.randrange(7), dice.randrange(len(text) + 1)
        if how == 0:
            text[place:place] = dice.choice(PIECES)
        elif how == 1:
            del text[place:place + dice.randrange(1, 12)]
        elif how == 2:
            other = dice.choice(VALID).encode()
            text[place:] = other[dice.randrange(len(other) + 1):]
        elif how == 3:
            text[place:place] = dice.randbytes(dice.randrange(1, 6))
        elif how == 4:
            words = bytes(text).split(b" ")
            dice.shuffle(words)
            text = bytearray(b" ".join(words))
        elif how == 5 and text:
            text[place % len(text)] = dice.randrange(256)
        else:
            text += b"; " + dice.choice(VALID).encode()
    return bytes(text)


class Session:
    """A client that counts what it is answered."""

    def __init__(self, port, user, password):
        self.client = Client.connect(port, user, password, timeout=600, options="-c statement_timeout=2s -c lock_timeout=1s")

    def answer(self):
        """Reads up to ReadyForQuery; returns its status."""
        while True:
            kind, payload = self.client.receive()
            if kind in b"GW":
                self.client.send(wire.copy_fail("no data"))
            elif kind == b"Z":
                return payload

    def simple(self, text):
        self.client.send(frame(b"Q", text + b"\0"))
        return self.answer()

    def extended(self, dice, text):
        types = [23] * dice.choice([0, 0, 1, 2])
        values = [b"1"] * dice.choice([0, 0, 1, 2])
        message = b"\0" + text + b"\0" + struct.pack("!H", len(types)) + b"".join(struct.pack("!I", oid) for oid in types)
        self.client.send(
            frame(b"P", message) + wire.bind("", "", values) + wire.describe(b"P", "") + wire.execute("", dice.choice([0, 0, 1])) + wire.SYNC)
        # A COPY in the extended protocol reads past the first Sync when data is awaited.
        return self.answer_to_sync()

    def answer_to_sync(self):
        while True:
            kind, payload = self.client.receive()
            if kind in b"GW":
                self.client.send(wire.copy_fail("no data") + wire.SYNC)
            elif kind == b"Z":
                return payload

    def check(self, marker):
        """The next statements are answered, and by nothing else than their own answers."""
        self.expect("ROLLBACK", None)
        self.expect("DISCARD ALL", None)
        self.expect(f"SELECT '{marker}' AS marker", marker)

    def expect(self, sql, value):
        self.client.send(wire.query(sql))
        kinds, row = b"", None
        while True:
            kind, payload = self.client.receive()
            if kind not in b"NSA":
                kinds += kind
            if kind == b"D":
                row = wire.fields_of(payload)[0]
            if kind == b"Z":
                break
        wanted = b"CZ" if value is None else b"TDCZ"
        if kinds != wanted or row != value:
            raise AssertionError(f"{sql} was answered with {kinds} {row}")


def fuzz_statements(port, user, password, dice, count, complaints):
    """Sends statements until `count` is enough; complains of sessions that do not go on as they should."""
    session = None
    while not count.is_enough:
        text, isExtended, begin = statement(dice), dice.random() < 0.5, time.monotonic()
        try:
            session = session or Session(port, user, password)
            if isExtended:
                session.extended(dice, text)
            else:
                session.simple(text)
            session.check(f"{dice.randrange(1 << 60)}")
        except Exception as error:
            complaints.append(f"{'extended' if isExtended else 'simple'} {text[:300]!r}: {error!r}")
            if session:
                session.client.close()
            session = None
            if len(complaints) > 20:
                return
        if time.monotonic() - begin > 10:
            print(f"  {time.monotonic() - begin:.0f} s for {text[:80]!r}", flush=True)
        count.add(1)
    if session:
        session.client.close()
