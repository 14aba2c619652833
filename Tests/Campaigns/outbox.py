#!/usr/bin/python3
"""Shows that what transactions put into an outbox table reaches the broker: all of it, nothing of what was rolled back, each aggregate's in order.

Many clients change aggregates on four shards and store events of that in the same transaction, of one shard or two. Some roll back. Some commit late: they
hold events of an aggregate open while others, that do not wait for them, store younger ones of the same. Meanwhile the two relays, the broker, the proxy and
a shard are killed and started again. In the end the tables say what was committed, and a consumer what arrived.

Every check prints a line; the last line is `N passed, M failed`.
"""

import argparse
import collections
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

import psycopg

from brokers import MESSAGE_LIMIT, KafkaMock, RabbitConsumer, RabbitNode
from shards import PROXY_PORT, Checks, temporary_cluster

AGGREGATES, FREE, EVENTS_AT_ONCE = 400, 20, 16


def documented_table():
    """The CREATE TABLE that the manual tells applications."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/outbox.md")
    with open(path) as file:
        return re.search(r"```sql\n(CREATE TABLE outbox_events.*?)```", file.read(), re.S).group(1)


class Relay:
    """pgbraid-relay, started and killed."""

    def __init__(self, executable, directory, number, proxy, broker, lines=()):
        self.executable, self.process = os.path.abspath(executable), None
        self.config = os.path.join(directory, f"relay{number}.conf")
        self.log = os.path.join(directory, f"relay{number}.log")
        with open(self.config, "w") as file:
            file.write("\n".join([
                "[proxy]", f'host = "{proxy.sockets}"', f"port = {PROXY_PORT}", 'user = "app"', "[outbox]", 'lease = "3s"', 'retry_longest = "1s"',
                'patience = "20s"', *lines, broker, ""]))

    def start(self):
        log = open(self.log, "a")
        self.process = subprocess.Popen([self.executable, "run", "--config", self.config], stdout=log, stderr=log)

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        return self.process.wait()

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None


# MARK: Clients

def connect(sockets):
    return psycopg.connect(host=sockets, port=PROXY_PORT, user="app", dbname="postgres", autocommit=True, prepare_threshold=None, connect_timeout=20)


def insert(connection, aggregate, count, number):
    rows = ",".join("(%s, 'changed', %s)" for _ in range(count))
    values = [value for place in range(count) for value in (aggregate, json.dumps({"transaction": number, "place": place}))]
    connection.execute(f"INSERT INTO outbox_events (aggregate_id, event_type, event_data) VALUES {rows}", values)


def transaction(connection, choice, number, is_late):
    """One transaction of a client; the events it has stored, as they will be if it commits."""
    aggregate = choice.randrange(1, AGGREGATES + 1)
    connection.execute("BEGIN")
    if is_late or choice.random() < 0.1:
        # Nothing makes writers of this aggregate wait for each other.
        connection.execute("UPDATE client SET n = n + 1 WHERE user_id = %s", (number % 100_000 + 1,))
        insert(connection, f"free-{choice.randrange(FREE)}", 3, number)
        if is_late:
            time.sleep(choice.uniform(0.3, 2))
            insert(connection, f"free-{choice.randrange(FREE)}", 1, number)
    else:
        connection.execute("UPDATE aggregate SET version = version + 1 WHERE user_id = %s", (aggregate,))
        insert(connection, str(aggregate), choice.randrange(1, EVENTS_AT_ONCE), number)
        if choice.random() < 0.15:
            # Mostly another shard, which makes it a transaction of two phases.
            connection.execute("UPDATE client SET n = n + 1 WHERE user_id = %s", (choice.randrange(1, 1000),))
    connection.execute("ROLLBACK" if choice.random() < 0.1 else "COMMIT")


def client(sockets, seed, stored, wanted, is_late):
    """Runs transactions until `wanted` events are stored."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    choice = random.Random(seed)
    connection, number = None, seed * 1_000_000
    while stored.value < wanted.value:
        number += 1
        try:
            connection = connection or connect(sockets)
            transaction(connection, choice, number, is_late)
        except psycopg.Error:
            if connection is not None:
                connection.close()
            connection = None
            time.sleep(0.05)


# MARK: Faults

def trouble(stop, seed, shards, proxy, broker, relays, said):
    """Kills one thing after the other until `stop`, and has all of them run in the end."""
    choice, turn = random.Random(seed), 0
    while not stop.wait(2.5):
        turn += 1
        if turn % 8 == 3:
            broker.kill()
            said["broker"] += 1
            stop.wait(choice.uniform(0, 2))
            broker.start()
        elif turn % 8 == 5:
            proxy.kill()
            said["proxy"] += 1
            proxy.start()
        elif turn % 8 == 7:
            shard = choice.randrange(shards.count)
            shards.stop(shard)
            said["shard"] += 1
            stop.wait(1.5)
            shards.start(shard)
        else:
            relay = choice.choice(relays)
            relay.kill()
            said["relay"] += 1
            stop.wait(choice.uniform(0, 1))
            relay.start()
    for relay in relays:
        if not relay.is_running:
            relay.start()


# MARK: Checks

def compare(checks, shards, arrived):
    """`arrived`: message id, aggregate and data in the order of arrival."""
    stored = {}
    for shard in range(shards.count):
        for sequence, event, aggregate, status, data in shards.sql(
                shard, "SELECT sequence, event_id::text, aggregate_id, status, event_data::text FROM outbox_events"):
            stored[f"{shard}/{event}"] = (shard, aggregate, sequence, status, json.loads(data))
    first = {}
    for place, (identifier, aggregate, data) in enumerate(arrived):
        first.setdefault(identifier, (place, aggregate, data))
    missing = [identifier for identifier in stored if identifier not in first]
    alien = [identifier for identifier in first if identifier not in stored]
    checks.check(f"{len(stored)} committed events, {len(missing)} did not arrive", not missing, missing[:3])
    checks.check(f"{len(first)} events arrived ({len(arrived) - len(first)} of them again), {len(alien)} were never committed", not alien, alien[:3])
    checks.check("each arrived with its aggregate and data", all(
        first[identifier][1] == row[1] and json.loads(first[identifier][2]) == row[4] for identifier, row in stored.items() if identifier in first))
    orders = collections.defaultdict(list)
    for identifier, (place, aggregate, _) in sorted(first.items(), key=lambda item: item[1][0]):
        if identifier in stored:
            orders[stored[identifier][0], aggregate].append(stored[identifier][2])
    wrong = {key: order for key, order in orders.items() if order != sorted(order)}
    checks.check(f"{len(orders)} aggregates, {len(wrong)} out of order", not wrong, [
        (key, next((left, right) for left, right in zip(order, order[1:]) if left > right)) for key, order in list(wrong.items())[:3]])
    unsent = sum(row[3] != "sent" for row in stored.values())
    checks.check(f"{unsent} events are not marked as sent", unsent == 0)


def await_empty(shards, limit):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if shards.total("SELECT count(*) FROM outbox_events WHERE status <> 'sent'") == 0:
            return True
        time.sleep(0.5)
    return False


def show(checks, proxy):
    rows = proxy.sql("SHOW OUTBOX", user="postgres", dbname="pgbraid")
    checks.check("SHOW OUTBOX tells of all shards", sorted(row[0] for row in rows) == ["0", "1", "2", "3"] and all(row[1] == "public.outbox_events" for row in rows), rows)


def refusals(checks, proxy, broker, relay):
    """Events that no queue takes or that are too large, among others: they fail, and hold up nothing but their aggregates."""
    broker.declare("known")
    arrived = []
    consumers = [broker.consumer("known", lambda identifier, aggregate, data: arrived.append((aggregate, json.loads(data))))]
    events = [("homeless", "nowhere", 1), ("homeless", "known", 2), ("large", "known", "x" * 2 * MESSAGE_LIMIT), ("large", "known", 2)]
    events += [(f"other-{place}", "known", place) for place in range(50)]
    with connect(proxy.sockets) as connection:
        for aggregate, kind, data in events:
            connection.execute("/* pgbraid: shard=1 */ INSERT INTO outbox_events (aggregate_id, event_type, event_data) VALUES (%s, %s, %s)", (aggregate, kind, json.dumps(data)))
        relay.start()
        query = "SELECT aggregate_id, attempts, reason FROM outbox_events WHERE status = 'failed' ORDER BY 1"
        failed = eventually(lambda: connection.execute(query).fetchall(), lambda rows: len(rows) == 2)
        checks.check("what the broker does not take has failed after three attempts", [row[:2] for row in failed] == [("homeless", 3), ("large", 3)], failed)
        checks.check("for the broker's reasons", len(failed) == 2 and "NO_ROUTE" in failed[0][2] and "406" in failed[1][2], failed)
        others = {(f"other-{place}", place) for place in range(50)}
        eventually(lambda: set(arrived), lambda seen: seen >= others)
        checks.check("all others have arrived, and none behind the failed ones", set(arrived) == others, sorted(set(arrived) ^ others)[:3])
        broker.declare("nowhere")
        consumers.append(broker.consumer("nowhere", lambda identifier, aggregate, data: arrived.append((aggregate, json.loads(data)))))
        connection.execute("UPDATE outbox_events SET status = 'pending', attempts = 0 WHERE aggregate_id = 'homeless'")
        connection.execute("DELETE FROM outbox_events WHERE status = 'failed'")
        rest = {("homeless", 1), ("homeless", 2), ("large", 2)}
        eventually(lambda: set(arrived), lambda seen: seen >= others | rest)
        checks.check("tried again, or given up, they let their aggregates go on", set(arrived) == others | rest, sorted(set(arrived) ^ (others | rest))[:3])
    for consumer in consumers:
        consumer.end()


def eventually(ask, is_right, limit=30):
    """The answer as soon as it is right, or the last one."""
    end = time.monotonic() + limit
    while not is_right(answer := ask()) and time.monotonic() < end:
        time.sleep(0.1)
    return answer


def run(arguments, checks):
    section = ['[[table]]', 'name = "outbox_events"', 'kind = "local"']
    with temporary_cluster(arguments.pgbraid, "outbox", checks, sections=section) as (shards, proxy):
        proxy.sql(documented_table())
        proxy.sql("CREATE TABLE aggregate (user_id int PRIMARY KEY, version bigint NOT NULL DEFAULT 0)")
        proxy.sql("CREATE TABLE client (user_id int PRIMARY KEY, n int NOT NULL DEFAULT 0)")
        proxy.sql(f"INSERT INTO aggregate SELECT g FROM generate_series(1, {AGGREGATES}) AS g")
        proxy.sql("INSERT INTO client SELECT g FROM generate_series(1, 100000) AS g")
        broker = (KafkaMock if arguments.kafka else RabbitNode)(shards.directory)
        relays = []
        try:
            print(f"broker serves after {broker.start():.1f} s", flush=True)
            broker.declare("outbox_events")
            arrived = []
            consumer = broker.consumer("outbox_events", lambda *message: arrived.append(message))
            relays = [Relay(arguments.relay, shards.directory, number, proxy, broker.section()) for number in range(2)]
            for relay in relays:
                relay.start()
            load(arguments, checks, shards, proxy, broker, relays, arrived)
            end = time.monotonic() + 60
            while len({message[0] for message in arrived}) < shards.total("SELECT count(*) FROM outbox_events") and time.monotonic() < end:
                time.sleep(0.5)
            consumer.end()
            compare(checks, shards, arrived)
            show(checks, proxy)
            statuses = [relay.kill(signal.SIGTERM) for relay in relays]
            checks.check("the relays end when they are asked to", statuses == [0, 0], statuses)
            if not arguments.kafka:
                relays.append(Relay(arguments.relay, shards.directory, 2, proxy, broker.section(['routing_key = "{event_type}"']), ["attempts = 3"]))
                refusals(checks, proxy, broker, relays[-1])
        finally:
            for relay in relays:
                if relay.is_running:
                    relay.kill()
            broker.end()


def load(arguments, checks, shards, proxy, broker, relays, arrived):
    stored, wanted = multiprocessing.Value("l", 0), multiprocessing.Value("l", arguments.events)
    said = collections.Counter()
    clients = [multiprocessing.Process(target=client, args=(proxy.sockets, arguments.seed + number, stored, wanted, number >= arguments.clients))
               for number in range(arguments.clients + arguments.late)]
    begun = time.monotonic()
    for process in clients:
        process.start()
    stop = threading.Event()
    faults = threading.Thread(target=trouble, args=(stop, arguments.seed, shards, proxy, broker, relays, said))
    if not arguments.calm:
        faults.start()
    told = begun
    while any(process.is_alive() for process in clients):
        time.sleep(0.5)
        try:
            stored.value = int(shards.total("SELECT count(*) FROM outbox_events"))
        except psycopg.Error:
            continue
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(f"{told - begun:.0f} s: {stored.value} events stored, {len(arrived)} arrived, killed: {dict(said)}", flush=True)
    seconds = time.monotonic() - begun
    stop.set()
    if not arguments.calm:
        faults.join()
    print(f"{stored.value} events in {seconds:.0f} s, {arguments.late} late committers at a time, killed: {dict(said)}", flush=True)
    begun = time.monotonic()
    checks.check("the outbox is worked off when nothing is killed any more", await_empty(shards, 120), f"after {time.monotonic() - begun:.1f} s")
    if not arguments.calm:
        checks.check("relays, broker, proxy and shards were killed", all(said[name] for name in ("relay", "broker", "proxy", "shard")), dict(said))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid")
    parser.add_argument("--relay", default=".build/release/pgbraid-relay")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--late", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kafka", action="store_true", help="Kafka (librdkafka's mock brokers) instead of RabbitMQ")
    parser.add_argument("--calm", action="store_true", help="kill nothing")
    arguments = parser.parse_args()
    checks = Checks()
    run(arguments, checks)
    sys.exit(checks.finish())


if __name__ == "__main__":
    main()
