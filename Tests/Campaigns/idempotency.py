#!/usr/bin/python3
"""Shows that requests under an idempotency key are done once, whatever happens to those who make them.

Payments of one and of several shards, as single statements and as blocks, by the simple and the extended protocol, also as one batch, are made by a
client whose connection is cut at every step: behind each message, and within each, in both directions; then the same with the proxy killed there, and
with the proxy killed at each step of two-phase commit. Each time pgbraid.outcome is asked, what it says is compared with what the shards have, and the
request is made again until it is answered, and once more. Last, clients make the same requests at once, and are cut at random.

Every check prints a line; the last line is `N passed, M failed`.
"""

import argparse
import collections
import os
import random
import struct
import sys
import threading
import time

import wire
from cutting_relay import CuttingRelay
from fault_proxy import POINTS, FaultProxy
from shards import FIRST_PORT, PROXY_PORT, Checks, make_directory, temporary_cluster

TABLES = """
CREATE TABLE purse (user_id int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE entry (user_id int NOT NULL, request text NOT NULL, amount int NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())
"""
USERS, MONEY = 40, 1000


def simple(text):
    return wire.query(text)


def extended(text, values=()):
    return (wire.parse("", text) + wire.bind("", "", [value.encode() for value in values]) + wire.describe(b"P", "") + wire.execute() + wire.SYNC)


def frames(data):
    """The lengths of the messages in some bytes."""
    place, lengths = 0, []
    while place < len(data):
        lengths.append(struct.unpack_from("!I", data, place + 1)[0] + 1)
        place += lengths[-1]
    return lengths


class Shape:
    """A kind of payment: messages, each sent when the one before is answered, and how many entries it makes."""

    def __init__(self, name, entries, build):
        self.name, self.entries, self.build = name, entries, build


def entry(user, request, amount=1):
    return f"INSERT INTO entry (user_id, request, amount) VALUES ({user}, '{request}', {amount}) RETURNING user_id, amount, at"


def set_key(request):
    return simple(f"SET pgbraid.idempotency_key = '{request}'")


def comment(request):
    return f"/* pgbraid: idempotency_key={request} */ "


def shapes(one, other):
    """`one` and `other` are users on different shards."""
    pay = f"UPDATE purse SET balance = balance - 1 WHERE user_id = {one} RETURNING balance"
    get = f"UPDATE purse SET balance = balance + 1 WHERE user_id = {other}"
    both = "INSERT INTO entry (user_id, request, amount) VALUES ({}, '{}', 1), ({}, '{}', 1) RETURNING user_id, at"
    insert = "INSERT INTO entry (user_id, request, amount) VALUES ($1, $2, $3) RETURNING user_id, at"
    return [
        Shape("a statement, one shard, simple", 1, lambda key: [simple(comment(key) + entry(one, key))]),
        Shape("a statement, one shard, behind SET", 1, lambda key: [set_key(key), simple(entry(one, key))]),
        Shape("a statement, two shards, simple", 2, lambda key: [simple(comment(key) + both.format(one, key, other, key))]),
        Shape("a block, one shard, simple", 1, lambda key: [simple(comment(key) + "BEGIN"), simple(pay), simple(entry(one, key)), simple("COMMIT")]),
        Shape("a block, several shards, simple", 2, lambda key: [
            set_key(key), simple("BEGIN"), simple(pay), simple(get), simple(entry(one, key)), simple(entry(other, key)),
            simple(f"SELECT user_id, at FROM entry WHERE request = '{key}' ORDER BY user_id, at"), simple("COMMIT")]),
        Shape("a statement, one shard, extended", 1, lambda key: [set_key(key), extended(insert, [str(one), key, "1"])]),
        Shape("a block, several shards, extended", 2, lambda key: [
            extended("BEGIN"), extended(f"SET LOCAL pgbraid.idempotency_key = '{key}'"), extended(pay), extended(insert, [str(one), key, "1"]),
            extended(insert, [str(other), key, "1"]), extended("COMMIT")]),
        Shape("a batch up to one Sync, several shards", 2, lambda key: [
            set_key(key), b"".join(extended(insert, [str(user), key, "1"])[:-len(wire.SYNC)] for user in (one, other)) + wire.SYNC]),
    ]


class Conversation:
    """One attempt at a request: what has been answered, message by message, and whether all of it was."""

    def __init__(self, port, messages, begun=None):
        self.answers, self.is_whole, self.error, self.trouble = [], False, None, None
        try:
            client = wire.Client.connect(port, user="app", timeout=60)
        except (OSError, wire.ServerError) as trouble:
            self.trouble = trouble
            return
        try:
            if begun:
                begun()
            for message in messages:
                self.answers.append(b"")
                client.send(message)
                while True:
                    kind, payload = client.receive()
                    self.answers[-1] += wire.frame(kind, payload)
                    if kind == b"E":
                        self.error = self.error or wire.ServerError(payload)
                    if kind == b"Z":
                        break
                if self.error:
                    return
            self.is_whole = True
        except OSError as trouble:
            self.trouble = trouble
        finally:
            client.close()

    @property
    def bytes(self):
        return b"".join(self.answers)


class Bench:
    """The cluster, and what is found on it."""

    def __init__(self, checks, shards, proxy):
        self.checks, self.shards, self.proxy = checks, shards, proxy
        self.relay = CuttingRelay(os.path.join(proxy.sockets, f".s.PGSQL.{PROXY_PORT}"))
        self.wrong, self.told, self.tries, self.number = [], collections.Counter(), 0, 0

    def key(self):
        self.number += 1
        return f"pay_{self.number}"

    def entries(self, key):
        return self.shards.total(f"SELECT count(*) FROM entry WHERE request = '{key}'")

    def outcome(self, key, limit=60):
        """What pgbraid.outcome says once it is final."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            try:
                client = wire.Client.connect(self.relay.port, user="app")
                state = client.run(f"SELECT state FROM pgbraid.outcome('{key}')")[0][0]
                client.close()
                if state != "in progress":
                    return state
                self.told[state] += 1
            except (OSError, wire.ServerError):
                time.sleep(0.05)
        return "no answer"

    def again(self, messages, limit=60):
        """The request until it is answered."""
        end = time.monotonic() + limit
        while True:
            attempt = Conversation(self.relay.port, messages)
            if attempt.is_whole or time.monotonic() > end:
                return attempt
            # Nothing but what passes by itself: a shard that is looked after, another that has the key.
            if attempt.error and attempt.error.state not in ("08006", "57P03", "40001", "55P03", "08000", "40P01"):
                return attempt
            time.sleep(0.05)

    def complain(self, what, shape, key, detail):
        self.wrong.append(f"{shape.name}, {key}: {what} {detail}")

    def settle(self, shape, key, messages, first):
        """Behind an attempt: the outcome is what the shards have, and the request made again is done once and answered as the first."""
        self.tries += 1
        state = self.outcome(key)
        self.told[state] += 1
        there = self.entries(key)
        if (state, there) not in (("committed", shape.entries), ("unknown", 0)):
            self.complain("outcome", shape, key, f"{state} with {there} entries; {first.error or first.trouble}")
        if first.is_whole and state != "committed":
            self.complain("outcome of what was answered", shape, key, state)
        second, third = self.again(messages), self.again(messages)
        if not (second.is_whole and third.is_whole):
            return self.complain("retry", shape, key, second.error or second.trouble or third.error or third.trouble)
        if second.answers != third.answers:
            self.complain("answers of two retries", shape, key, f"{second.bytes} {third.bytes}")
        if state == "committed" and not second.bytes.startswith(first.bytes):
            self.complain("answer of a retry", shape, key, f"{second.bytes} and first {first.bytes}")
        if (self.outcome(key), self.entries(key)) != ("committed", shape.entries):
            self.complain("behind the retries", shape, key, f"{self.outcome(key)} with {self.entries(key)} entries")

    def report(self, text):
        told = ", ".join(f"{count} {state}" for state, count in sorted(self.told.items()))
        self.checks.check(f"{text}: {self.tries} times", self.tries > 0 and not self.wrong, f"(outcomes: {told}) {self.wrong[:3] if self.wrong else ''}")
        self.wrong, self.told, self.tries = [], collections.Counter(), 0


def steps(messages, answers, within):
    """Where to strike: behind each message in both directions, and within each."""
    points = []
    for direction, lengths in (("up", frames(b"".join(messages))), ("down", frames(b"".join(answers)))):
        place = 0
        for length in lengths:
            points += [(direction, place)] + ([(direction, place + length // 2)] if within else [])
            place += length
        points.append((direction, place))
    return points


def whole(bench, shape):
    key = bench.key()
    messages = shape.build(key)
    return messages, Conversation(bench.relay.port, messages)


def cuts(bench, all_shapes):
    for shape in all_shapes:
        messages, reference = whole(bench, shape)
        if not reference.is_whole:
            bench.complain("untouched", shape, "", reference.error or reference.trouble)
        for direction, place in steps(messages, reference.answers, within=True):
            key = bench.key()
            messages = shape.build(key)
            first = Conversation(bench.relay.port, messages, lambda: bench.relay.arm(direction, place))
            bench.relay.disarm()
            bench.settle(shape, key, messages, first)
        bench.report(f"{shape.name}, the connection cut at every step")


def kills(bench, all_shapes):
    for shape in all_shapes:
        messages, reference = whole(bench, shape)
        points = steps(messages, reference.answers, within=False)
        for direction, place in points:
            key = bench.key()
            messages = shape.build(key)
            first = Conversation(bench.relay.port, messages, lambda: bench.relay.arm(direction, place, bench.proxy.kill))
            bench.relay.disarm()
            if bench.proxy.is_running:
                bench.proxy.kill()
            bench.proxy.start()
            bench.settle(shape, key, messages, first)
        bench.report(f"{shape.name}, the proxy killed at every step")


def kills_in_commit(bench, all_shapes, faults, rounds):
    several = [shape for shape in all_shapes if "several shards" in shape.name or "two shards" in shape.name]
    for point in POINTS:
        for turn in range(rounds):
            shape, key = several[turn % len(several)], bench.key()
            messages = shape.build(key)
            attempts, kills = [], []
            thread = threading.Thread(target=lambda: attempts.append(Conversation(bench.relay.port, messages)))
            struck = threading.Thread(target=lambda: kills.append(faults.kill_at(point, 1, bench.proxy.process.pid, 2)))
            struck.start()
            # The relay is told through a pipe, which it reads at once; what comes too soon is no kill, and counted as none.
            time.sleep(0.05)
            thread.start()
            thread.join()
            struck.join()
            if kills[0]:
                # It is over as soon as the signal has come through.
                bench.proxy.process.wait()
                bench.told["killed"] += 1
                bench.proxy.start()
            bench.settle(shape, key, messages, attempts[0])
        killed = bench.told["killed"]
        bench.checks.check(f"{point}: the proxy was killed there", killed > 0, f"{killed} of {rounds}")
        bench.report(f"the proxy killed in two-phase commit, {point}")


def concurrent(bench, all_shapes, seed, keys, clients):
    """Several clients make each request at once; some are cut. All answers are the same."""
    random_ = random.Random(seed)
    relays = [CuttingRelay(bench.relay.path) for _ in range(clients)]
    for _ in range(keys):
        shape, key = random_.choice(all_shapes), bench.key()
        messages = shape.build(key)
        attempts = [None] * clients
        cuts_at = [(random_.choice(("up", "down")), random_.randrange(0, 400)) if random_.random() < 0.5 else None for _ in range(clients)]

        def attempt(number):
            cut = cuts_at[number]
            attempts[number] = Conversation(relays[number].port, messages, (lambda: relays[number].arm(*cut)) if cut else None)
            relays[number].disarm()

        threads = [threading.Thread(target=attempt, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answered = {attempt.bytes for attempt in attempts if attempt.is_whole}
        if len(answered) > 1:
            bench.complain("answers at once", shape, key, answered)
        failed = [attempt.error for attempt in attempts if attempt.error and attempt.error.state not in ("40P01", "40001")]
        if failed:
            bench.complain("errors at once", shape, key, failed[0])
        bench.settle(shape, key, messages, next((attempt for attempt in attempts if attempt.is_whole), attempts[0]))
    bench.report(f"{clients} clients make each request at once, half of them cut at random")


def balances(bench):
    checks, shards = bench.checks, bench.shards
    total = shards.total("SELECT sum(balance) FROM purse")
    blocks = shards.everywhere("SELECT user_id, balance FROM purse WHERE balance <> 1000")
    checks.check("nothing is left prepared", not shards.prepared(), shards.prepared())
    keys = shards.total("SELECT count(*) FROM pgbraid.idempotency WHERE number = 0")
    requests = len({row[0] for row in shards.everywhere("SELECT request FROM entry")})
    checks.check(f"{requests} requests have made entries, and as many keys are stored", requests == keys, keys)
    paid = sum(MONEY - balance for _, balance in blocks if balance < MONEY)
    checks.check("purses have paid as often as blocks were committed", paid == bench.paying, f"{paid} of {bench.paying}, {total} in all")


def count_paying(bench):
    """Committed blocks that take one from the first purse, by the tags that are stored."""
    return bench.shards.total("SELECT count(*) FROM pgbraid.idempotency WHERE number = 1 AND tag LIKE 'UPDATE%'")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1_000_000))
    parser.add_argument("--only", choices=["cuts", "kills", "commit", "concurrent"], nargs="+", default=["cuts", "kills", "commit", "concurrent"])
    parser.add_argument("--rounds", type=int, default=6, help="kills at each step of two-phase commit")
    parser.add_argument("--keys", type=int, default=150, help="requests that several clients make at once")
    parser.add_argument("--clients", type=int, default=6)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    checks = Checks()
    with temporary_cluster(arguments.pgbraid, "idempotency", checks, sections=["[timeouts]", 'in_doubt = "1s"', 'recovery_interval = "500ms"']) as (shards, proxy):
        for statement in TABLES.split(";"):
            proxy.sql(statement)
        proxy.sql(f"INSERT INTO purse SELECT i, {MONEY} FROM generate_series(1, {USERS}) AS i")
        one, other = (shards.sql(shard, "SELECT min(user_id) FROM purse")[0][0] for shard in (1, 3))
        bench, all_shapes = Bench(checks, shards, proxy), shapes(one, other)
        if "cuts" in arguments.only:
            cuts(bench, all_shapes)
        if "kills" in arguments.only:
            kills(bench, all_shapes)
        if "concurrent" in arguments.only:
            concurrent(bench, all_shapes, arguments.seed, arguments.keys, arguments.clients)
        if "commit" in arguments.only:
            proxy.kill()
            between = os.path.join(proxy.sockets, "between")
            make_directory(between)
            faults = FaultProxy(between, shards.sockets, [FIRST_PORT + shard for shard in range(shards.count)])
            with open(proxy.config) as file:
                text = file.read()
            with open(proxy.config, "w") as file:
                file.write(text.replace(f'host = "{shards.sockets}"', f'host = "{between}"'))
            proxy.start()
            kills_in_commit(bench, all_shapes, faults, arguments.rounds)
            faults.stop()
        bench.paying = count_paying(bench)
        balances(bench)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
