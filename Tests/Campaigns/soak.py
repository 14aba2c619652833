"""Mixed load for as long as asked, in rounds; at rest after each, the proxy must hold what it held at the start.

The load, all at once: pgbench (select-only and TPC-B over all shards), storms of connections, cancels, clients that are
killed in the middle of everything, backends terminated on the shards, ever new statements, slow readers. Then quiet:
sessions, links, streams and buffers go back to their first numbers, resident memory stays, and the sums that TPC-B keeps
equal are equal.
"""

import argparse
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time

import wire
from proxy import PeakMemory, Proxy, clean_up, resident_kilobytes, work_directory
from wire import Client, ServerError

SHARDS = 4
BINARIES = os.environ.get("PGBIN", "/usr/lib/postgresql/15/bin")
KEYS = {"pgbench_accounts": "aid", "pgbench_branches": "bid", "pgbench_tellers": "tid", "pgbench_history": "aid", "notes": "user_id"}
SUMS = {"pgbench_accounts": "abalance", "pgbench_branches": "bbalance", "pgbench_tellers": "tbalance", "pgbench_history": "delta"}


def configuration(directory, port):
    path = os.path.join(directory, "soak.conf")
    lines = [
        "[proxy]", f'listen = ["127.0.0.1:{port}"]', 'auth = "trust"', "allow_unlisted_users = true", "pool_size = 12",
        "[timeouts]", 'link_idle = "2s"', 'recovery_interval = "1s"', 'in_doubt = "2s"', 'reconnect_delay = "200ms"',
        # Small caches are full after the first round.
        "[limits]", "cached_plans = 500", "prepared_statements_per_link = 50"]
    for table, key in KEYS.items():
        lines += ["[[table]]", f'name = "{table}"', f'key = "{key}"']
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


class Load:
    """One round: everything at once until `stop`."""

    def __init__(self, campaign, seed, seconds):
        self.campaign, self.port, self.seconds = campaign, campaign.options.port, seconds
        self.seed, self.over, self.counts, self.lock = seed, threading.Event(), {}, threading.Lock()
        self.opened = threading.local()

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + number

    def run(self):
        works = [self.select, self.transfer, self.storm, self.storm, self.cancel, self.vanish, self.vanish, self.terminate, self.vary,
                 self.read_slowly]
        threads = [threading.Thread(target=self._repeat, args=(work, n), daemon=True) for n, work in enumerate(works)]
        for thread in threads:
            thread.start()
        self.over.wait(self.seconds)
        self.over.set()
        for thread in threads:
            thread.join(120)
        self.campaign.check(not any(thread.is_alive() for thread in threads), "a load did not end")
        return self.counts

    def _repeat(self, work, number):
        dice = random.Random(f"{self.seed} {number}")
        while not self.over.is_set() and self.campaign.proxy.is_alive:
            self.opened.clients = []
            try:
                work(dice)
            except (OSError, ServerError, struct.error):
                # Backends are being terminated all the time.
                self.count("errors")
                self.over.wait(0.02)
            finally:
                for client in self.opened.clients:
                    client.close()

    def client(self, logs_in=True):
        """A client that is closed when its work ends, however it ends."""
        client = Client(self.port, timeout=60)
        self.opened.clients.append(client)
        if logs_in:
            client.send(wire.startup("app", "postgres"))
            client.log_in(None)
        return client

    def pgbench(self, dice, *words):
        """A run of some seconds; one in four is killed."""
        seconds = dice.randrange(2, 6)
        run = subprocess.Popen(
            [os.path.join(BINARIES, "pgbench"), "-n", "-h", "127.0.0.1", "-p", str(self.port), "-U", "app", "-c", "4", "-T", str(seconds),
             *words, "postgres"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if dice.random() < 0.25:
            self.over.wait(dice.random() * 2)
            run.kill()
            self.count("pgbench killed")
        output = run.communicate()[0]
        for line in output.splitlines():
            if line.startswith("number of transactions actually processed"):
                self.count("transactions", int(line.split(":")[1].split("/")[0]))

    def select(self, dice):
        self.pgbench(dice, "-S", "-M", dice.choice(["simple", "extended", "prepared"]))

    def transfer(self, dice):
        self.pgbench(dice, "-M", dice.choice(["simple", "extended", "prepared"]))

    def storm(self, dice):
        """Many connections at once, some never logged in, ended in all ways."""
        clients = []
        for _ in range(dice.randrange(5, 40)):
            client = self.client(logs_in=False)
            clients.append(client)
            if dice.random() < 0.7:
                client.send(wire.startup("app", "postgres"))
                if dice.random() < 0.7:
                    client.log_in(None)
                    if dice.random() < 0.5:
                        client.run(f"SELECT abalance FROM pgbench_accounts WHERE aid = {dice.randrange(1, 100_000)}")
        for client in clients:
            self.end(dice, client)
        self.count("connections", len(clients))

    def end(self, dice, client):
        how = dice.randrange(3)
        try:
            if how == 0:
                client.send(wire.TERMINATE)
            elif how == 1:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        client.close()

    def cancel(self, dice):
        client = self.client()
        try:
            client.send(wire.query(dice.choice([
                "SELECT pg_sleep(30)", "SELECT pg_sleep(30) FROM pgbench_branches", "SELECT count(*), pg_sleep(30) FROM notes GROUP BY 2"])))
            self.over.wait(dice.random() * 0.1)
            canceller = self.client(logs_in=False)
            canceller.send(wire.cancel_request(*client.key))
            canceller.close()
            # A cancel may come before the statement; then it is given up.
            client.socket.settimeout(3)
            client.until_ready()
        except ServerError as error:
            self.count("cancelled" if error.state == "57014" else "errors")
        except TimeoutError:
            self.count("cancelled too early")
        finally:
            client.close()

    def vanish(self, dice):
        """Leaves in the middle of a block, COPY, result, pipeline or commit."""
        client = self.client()
        key = dice.randrange(1, 1_000_000)
        client.send(b"".join(dice.choice([
            [wire.query("BEGIN"), wire.query(f"INSERT INTO notes VALUES ({key}, 'a'), ({key + 1}, 'b'), ({key + 2}, 'c')")],
            [wire.query("BEGIN"), wire.query(f"INSERT INTO notes VALUES ({key}, 'a'), ({key + 1}, 'b')"), wire.query("COMMIT")],
            [wire.query("COPY notes FROM STDIN"), wire.copy_data(b"1\tx\n2\ty\n" * 50)],
            [wire.query("SELECT * FROM pgbench_accounts")], [wire.query("SELECT * FROM pgbench_accounts ORDER BY aid")],
            [wire.parse("s", "SELECT text FROM notes WHERE user_id = $1", [20]), wire.bind("", "s", [b"1"]), wire.execute(), wire.SYNC] * 20,
            [wire.query("CREATE TEMP TABLE w (a int)"), wire.query("LISTEN door")],
            [wire.query("DELETE FROM notes")], [wire.query("COPY pgbench_accounts TO STDOUT")]])))
        self.over.wait(dice.random() * 0.05)
        self.end(dice, client)
        self.count("vanished")

    def terminate(self, dice):
        self.over.wait(0.5 + dice.random())
        self.campaign.ask_shard(
            dice.randrange(SHARDS),
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' ORDER BY random() LIMIT 1")
        self.count("backends terminated")

    def vary(self, dice):
        """Statements nobody has seen before, by name and without."""
        client = self.client()
        for _ in range(50):
            column = f"c{dice.randrange(1 << 30)}"
            client.run(f"SELECT user_id AS {column} FROM notes WHERE user_id = {dice.randrange(1000)}")
            client.run(f"SELECT count(*) AS {column} FROM notes")
            client.send(wire.parse(column, f"SELECT user_id AS {column} FROM notes WHERE user_id = $1", [20])
                        + wire.bind("", column, [b"5"]) + wire.execute() + wire.SYNC)
            client.until_ready()
            client.run(f"SET application_name TO '{column}'")
        client.close()
        self.count("new statements", 150)

    def read_slowly(self, dice):
        client = self.client()
        client.send(wire.query("SELECT * FROM pgbench_accounts ORDER BY aid"))
        end = time.monotonic() + dice.random() * 5
        while time.monotonic() < end and not self.over.is_set() and client.socket.recv(1 << 14):
            self.over.wait(0.01)
        client.close()
        self.count("slow readers")


class Soak:
    def __init__(self, options):
        self.options, self.failures = options, []

    def check(self, condition, complaint):
        if not condition:
            self.failures.append(complaint)
            print("  FAILED:", complaint, flush=True)

    def ask_shard(self, shard, sql):
        return subprocess.run(
            [os.path.join(BINARIES, "psql"), "-XAtq", "-h", os.path.join(self.directory, "data/sockets"), "-p", str(6500 + shard), "-U",
             "postgres", "-c", sql, "postgres"], capture_output=True, text=True, timeout=60).stdout.strip()

    def prepare(self):
        client = Client.connect(self.options.port)
        client.run("CREATE ROLE app LOGIN")
        client.run("CREATE TABLE notes (user_id bigint, text text)")
        client.run("GRANT CREATE ON SCHEMA public TO app")
        client.run("GRANT ALL ON notes TO app")
        client.close()
        subprocess.run(
            [os.path.join(BINARIES, "pgbench"), "-i", "-q", "-h", "127.0.0.1", "-p", str(self.options.port), "-U", "app", "postgres"],
            check=True, capture_output=True)

    def rest(self, baseline):
        """What the proxy holds when nothing runs any more."""
        after = self.proxy.memory_after(baseline, 60)
        for what, count in after.items():
            self.check(count <= baseline[what], f"{what} grew from {baseline[what]} to {count}")
        if any(count > baseline[what] for what, count in after.items()):
            for table in ("CLIENTS", "SERVERS", "POOLS", "TRANSACTIONS"):
                print(f"  SHOW {table}:", *self.proxy.table(table), sep="\n    ", flush=True)
        return after

    def check_shards(self):
        deadline = time.monotonic() + 60
        while (left := [self.ask_shard(shard, "SELECT gid FROM pg_prepared_xacts") for shard in range(SHARDS)]) != [""] * SHARDS:
            if time.monotonic() > deadline:
                return self.check(False, f"prepared transactions are left: {left}")
            time.sleep(0.5)
        client = Client.connect(self.options.port, "app")
        sums = {table: client.run(f"SELECT coalesce(sum({column}), 0) FROM {table}")[0][0] for table, column in SUMS.items()}
        client.run("DELETE FROM notes")
        client.close()
        self.check(len(set(sums.values())) == 1, f"the sums differ: {sums}")

    def check_memory(self, resting):
        """Pools and caches grow to what the heaviest moment needed, and stay there: no growth in the second half."""
        if len(resting) < 6:
            return
        early, late = max(resting[:(len(resting) + 1) // 2]), min(resting[-2:])
        allowed = early + max(early * self.options.growth_percent // 100, 4096)
        print(f"resting memory: {early >> 10} MB early, {late >> 10} MB late, up to {allowed >> 10} MB allowed", flush=True)
        self.check(late <= allowed, f"memory grew from {early} kB to {late} kB at rest")

    def run(self):
        options = self.options
        self.directory = options.directory or work_directory("soak")
        os.makedirs(self.directory, exist_ok=True)
        words = ["dev", "--shards", str(SHARDS), "--listen", f"127.0.0.1:{options.port}", "--data", os.path.join(self.directory, "data"),
                 "--config", configuration(self.directory, options.port)]
        for setting in ("fsync=off", "shared_buffers=32MB", "max_wal_size=256MB", "deadlock_timeout=200ms"):
            words += ["--server-option", setting]
        self.proxy = Proxy(options.program, words, options.port, os.path.join(self.directory, "log"))
        try:
            self.proxy.wait_until_ready()
            self.prepare()
            time.sleep(4)
            baseline, resting = self.proxy.memory(), []
            print(f"seed {options.seed}: at the start {resident_kilobytes(self.proxy.process.pid) >> 10} MB, {baseline}", flush=True)
            end, number = time.monotonic() + options.seconds, 0
            while time.monotonic() < end and not self.failures:
                number += 1
                with PeakMemory(self.proxy.process.pid) as memory:
                    counts = Load(self, f"{options.seed} round {number}", options.round_seconds).run()
                if not self.proxy.is_alive:
                    self.check(False, f"the proxy ended with {self.proxy.process.poll()}")
                    break
                after = self.rest(baseline)
                self.check_shards()
                resting.append(resident_kilobytes(self.proxy.process.pid))
                print(f"round {number}: peak {memory.peak_kilobytes >> 10} MB, at rest {resting[-1] / 1024:.1f} MB, {after}, {counts}",
                      flush=True)
            self.check(not self.proxy.crash_report(), f"{self.proxy.crash_report()[:5]}")
            self.check_memory(resting)
        finally:
            self.proxy.stop()
        clean_up(self.directory, options, self.failures)
        print("passed" if not self.failures else f"{len(self.failures)} failures, logs in {self.directory}")
        return 1 if self.failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=".build/release/pgbraid")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--round-seconds", type=int, default=45)
    parser.add_argument("--growth-percent", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--port", type=int, default=7490)
    parser.add_argument("--directory")
    options = parser.parse_args()
    options.seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    sys.exit(Soak(options).run())


if __name__ == "__main__":
    main()
