\set from 4 * random(1, 24999 * :scale)
\set to 4 * random(1, 24999 * :scale) + 1
\set amount random(1, 100)
\set key random(1, 1000000000000000)
/* pgbraid: idempotency_key=bench_:key */ BEGIN;
UPDATE pgbench_accounts SET abalance = abalance - :amount WHERE aid = :from;
UPDATE pgbench_accounts SET abalance = abalance + :amount WHERE aid = :to;
COMMIT;
