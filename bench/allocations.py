"""The check that a warm point query allocates nothing.

pgbraid runs with count_allocations.so preloaded. Eight clients send point queries with random keys, so that all
four shards take part; the allocator's calls during N queries are compared with those during 2 N. Timers
(housekeeping, recovery) allocate a little now and then, whatever the queries do, so the fewest of several attempts
count: one allocation in every query, or in every hundredth, would be in all of them.
"""

import mmap
import os
import struct
import subprocess

from clients import Client, point_query
from cluster import COPY, Pgbraid

QUERIES = 500
ATTEMPTS = 60
CLIENTS = 8
WARM_UP_QUERIES = 5000
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "count_allocations.c")


class AllocationCount:
    """The preloaded library and the page in which it counts."""

    def __init__(self, directory):
        self.library = os.path.join(directory, "count_allocations.so")
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", self.library, SOURCE, "-ldl"], check=True)
        self.path = os.path.join(directory, "allocations")
        with open(self.path, "wb") as file:
            file.write(bytes(4096))
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)

    def environment(self, inject):
        return {
            "LD_PRELOAD": self.library, "ALLOCATION_COUNT_FILE": self.path,
            "ALLOCATION_COUNT_INJECT": "1" if inject else "0",
        }

    @property
    def value(self):
        return struct.unpack_from("=Q", self.page)[0]


class SimpleQueries:
    """Point queries as Query messages."""

    name = "simple"

    def __init__(self, client, scale):
        self.client, self.scale = client, scale

    def run(self):
        self.client.query(point_query(self.scale))


class PreparedQueries:
    """The same by Bind, Describe, Execute, Sync of a named statement, as pgbench -M prepared sends them."""

    name = "prepared"
    TEXT = b"SELECT abalance FROM pgbench_accounts WHERE aid = $1;"

    def __init__(self, client, scale):
        self.client, self.scale = client, scale
        self._send(self._message(b"P", b"point\0" + self.TEXT + b"\0\0\0"), self._message(b"S", b""))

    def run(self):
        key = point_query(self.scale).rsplit(" ", 1)[1].rstrip(";").encode()
        bind = b"\0point\0" + struct.pack("!hhi", 0, 1, len(key)) + key + struct.pack("!h", 0)
        self._send(
            self._message(b"B", bind), self._message(b"D", b"P\0"), self._message(b"E", b"\0\0\0\0\0"),
            self._message(b"S", b""))

    def _send(self, *messages):
        self.client.socket.sendall(b"".join(messages))
        self.client.read_until_ready()

    @staticmethod
    def _message(kind, body):
        return kind + struct.pack("!i", len(body) + 4) + body


def count_calls(shards, program, port, scale, protocol, inject=False):
    """The fewest allocator calls during N and during 2 N queries."""
    count = AllocationCount(shards.directory)
    proxy = Pgbraid(shards, program, port, COPY, "unix", "pgbraid-allocations", count.environment(inject))
    try:
        clients = [protocol(Client(proxy.target()), scale) for _ in range(CLIENTS)]
        ask(clients, WARM_UP_QUERIES)
        return tuple(
            min(calls_during(count, clients, queries) for _ in range(ATTEMPTS)) for queries in (QUERIES, 2 * QUERIES))
    finally:
        proxy.stop()


def ask(clients, queries):
    for number in range(queries):
        clients[number % len(clients)].run()


def calls_during(count, clients, queries):
    before = count.value
    ask(clients, queries)
    return count.value - before
