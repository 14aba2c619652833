#!/usr/bin/python3
"""Shows that advisory locks exclude clients from each other over the whole cluster, and end with who holds them.

A hundred clients add one to counters on four shards, by reading the value and writing it back one higher, which loses counts
unless they exclude each other. They do so with pg_advisory_lock, in and out of blocks; the same run without locks must lose some. Then holders are killed,
two clients wait for each other, and one of two that wait has a lock_timeout.

Every check prints a line; the last line is `N passed, M failed`.
"""

import argparse
import subprocess
import sys
import threading
import time

import psycopg

from shards import Checks, temporary_cluster

HOLDER = """
import psycopg, sys, time
connection = psycopg.connect(sys.argv[1], autocommit=True, prepare_threshold=None)
connection.execute("SELECT pg_advisory_lock(hashtext('kept'))")
print("holds", flush=True)
time.sleep(3600)
"""


def count(proxy, keys, clients, rounds, locks):
    """Every client adds one to every counter, `rounds` times; returns what went wrong."""
    failures = []

    def add(number):
        try:
            with proxy.connect(autocommit=True) as connection:
                for turn in range(rounds):
                    for key in keys:
                        in_block = locks and (number + turn) % 2 == 0
                        if in_block:
                            connection.execute("BEGIN")
                            connection.execute("SELECT pg_advisory_xact_lock(%s)", (key,))
                        elif locks:
                            connection.execute("SELECT pg_advisory_lock(%s)", (key,))
                        value = connection.execute("SELECT n FROM probe WHERE key = %s", (key,)).fetchone()[0]
                        connection.execute("UPDATE probe SET n = %s WHERE key = %s", (value + 1, key))
                        if in_block:
                            connection.execute("COMMIT")
                        elif locks:
                            connection.execute("SELECT pg_advisory_unlock(%s)", (key,))
        except psycopg.Error as error:
            failures.append(f"{error.sqlstate} {error}")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def exclusion(checks, shards, proxy, arguments):
    proxy.sql("CREATE TABLE probe (key int PRIMARY KEY, n int NOT NULL)")
    proxy.sql("INSERT INTO probe SELECT i, 0 FROM generate_series(1, 100) AS i")
    keys = [shards.sql(shard, "SELECT min(key) FROM probe")[0][0] for shard in range(shards.count)]
    wanted = arguments.clients * arguments.rounds
    for locks in (True, False):
        proxy.sql("UPDATE probe SET n = 0")
        begun = time.monotonic()
        failures = count(proxy, keys, arguments.clients, arguments.rounds, locks)
        seconds = time.monotonic() - begun
        counted = dict(row for row in proxy.sql("SELECT key, n FROM probe") if row[0] in keys)
        lost = sum(wanted - counted[key] for key in keys)
        said = f"{arguments.clients} clients, {arguments.rounds} times {len(keys)} counters, {seconds:.1f} s"
        checks.check(f"{said}: no statement failed", not failures, failures[:2])
        if locks:
            checks.check(f"with locks: {lost} of {wanted * len(keys)} counts lost", lost == 0, counted)
        else:
            checks.check(f"without locks: {lost} of {wanted * len(keys)} counts lost", lost > 0)
    held = shards.sql(0, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1")[0][0]
    checks.check("no lock is left", held == 0, held)


def is_free(proxy):
    """Whether somebody else can have the holder's lock, by waiting for it at most five seconds."""
    with proxy.connect(autocommit=True) as connection:
        connection.execute("SET lock_timeout = '5s'")
        begun = time.monotonic()
        try:
            connection.execute("SELECT pg_advisory_lock(hashtext('kept'))")
            return True, f"after {time.monotonic() - begun:.2f} s"
        except psycopg.Error as error:
            return False, error.sqlstate


def start_holder(proxy):
    address = f"host={proxy.sockets} port=7432 user=app dbname=postgres"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, address], stdout=subprocess.PIPE, text=True)
    holder.stdout.readline()
    return holder


def kills(checks, proxy):
    holder = start_holder(proxy)
    with proxy.connect(autocommit=True) as other:
        taken = other.execute("SELECT pg_try_advisory_lock(hashtext('kept'))").fetchone()[0]
    checks.check("a lock that is held cannot be had", not taken)
    holder.kill()
    holder.wait()
    checks.check("a client that is killed holds nothing", *is_free(proxy))
    holder = start_holder(proxy)
    proxy.kill()
    proxy.start()
    checks.check("nor does one whose proxy was killed", *is_free(proxy))
    holder.kill()
    holder.wait()


def outcome(connection, text):
    try:
        connection.execute(text)
        return "went on"
    except psycopg.Error as error:
        return error.sqlstate


def circle(checks, proxy):
    """Session locks, outside blocks: the victim keeps what it holds until it unlocks or leaves."""
    outcomes = []

    def cross(own, others):
        with proxy.connect(autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (own,))
            barrier.wait()
            outcomes.append(outcome(connection, f"SELECT pg_advisory_lock({others})"))

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=cross, args=pair) for pair in ((1001, 1002), (1002, 1001))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    checks.check("of two that wait for each other one gets 40P01, the other goes on", sorted(outcomes) == ["40P01", "went on"], outcomes)


def timeouts(checks, proxy):
    outcomes = {}

    def wait(name, timeout):
        with proxy.connect(autocommit=True) as connection:
            if timeout:
                connection.execute(f"SET lock_timeout = '{timeout}'")
            begun = time.monotonic()
            outcomes[name] = outcome(connection, "SELECT pg_advisory_lock(2001)"), time.monotonic() - begun

    with proxy.connect(autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(2001)")
        threads = [threading.Thread(target=wait, args=("with", "300ms")), threading.Thread(target=wait, args=("without", None))]
        for thread in threads:
            thread.start()
        threads[0].join()
        time.sleep(1)
        is_waiting = threads[1].is_alive()
        holder.execute("SELECT pg_advisory_unlock(2001)")
        threads[1].join()
    checks.check("lock_timeout ends the wait of who has set it", outcomes["with"][0] == "55P03" and outcomes["with"][1] < 5, outcomes["with"])
    checks.check("and of nobody else", is_waiting and outcomes["without"][0] == "went on", outcomes["without"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    checks = Checks()
    with temporary_cluster(arguments.pgbraid, "locks", checks) as (shards, proxy):
        exclusion(checks, shards, proxy, arguments)
        kills(checks, proxy)
        circle(checks, proxy)
        timeouts(checks, proxy)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
