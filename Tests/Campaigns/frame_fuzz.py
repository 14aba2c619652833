"""Frames nobody should send, from clients and from a shard, against a proxy built with address sanitizer.

Seven parts, all from one seed:
1. Clients: dialogues of every kind (startup, SCRAM, simple and extended queries, blocks, COPY, portals, cancel ...) with
   some of their frames mutated, half of them before authentication, ended in every way a connection can end.
2. Statements: SQL that is mutated, no text, without end or without measure; each session must go on.
3. TLS: records that are none before, within and behind the handshake.
4. Long statements: up to a million terms.
5. Losses: shards that are lost while clients are slow in reading a merge.
6. Cases: answers of a shard that did harm once.
7. A hostile shard: one of the shards is reached through a relay that mutates, cuts, repeats or invents what the server
   says, in logins and in answers.
All the while a well-behaved client works on tables of its own and must not see a single error or wrong answer. At the end
the proxy must be alive, without a word from the sanitizer, and hold no more sessions, links, streams and buffers than at
the start.
"""

import argparse
import os
import random
import socket
import struct
import sys
import threading
import time

import wire
from long_statements import run_long_statements
from proxy import Proxy, clean_up, work_directory
from relay import Relay
from shard_cases import (
    CaseRelay, log_in_beside_slow_shard, lose_answer_to_keeper, lose_link_while_waiting, lose_links_of_merges, run_cases, terminate_backends)
from statement_fuzz import fuzz_statements
from tls_fuzz import fuzz_tls, make_certificate, query_encrypted
from wire import Client, ServerError, frame

PASSWORD = "rehearsal"
SHARDS = 2


# Dialogues: what a session says after login. None of them needs the answers, so all can be sent ahead.

def dialogues(dice):
    key = dice.randrange(1000)
    other = dice.randrange(1000)
    value = str(key).encode()
    return {
        "simple": [
            wire.query(f"SELECT v FROM t WHERE user_id = {key}"), wire.query(f"INSERT INTO t VALUES ({key}, 'a')"),
            wire.query("SELECT count(*), max(v) FROM t"), wire.query("SELECT 1; SELECT 2; SELECT nonsense"), wire.query("")],
        "many shards": [
            wire.query("SELECT user_id, v FROM t ORDER BY v, user_id LIMIT 20"),
            wire.query(f"UPDATE t SET v = 'b' WHERE user_id IN ({key}, {other})"),
            wire.query(f"INSERT INTO t VALUES ({key}, 'x'), ({other}, 'y'), (3, 'z') RETURNING *"),
            wire.query("SELECT v, count(*), avg(user_id) FROM t GROUP BY v"), wire.query("DELETE FROM t WHERE v = 'z'")],
        "extended": [
            wire.parse("s", "SELECT v FROM t WHERE user_id = $1", [23]), wire.describe(b"S", "s"),
            wire.bind("", "s", [value]), wire.describe(b"P", ""), wire.execute(), wire.SYNC,
            wire.parse("", "INSERT INTO t VALUES ($1, $2)"), wire.bind("", "", [value, b"v"]), wire.execute(),
            wire.bind("", "", [str(other).encode(), b"w"]), wire.execute(), wire.FLUSH, wire.SYNC,
            wire.close(b"S", "s"), wire.SYNC],
        "extended on many shards": [
            wire.parse("m", "SELECT user_id, v FROM t WHERE v > $1 ORDER BY user_id LIMIT 5"), wire.bind("p", "m", [b"a"]),
            wire.describe(b"P", "p"), wire.execute("p"), wire.close(b"P", "p"), wire.SYNC,
            wire.parse("u", "UPDATE t SET v = $1"), wire.bind("", "u", [b"q"]), wire.execute(), wire.SYNC],
        "block": [
            wire.query("BEGIN"), wire.query(f"INSERT INTO t VALUES ({key}, 'c')"), wire.query("SAVEPOINT a"),
            wire.query(f"INSERT INTO t VALUES ({other}, 'd')"), wire.query("SELECT 1/0"), wire.query("ROLLBACK TO a"),
            wire.query("SELECT count(*) FROM t"), wire.query("COMMIT")],
        "block in the extended protocol": [
            wire.parse("", "BEGIN"), wire.bind("", ""), wire.execute(), wire.SYNC,
            wire.parse("", f"UPDATE t SET v = 'e' WHERE user_id = {key}"), wire.bind("", ""), wire.execute(), wire.SYNC,
            wire.parse("", "COMMIT"), wire.bind("", ""), wire.execute(), wire.SYNC],
        "copy in": [
            wire.query("COPY t FROM STDIN"), wire.copy_data(f"{key}\tone\n{other}\ttw".encode()), wire.copy_data(b"o\n"),
            wire.copy_data(b"5\t" + b"x" * 3000 + b"\n"), wire.COPY_DONE, wire.query("SELECT 1")],
        "copy in that fails": [
            wire.query("COPY t FROM STDIN (FORMAT csv)"), wire.copy_data(f'{key},"a\nb"\n'.encode()), wire.copy_data(b"none,x\n"),
            wire.copy_data(b"7,y\n"), wire.copy_fail("enough"), wire.query("SELECT 1")],
        "copy to one table on all shards": [
            wire.query("COPY r FROM STDIN"), wire.copy_data(b"1\ta\n2\tb\n"), wire.COPY_DONE, wire.query("TRUNCATE r")],
        "copy in the extended protocol": [
            wire.parse("", "COPY t FROM STDIN"), wire.bind("", ""), wire.execute(), wire.copy_data(b"8\th\n"), wire.COPY_DONE,
            wire.SYNC],
        "copy out": [
            wire.query("COPY t TO STDOUT"), wire.query("COPY (SELECT v FROM t WHERE user_id = 5) TO STDOUT (FORMAT binary)")],
        "cursor": [
            wire.query("BEGIN"), wire.query(f"DECLARE c CURSOR FOR SELECT v FROM t WHERE user_id = {key}"),
            wire.query("FETCH 2 FROM c"), wire.query("CLOSE c"), wire.query("END")],
        "portal": [
            wire.query("BEGIN"), wire.parse("g", "SELECT g FROM generate_series(1, 100) g"), wire.bind("held", "g"),
            wire.execute("held", 10), wire.SYNC, wire.execute("held", 10), wire.SYNC, wire.close(b"P", "held"), wire.SYNC,
            wire.query("ROLLBACK")],
        "settings": [
            wire.query("SET application_name TO 'fuzz'"), wire.query("SET search_path TO pg_catalog, public"),
            wire.query("SHOW search_path"), wire.query("SET LOCAL work_mem TO '1MB'"), wire.query("RESET ALL"),
            wire.query("DISCARD ALL")],
        "prepared by SQL": [
            wire.query("PREPARE q AS SELECT v FROM t WHERE user_id = $1"), wire.query(f"EXECUTE q({key})"), wire.query("DEALLOCATE q")],
        "temporary table": [
            wire.query("CREATE TEMP TABLE w (a int)"), wire.query("INSERT INTO w VALUES (1)"), wire.query("SELECT * FROM w"),
            wire.query("DROP TABLE w")],
        "notification": [wire.query("LISTEN door"), wire.query("NOTIFY door, 'knock'"), wire.query("UNLISTEN *")],
        "function call": [frame(b"F", struct.pack("!IHHH", 1299, 0, 0, 0)), wire.SYNC],
        "slow": [wire.query(f"SELECT pg_sleep(0.05), v FROM t WHERE user_id = {key}"), wire.query("SELECT pg_sleep(0.05) FROM t LIMIT 3")],
    }


def openings(dice, scram):
    """What is said before authentication."""
    return {
        "startup": [wire.startup("fuzz", "postgres", application_name="fuzz", options="-c work_mem=1MB")],
        "encryption asked": [wire.SSL_REQUEST, wire.GSS_REQUEST, wire.startup("fuzz", "postgres")],
        "encryption and more": [wire.SSL_REQUEST + wire.startup("fuzz", "postgres")],
        "SCRAM": [wire.startup("fuzz", "postgres"), scram.first(), frame(b"p", b"c=biws,r=" + scram.nonce.encode() + b",p=AAAA")],
        "password": [wire.startup("fuzz", "pgbraid"), frame(b"p", wire.text(PASSWORD))],
        "cancel": [wire.cancel_request(dice.randrange(1 << 22), dice.randrange(1 << 32))],
        "unknown user": [wire.startup("nobody", "nowhere"), scram.first()],
        "other version": [struct.pack("!II", 9, 3 << 16 | dice.randrange(10)) + b"\0", wire.startup("fuzz", "postgres")],
    }


# Mutations.

def mutated(dice, message, others, has_type=True):
    """One way to spoil a message."""
    data = bytearray(message)
    length_at = 1 if has_type and len(data) >= 5 else 0
    how = dice.randrange(12)
    if how == 0 and data:
        for _ in range(dice.randrange(1, 8)):
            data[dice.randrange(len(data))] = dice.randrange(256)
    elif how == 1 and data:
        data[0] = dice.randrange(256)
    elif how == 2 and len(data) >= length_at + 4:
        lie = dice.choice([0, 1, 3, 4, 5, len(data) - 2, len(data), len(data) + 1, 10_001, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000])
        struct.pack_into("!I", data, length_at, lie & 0xFFFFFFFF)
    elif how == 3:
        del data[dice.randrange(len(data) + 1):]
    elif how == 4:
        place = dice.randrange(len(data) + 1)
        data[place:place] = dice.randbytes(dice.randrange(1, 40))
    elif how == 5:
        data *= 2
    elif how == 6:
        data = bytearray(dice.choice(others))
    elif how == 7:
        data = bytearray(dice.randbytes(dice.randrange(1, 200)))
    elif how == 8 and len(data) > 6:
        # The frame stays whole, what it carries does not.
        data[5:] = dice.randbytes(len(data) - 5)
    elif how == 9 and len(data) > 6:
        place = dice.randrange(5, len(data))
        body = data[5:place] + dice.choice(others)[5:]
        data = bytearray(frame(bytes(data[:1]), bytes(body)))
    elif how == 10:
        data = bytearray(frame(bytes([dice.choice(b"QPBDECSHXFdcfp")]), dice.randbytes(dice.randrange(0, 60))))
    elif len(data) > 9:
        # A count or length inside.
        place = dice.randrange(5, len(data) - 2)
        struct.pack_into("!H", data, place, dice.choice([0, 1, 0x7FFF, 0x8000, 0xFFFF]))
    return bytes(data)


def spoil(dice, messages, others, has_type=True):
    """Some messages mutated, left out or repeated; returns them with the number mutated."""
    messages = list(messages)
    count = min(len(messages), dice.randrange(1, 4))
    for place in dice.sample(range(len(messages)), count):
        messages[place] = mutated(dice, messages[place], others, has_type)
    if dice.random() < 0.2 and len(messages) > 1:
        messages = messages[:dice.randrange(1, len(messages))]
    return messages, count


class Count:
    """A total that several threads raise until it is enough, or the proxy has died."""

    def __init__(self, limit, proxy=None):
        self.limit, self.proxy, self.total, self.lock = limit, proxy, 0, threading.Lock()

    @property
    def is_enough(self):
        return self.total >= self.limit or self.proxy is not None and not self.proxy.is_alive

    def add(self, number):
        with self.lock:
            self.total += number


def listen_for_a_while(client, seconds):
    client.socket.settimeout(seconds)
    try:
        while client.socket.recv(1 << 16):
            pass
        return True
    except (TimeoutError, OSError):
        return False


def leave(dice, client):
    """Ends the connection in one of the ways connections end."""
    how = dice.randrange(4)
    try:
        if how == 0:
            client.send(wire.TERMINATE)
        elif how == 1:
            client.socket.shutdown(socket.SHUT_WR)
            listen_for_a_while(client, 0.3)
        elif how == 2:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    client.close()


def converse(dice, client, messages):
    """Sends the messages in pieces of any size, sometimes listening in between."""
    data = b"".join(messages)
    try:
        while data:
            size = len(data) if dice.random() < 0.6 else dice.randrange(1, len(data) + 1)
            client.send(data[:size])
            data = data[size:]
            if data and dice.random() < 0.5 and listen_for_a_while(client, dice.choice([0.001, 0.02])):
                return
        listen_for_a_while(client, dice.choice([0.0005, 0.01, 0.05]))
    except OSError:
        pass


def fuzz_before_login(port, dice, count):
    while not count.is_enough:
        scram = wire.Scram(PASSWORD)
        all_openings = openings(dice, scram)
        messages, mutations = spoil(
            dice, all_openings[dice.choice(sorted(all_openings))], [m for group in all_openings.values() for m in group],
            has_type=dice.random() < 0.5)
        count.add(mutations)
        try:
            client = Client(port, timeout=20)
        except OSError:
            continue
        converse(dice, client, messages)
        leave(dice, client)


def fuzz_after_login(port, dice, count):
    while not count.is_enough:
        all_dialogues = dialogues(dice)
        messages, mutations = spoil(
            dice, all_dialogues[dice.choice(sorted(all_dialogues))], [m for group in all_dialogues.values() for m in group])
        try:
            client = Client.connect(port, "fuzz", PASSWORD, timeout=20)
        except (OSError, ServerError):
            time.sleep(0.05)
            continue
        count.add(mutations)
        if dice.random() < 0.2 and client.key:
            threading.Timer(dice.random() * 0.05, cancel, (port, client.key)).start()
        converse(dice, client, messages)
        leave(dice, client)


def cancel(port, key):
    try:
        client = Client(port, timeout=5)
        client.send(wire.cancel_request(*key))
        client.close()
    except OSError:
        pass


class CalmClient:
    """Works correctly on its own tables all the time and counts what goes wrong.

    `shards` names how many shards its keys may be on: with one, it stays away from the hostile shard.
    """

    def __init__(self, port, table, keys, timeout=60):
        self.port, self.table, self.keys, self.timeout = port, table, keys, timeout
        self.statements, self.errors = 0, []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def stop(self):
        self.done.set()
        self.thread.join(self.timeout + 30)
        if self.thread.is_alive():
            self.errors.append("it waits for an answer that does not come")

    def _work(self):
        client, round_number = None, 0
        while not self.done.is_set():
            try:
                client = client or Client.connect(self.port, "calm", PASSWORD, timeout=self.timeout)
                self._round(client, round_number)
            except Exception as error:
                self.errors.append(repr(error))
                client = None
                time.sleep(0.2)
            round_number += 1
            if round_number % 50 == 0 and client:
                client.close()
                client = None
        if client:
            client.close()

    def _round(self, client, number):
        key = self.keys[number % len(self.keys)]
        self._expect(client.run(f"UPDATE {self.table} SET n = {number} WHERE user_id = {key}"), [])
        self._expect(client.run(f"SELECT n FROM {self.table} WHERE user_id = {key}"), [[str(number)]])
        client.send(
            wire.parse("", f"SELECT user_id, n FROM {self.table} WHERE user_id = $1", [23]) + wire.bind("", "", [str(key).encode()])
            + wire.execute() + wire.SYNC)
        self._expect(client.until_ready(), [[str(key), str(number)]])
        client.run("BEGIN")
        client.run(f"UPDATE {self.table} SET n = -1 WHERE user_id = {key}")
        client.run("ROLLBACK")
        self._expect(client.run(f"SELECT n FROM {self.table} WHERE user_id = {key}"), [[str(number)]])
        self.statements += 7
        time.sleep(0.005)

    def _expect(self, rows, expected):
        if rows != expected:
            self.errors.append(f"{rows} instead of {expected}")


class HostileRelay(Relay):
    """While `is_hostile`, it spoils what the shard says."""

    def __init__(self, path, seed, count):
        self.dice, self.count, self.is_hostile = random.Random(seed), count, False
        super().__init__(path)

    def connection(self):
        return HostileConnection(self, random.Random(self.dice.random()))


class HostileConnection:
    """One connection's share of the spoiling."""

    def __init__(self, relay, dice):
        self.relay, self.dice, self.seen = relay, dice, []

    def opening(self):
        return self.dice.randbytes(self.dice.randrange(1, 300)) if self.relay.is_hostile and self.dice.random() < 0.1 else b""

    def asked(self, data):
        pass

    def answer(self, message):
        self.seen = (self.seen + [message])[-30:]
        dice = self.dice
        if not self.relay.is_hostile or dice.random() > 0.1:
            return message
        self.relay.count.add(1)
        how = dice.randrange(5)
        if how == 0:
            return message + dice.choice(self.seen)
        if how == 1:
            return b""
        if how == 2:
            kind = bytes([dice.choice(b"123CDEGHIKNRSTVWZAcdnst")])
            return frame(kind, dice.randbytes(dice.randrange(0, 50))) + message
        if how == 3 and dice.random() < 0.2:
            raise OSError("it hangs up")
        return mutated(dice, message, self.seen)


def well_formed_traffic(port, dice, count):
    """Good dialogues whose answers the hostile shard spoils."""
    while not count.is_enough:
        try:
            client = Client.connect(port, "fuzz", PASSWORD, timeout=20)
        except (OSError, ServerError, struct.error):
            time.sleep(0.1)
            continue
        all_dialogues = dialogues(dice)
        for _ in range(3):
            converse(dice, client, all_dialogues[dice.choice(sorted(all_dialogues))])
        leave(dice, client)


def configuration(directory, name, port, shards=(), certificate=None, pool_size=10, patience_seconds=3):
    """A role's first login waits for a shard that does not answer as long as a connection may take: less than a login may."""
    path = os.path.join(directory, name)
    lines = [
        "[proxy]", f'listen = ["127.0.0.1:{port}"]', 'auth = "scram-sha-256"', f"pool_size = {pool_size}", "max_clients = 2000",
        "[timeouts]", 'link_idle = "3s"', 'client_login = "5s"', f'connect = "{patience_seconds}s"', f'query_wait = "{4 * patience_seconds}s"', 'reconnect_delay = "200ms"', 'recovery_interval = "1s"',
        "[admin]", 'user = "postgres"']
    for user in ("postgres", "fuzz", "calm"):
        lines += ["[[user]]", f'name = "{user}"', f'password = "{PASSWORD}"']
    for host, shard_port in shards:
        lines += ["[[shard]]", f'host = "{host}"', f"port = {shard_port}"]
    if certificate:
        lines += ["[tls]", f'certificate = "{certificate[0]}"', f'key = "{certificate[1]}"']
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


def prepare(port):
    client = Client.connect(port, "postgres", PASSWORD)
    for sql in (
        "DROP TABLE IF EXISTS t, r, calm, calm_apart", "CREATE TABLE t (user_id int, v text)", "CREATE TABLE r (a int, b text)",
        "CREATE TABLE calm (user_id int PRIMARY KEY, n int)", "CREATE TABLE calm_apart (user_id int PRIMARY KEY, n int)",
        "INSERT INTO calm SELECT g, 0 FROM generate_series(1, 40) g",
    ):
        try:
            client.run(sql)
        except ServerError as error:
            if "generate_series" not in sql:
                raise
            for key in range(1, 41):
                client.run(f"INSERT INTO calm VALUES ({key}, 0)")
    for role in ("fuzz", "calm"):
        try:
            client.run(f"CREATE ROLE {role} LOGIN")
        except ServerError as error:
            if error.state != "42710":
                raise
    client.run("ALTER TABLE t OWNER TO fuzz")
    client.run("ALTER TABLE r OWNER TO fuzz")
    client.run("GRANT ALL ON calm, calm_apart TO calm")
    client.close()


def run_threads(targets):
    threads = [threading.Thread(target=target, args=arguments, daemon=True) for target, arguments in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Campaign:
    def __init__(self, options):
        self.options, self.failures = options, []

    def check(self, condition, complaint):
        if not condition:
            self.failures.append(complaint)
            print("  FAILED:", complaint, flush=True)

    def verdict(self, proxy, calm, baseline, name):
        calm.stop()
        after = proxy.memory_after(baseline, 45) if proxy.is_alive else {}
        print(f"  {name}: well-behaved client {calm.statements} statements, {len(calm.errors)} errors", flush=True)
        print(f"  {name}: at the start {baseline}", flush=True)
        print(f"  {name}: at the end   {after}", flush=True)
        self.check(proxy.is_alive, f"{name}: the proxy ended with {proxy.process.poll()}")
        self.check(not proxy.crash_report(), f"{name}: {proxy.crash_report()[:5]}")
        self.check(not calm.errors, f"{name}: {calm.errors[:5]}")
        self.check(calm.statements > 0, f"{name}: the well-behaved client got nothing done")
        for what, count in after.items():
            self.check(count <= baseline[what], f"{name}: {what} grew from {baseline[what]} to {count}")
        if any(count > baseline[what] for what, count in after.items()):
            for table in ("CLIENTS", "SERVERS", "POOLS"):
                print(f"  SHOW {table}:", *proxy.table(table), sep="\n    ", flush=True)

    def clients(self, proxy):
        options = self.options
        baseline = proxy.memory_after({name: 0 for name in ("sessions", "links", "streams", "blocks", "large_bytes")}, 5)
        calm = CalmClient(proxy.port, "calm", list(range(1, 41)))
        before, after = Count(options.frames // 2, proxy), Count(options.frames - options.frames // 2, proxy)
        begin = time.monotonic()
        run_threads(
            [(fuzz_before_login, (proxy.port, random.Random(f"{options.seed} before {n}"), before)) for n in range(3)]
            + [(fuzz_after_login, (proxy.port, random.Random(f"{options.seed} after {n}"), after)) for n in range(6)])
        print(
            f"  clients: {before.total} mutated frames before login, {after.total} after, {time.monotonic() - begin:.0f} s", flush=True)
        self.verdict(proxy, calm, baseline, "clients")

    def statements(self, proxy):
        options, complaints = self.options, []
        baseline = proxy.memory_after({name: 0 for name in ("sessions", "links", "streams", "blocks", "large_bytes")}, 5)
        # A huge statement keeps a worker without optimisation for a while.
        calm = CalmClient(proxy.port, "calm", list(range(1, 41)), timeout=600)
        count, begin = Count(options.statements, proxy), time.monotonic()
        run_threads([
            (fuzz_statements, (proxy.port, "fuzz", PASSWORD, random.Random(f"{options.seed} statements {n}"), count, complaints))
            for n in range(4)])
        print(f"  statements: {count.total}, {len(complaints)} complaints, {time.monotonic() - begin:.0f} s", flush=True)
        self.check(not complaints, f"statements: {complaints[:5]}")
        self.verdict(proxy, calm, baseline, "statements")

    def tls(self, proxy):
        options = self.options
        baseline = proxy.memory_after({name: 0 for name in ("sessions", "links", "streams", "blocks", "large_bytes")}, 5)
        calm = CalmClient(proxy.port, "calm", list(range(1, 41)))
        count, begin = Count(options.handshakes, proxy), time.monotonic()
        run_threads([(fuzz_tls, (proxy.port, random.Random(f"{options.seed} tls {n}"), count)) for n in range(6)])
        print(f"  TLS: {count.total} connections, {time.monotonic() - begin:.0f} s", flush=True)
        for number in range(10):
            rows = query_encrypted(proxy.port, random.Random(f"{options.seed} good {number}"), "fuzz", PASSWORD)
            self.check(rows == [["encrypted"]], f"TLS: a good client got {rows}")
        self.verdict(proxy, calm, baseline, "TLS")

    def losses(self, proxy, directory):
        dice = random.Random(f"{self.options.seed} losses")
        complaints = lose_links_of_merges(
            proxy, lambda shard: terminate_backends(directory, "fuzz", shard, 1), dice, "fuzz", PASSWORD)
        print(f"  losses: {len(complaints)} complaints", flush=True)
        self.check(not complaints, f"losses: {complaints}")
        self.check(not proxy.crash_report(), f"losses: {proxy.crash_report()[:5]}")

    def cases(self, directory):
        """Known harm, told at the right moment by a shard behind a relay."""
        relay = CaseRelay(os.path.join(directory, "data/sockets/.s.PGSQL.6501"))
        path = configuration(
            directory, "cases.conf", self.options.port + 2, [(os.path.join(directory, "data/sockets"), 6500), ("127.0.0.1", relay.port)],
            pool_size=1)
        proxy = Proxy(
            self.options.program, ["run", "--config", path], self.options.port + 2, os.path.join(directory, "cases.log"), "postgres",
            PASSWORD, self.environment)
        try:
            proxy.wait_until_ready()
            client = Client.connect(proxy.port, "postgres", PASSWORD)
            keys = [self.keys_apart(client, proxy, shard)[0] for shard in range(SHARDS)]
            client.close()
            complaints = lose_link_while_waiting(proxy, lambda: terminate_backends(directory, "fuzz"), keys, "fuzz", PASSWORD)
            complaints += run_cases(relay, proxy, "fuzz", PASSWORD, keys[0])
            complaints += log_in_beside_slow_shard(relay, proxy, "calm", PASSWORD)
            complaints += lose_answer_to_keeper(
                relay, proxy, lambda: terminate_backends(directory, "postgres", 1), keys[1], "fuzz", PASSWORD)
            print(f"  cases: {len(complaints)} complaints", flush=True)
            self.check(not complaints, f"cases: {complaints}")
            self.check(not proxy.crash_report(), f"cases: {proxy.crash_report()[:5]}")
        finally:
            proxy.stop()

    def long(self, proxy):
        baseline = proxy.memory()
        begin = time.monotonic()
        answers, refusals, others, slowest = run_long_statements(proxy.port, proxy, "fuzz", PASSWORD)
        print(
            f"  long statements: {answers} answered, {refusals} refused with 54001, slowest {slowest[0]:.1f} s ({slowest[1]}), "
            f"{time.monotonic() - begin:.0f} s", flush=True)
        self.check(proxy.is_alive, f"long statements: the proxy ended with {proxy.process.poll()}")
        self.check(not proxy.crash_report(), f"long statements: {proxy.crash_report()[:5]}")
        self.check(not others, f"long statements: {others[:10]}")

    def hostile(self, directory):
        options = self.options
        count = Count(options.hostile)
        relay = HostileRelay(os.path.join(directory, "data/sockets/.s.PGSQL.6501"), f"{options.seed} relay", count)
        path = configuration(
            directory, "hostile.conf", options.port + 1,
            [(os.path.join(directory, "data/sockets"), 6500), ("127.0.0.1", relay.port)])
        proxy = Proxy(
            options.program, ["run", "--config", path], options.port + 1, os.path.join(directory, "hostile.log"), "postgres", PASSWORD,
            self.environment)
        count.proxy = proxy
        try:
            proxy.wait_until_ready()
            client = Client.connect(proxy.port, "postgres", PASSWORD)
            keys = self.keys_apart(client, proxy)
            client.close()
            time.sleep(4)
            baseline = proxy.memory()
            calm = CalmClient(proxy.port, "calm_apart", keys)
            relay.is_hostile = True
            begin = time.monotonic()
            run_threads([(well_formed_traffic, (proxy.port, random.Random(f"{options.seed} traffic {n}"), count)) for n in range(6)])
            relay.is_hostile = False
            print(f"  hostile shard: {count.total} mutated frames, {time.monotonic() - begin:.0f} s", flush=True)
            self.check(self.recovers(proxy), "hostile shard: it is not used again after it has become well-behaved")
            self.verdict(proxy, calm, baseline, "hostile shard")
        finally:
            proxy.stop()

    def keys_apart(self, client, proxy, shard=0):
        """Keys that are on one shard only, by what SHOW SHARDS counts."""
        keys = []
        for key in range(1, 200):
            before = int(proxy.table("SHARDS")[shard][7])
            client.run(f"INSERT INTO calm_apart VALUES ({key}, 0) ON CONFLICT DO NOTHING")
            if int(proxy.table("SHARDS")[shard][7]) > before:
                keys.append(key)
            if len(keys) == 10:
                break
        return keys

    def recovers(self, proxy):
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and proxy.is_alive:
            client = None
            try:
                client = Client.connect(proxy.port, "fuzz", PASSWORD, timeout=20)
                client.run("SELECT count(*) FROM t")
                return True
            except Exception as error:
                self.last_error = error
                time.sleep(0.5)
            finally:
                if client:
                    client.close()
        print("  last error:", getattr(self, "last_error", None))
        print("  shards:", proxy.table("SHARDS") if proxy.is_alive else None)
        return False

    def run(self):
        options = self.options
        directory = options.directory or work_directory("fuzz")
        os.makedirs(directory, exist_ok=True)
        # A trap of Swift's is reported by the sanitizer, whose stack is complete; Swift's own reporter trips over the sanitizer.
        self.environment = {
            "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=99:handle_sigill=1:handle_sigtrap=1", "SWIFT_BACKTRACE": "enable=no"}
        path = configuration(directory, "clients.conf", options.port, certificate=make_certificate(directory), patience_seconds=60)
        proxy = Proxy(
            options.program,
            ["dev", "--shards", str(SHARDS), "--listen", f"127.0.0.1:{options.port}", "--data", os.path.join(directory, "data"),
             "--config", path, "--server-option", "fsync=off", "--server-option", "shared_buffers=32MB"],
            options.port, os.path.join(directory, "clients.log"), "postgres", PASSWORD, self.environment)
        try:
            proxy.wait_until_ready()
            prepare(proxy.port)
            time.sleep(4)
            if "clients" in options.parts:
                self.clients(proxy)
            if "statements" in options.parts and proxy.is_alive:
                self.statements(proxy)
            if "tls" in options.parts and proxy.is_alive:
                self.tls(proxy)
            if "long" in options.parts and proxy.is_alive:
                self.long(proxy)
            if "losses" in options.parts and proxy.is_alive:
                self.losses(proxy, directory)
            if "cases" in options.parts:
                self.cases(directory)
            if "hostile" in options.parts:
                self.hostile(directory)
        finally:
            proxy.stop()
        clean_up(directory, options, self.failures)
        print(f"seed {options.seed}: " + ("passed" if not self.failures else f"{len(self.failures)} failures, logs in {directory}"))
        return 1 if self.failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=".build-asan/debug/pgbraid")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--hostile", type=int, default=2_000)
    parser.add_argument("--statements", type=int, default=5_000)
    parser.add_argument("--handshakes", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--port", type=int, default=7460)
    parser.add_argument("--directory")
    parser.add_argument("--parts", default="clients,statements,tls,long,losses,cases,hostile")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    options.seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {options.seed}", flush=True)
    sys.exit(Campaign(options).run())


if __name__ == "__main__":
    main()
