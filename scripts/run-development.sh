#!/bin/bash
# The heart of `make run`: starts local PostgreSQL servers and the proxy, loads the sample data on the first start,
# says what to try, and waits for Ctrl-C, which stops everything.
set -euo pipefail
cd "$(dirname "$0")/.."
data="$1"
shards="$2"
host=127.0.0.1
port=6432

started="$(mktemp)"
# A session of its own: Ctrl-C reaches this script only, which then stops the proxy once.
setsid .build/release/pgbraid dev --shards "$shards" --data "$data" --config proxy.conf >"$started" &
proxy=$!

stop() {
    trap '' INT TERM
    kill -TERM "$proxy" 2>/dev/null || true
    wait "$proxy" 2>/dev/null || true
    rm -f "$started"
    exit "${1:-0}"
}
trap stop INT TERM

until grep -q '^ready$' "$started"; do
    if ! kill -0 "$proxy" 2>/dev/null; then
        echo "The proxy did not start; its messages are above, the servers' in $data/logs." >&2
        stop 1
    fi
    sleep 0.1
done

psql=(psql -X -q -v ON_ERROR_STOP=1 -h "$host" -p "$port" -U postgres -d postgres)
if [ "$("${psql[@]}" -Atc "SELECT count(*) FROM pg_class WHERE relname = 'orders'")" = 0 ]; then
    echo "Loading the sample data from examples/shop.sql through the proxy"
    "${psql[@]}" -f examples/shop.sql >/dev/null || stop 1
fi

cat <<TEXT

$shards PostgreSQL servers are running in $data, and pgbraid makes them one database:

    psql -h $host -p $port -U postgres

Five statements worth trying:

 1. One user's rows: goes to one shard.
    SELECT * FROM orders WHERE user_id = 42 ORDER BY order_id;

 2. Sums over all shards, merged.
    SELECT currency, count(*), sum(balance) FROM accounts GROUP BY currency ORDER BY sum(balance) DESC;

 3. Users with their orders, joined where they live, the best five of all shards.
    SELECT u.user_id, u.name, count(*), sum(o.amount) FROM users u JOIN orders o USING (user_id)
    GROUP BY u.user_id, u.name ORDER BY sum(o.amount) DESC, u.user_id LIMIT 5;

 4. Money from one shard to another, all or nothing.
    BEGIN;
    UPDATE accounts SET balance = balance - 10 WHERE user_id = 1 AND currency = 'EUR';
    UPDATE accounts SET balance = balance + 10 WHERE user_id = 2 AND currency = 'EUR';
    COMMIT;

 5. The proxy itself: psql -h $host -p $port -U postgres -d pgbraid
    SHOW POOLS;

Ctrl-C stops everything; the data stays in $data.

TEXT
wait "$proxy" || stop 1
stop 0
