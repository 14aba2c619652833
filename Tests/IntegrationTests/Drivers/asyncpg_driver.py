"""asyncpg at work, scene by scene; see transcript.py. asyncpg speaks the extended protocol in binary only, prepares every
statement, keeps a cache of them, and asks the server's catalogs about every type it does not know."""

import asyncio
import datetime
import decimal
import io
import json
import uuid

import asyncpg

import transcript
from transcript import SCHEMA, scene, show

UTC = datetime.timezone.utc


async def connect(**options):
    return await asyncpg.connect(
        host="127.0.0.1", port=transcript.port, user="postgres", database="postgres",
        server_settings={"search_path": SCHEMA, "jit": "off"}, **options)


def pool(**options):
    return asyncpg.create_pool(
        host="127.0.0.1", port=transcript.port, user="postgres", database="postgres",
        server_settings={"search_path": SCHEMA, "jit": "off"}, **options)


def plain(rows):
    return [tuple(row) for row in rows]


async def failing(awaitable):
    """Awaits what must fail."""
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        show(type(error).__name__, error.sqlstate, str(error), error.as_dict().get("detail"), error.as_dict().get("constraint_name"))
    except (asyncpg.InterfaceError, asyncio.TimeoutError) as error:
        show(type(error).__name__, str(error))
    else:
        show("nothing failed")


@scene
async def tables():
    connection = await connect()
    await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}")
    await connection.execute("CREATE TABLE account (user_id int PRIMARY KEY, name text NOT NULL, balance numeric(12,2) DEFAULT 0)")
    await connection.execute("CREATE TABLE currency (code text PRIMARY KEY, digits int)")
    await connection.execute("""CREATE TABLE thing (user_id bigint PRIMARY KEY, small smallint, number int, amount numeric, ratio float8,
        line text, moment timestamptz, local timestamp, day date, hour time, span interval, identity uuid, document jsonb,
        raw bytea, flag bool, numbers int[], lines text[], spot point, range int4range)""")
    await connection.close()


@scene
async def rows_are_made_read_changed_and_deleted():
    connection = await connect()
    for user in range(1, 13):
        show(await connection.fetchrow("INSERT INTO account VALUES ($1, $2) RETURNING user_id, balance", user, f"name {user}"))
    show(await connection.execute("INSERT INTO account VALUES ($1, $2), ($3, $4)", 13, "x", 14, "y"))
    show(plain(await connection.fetch("SELECT * FROM account ORDER BY user_id")))
    show(await connection.fetchval("SELECT count(*) FROM account WHERE user_id > $1", 4))
    show(await connection.fetchrow("SELECT sum(balance), avg(user_id), max(name) FROM account"))
    show(await connection.execute("UPDATE account SET balance = $1 WHERE user_id = $2", decimal.Decimal("12.50"), 3))
    show(await connection.execute("UPDATE account SET balance = balance + $1 WHERE user_id = ANY($2)", decimal.Decimal("1"), [3, 4, 5]))
    show(await connection.execute("DELETE FROM account WHERE user_id > $1", 12))
    show(await connection.fetchrow("SELECT * FROM account WHERE user_id = $1", 3))
    show(await connection.fetchrow("SELECT * FROM account WHERE user_id = $1", 999))
    show(plain(await connection.fetch("DELETE FROM account WHERE user_id IN ($1, $2) RETURNING name", 11, 11)))
    show(await connection.execute("SELECT 1; UPDATE account SET name = 'script' WHERE user_id = 5; SELECT count(*) FROM account"))
    show(await connection.executemany("INSERT INTO account VALUES ($1, $2, $3)", [(user, "many", user) for user in range(20, 60)]))
    show(await connection.fetchrow("SELECT count(*), sum(balance) FROM account WHERE name = $1", "many"))
    await failing(connection.executemany("INSERT INTO account VALUES ($1, $2)", [(60, "new"), (61, "new"), (20, "there already"), (62, "new")]))
    show(await connection.fetchval("SELECT count(*) FROM account WHERE user_id >= 60"))
    await connection.close()


def things():
    for user in range(1, 9):
        yield (
            user * 10**12, user - 4, user * 1000003, decimal.Decimal("12345678901234567890.1234567890") * user, user / 7,
            f"line {user} äöü ' \" \\ \t", datetime.datetime(2024, 2, 29, 23, 59, 59, 123456 + user, UTC),
            datetime.datetime(1999, 12, 31, 0, 0, user), datetime.date(2000, 1, user), datetime.time(1, 2, 3, user),
            datetime.timedelta(days=user, seconds=1), uuid.UUID(int=user << 64), json.dumps({"user": user, "list": [1, None]}),
            bytes([0, user, 255, 92, 39]), user % 2 == 0, [user, None, -1], ["a,b", None, "", '"', "{}", "ü"],
            asyncpg.Point(user, -user), asyncpg.Range(user, user + 5))
    yield (9 * 10**12,) + (None,) * 18


@scene
async def all_types():
    connection = await connect()
    places = ", ".join(f"${number}" for number in range(1, 20))
    for thing in things():
        await connection.execute(f"INSERT INTO thing VALUES ({places})", *thing)
    rows = plain(await connection.fetch("SELECT * FROM thing ORDER BY user_id"))
    for row in rows:
        show(row)
    for row in rows:
        show(row == tuple(await connection.fetchrow("SELECT * FROM thing WHERE user_id = $1", row[0])))
    show(plain(await connection.fetch("SELECT flag, count(*), sum(amount), max(moment), min(day) FROM thing GROUP BY flag ORDER BY flag")))
    show(plain(await connection.fetch("SELECT line FROM thing WHERE moment > $1 AND number > $2 ORDER BY moment DESC LIMIT $3", datetime.datetime(2024, 1, 1, tzinfo=UTC), 3, 2)))
    await connection.close()


@scene
async def statements_are_prepared_and_cached():
    connection = await connect(statement_cache_size=3)
    for turn in range(3):
        for number in range(6):
            show(plain(await connection.fetch(f"SELECT name, {number} AS n FROM account WHERE user_id = $1", 20 + number)))
    statement = await connection.prepare("SELECT name, balance FROM account WHERE user_id = $1")
    show([(attribute.name, attribute.type.name) for attribute in statement.get_attributes()], [parameter.name for parameter in statement.get_parameters()])
    for user in range(20, 28):
        show(await statement.fetchrow(user), statement.get_statusmsg())
    everywhere = await connection.prepare("SELECT count(*), sum(balance) FROM account WHERE user_id >= $1")
    for user in range(20, 24):
        show(await everywhere.fetchrow(user))
    write = await connection.prepare("UPDATE account SET name = $2 WHERE user_id = $1 RETURNING name")
    for user in range(20, 24):
        show(await write.fetchval(user, f"written {user}"))
    await connection.close()


@scene
async def more_clients_than_links():
    async with pool(min_size=12, max_size=12) as clients:
        async def work(number):
            seen = []
            for turn in range(12):
                user = 20 + (number + turn) % 20
                async with clients.acquire() as connection:
                    async with connection.transaction():
                        seen.append(await connection.fetchval("SELECT name FROM account WHERE user_id = $1", user) is not None)
                        seen.append(await connection.execute("UPDATE account SET balance = balance + 1 WHERE user_id = $1", user))
                    seen.append(await connection.fetchval("SELECT count(*) FROM account WHERE user_id >= $1", 20))
            return seen
        for seen in await asyncio.gather(*(work(number) for number in range(24))):
            show(seen)
        show(plain(await clients.fetch("SELECT user_id, balance FROM account WHERE user_id >= 20 ORDER BY user_id")))


@scene
async def copy_in_and_out():
    connection = await connect()
    await connection.execute("DELETE FROM thing")
    show(await connection.copy_records_to_table("thing", records=list(things()), schema_name=SCHEMA))
    show(await connection.fetchrow("SELECT count(*), sum(number), max(moment) FROM thing"))
    show(await connection.copy_records_to_table("account", records=[(user, "copied", None) for user in range(1000, 3000)], columns=["user_id", "name", "balance"], schema_name=SCHEMA))
    show(await connection.fetchrow("SELECT count(*), sum(user_id) FROM account WHERE name = 'copied'"))
    for options in ({}, {"format": "csv", "header": True, "delimiter": ";"}):
        out = io.BytesIO()
        show(await connection.copy_from_table("account", schema_name=SCHEMA, output=out, columns=["user_id", "name"], **options))
        lines = out.getvalue().splitlines()
        show(len(lines), lines[:1] if options else [], sorted(lines)[:5])
    out = io.BytesIO()
    show(await connection.copy_from_query("SELECT user_id, name FROM account WHERE user_id = $1", 20, output=out))
    show(out.getvalue())
    out = io.BytesIO()
    show(await connection.copy_from_table("thing", schema_name=SCHEMA, output=out, format="binary"))
    show(out.getvalue()[:11], len(out.getvalue()), out.getvalue()[-2:])
    show(await connection.copy_to_table("account", schema_name=SCHEMA, source=io.BytesIO(b"70,csv,1\n71,csv,2\n"), format="csv"))
    await failing(connection.copy_to_table("account", schema_name=SCHEMA, source=io.BytesIO(b"72,csv,1\nx,csv,2\n"), format="csv"))
    await failing(connection.copy_records_to_table("account", records=[(73, "new", None), (20, "there already", None)], schema_name=SCHEMA))
    show(plain(await connection.fetch("SELECT user_id FROM account WHERE user_id BETWEEN 70 AND 79 ORDER BY 1")))
    await connection.close()


@scene
async def cursors():
    connection = await connect()
    async with connection.transaction():
        show([record["user_id"] async for record in connection.cursor("SELECT user_id FROM account WHERE user_id BETWEEN 20 AND 40 ORDER BY user_id", prefetch=4)])
        cursor = await connection.cursor("SELECT name, user_id FROM account WHERE user_id = $1", 25)
        show(await cursor.fetchrow(), await cursor.fetchrow())
        cursor = await connection.cursor("SELECT user_id FROM account WHERE user_id >= $1 ORDER BY user_id", 1000)
        show(len(await cursor.fetch(1500)), (await cursor.fetch(2000))[-1])
    await failing(connection.cursor("SELECT 1"))
    await connection.close()


@scene
async def transactions_and_savepoints():
    connection = await connect()
    outer = connection.transaction(isolation="repeatable_read")
    await outer.start()
    await connection.execute("UPDATE account SET name = 'outer' WHERE user_id IN (20, 21, 22, 23)")
    try:
        async with connection.transaction():
            await connection.execute("UPDATE account SET name = 'inner' WHERE user_id IN (20, 21)")
            await connection.execute("INSERT INTO account VALUES (20, 'there already')")
    except asyncpg.UniqueViolationError as error:
        show(str(error), error.detail, error.table_name)
    async with connection.transaction():
        await connection.execute("UPDATE account SET name = 'kept' WHERE user_id IN (22, 23)")
    show(connection.is_in_transaction())
    await outer.commit()
    show(plain(await connection.fetch("SELECT user_id, name FROM account WHERE user_id BETWEEN 20 AND 23 ORDER BY 1")))
    failed = connection.transaction()
    await failed.start()
    await connection.execute("DELETE FROM account WHERE user_id > 20")
    await failing(connection.fetch("SELECT 1/0"))
    await failing(connection.fetch("SELECT 1"))
    await failed.rollback()
    show(await connection.fetchval("SELECT count(*) FROM account"))
    await connection.close()


@scene
async def errors_and_cancellation():
    connection = await connect()
    for statement, arguments in (
            ("INSERT INTO account VALUES ($1, 'x')", [20]), ("INSERT INTO account VALUES ($1, NULL)", [80]),
            ("SELEC 1", []), ("SELECT * FROM missing", []), ("SELECT missing FROM account", []), ("SELECT $1::int / 0", [1]),
            ("SELECT name FROM account WHERE user_id = $1 AND 1 / (user_id - 20) > 0", [20]), ("SELECT 1 / (user_id - 20) FROM account", [])):
        await failing(connection.fetch(statement, *arguments))
    # A timeout makes asyncpg send a CancelRequest.
    for call, statement in (("(64)", "SELECT pg_sleep(64) FROM account WHERE user_id = 20"), ("(65)", "SELECT count(pg_sleep(65)) FROM account")):
        task = asyncio.ensure_future(connection.fetch(statement))
        await asyncio.get_running_loop().run_in_executor(None, transcript.until_running, call)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            show("cancelled")
        show(await connection.fetchval("SELECT name FROM account WHERE user_id = 22"))
    await connection.close()


@scene
async def notices_and_notifications():
    listener, speaker = await connect(), await connect()
    listener.add_log_listener(lambda _, message: show(message.severity, message.sqlstate, message.message))
    await listener.execute("DROP TABLE IF EXISTS missing")
    heard = []
    await listener.add_listener("news", lambda _, process, channel, payload: heard.append((channel, payload, process == listener.get_server_pid())))
    await speaker.execute("NOTIFY news, 'first'")
    await speaker.execute("SELECT pg_notify($1, $2)", "news", "second")
    await listener.execute("NOTIFY news, 'own'")
    end = asyncio.get_running_loop().time() + transcript.DEADLINE_SECONDS
    while len(heard) < 3 and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.01)
    show(heard)
    await listener.close()
    await speaker.close()


@scene
async def types_within_types():
    connection = await connect()
    await connection.execute("""CREATE TYPE grade AS ENUM ('low', 'high'); CREATE DOMAIN percent AS int CHECK (VALUE <= 100);
        CREATE TYPE mark AS (grade grade, share percent, past grade[]); CREATE TYPE sheet AS (title text, best mark, marks mark[]);
        CREATE TYPE stretch AS RANGE (subtype = numeric, multirange_type_name = stretches); CREATE TYPE span_of_grades AS RANGE (subtype = grade);
        CREATE TABLE school (user_id int PRIMARY KEY, sheet sheet, shares percent[], stretch stretch, stretches stretch[], several stretches, grades span_of_grades);
        CREATE TABLE subject (code int PRIMARY KEY, grade grade, mark mark)""")
    low, high = ("low", 5, ["low", None]), ("high", 100, ["high", "low"])
    stretch = asyncpg.Range(decimal.Decimal("0.5"), decimal.Decimal(2))
    for user in range(1, 9):
        sheet = (f"sheet {user}", [low, high][user % 2], [low, None, high])
        show(await connection.execute(
            "INSERT INTO school VALUES ($1, $2, $3, $4, $5, $6, $7)", user, sheet, [1, None, user], stretch, [stretch, None], [stretch], asyncpg.Range("low", "high")))
    show(await connection.execute("INSERT INTO subject VALUES (1, $1, $2), (2, $3, $4)", "low", low, "high", high))
    for user in range(1, 9):
        show(await connection.fetchrow("SELECT * FROM school WHERE user_id = $1", user))
        show(await connection.fetchrow("SELECT ROW((sheet).best, ARRAY[(sheet).best], shares), (sheet).marks FROM school WHERE user_id = $1", user))
        show(await connection.fetchval("SELECT user_id FROM school WHERE user_id = $1 AND (sheet).best = $2::mark", user, high))
    show(plain(await connection.fetch("SELECT * FROM school ORDER BY user_id")))
    show(plain(await connection.fetch("SELECT (sheet).best, count(*), array_agg((sheet).best.grade ORDER BY user_id) FROM school GROUP BY 1 ORDER BY 1")))
    show(plain(await connection.fetch("SELECT user_id FROM school WHERE (sheet).best = $1::mark ORDER BY 1", low)))
    show(plain(await connection.fetch("SELECT s.user_id, t.mark FROM school s JOIN subject t ON t.mark = (s.sheet).best ORDER BY 1")))
    show(await connection.execute("UPDATE school SET sheet = $1 WHERE (sheet).best = $2::mark", ("new", low, [high]), high))
    show(sorted(plain(await connection.fetch(
        "UPDATE school SET shares = $1 WHERE user_id IN (1, 2, 3, 4) AND sheet = $2::sheet RETURNING user_id, sheet, shares", [7], ("new", low, [high])))))
    async with connection.transaction():
        async for row in connection.cursor("SELECT user_id, sheet FROM school ORDER BY user_id", prefetch=3):
            show(row)
        first = await connection.cursor("SELECT sheet, user_id FROM school WHERE user_id = $1", 5)
        second = await connection.cursor("SELECT user_id, stretches FROM school WHERE user_id = $1", 5)
        show(await second.fetch(1), await first.fetch(1), await first.fetch(1))
    await connection.close()


@scene
async def types_made_in_a_transaction_and_made_anew():
    connection = await connect()
    try:
        async with connection.transaction():
            await connection.execute("CREATE TYPE passing AS ENUM ('never'); CREATE TABLE passing_by (user_id int PRIMARY KEY, passing passing, several passing[])")
            for user in range(1, 5):
                show(await connection.execute("INSERT INTO passing_by VALUES ($1, $2, $3)", user, "never", ["never"]))
                show(await connection.fetchrow("SELECT * FROM passing_by WHERE user_id = $1", user))
            show(plain(await connection.fetch("SELECT * FROM passing_by ORDER BY user_id")))
            raise ValueError("not meant")
    except ValueError as error:
        show(str(error))
    for labels in ("'a', 'b'", "'b', 'c'"):
        await connection.execute(f"DROP TYPE IF EXISTS passing CASCADE; CREATE TYPE passing AS ENUM ({labels})")
        await connection.reload_schema_state()
        await connection.execute("CREATE TABLE IF NOT EXISTS passing_by (user_id int PRIMARY KEY); ALTER TABLE passing_by ADD several passing[]")
        for user in range(1, 5):
            await connection.execute("INSERT INTO passing_by VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET several = excluded.several", user, ["b"])
            show(await connection.fetchrow("SELECT user_id, several FROM passing_by WHERE user_id = $1", user))
    await connection.close()


@scene
async def types_made_through_the_connection():
    connection = await connect()
    await connection.execute("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')")
    await connection.execute("CREATE TYPE spot AS (x int, y numeric, label text)")
    await connection.execute("CREATE DOMAIN positive AS int CHECK (VALUE > 0)")
    await connection.execute("CREATE TABLE feeling (user_id int PRIMARY KEY, mood mood, place spot, moods mood[], places spot[], number positive)")
    for user in range(1, 9):
        mood = ["sad", "ok", "happy"][user % 3]
        place = (user, decimal.Decimal(user) / 4, f"p {user}")
        show(await connection.execute("INSERT INTO feeling VALUES ($1, $2, $3, $4, $5, $6)", user, mood, place, [mood, None], [place, None], user))
    for user in range(1, 9):
        show(await connection.fetchrow("SELECT * FROM feeling WHERE user_id = $1", user))
    show(plain(await connection.fetch("SELECT user_id, mood FROM feeling ORDER BY mood, user_id")))
    show(plain(await connection.fetch("SELECT mood, count(*) FROM feeling GROUP BY mood ORDER BY mood")))
    show(plain(await connection.fetch("SELECT user_id FROM feeling WHERE mood = $1 ORDER BY 1", "ok")))
    show(await connection.copy_records_to_table("feeling", schema_name=SCHEMA, columns=["user_id", "mood"], records=[(10, "ok"), (11, "sad")]))
    show(plain(await connection.fetch("SELECT * FROM feeling ORDER BY user_id")))
    await connection.set_type_codec("mood", schema=SCHEMA, encoder=str.lower, decoder=str.upper)
    show(plain(await connection.fetch("SELECT user_id, mood FROM feeling ORDER BY user_id")))
    await connection.close()


async def main():
    for function in transcript.scenes():
        try:
            await asyncio.wait_for(function(), 60)
        except Exception as error:
            show("!!", type(error).__name__, str(error))


asyncio.run(main())
