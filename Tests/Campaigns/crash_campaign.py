#!/usr/bin/python3
"""Shows that cross-shard transactions are all or nothing, whatever crashes.

Part 1 kills the proxy with SIGKILL under two-phase-commit load, at random moments and at named points of the protocol,
and looks after each restart whether anything is lost, doubled, half applied or left prepared.
Part 2 stops or freezes one shard under load and looks who notices.
Part 3 cuts single links at the named points, ends server processes at random, and looks what the clients hear.
Part 4 looks at the traces that are to vanish: decision rows, transactions under way.

Every check prints a line; the last line is `N passed, M failed`. The same --seed repeats the same choices (not the same
timing).
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

from crash_load import SCRIPT, SUMS, Ledger, Pgbench, ledger_findings, load_tables
from fault_proxy import POINTS, FaultProxy
from shards import FIRST_PORT, Proxy, Shards, make_directory

SHARD_COUNT = 4
CLIENTS = 8


def wait_until(condition, seconds):
    """Seconds until the condition held; None when it did not in time."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if condition():
            return time.monotonic() - begun
        time.sleep(0.05)
    return None


class Campaign:
    def __init__(self, executable, directory, seed, forgets_decisions, workers):
        self.directory, self.seed, self.forgets_decisions = directory, seed, forgets_decisions
        self.random = random.Random(seed)
        self.passed = self.failed = 0
        self.shards = Shards(directory, SHARD_COUNT)
        self.shards.create()
        relayed = os.path.join(directory, "relay")
        make_directory(relayed)
        self.faults = FaultProxy(relayed, self.shards.sockets, range(FIRST_PORT, FIRST_PORT + SHARD_COUNT))
        self.relayed = Proxy(executable, directory, relayed, SHARD_COUNT, "relayed", workers)
        self.direct = Proxy(executable, directory, self.shards.sockets, SHARD_COUNT, "direct", workers)
        self.script = os.path.join(directory, "tpcb.sql")
        with open(self.script, "w") as file:
            file.write(SCRIPT)
        self.ledger_path = os.path.join(directory, "ledger.log")
        self.direct.start()
        load_tables(self.direct)
        self.direct.kill()

    def close(self):
        for proxy in (self.direct, self.relayed):
            if proxy.is_running:
                proxy.kill()
        self.faults.stop()
        self.shards.stop_all()

    def check(self, name, is_right, detail=""):
        if is_right:
            self.passed += 1
        else:
            self.failed += 1
        print(f"{'ok  ' if is_right else 'FAIL'} {name}{': ' + str(detail) if detail != '' else ''}", flush=True)
        return is_right

    # What must hold whenever nothing is under way.

    def check_nothing_prepared(self, when):
        seconds = wait_until(lambda: not self.shards.prepared(), 15)
        self.check(f"{when}: nothing is left prepared", seconds is not None,
                   f"after {seconds:.2f} s" if seconds is not None else self.shards.prepared())

    def check_none_under_way(self, proxy, when):
        def under_way():
            try:
                return [row for row in proxy.sql("SHOW TRANSACTIONS", user="postgres", dbname="pgbraid") if row[4] == "own, under way"]
            except psycopg.Error as error:
                return str(error)

        none = wait_until(lambda: not under_way(), 5)
        self.check(f"{when}: no transaction counts as under way", none is not None, "" if none is not None else under_way())

    def check_sums(self, proxy, when):
        directly = {name: self.shards.total(text) for name, text in SUMS.items()}
        self.check(f"{when}: the sums agree on the shards", len(set(directly.values())) == 1, directly)
        through = {name: proxy.sql(text)[0][0] or 0 for name, text in SUMS.items()}
        self.check(f"{when}: the proxy shows the same sums", through == directly, "" if through == directly else through)

    def check_ledger(self, when):
        counts, findings = ledger_findings(self.ledger_path, self.shards)
        wrong = {name: numbers[:5] for name, numbers in findings.items() if numbers}
        self.check(f"{when}: every transaction is whole and as its client heard ({counts['A']} acknowledged, "
                   f"{counts['E'] + counts['S']} failed, {counts['U'] + counts['B']} open)", not wrong, wrong or "")

    # Part 1: the proxy is killed.

    def kill_rounds(self, random_count, per_point):
        if random_count + per_point == 0:
            return
        plan = ["at random"] * random_count + [point for point in POINTS for _ in range(per_point)]
        self.random.shuffle(plan)
        found = []
        reached = dict.fromkeys(POINTS, 0)
        for number, point in enumerate(plan, 1):
            count, has_fired = self.kill_round(f"kill {number} ({point})", point, number)
            found.append(count)
            if point in POINTS:
                reached[point] += has_fired
        self.check("every named point was reached", all(reached.values()), reached)
        with_prepared = sum(1 for count in found if count)
        self.check("at least five restarts found prepared transactions", with_prepared >= 5,
                   f"{with_prepared} of {len(found)}, {sum(found)} in all")

    def kill_round(self, name, point, number):
        proxy = self.relayed
        seconds = proxy.start()
        ledger = Ledger(proxy, self.ledger_path, f"{self.seed}/{number}")
        pgbench = Pgbench(proxy, self.script, CLIENTS, 30, self.seed * 1000 + number)
        has_fired = True
        if point in POINTS:
            time.sleep(0.5)
            has_fired = self.faults.kill_at(point, self.random.randint(1, 30), proxy.process.pid, 20)
        else:
            time.sleep(0.5 + self.random.random() * 1.5)
        survived = proxy.is_running
        proxy.kill()
        code = proxy.process.returncode
        transactions = pgbench.wait()
        stuck = ledger.stop()
        prepared = len(self.shards.prepared())
        if self.forgets_decisions:
            self.shards.everywhere("DELETE FROM pgbraid.decision RETURNING 1")
        self.check(f"{name}: the proxy lived until it was killed", code == -9 and (survived or point in POINTS), f"ended with {code}" if code != -9 else "")
        self.check(f"{name}: no client hangs", stuck == 0, f"{transactions} transactions of pgbench, {prepared} prepared at the restart")
        for error in sorted(set(ledger.errors)):
            self.check(f"{name}: a lost transaction ends with an error", False, error)
        seconds = proxy.start()
        self.check(f"{name}: it serves again", seconds < 10, f"after {seconds:.2f} s")
        self.check_nothing_prepared(name)
        self.check_sums(proxy, name)
        self.check_ledger(name)
        proxy.kill()
        return prepared, has_fired

    def two_proxies(self, count):
        """The transactions of a proxy that is dead are finished by another one that serves clients meanwhile."""
        self.direct.start()
        for number in range(count):
            point = self.random.choice(list(POINTS))
            name = f"one of two proxies killed ({point})"
            self.relayed.start()
            ledgers = [Ledger(proxy, self.ledger_path, f"{self.seed}/{name}/{number}") for proxy in (self.relayed, self.direct)]
            self.faults.kill_at(point, self.random.randint(1, 60), self.relayed.process.pid, 20)
            self.relayed.kill()
            left = len(self.shards.prepared())
            heard = sum(ledgers[1].heard.values())
            goes_on = wait_until(lambda: sum(ledgers[1].heard.values()) > heard + 50, 15)
            stuck = sum(ledger.stop() for ledger in ledgers)
            self.check(f"{name}: the other one goes on", stuck == 0 and goes_on is not None, f"{left} were prepared")
            self.check_nothing_prepared(name)
            self.check_ledger(name)
        self.direct.kill()

    def termination(self):
        """SIGTERM lets transactions end: nothing is left, and no client is in doubt."""
        name = "terminated under load"
        self.direct.start()
        ledger = Ledger(self.direct, self.ledger_path, f"{self.seed}/{name}", threads=8)
        time.sleep(1.5)
        self.direct.process.terminate()
        ended = wait_until(lambda: not self.direct.is_running, 35)
        prepared = self.shards.prepared()
        stuck = ledger.stop()
        self.check(f"{name}: it ends with 0", self.direct.process.poll() == 0, f"{self.direct.process.poll()} after {ended} s")
        self.check(f"{name}: nothing is left prepared, and no client hangs", not prepared and stuck == 0, prepared or "")
        self.check(f"{name}: no client is in doubt", not ledger.heard.get("U"), ledger.heard)
        self.check_ledger(name)
        if self.direct.is_running:
            self.direct.kill()

    # Part 2: a shard is stopped.

    def shard_rounds(self, shards):
        self.direct.start()
        for shard in shards:
            self.shard_round(shard)
        self.direct.kill()

    def keys_by_shard(self):
        return [[row[0] for row in self.shards.sql(shard, "SELECT key FROM probe ORDER BY key")] for shard in range(SHARD_COUNT)]

    def shard_round(self, stopped):
        name = f"shard {stopped} stopped"
        keys = self.keys_by_shard()
        alive = [key for shard in range(SHARD_COUNT) if shard != stopped for key in keys[shard]]
        others = Probe(self.direct, alive, f"{self.seed}/others/{stopped}", threads=3)
        needing = Probe(self.direct, keys[stopped], f"{self.seed}/needing/{stopped}", threads=2)
        ledger = Ledger(self.direct, self.ledger_path, f"{self.seed}/shard/{stopped}")
        time.sleep(1.5)
        self.shards.stop(stopped)
        others.errors.clear()
        others.succeeded = 0
        time.sleep(4)
        self.shards.start(stopped)
        back = wait_until(lambda: self.answers(keys[stopped][0]), 15)
        self.check(f"{name}: it is used again by itself within 5 s", back is not None and back <= 5, f"{back} s")
        time.sleep(1)
        stuck = others.stop() + needing.stop() + ledger.stop()
        self.check(f"{name}: no client hangs", stuck == 0, stuck or "")
        total = others.succeeded + len(others.errors)
        self.check(f"{name}: 99.9 % of the statements that do not need it succeed",
                   total > 0 and others.succeeded >= 0.999 * total, f"{others.succeeded} of {total} {others.errors[:3]}")
        unclear = [text for state, text, hint in needing.errors
                   if not (state and (state[:2] == "08" or state[:4] == "57P0")) or f"shard {stopped}" not in text or not hint]
        states = sorted({str(error[0]) for error in needing.errors})
        self.check(f"{name}: the others fail with a clear error", needing.errors and not unclear,
                   f"{len(needing.errors)} errors, states {states} {unclear[:2] or ''}")
        for error in sorted(set(ledger.errors)):
            self.check(f"{name}: a lost transaction ends with an error", False, error)
        self.check(f"{name}: the proxy lives", self.direct.is_running)
        self.check_nothing_prepared(name)
        self.check_sums(self.direct, name)
        self.check_ledger(name)

    def freeze_round(self, frozen, seconds):
        """A shard that neither answers nor breaks its connections."""
        name = f"shard {frozen} frozen for {seconds} s"
        self.direct.start()
        keys = self.keys_by_shard()
        others = Probe(self.direct, [key for shard in range(SHARD_COUNT) if shard != frozen for key in keys[shard]],
                       f"{self.seed}/freeze", threads=3)
        ledger = Ledger(self.direct, self.ledger_path, f"{self.seed}/freeze", threads=6)
        time.sleep(1)
        self.shards.send_signal(frozen, signal.SIGSTOP)
        others.errors.clear()
        others.succeeded = 0
        time.sleep(seconds)
        total = others.succeeded + len(others.errors)
        self.check(f"{name}: 99.9 % of the statements that do not need it succeed",
                   total > 100 * seconds and others.succeeded >= 0.999 * total, f"{others.succeeded} of {total} {others.errors[:3]}")
        self.shards.send_signal(frozen, signal.SIGCONT)
        back = wait_until(lambda: all(self.answers(keys[shard][0]) for shard in range(SHARD_COUNT)), 20)
        self.check(f"{name}: all shards are used again within 5 s", back is not None and back <= 5, f"{back} s")
        heard = sum(ledger.heard.values())
        goes_on = wait_until(lambda: sum(ledger.heard.values()) > heard + 50, 15)
        stuck = others.stop() + ledger.stop()
        self.check(f"{name}: no client hangs", stuck == 0 and goes_on is not None, stuck or "")
        self.check_nothing_prepared(name)
        self.check_ledger(name)
        self.check_none_under_way(self.direct, name)
        self.direct.kill()

    def answers(self, key, proxy=None):
        try:
            return len((proxy or self.direct).sql(f"SELECT n FROM probe WHERE key = {key}")) == 1
        except psycopg.Error:
            return False

    def restart_without_decider(self, number):
        """The proxy dies when a transaction is decided, and the shard that knows so is down when it comes back."""
        proxy = self.relayed
        proxy.start()
        ledger = Ledger(proxy, self.ledger_path, f"{self.seed}/without/{number}")
        pgbench = Pgbench(proxy, self.script, CLIENTS, 30, self.seed + number)
        time.sleep(0.5)
        self.faults.kill_at("decision answered", self.random.randint(1, 30), proxy.process.pid, 20)
        proxy.kill()
        pgbench.wait()
        ledger.stop()
        names = [self.shards.sql(shard, "SELECT shard FROM pgbraid.identity")[0][0] for shard in range(SHARD_COUNT)]
        gids = [gid.split(":") for gid in self.shards.prepared()]
        deciders = [names.index(gid[3]) for gid in gids]
        stopped = deciders[0] if deciders else 0
        # Their part may be committed elsewhere already: they stay closed, so that nobody sees half of it.
        in_doubt = {names.index(gid[5]) for gid, decider in zip(gids, deciders) if decider == stopped}
        name = f"restarted without shard {stopped}"
        self.check(f"{name}: transactions wait for its decision", bool(deciders), f"{deciders.count(stopped)} of {len(deciders)}")
        self.shards.stop(stopped)
        keys = self.keys_by_shard_except(stopped)
        seconds = self.direct.start()
        self.check(f"{name}: it serves the others", seconds < 10, f"after {seconds:.2f} s")
        answers = {shard: self.sql_state(f"SELECT n FROM probe WHERE key = {keys[shard][0]}") for shard in keys}
        expected = {shard: "57P03" if shard in in_doubt else "00000" for shard in keys}
        self.check(f"{name}: shards with a part of what it decides are closed, the others answer", answers == expected, answers)
        self.shards.start(stopped)
        key = self.shards.sql(stopped, "SELECT min(key) FROM probe")[0][0]
        back = wait_until(lambda: self.answers(key), 15)
        self.check(f"{name}: the shard is used again within 5 s", back is not None and back <= 5, f"{back} s")
        self.check_nothing_prepared(name)
        self.check_sums(self.direct, name)
        self.check_ledger(name)
        self.direct.kill()

    def sql_state(self, text):
        try:
            self.direct.sql(text)
        except psycopg.Error as error:
            return error.sqlstate
        return "00000"

    def keys_by_shard_except(self, stopped):
        return {shard: [row[0] for row in self.shards.sql(shard, "SELECT key FROM probe ORDER BY key LIMIT 5")]
                for shard in range(SHARD_COUNT) if shard != stopped}

    # Part 3: single links are lost.

    def link_rounds(self, seconds):
        self.relayed.start()
        self.idle_losses()
        for point in POINTS:
            # Every second one: the repetitions on other links are hit as well, until the shard is closed.
            for every in (2, 7):
                self.link_round(f"links cut ({point}, every {every})", lambda ledger: self.faults.cut_at(point, every, seconds))
        self.link_round("server processes ended at random", lambda ledger: self.end_server_processes(seconds * 2))
        self.link_round("statements cancelled", lambda ledger: self.cancel_statements(ledger, seconds * 2))
        self.relayed.kill()

    def link_round(self, name, cut):
        ledger = Ledger(self.relayed, self.ledger_path, f"{self.seed}/{name}", threads=6)
        time.sleep(0.3)
        count = cut(ledger)
        heard = sum(ledger.heard.values())
        goes_on = wait_until(lambda: sum(ledger.heard.values()) > heard + 20, 15)
        opened = wait_until(lambda: all(self.answers(key, self.relayed) for key in range(1, 21)), 10)
        stuck = ledger.stop()
        self.check(f"{name}: {count} times", count > 0)
        self.check(f"{name}: the proxy lives and all shards are open", self.relayed.is_running and opened is not None, opened)
        self.check(f"{name}: no client hangs", stuck == 0 and goes_on is not None, stuck or "")
        for error in sorted(set(ledger.errors)):
            self.check(f"{name}: a lost transaction ends with an error", False, error)
        self.check_none_under_way(self.relayed, name)
        if not self.relayed.is_running:
            self.relayed.start()
        self.check_nothing_prepared(name)
        self.check_ledger(name)

    def end_server_processes(self, seconds):
        """Ends server processes of pgbraid, whatever they do, that of the instance lock among them."""
        end = time.monotonic() + seconds
        count = 0
        while time.monotonic() < end:
            shard = self.random.randrange(SHARD_COUNT)
            count += len(self.shards.sql(
                shard, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' ORDER BY random() LIMIT 2"))
            time.sleep(0.05)
        return count

    def cancel_statements(self, ledger, seconds):
        end = time.monotonic() + seconds
        count = 0
        while time.monotonic() < end:
            count += ledger.cancel_some(self.random)
            time.sleep(0.005)
        return count

    def idle_losses(self):
        """A client between two statements of its block must hear that a part of it is gone."""
        shard_of = {}
        for shard, keys in enumerate(self.keys_by_shard()):
            for key in keys:
                shard_of[key] = shard
        first = 1
        second = next(key for key in shard_of if shard_of[key] != shard_of[first])
        for name, keys, between in (("one shard", [first], None), ("two shards", [first, second], None),
                                    ("two shards, a statement on the other one since", [first, second], second),
                                    ("two shards, a statement on the lost one since", [first, second], first)):
            self.idle_loss(name, keys, between, shard_of[first])
        text = "; ".join(f"UPDATE probe SET n = n + 1 WHERE key = {key}" for key in (first, second))
        self.implicit_loss(f"{text}; SELECT pg_sleep(1) FROM probe WHERE key = {second}", shard_of[first], shard_of[second])

    def idle_loss(self, name, keys, between, lost_shard):
        name = f"link lost between statements ({name})"
        before = self.probe_sum()
        with self.relayed.connect(cursor_factory=psycopg.ClientCursor) as connection:
            for key in keys:
                connection.execute(f"UPDATE probe SET n = n + 1 WHERE key = {key}")
            self.end_holders(lost_shard)
            heard = []
            for text in ([f"SELECT n FROM probe WHERE key = {between}"] if between else []) + ["COMMIT"]:
                try:
                    connection.execute(text)
                except psycopg.Error as error:
                    heard.append(error.sqlstate)
            connection.rollback()
        self.check(f"{name}: the client hears of it", "08006" in heard, heard)
        self.check(f"{name}: nothing is committed", self.probe_sum() == before)

    def implicit_loss(self, text, lost_shard, other_shard):
        name = "link lost within a Query of several statements"
        before = self.probe_sum()
        heard = []

        def client():
            try:
                self.relayed.sql(text)
                heard.append(None)
            except psycopg.Error as error:
                heard.append(error.sqlstate)

        thread = threading.Thread(target=client, daemon=True)
        thread.start()
        time.sleep(0.5)
        self.end_holders(lost_shard)
        thread.join(10)
        self.check(f"{name}: the client hears of it", heard and heard[0] is not None, heard or "it hangs")
        wait_until(lambda: not self.shards.sql(other_shard, "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid()"), 5)
        self.check(f"{name}: nothing is committed", self.probe_sum() == before)

    def end_holders(self, shard):
        holders = "FROM pg_stat_activity WHERE usename = 'app' AND state = 'idle in transaction'"
        self.shards.sql(shard, f"SELECT pg_terminate_backend(pid, 2000) {holders}")
        time.sleep(0.2)

    def probe_sum(self):
        return self.shards.total("SELECT sum(n) FROM probe")

    # Part 4: what is to vanish.

    def traces(self):
        self.direct.start()
        decisions = "SELECT count(*) FROM pgbraid.decision"
        gone = wait_until(lambda: self.shards.total(decisions + " WHERE outcome = 'abort'") == 0, 20)
        self.check("abort rows of dead proxies vanish", gone is not None, f"after {gone} s")
        before = self.shards.total(decisions)
        count = Pgbench(self.direct, self.script, CLIENTS, 3, self.seed).wait()
        after = wait_until(lambda: self.shards.total(decisions) == before, 5)
        self.check("commit rows vanish when all participants have committed", after is not None,
                   f"{count} transactions, {before} rows before, {self.shards.total(decisions)} after")
        self.shards.everywhere("UPDATE pgbraid.decision SET decided_at = decided_at - interval '1 hour' RETURNING 1")
        old = wait_until(lambda: self.shards.total(decisions) == 0, 20)
        self.check("commit rows of dead proxies vanish after their time", old is not None, f"{before} rows, after {old} s")
        self.check_none_under_way(self.direct, "at the end")
        self.direct.kill()


class Probe:
    """Single-shard reads and writes on given keys, counted."""

    def __init__(self, proxy, keys, seed, threads):
        self.proxy, self.keys, self.seed = proxy, keys, seed
        self.succeeded, self.errors = 0, []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._client, args=(number,), daemon=True) for number in range(threads)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
        return sum(thread.is_alive() for thread in self.threads)

    def _client(self, number):
        choice = random.Random(f"{self.seed}/{number}")
        connection = self.proxy.connect(autocommit=True, cursor_factory=psycopg.ClientCursor)
        while not self.stopping.is_set():
            key = choice.choice(self.keys)
            text = f"SELECT n FROM probe WHERE key = {key}" if choice.random() < 0.5 else f"UPDATE probe SET n = n + 1 WHERE key = {key}"
            try:
                connection.execute(text)
                with self.lock:
                    self.succeeded += 1
            except psycopg.Error as error:
                with self.lock:
                    self.errors.append((error.sqlstate, str(error), error.diag.message_hint))
                time.sleep(0.01)
                if connection.closed:
                    connection = self.proxy.connect(autocommit=True, cursor_factory=psycopg.ClientCursor)
        connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1_000_000))
    parser.add_argument("--random-kills", type=int, default=6)
    parser.add_argument("--kills-per-point", type=int, default=2)
    parser.add_argument("--cut-seconds", type=float, default=2)
    parser.add_argument("--parts", default="1234")
    parser.add_argument("--workers", type=int, default=1, help="threads of the proxy")
    parser.add_argument("--forget-decisions", action="store_true",
                        help="delete the decisions after each kill: part 1 must then fail, or it would prove nothing")
    parser.add_argument("--directory", help="kept afterwards; default: a temporary one, removed when all is well")
    arguments = parser.parse_args()
    directory = arguments.directory or tempfile.mkdtemp(prefix="pgbraid-crash-", dir="/tmp")
    os.makedirs(directory, exist_ok=True)
    os.chmod(directory, 0o755)
    print(f"seed {arguments.seed}, {SHARD_COUNT} shards, {CLIENTS} clients of pgbench, data in {directory}", flush=True)
    campaign = Campaign(os.path.abspath(arguments.pgbraid), directory, arguments.seed, arguments.forget_decisions, arguments.workers)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        if "1" in arguments.parts:
            campaign.kill_rounds(arguments.random_kills, arguments.kills_per_point)
            campaign.two_proxies(3)
            campaign.termination()
        if "2" in arguments.parts:
            campaign.shard_rounds([campaign.random.randrange(1, SHARD_COUNT), 0])
            for number in range(2):
                campaign.restart_without_decider(number)
            campaign.freeze_round(campaign.random.randrange(SHARD_COUNT), 7)
            campaign.freeze_round(campaign.random.randrange(SHARD_COUNT), 14)
        if "3" in arguments.parts:
            campaign.link_rounds(arguments.cut_seconds)
        if "4" in arguments.parts:
            campaign.traces()
    finally:
        campaign.close()
    if not campaign.failed and not arguments.directory:
        shutil.rmtree(directory)
    print(f"seed {arguments.seed}: {campaign.passed} passed, {campaign.failed} failed", flush=True)
    return 1 if campaign.failed else 0


if __name__ == "__main__":
    sys.exit(main())
