"""Answers of a shard that once did harm, each told at the very moment when it did."""

import struct
import time

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


READY = frame(b"Z", b"I")
EMPTY_ROW = frame(b"D", struct.pack("!H", 0))
ROW_OF_NONSENSE = frame(b"D", struct.pack("!H", 4) + b"".join(struct.pack("!i", 3) + b"nan" for _ in range(4)))

CASES = [
    Case("one ReadyForQuery too many behind replayed settings", "application_name", after(b"Z", READY), 20),
    Case("an empty row of prepared transactions", "pg_prepared_xacts", before(b"C", EMPTY_ROW)),
    Case("a prepared transaction that is not a number of seconds old", "pg_prepared_xacts", before(b"C", ROW_OF_NONSENSE)),
    Case("an empty row of decisions", "pgbraid.decision", before(b"C", EMPTY_ROW)),
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


def run_cases(relay, proxy, user, password, seconds=20):
    """Complaints about cases that did not come about, or that the proxy did not survive."""
    complaints = []
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
    return complaints
