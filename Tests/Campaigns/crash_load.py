"""Clients of a campaign: pgbench, and two loads that remember what they were told."""

import itertools
import random
import subprocess
import threading
import time

import psycopg

# Of the transactions of all ledgers.
NUMBERS = itertools.count(time.time_ns() // 1000)
FAREWELL = "terminating connection due to administrator command"

BRANCHES, TELLERS, ACCOUNTS = 8, 80, 4000

TABLES = """
CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int NOT NULL, filler char(88));
CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int NOT NULL, filler char(84));
CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int NOT NULL, filler char(84));
CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
CREATE TABLE ledger (key int, id bigint, PRIMARY KEY (key, id));
CREATE TABLE probe (key int PRIMARY KEY, n int NOT NULL)
"""

# pgbench's own tpcb-like, with fewer accounts than a scale has.
SCRIPT = f"""\\set aid random(1, {ACCOUNTS})
\\set bid random(1, {BRANCHES})
\\set tid random(1, {TELLERS})
\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
"""

SUMS = {
    "abalance": "SELECT sum(abalance) FROM pgbench_accounts", "bbalance": "SELECT sum(bbalance) FROM pgbench_branches",
    "tbalance": "SELECT sum(tbalance) FROM pgbench_tellers", "delta": "SELECT sum(delta) FROM pgbench_history",
}


def load_tables(proxy):
    for statement in TABLES.split(";"):
        proxy.sql(statement)
    for table, columns, count in (("pgbench_branches (bid, bbalance)", "{}, 0", BRANCHES),
                                  ("pgbench_tellers (tid, bid, tbalance)", "{}, 1, 0", TELLERS),
                                  ("pgbench_accounts (aid, bid, abalance)", "{}, 1, 0", ACCOUNTS),
                                  ("probe (key, n)", "{}, 0", 400)):
        for first in range(1, count + 1, 500):
            rows = ",".join(f"({columns.format(key)})" for key in range(first, min(first + 500, count + 1)))
            proxy.sql(f"INSERT INTO {table} VALUES {rows}")


class Pgbench:
    """pgbench in the background; its clients end when the proxy dies."""

    def __init__(self, proxy, script, clients, seconds, seed):
        protocol = ("simple", "extended", "prepared")[seed % 3]
        self.process = subprocess.Popen(
            ["pgbench", "-n", "-h", proxy.sockets, "-p", "7432", "-U", "app", "-c", str(clients), "-j", "2", "-T", str(seconds),
             "-M", protocol, "--random-seed", str(seed), "-f", script, "postgres"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def wait(self):
        """The number of transactions it counted."""
        output, _ = self.process.communicate()
        for line in output.splitlines():
            if line.startswith("number of transactions actually processed"):
                return int(line.split(":")[1].split("/")[0])
        return 0


class Ledger:
    """Transactions that write three rows of one number under keys of their own, and a file of what their clients heard.

    Each line is a letter and the number: B before COMMIT was sent, A acknowledged, E a definite error, U an error that
    leaves the outcome open (08007, or the proxy was gone), S an error that leaves it open if the statement concerned one
    shard only. Some clients leave when they have sent COMMIT.
    """

    def __init__(self, proxy, path, seed, threads=4):
        self.proxy, self.path, self.seed = proxy, path, seed
        self.file = open(path, "a", buffering=1)
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.errors = []
        self.heard = {}
        self.connections, self.dismissed = {}, {}
        self.threads = [threading.Thread(target=self._client, args=(number,), daemon=True) for number in range(threads)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
        stuck = [thread for thread in self.threads if thread.is_alive()]
        return len(stuck)

    def cancel_some(self, choice):
        """Cancels what some client is doing; False when there was none."""
        connection = choice.choice(list(self.connections.values()) or [None])
        try:
            if connection is not None and not connection.closed:
                connection.cancel()
                return True
        except psycopg.Error:
            pass
        return False

    def _note(self, letter, number):
        with self.lock:
            self.heard[letter] = self.heard.get(letter, 0) + 1
            self.file.write(f"{letter} {number}\n")

    def _client(self, number):
        choice = random.Random(f"{self.seed}/{number}")
        connection = None
        while not self.stopping.is_set():
            try:
                if connection is None or connection.closed:
                    connection = self.proxy.connect(cursor_factory=psycopg.ClientCursor)
                    self.connections[number] = connection
                    # A farewell that is read between statements is a notice to libpq.
                    self.dismissed[number] = False
                    connection.add_notice_handler(lambda notice, number=number: self._noticed(number, notice))
                # Odd clients write with one statement that needs two-phase commit by itself.
                connection.autocommit = number % 2 == 1
            except psycopg.Error:
                connection = None
                time.sleep(0.02)
                continue
            try:
                self._transaction(connection, choice, number)
            except psycopg.Error:
                pass
        if connection is not None:
            connection.close()

    def _noticed(self, place, notice):
        if FAREWELL in (notice.message_primary or ""):
            self.dismissed[place] = True

    def _transaction(self, connection, choice, place):
        is_single = place % 2 == 1
        number = next(NUMBERS)
        keys = choice.sample(range(1, 1000), 3)
        is_committing = is_single
        try:
            if is_single:
                self._note("B", number)
                connection.execute("INSERT INTO ledger (key, id) VALUES " + ", ".join(f"({key}, {number})" for key in keys))
            else:
                for key in keys:
                    connection.execute(f"INSERT INTO ledger (key, id) VALUES ({key}, {number})")
                self._note("B", number)
                is_committing = True
                if choice.random() < 0.05:
                    connection.pgconn.send_query(b"COMMIT")
                    connection.close()
                    return
                # A COMMIT of a failed transaction answers ROLLBACK; psycopg's commit() would not tell.
                cursor = connection.execute("COMMIT")
                if cursor.statusmessage != "COMMIT":
                    self.errors.append(f"COMMIT answered {cursor.statusmessage} without an error")
                    self._note("E", number)
                    return
            self._note("A", number)
        except psycopg.Error as error:
            # The farewell of a proxy that stops, whose SQLSTATE libpq loses when the connection is closed at once.
            is_farewell = FAREWELL in str(error) or self.dismissed[place]
            is_open = is_committing and error.sqlstate in (None, "08007") and not is_farewell
            self._note("U" if is_open else "S" if is_single and error.sqlstate == "08006" else "E", number)
            self._recover(connection)

    def _recover(self, connection):
        try:
            if not connection.closed and not connection.autocommit:
                connection.rollback()
        except psycopg.Error:
            connection.close()
        time.sleep(0.02)


def ledger_findings(path, shards):
    """What the shards hold against what the clients heard: counts by letter, and what is wrong."""
    heard = {}
    with open(path) as file:
        for line in file:
            letter, number = line.split()
            heard[int(number)] = letter
    rows, places = {}, {}
    for shard in range(shards.count):
        for number, count in shards.sql(shard, "SELECT id, count(*) FROM ledger GROUP BY id"):
            rows[number] = rows.get(number, 0) + count
            places[number] = places.get(number, 0) + 1
    counts = {letter: sum(1 for value in heard.values() if value == letter) for letter in "ABEUS"}
    half = [number for number, count in rows.items() if count != 3]
    missing = [number for number, letter in heard.items() if letter == "A" and rows.get(number) != 3]
    unwanted = [number for number, letter in heard.items()
                if number in rows and (letter == "E" or letter == "S" and places[number] > 1)]
    unheard = [number for number in rows if number not in heard]
    return counts, {"half applied": half, "acknowledged but missing": missing, "failed but present": unwanted, "never sent": unheard}
