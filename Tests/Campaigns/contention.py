#!/usr/bin/python3
"""Shows that waiting for locks is not taken for a deadlock.

pgbench's tpcb-like transactions lock an account, a teller and the one branch of scale 1, always in this order, so none can
deadlock, but sixteen clients over four shards wait for that branch all the time. deadlock_timeout is set so low that many waits are longer:
the shards, with the same deadlock_timeout, count them (log_lock_waits), and the proxy looks for deadlocks again and again.
Commits are as durable as PostgreSQL's are by default, so that locks are held for long. Not one transaction may fail with 40P01, or with anything else.

Afterwards two sessions lock two rows crosswise, to show that the same proxy does find a deadlock.

Every check prints a line; the last line is `N passed, M failed`.
"""

import argparse
import re
import sys
import threading

import psycopg

from shards import Checks, temporary_cluster


def load(checks, shards, proxy, clients, seconds):
    before = proxy.statistics()
    run = proxy.pgbench("-n", "-b", "tpcb-like", "-c", str(clients), "-j", "2", "-T", str(seconds), "--max-tries=1", "--failures-detailed")
    after = proxy.statistics()
    number = re.search(r"transactions actually processed: (\d+)", run.stdout)
    failures = re.search(r"number of failed transactions: (\d+)", run.stdout)
    processed = int(number.group(1)) if number else 0
    looks, deadlocks = (after[name] - before[name] for name in ("deadlock_looks", "deadlocks"))
    checks.check(f"{processed} transactions of {clients} clients in {seconds} s, none failed",
          run.returncode == 0 and processed and failures and failures.group(1) == "0", run.stderr[-500:])
    waits = sum(shards.logged(shard, "still waiting for") for shard in range(shards.count))
    checks.check(f"{waits} times a wait for a lock was longer than deadlock_timeout", waits > 100)
    checks.check(f"{looks} times the proxy looked for a deadlock", looks > 100)
    checks.check(f"{deadlocks} taken for a deadlock", deadlocks == 0)
    sums = proxy.sql("SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(bbalance) FROM pgbench_branches), "
                     "(SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(delta) FROM pgbench_history)")[0]
    checks.check("the balances add up", len(set(sums)) == 1, sums)


def crosswise(checks, proxy):
    """Two sessions, two rows, two shards."""
    keys = {}
    for key in range(1, 100):
        row = proxy.sql(f"SELECT current_setting('port') FROM pgbench_accounts WHERE aid = {key}")
        keys.setdefault(row[0][0], key)
    first, second = sorted(keys.values())[:2]
    update = "UPDATE pgbench_accounts SET abalance = abalance WHERE aid = {}"
    left, right = proxy.connect(), proxy.connect()
    left.execute(update.format(first))
    right.execute(update.format(second))
    outcomes = []

    def go_on(connection, key):
        try:
            connection.execute(update.format(key))
            outcomes.append("went on")
        except psycopg.Error as error:
            outcomes.append(error.sqlstate)
        connection.rollback()

    threads = [threading.Thread(target=go_on, args=pair) for pair in ((left, second), (right, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    checks.check("a real deadlock ends with 40P01 for one, the other goes on", sorted(outcomes) == ["40P01", "went on"], outcomes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--deadlock-timeout", default="20ms")
    arguments = parser.parse_args()
    checks = Checks()
    timeout = f'deadlock_timeout = "{arguments.deadlock_timeout}"'
    servers = {"fsync": "on", "deadlock_timeout": arguments.deadlock_timeout, "log_lock_waits": "on", "log_min_messages": "log"}
    with temporary_cluster(arguments.pgbraid, "contention", checks, [timeout], server_settings=servers) as (shards, proxy):
        made = proxy.pgbench("-i", "-s", "1", "-q")
        checks.check("pgbench -i", made.returncode == 0, made.stderr[-500:] if made.returncode else "")
        load(checks, shards, proxy, arguments.clients, arguments.seconds)
        crosswise(checks, proxy)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
