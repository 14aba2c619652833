"""Writes whose rows are PostgreSQL's choice or change with time: what must hold after them is that all copies of a reference
table are the same, and that RETURNING told the truth.
"""

from difference_tables import TABLES

REFERENCE = [
    "UPDATE countries SET rate = (random() * 1000)::numeric(10,2)",
    "UPDATE countries SET rate = random() * 10, level = (SELECT level FROM levels ORDER BY random() LIMIT 1)",
    "UPDATE countries SET level = (SELECT l.level FROM levels l WHERE l.level <> countries.level ORDER BY random() LIMIT 1) WHERE random() < 0.7",
    "UPDATE levels SET since = now()::date, floor = extract(epoch FROM clock_timestamp())::float8",
    "UPDATE levels SET title = clock_timestamp()::text WHERE level IN (SELECT level FROM levels ORDER BY random() LIMIT 2)",
    "UPDATE levels SET title = pg_backend_pid()::text",
    "UPDATE countries SET label = txid_current()::text",
    "DELETE FROM countries WHERE code IN (SELECT code FROM countries ORDER BY random() LIMIT 2)",
    "DELETE FROM levels WHERE random() < 0.5",
    "DELETE FROM levels WHERE level = (SELECT level FROM levels LIMIT 1)",
    "DELETE FROM levels USING (SELECT level FROM levels ORDER BY random() LIMIT 2) AS r WHERE r.level = levels.level",
    "INSERT INTO countries SELECT md5(random()::text), 'new', random() * 5, g FROM generate_series(1, 5) AS g",
    "INSERT INTO countries SELECT md5(random()::text), word, price / 1000, len FROM words ORDER BY random() LIMIT 3",
    "INSERT INTO levels SELECT (random() * 1000)::int, state, weight, now()::date FROM orders ORDER BY random() LIMIT 4 ON CONFLICT (level) DO NOTHING",
    "INSERT INTO levels SELECT DISTINCT ON (user_id) user_id, name, score, born FROM users ORDER BY user_id LIMIT 6 ON CONFLICT (level) DO UPDATE SET title = excluded.title",
    "INSERT INTO levels VALUES ((random() * 100000)::int, gen_random_uuid()::text, random(), now()::date)",
    "INSERT INTO levels (level, title) SELECT (random() * 100000)::int, label FROM countries",
    "UPDATE countries SET label = w.lang FROM words w WHERE w.len > 0",
    "UPDATE countries SET label = l.title FROM levels l WHERE l.level > 0",
    "UPDATE countries c SET label = l.title, rate = greatest(-9, least(l.floor, 9)) FROM (SELECT * FROM levels ORDER BY random() LIMIT 2) l WHERE c.level >= l.level",
    "UPDATE countries SET label = (SELECT string_agg(title, ',') FROM levels)",
    "UPDATE countries SET label = (SELECT array_agg(title)::text FROM levels), rate = (SELECT sum(floor) FROM levels)",
    "UPDATE levels SET floor = (SELECT avg(score) FROM users), title = (SELECT string_agg(name, '') FROM users)",
    "WITH r AS (SELECT level FROM levels ORDER BY random() LIMIT 2) DELETE FROM levels WHERE level IN (SELECT level FROM r)",
    "WITH r AS (SELECT code, random() AS x FROM countries) UPDATE countries SET rate = r.x FROM r WHERE r.code = countries.code",
    "WITH gone AS (DELETE FROM levels WHERE random() < 0.5 RETURNING *) SELECT count(*) FROM gone",
    "WITH gone AS (DELETE FROM levels WHERE random() < 0.5 RETURNING *) INSERT INTO countries SELECT md5(random()::text), title, 1, level FROM gone",
    "MERGE INTO countries c USING levels l ON c.level = l.level WHEN MATCHED THEN UPDATE SET rate = random()",
    "MERGE INTO levels l USING (SELECT 77 AS k) s ON l.level = s.k WHEN NOT MATCHED THEN INSERT VALUES (77, random()::text, random(), now()::date)",
]
SHARDED = [
    "UPDATE orders SET weight = random(), placed = clock_timestamp() WHERE qty > 0",
    "UPDATE orders SET qty = (random() * 100)::int WHERE random() < 0.5",
    "UPDATE users SET score = (SELECT random() FROM levels LIMIT 1)",
    "UPDATE users SET score = random(), user_id = user_id + 1000 WHERE random() < 0.5",
    "UPDATE users SET user_id = (random() * 1000000000)::int WHERE active",
    "UPDATE words SET word = md5(random()::text || word), len = (random() * 100)::smallint",
    "UPDATE orders SET qty = -7 WHERE (user_id, id) IN (SELECT user_id, id FROM orders ORDER BY random() LIMIT 3)",
    "DELETE FROM orders WHERE (user_id, id) IN (SELECT user_id, id FROM orders ORDER BY random() LIMIT 3)",
    "DELETE FROM users WHERE random() < 0.5",
    "INSERT INTO orders (user_id, id, qty, weight, placed) SELECT (random() * 100000)::int, 9, user_id, random(), now() FROM users",
    "INSERT INTO users (user_id, name, score) SELECT (random() * 1000000)::int, md5(random()::text), random() FROM generate_series(1, 9)",
    "INSERT INTO users (user_id, name, score) VALUES (7001, md5(random()::text), random()), (7002, now()::text, random()), (7003, 'c', random())",
    "INSERT INTO orders (user_id, id, weight) SELECT user_id, 50, random() FROM users WHERE random() < 0.5",
    "INSERT INTO orders (user_id, id, weight) SELECT user_id, id, random() FROM events WHERE user_id < 100 ON CONFLICT (user_id, id) DO UPDATE SET weight = excluded.weight",
]


def random_write(random):
    """(statement, table it writes, does it return the rows as they are)."""
    text = random.choice(REFERENCE + SHARDED)
    words = text.split()
    table = words[1] if words[0] == "UPDATE" else words[2]
    is_plain = words[0] in ("UPDATE", "INSERT") and table in TABLES
    if not is_plain or random.random() < 0.3:
        return text, table, False
    alias = words[2] if words[0] == "UPDATE" and words[2] != "SET" else table
    return text + f" RETURNING {alias}.*", table, True
