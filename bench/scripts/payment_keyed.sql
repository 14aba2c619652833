\set aid random(1, 100000 * :scale)
\set key random(1, 1000000000000000)
/* pgbraid: idempotency_key=bench_:key */ UPDATE pgbench_accounts SET abalance = abalance - 1 WHERE aid = :aid;
