#!/usr/bin/python3
"""Shows that no read over several shards sees half of a transaction over several shards.

Writers move money between accounts, mostly across shards, while readers add all balances up in every way there is: in
one statement, in blocks, in REPEATABLE READ over several statements, by COPY. The total never changes, so any other sum
is half of a transfer. The same run repeats it with `consistent_reads = "off"`, where wrong sums must appear, or the
proof proves nothing.

With --kill the proxy and random shards are killed every few seconds: then besides the sums every acknowledged transfer
must be there, whole, and nothing may be left prepared.

Every check prints a line; the last line is `N passed, M failed`.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

import psycopg

from shards import Proxy, Shards

ACCOUNTS, OPENING = 400, 1000
NUMBERS = iter(range(time.time_ns() // 1000, 1 << 62))
TOTAL = ACCOUNTS * OPENING

TABLES = """
CREATE TABLE account (user_id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE transfer (user_id int, id bigint, PRIMARY KEY (user_id, id));
CREATE TABLE total (only_row bool PRIMARY KEY, amount bigint NOT NULL)
"""


def read_statement(connection, choice):
    return connection.execute("SELECT sum(balance) FROM account").fetchone()[0]


def read_prepared(connection, choice):
    return connection.execute("SELECT sum(balance) FROM account WHERE balance > %s", (-choice.randrange(10**9, 2 * 10**9),), prepare=True).fetchone()[0]


def read_rows(connection, choice):
    return sum(row[0] for row in connection.execute("SELECT balance FROM account ORDER BY user_id"))


def read_gathered(connection, choice):
    return connection.execute(
        "SELECT sum(a.balance) FROM account a JOIN (SELECT user_id, balance + 0 AS b FROM account) b ON b.user_id = a.user_id % 1000000").fetchone()[0]


def read_with_reference(connection, choice):
    """Transfers leave the reference table alone; it is joined because its rows are read by a second snapshot."""
    return connection.execute(
        "SELECT sum(a.balance) FROM account a JOIN account b ON b.user_id = a.user_id + 0 CROSS JOIN total").fetchone()[0]


def read_copy(connection, choice):
    with connection.cursor().copy("COPY account (balance) TO STDOUT") as copy:
        return sum(int(row[0]) for row in copy.rows())


def read_in_block(connection, choice):
    with connection.transaction():
        connection.execute("SELECT balance FROM account WHERE user_id = 1").fetchall()
        return choice.choice([read_statement, read_rows, read_copy, read_with_reference])(connection, choice)


def read_repeatable(connection, choice):
    """Parts of the total by separate statements, some of them for one shard only."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ" + choice.choice(["", " READ ONLY"]))
        first = connection.execute("SELECT sum(balance) FROM account WHERE user_id <= %s", (ACCOUNTS // 2,)).fetchone()[0]
        single = range(ACCOUNTS // 2 + 1, ACCOUNTS // 2 + 11)
        rows = [connection.execute(f"SELECT balance FROM account WHERE user_id = {key}").fetchone()[0] for key in single]
        rest = connection.execute("SELECT sum(balance) FROM account WHERE user_id > %s", (single[-1],)).fetchone()[0]
        return first + sum(rows) + rest


WAYS = [read_statement, read_prepared, read_rows, read_gathered, read_with_reference, read_copy, read_in_block, read_repeatable]


class Load:
    """Writers and readers, what they saw and what they were told."""

    def __init__(self, proxy, seed, writers, readers, path):
        self.proxy, self.seed = proxy, seed
        self.file = open(path, "a", buffering=1)
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.transfers = 0
        self.reads = {way.__name__: 0 for way in WAYS}
        self.wrong = []
        self.errors = {}
        self.threads = [threading.Thread(target=self._run, args=(self._transfer, f"w{n}"), daemon=True) for n in range(writers)]
        self.threads += [threading.Thread(target=self._run, args=(self._read, f"r{n}"), daemon=True) for n in range(readers)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
        return sum(thread.is_alive() for thread in self.threads)

    def _run(self, work, name):
        choice = random.Random(f"{self.seed}/{name}")
        connection = None
        while not self.stopping.is_set():
            try:
                if connection is None or connection.closed:
                    connection = self.proxy.connect(autocommit=True, cursor_factory=choice.choice([psycopg.Cursor, psycopg.ClientCursor]))
                work(connection, choice)
            except psycopg.Error as error:
                with self.lock:
                    self.errors.setdefault(error.sqlstate, []).append(str(error).strip())
                if connection is not None and connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                    connection.close()
                time.sleep(0.01)
        if connection is not None:
            connection.close()

    def _note(self, letter, number):
        with self.lock:
            self.file.write(f"{letter} {number}\n")

    def _transfer(self, connection, choice):
        giver, taker = choice.sample(range(1, ACCOUNTS + 1), 2)
        amount = choice.randrange(1, 100)
        number = next(NUMBERS)
        # In the order of the keys, so that no two transfers wait for each other in a circle.
        changes = sorted([(giver, -amount), (taker, amount)])
        is_committing = False
        try:
            connection.execute("BEGIN")
            for key, change in changes:
                connection.execute(f"UPDATE account SET balance = balance + {change} WHERE user_id = {key}")
            connection.execute(f"INSERT INTO transfer (user_id, id) VALUES ({giver}, {number}), ({taker}, {number})")
            self._note("B", number)
            is_committing = True
            tag = connection.execute("COMMIT").statusmessage
            self._note("A" if tag == "COMMIT" else "E", number)
            with self.lock:
                self.transfers += tag == "COMMIT"
        except psycopg.Error as error:
            is_open = is_committing and error.sqlstate in (None, "08007")
            self._note("U" if is_open else "E", number)
            raise

    def _read(self, connection, choice):
        way = choice.choice(WAYS)
        total = way(connection, choice)
        with self.lock:
            self.reads[way.__name__] += 1
            if total != TOTAL:
                self.wrong.append((way.__name__, int(total) - TOTAL))


class Proof:
    def __init__(self, executable, directory, seed, shard_count, workers):
        self.executable, self.directory, self.seed, self.workers = executable, directory, seed, workers
        self.shard_count = shard_count
        self.passed = self.failed = 0
        self.choice = random.Random(seed)
        self.shards = Shards(directory, shard_count)
        self.shards.create()
        proxy = self.proxy("loading", "atomic")
        proxy.start()
        for statement in TABLES.split(";"):
            proxy.sql(statement)
        proxy.sql("INSERT INTO account VALUES " + ",".join(f"({key}, {OPENING})" for key in range(1, ACCOUNTS + 1)))
        proxy.sql(f"INSERT INTO total VALUES (true, {TOTAL})")
        proxy.kill()

    def proxy(self, name, level):
        proxy = Proxy(self.executable, self.directory, self.shards.sockets, self.shard_count, name, self.workers)
        with open(proxy.config, "a") as file:
            file.write(f'[transactions]\nconsistent_reads = "{level}"\n')
        return proxy

    def check(self, name, is_right, detail=""):
        self.passed += bool(is_right)
        self.failed += not is_right
        print(f"{'ok  ' if is_right else 'FAIL'} {name}{': ' + str(detail) if detail != '' else ''}", flush=True)

    def level(self, level, seconds, at_least):
        """A quiet run: no faults. Returns what was seen."""
        proxy = self.proxy(level, level)
        proxy.start()
        load = Load(proxy, f"{self.seed}/{level}", 8, 4, os.path.join(self.directory, f"{level}.ledger"))
        time.sleep(seconds)
        stuck = load.stop()
        reads = sum(load.reads.values())
        stats = dict(proxy.sql("SHOW STATS", user="postgres", dbname="pgbraid"))
        name = f"consistent_reads = {level}"
        self.check(f"{name}: no client hangs", stuck == 0)
        self.check(f"{name}: {load.transfers} transfers and {reads} reads, at least {at_least} each",
                   load.transfers >= at_least and reads >= at_least, load.reads)
        unexpected = {state: (len(texts), texts[0]) for state, texts in load.errors.items() if state != "55P03"}
        self.check(f"{name}: no errors", not unexpected, unexpected or "")
        if load.errors.get("55P03"):
            print(f"     55P03: {len(load.errors['55P03'])}, the first: {load.errors['55P03'][0]}")
        print("     " + ", ".join(f"{key} {stats[key]}" for key in ("two_phase_commits", "gate_waits", "snapshot_retries", "scatter_statements")))
        wrong = {}
        for way, _ in load.wrong:
            wrong[way] = wrong.get(way, 0) + 1
        if level == "off":
            self.check(f"{name}: {len(load.wrong)} sums are wrong, so that the proof proves something", len(load.wrong) >= min(100, reads // 100), wrong)
        else:
            self.check(f"{name}: no sum is wrong", not load.wrong, (wrong, load.wrong[:5]) if wrong else "")
        proxy.kill()

    def killed(self, seconds, interval):
        proxy = self.proxy("killed", "atomic")
        proxy.start()
        path = os.path.join(self.directory, "killed.ledger")
        load = Load(proxy, f"{self.seed}/killed", 8, 4, path)
        end = time.monotonic() + seconds
        proxies = shards = 0
        while time.monotonic() < end:
            time.sleep(interval * (0.5 + self.choice.random()))
            if self.choice.random() < 0.6:
                proxy.kill()
                proxy.start()
                proxies += 1
            else:
                shard = self.choice.randrange(self.shard_count)
                self.shards.stop(shard, "immediate")
                time.sleep(self.choice.random())
                self.shards.start(shard)
                shards += 1
        stuck = load.stop()
        name = f"killed ({proxies} times the proxy, {shards} times a shard)"
        self.check(f"{name}: no client hangs", stuck == 0)
        reads = sum(load.reads.values())
        self.check(f"{name}: {load.transfers} transfers and {reads} reads, and no sum is wrong", load.transfers and reads and not load.wrong, load.wrong[:5])
        deadline = time.monotonic() + 20
        while self.shards.prepared() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.check(f"{name}: nothing is left prepared", not self.shards.prepared(), self.shards.prepared() or "")
        self.ledger(name, path)
        states = {state: len(texts) for state, texts in load.errors.items()}
        print(f"     errors by SQLSTATE: {states}")
        proxy.kill()

    def ledger(self, name, path):
        """Every transfer on both shards or on none, and as its client was told. The shards are asked directly."""
        heard = {}
        with open(path) as file:
            for line in file:
                letter, number = line.split()
                heard[int(number)] = letter
        rows = {}
        for shard in range(self.shard_count):
            for number, count in self.shards.sql(shard, "SELECT id, count(*) FROM transfer GROUP BY id"):
                rows[number] = rows.get(number, 0) + count
        half = [number for number in heard if rows.get(number, 2) != 2]
        missing = [number for number, letter in heard.items() if letter == "A" and number not in rows]
        unwanted = [number for number, letter in heard.items() if letter == "E" and number in rows]
        open_ = [number for number, letter in heard.items() if letter in "UB"]
        self.check(f"{name}: none of {len(heard)} transfers is half applied", not half, half[:5] or "")
        self.check(f"{name}: all acknowledged transfers are there", not missing, missing[:5] or "")
        self.check(f"{name}: no failed transfer is there ({len(open_)} outcomes were open, "
                   f"{sum(number in rows for number in open_)} of them committed)", not unwanted, unwanted[:5] or "")
        total = self.shards.total("SELECT sum(balance) FROM account")
        self.check(f"{name}: the balances add up on the shards", total == TOTAL, total - TOTAL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1_000_000))
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1, help="threads of the proxy")
    parser.add_argument("--seconds", type=float, default=60, help="with consistent_reads = atomic, and with off; 0: not")
    parser.add_argument("--at-least", type=int, default=10_000, help="transfers, and reads, in that time")
    parser.add_argument("--kill-seconds", type=float, default=60, help="with proxy and shards being killed; 0: not")
    parser.add_argument("--kill-interval", type=float, default=3)
    parser.add_argument("--directory", help="kept afterwards; default: a temporary one, removed when all is well")
    arguments = parser.parse_args()
    directory = arguments.directory or tempfile.mkdtemp(prefix="pgbraid-transfers-", dir="/tmp")
    os.makedirs(directory, exist_ok=True)
    os.chmod(directory, 0o755)
    print(f"seed {arguments.seed}, {arguments.shards} shards, {arguments.workers} workers, data in {directory}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    proof = Proof(os.path.abspath(arguments.pgbraid), directory, arguments.seed, arguments.shards, arguments.workers)
    try:
        if arguments.seconds:
            proof.level("atomic", arguments.seconds, arguments.at_least)
            proof.level("off", arguments.seconds / 3, arguments.at_least // 10)
        if arguments.kill_seconds:
            proof.killed(arguments.kill_seconds, arguments.kill_interval)
    finally:
        proof.shards.stop_all()
    if not proof.failed and not arguments.directory:
        shutil.rmtree(directory)
    print(f"seed {arguments.seed}: {proof.passed} passed, {proof.failed} failed", flush=True)
    return 1 if proof.failed else 0


if __name__ == "__main__":
    sys.exit(main())
