"""What shards once did harm with, each at the very moment when it did: answers, and a connection that breaks."""

import os
import random
import socket
import struct
import subprocess
import threading
import time

import wire
from relay import Relay
from wire import Client, ServerError, frame


class Case:
    """What happens to messages of the shard behind a query that contains `query`; `count` times at most."""

    def __init__(self, name, query, change, count=1):
        self.name, self.query, self.change, self.count, self.done = name, query.encode(), change, count, 0

    def apply(self, asked, message):
        if self.query not in asked or self.done >= self.count:
            return message
        changed = self.change(message)
        self.done += changed != message
        return changed


def after(kind, addition):
    return lambda message: message + addition if message[:1] == kind else message


def before(kind, addition):
    return lambda message: addition + message if message[:1] == kind else message


def another_role(name):
    """The oid that facts of the role begin with (LoginFacts) gets another first digit."""
    def change(message):
        fields = wire.fields_of(message[5:]) if message[:1] == b"D" else []
        if len(fields) != 2 or fields[0] != name:
            return message
        facts = fields[1].encode()
        return message.replace(facts, (b"8" if facts[:1] == b"9" else b"9") + facts[1:])
    return change


READY = frame(b"Z", b"I")
EMPTY_ROW = frame(b"D", struct.pack("!H", 0))
ROW_OF_NONSENSE = frame(b"D", struct.pack("!H", 4) + b"".join(struct.pack("!i", 3) + b"nan" for _ in range(4)))

CASES = [
    Case("one ReadyForQuery too many behind replayed settings", "application_name", after(b"Z", READY), 20),
    Case("an empty row of prepared transactions", "pg_prepared_xacts", before(b"C", EMPTY_ROW)),
    Case("a prepared transaction that is not a number of seconds old", "pg_prepared_xacts", before(b"C", ROW_OF_NONSENSE)),
    Case("an empty row of decisions", "pgbraid.decision", before(b"C", EMPTY_ROW)),
    Case("a role that is said once to be another one", "pgbraid: logins", another_role("calm")),
]


class CaseRelay(Relay):
    """Applies one case at a time."""

    def __init__(self, path):
        self.case = None
        super().__init__(path)

    def connection(self):
        return CaseConnection(self)


class CaseConnection:
    def __init__(self, relay):
        self.relay, self.last_asked = relay, b""

    def opening(self):
        return b""

    def asked(self, data):
        self.last_asked = data

    def answer(self, message):
        case = self.relay.case
        return case.apply(self.last_asked, message) if case else message


def dialogue(client, number):
    """What makes the proxy replay settings; its own questions it asks by itself."""
    for sql in (f"SET application_name TO 'case{number}'", "SELECT count(*) FROM t", "SELECT v FROM t WHERE user_id = 1",
                "SELECT v FROM t WHERE user_id = 2", "SELECT v FROM t WHERE user_id = 3", "SELECT v FROM t WHERE user_id = 4",
                "RESET ALL"):
        try:
            client.run(sql)
        except ServerError:
            pass


def run_cases(relay, proxy, user, password, key, seconds=20):
    """Complaints about cases that did not come about, or that the proxy or somebody who works with the other shard did not survive.

    - key: of a row on the other shard.
    """
    complaints = []
    bystander = Client.connect(proxy.port, "calm", password)
    for number, case in enumerate(CASES):
        relay.case, deadline = case, time.monotonic() + seconds
        while case.done < case.count and proxy.is_alive and time.monotonic() < deadline:
            try:
                client = Client.connect(proxy.port, user, password, timeout=20)
                dialogue(client, number)
                client.close()
            except (OSError, ServerError, struct.error):
                time.sleep(0.1)
        relay.case = None
        if not case.done:
            complaints.append(f"case \"{case.name}\" did not come about")
        if not proxy.is_alive:
            return complaints + [f"case \"{case.name}\": the proxy ended with {proxy.process.poll()}"]
        try:
            bystander.run(f"SELECT n FROM calm_apart WHERE user_id = {key}")
        except (OSError, ServerError) as error:
            return complaints + [f"case \"{case.name}\": {error!r} for somebody else"]
    bystander.close()
    return complaints


def lose_answer_to_keeper(relay, proxy, terminate, key, user, password, seconds=90):
    """A shard that comes up owes the proxy the end of an answer, while it goes on otherwise. The proxy must try again, and use it then.

    - terminate: ends the proxy's own backends on the shard behind the relay.
    - key: of a row there.
    """
    relay.case = Case("an answer that does not end", "idle_session_timeout", lambda message: b"" if message[:1] == b"Z" else message)
    terminate()
    deadline = time.monotonic() + 20
    while not relay.case.done:
        if time.monotonic() > deadline:
            return ["the proxy takes no locks on a shard that comes up"]
        time.sleep(0.02)
    relay.case, deadline = None, time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            client = Client.connect(proxy.port, user, password, timeout=20)
            client.run(f"SELECT v FROM t WHERE user_id = {key}")
            client.close()
            return []
        except (OSError, ServerError):
            time.sleep(0.2)
    return ["a shard that owed the end of an answer when it came up is not used again"]


def log_in_beside_slow_shard(relay, proxy, user, password):
    """A shard does not say who the roles are when DDL has made the proxy ask. Whoever logs in must not wait for it until the time to log in is over."""
    relay.case = Case("no answer", "pgbraid: logins", lambda message: b"", 1000)
    try:
        client = Client.connect(proxy.port, "postgres", password)
        client.run("CREATE TABLE IF NOT EXISTS made_meanwhile (user_id int)")
        client.close()
        Client.connect(proxy.port, user, password, timeout=20).close()
        return [] if relay.case.done else ["the shard was not asked who the roles are"]
    except (OSError, ServerError) as error:
        return [f"a login beside a slow shard: {error!r}"]
    finally:
        relay.case = None


def waiting(proxy, user, shard):
    return [int(row[5]) for row in proxy.table("POOLS") if row[0] == user and row[1] == str(shard)] == [1]


def lose_link_while_waiting(proxy, terminate, keys, user, password):
    """A statement of all or nothing loses one shard while it waits for another, whose only link somebody has. It must not
    be left in the queue: the link would be given to nobody, or to whoever has the session's place by then.

    - terminate: ends the user's backends on the first shard.
    - keys: one on the first shard, one on the second.
    """
    holder = Client.connect(proxy.port, user, password)
    victim = Client.connect(proxy.port, user, password)
    holder.run("BEGIN")
    holder.run(f"SELECT v FROM t WHERE user_id = {keys[1]}")
    victim.send(wire.query(f"INSERT INTO t VALUES ({keys[0]}, 'a'), ({keys[1]}, 'b')"))
    deadline = time.monotonic() + 20
    while not waiting(proxy, user, 1):
        if time.monotonic() > deadline:
            return ["the statement does not wait"]
        time.sleep(0.02)
    terminate()
    complaints = []
    try:
        victim.until_ready()
        complaints.append("the statement succeeded without its shard")
    except ServerError:
        pass
    if waiting(proxy, user, 1):
        complaints.append("the statement failed and its session still waits for a link")
    victim.close()
    holder.run("COMMIT")
    holder.run(f"SELECT v FROM t WHERE user_id = {keys[1]}")
    holder.close()
    return complaints


def lose_links_of_merges(proxy, terminate, dice, user, password, seconds=20):
    """Shards are lost while clients are slow in reading rows merged from all. The proxy must go on serving others.

    - terminate: ends one of the user's backends on a shard.
    """
    filler = Client.connect(proxy.port, user, password)
    filler.send(wire.query("COPY t FROM STDIN"))
    for first in range(0, 100_000, 1000):
        filler.send(wire.copy_data("".join(f"{key}\t{'x' * 90}\n" for key in range(first, first + 1000)).encode()))
    filler.send(wire.COPY_DONE)
    filler.until_ready()
    over, counts = threading.Event(), {"ended": 0}

    def read_slowly(dice):
        while not over.is_set():
            try:
                client = Client.connect(proxy.port, user, password, timeout=20)
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
                client.send(wire.query("SELECT user_id, v FROM t ORDER BY user_id"))
                pause_until = time.monotonic() + dice.random() * 1.5
                while time.monotonic() < pause_until:
                    client.waiting += client.socket.recv(1 << 14)
                    time.sleep(0.003)
                client.close()
                counts["ended"] += 1
            except (OSError, ServerError, struct.error):
                pass

    def lose(dice):
        while not over.is_set():
            terminate(dice.randrange(2))
            counts["ended"] += 1

    threads = [threading.Thread(target=work, args=(random.Random(dice.random()),), daemon=True) for work in [read_slowly] * 8 + [lose] * 3]
    for thread in threads:
        thread.start()
    complaints, deadline = [], time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            proxy.memory()
            time.sleep(0.5)
    except OSError as error:
        complaints.append(f"nobody is served after a shard was lost under a merge: {error!r}")
    over.set()
    for thread in threads:
        thread.join(30)
    filler.close()
    return complaints


def terminate_backends(directory, user, shard=0, count=1000):
    subprocess.run(
        [os.path.join(os.environ.get("PGBIN", "/usr/lib/postgresql/15/bin"), "psql"), "-XAtq", "-h", os.path.join(directory, "data/sockets"),
         "-p", str(6500 + shard), "-U", "postgres", "-c",
         f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}' AND pid <> pg_backend_pid() ORDER BY random() LIMIT {count}", "postgres"],
        check=True, capture_output=True)
