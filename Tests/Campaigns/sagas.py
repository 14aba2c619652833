#!/usr/bin/python3
"""Shows that sagas end completed or wholly undone, each undo exactly once, whatever is killed meanwhile.

A thousand orders are begun; then their three steps (the order, the stock of an article, the money of two accounts, which are mostly on different
shards) are made in a drawn order by many clients, while the proxy is killed every few seconds. Some steps fail, some orders are given up by
their clients, which their time limit ends. A third of the orders are scripts, which the proxy carries out. Whoever loses a
connection asks again or aborts. Undos write to a table without a unique key, so that one
that ran twice shows. In the end stock, balances, orders and the journal must agree. Then one undo is poisoned, and cured.

Every check prints a line; the last line is `N passed, M failed`.
"""

import argparse
import collections
import json
import random
import sys
import threading
import time

import psycopg

from shards import Checks, temporary_cluster

CUSTOMERS, ARTICLES, PRICE, STOCK, MONEY = 200, 40, 10, 1000, 100_000

TABLES = """
CREATE TABLE customer_order (user_id int, id int, PRIMARY KEY (user_id, id));
CREATE TABLE stock (user_id int PRIMARY KEY, count int NOT NULL);
CREATE TABLE account (user_id int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE undo_log (user_id int, saga text, step int)
"""


class Order:
    def __init__(self, number, choice):
        self.number, self.name = number, f"order-{number}"
        self.customer, self.seller = choice.sample(range(1, CUSTOMERS + 1), 2)
        self.article = choice.randrange(1, ARTICLES + 1)
        self.fails_at = choice.randrange(3) if choice.random() < 0.25 else None
        self.is_given_up = choice.random() < 0.1
        # Its steps are known from the beginning, and the proxy makes them.
        self.is_script = choice.random() < 0.3
        self.told = None

    def step(self, number):
        """Its statements, and their undo."""
        if number == 0:
            return [f"INSERT INTO customer_order VALUES ({self.customer}, {self.number})"], \
                f"DELETE FROM customer_order WHERE user_id = {self.customer} AND id = {self.number}; {self.log(self.customer, 0)}"
        if number == 1:
            return [f"UPDATE stock SET count = count - 1 WHERE user_id = {self.article}"], \
                f"UPDATE stock SET count = count + 1 WHERE user_id = {self.article}; {self.log(self.article, 1)}"
        # In the order of the keys, so that no two wait for each other in a circle.
        def moves(amount):
            changes = sorted([(self.customer, -amount), (self.seller, amount)])
            return [f"UPDATE account SET balance = balance + {change} WHERE user_id = {key}" for key, change in changes]
        return moves(PRICE), "; ".join([*moves(-PRICE), self.log(self.customer, 2)])

    def script(self):
        steps = []
        for number in range(3):
            statements, undo = self.step(number)
            steps.append({"do": "; ".join(statements + ["SELECT 1 / 0"] * (self.fails_at == number)), "undo": undo})
        return json.dumps(steps)

    def log(self, key, number):
        return f"INSERT INTO undo_log VALUES ({key}, '{self.name}', {number})"


class Clients:
    """Take what is to be done next from one list, each over a connection of its own."""

    def __init__(self, proxy, seed, orders, count):
        self.proxy, self.seed, self.count = proxy, seed, count
        self.ready = collections.deque((order, -1) for order in orders)
        self.lock = threading.Lock()
        self.errors = collections.Counter()
        self.open = len(orders)
        self.threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(count)]

    def run(self, limit):
        for thread in self.threads:
            thread.start()
        end = time.monotonic() + limit
        for thread in self.threads:
            thread.join(max(0, end - time.monotonic()))
        return sum(thread.is_alive() for thread in self.threads)

    def _next(self, choice):
        with self.lock:
            if not self.ready:
                return None
            # Beginnings first, so that all are under way together; then in any order.
            place = 0 if self.ready[0][1] == -1 else choice.randrange(len(self.ready))
            self.ready.rotate(-place)
            item = self.ready.popleft()
            return item

    def _run(self, number):
        choice = random.Random(f"{self.seed}/{number}")
        connection = None
        while self.open > 0:
            item = self._next(choice)
            if item is None:
                time.sleep(0.01)
                continue
            order, step = item
            try:
                if connection is None or connection.closed:
                    connection = self.proxy.connect(autocommit=True)
                following = self._do(connection, order, step)
            except psycopg.Error as error:
                with self.lock:
                    self.errors[error.sqlstate] += 1
                if connection is not None:
                    connection.close()
                # What happened to a step is not known: the order is given back. All else is asked again.
                following = "abort" if step in (0, 1, 2) else step
                time.sleep(0.05)
            with self.lock:
                if following is None:
                    self.open -= 1
                else:
                    self.ready.append((order, following))

    def _do(self, connection, order, step):
        """Makes one step; the next one, or None behind the last."""
        if step == -1 and order.is_script:
            try:
                connection.execute("CALL pgbraid.saga_run(%s, %s)", [order.name, order.script()])
                order.told = "completed"
            except psycopg.errors.TransactionRollback as error:
                if error.sqlstate != "40000":
                    raise
                order.told = "compensated"
            return None
        if step == -1:
            limit = "'15 seconds'" if order.is_given_up else "NULL"
            connection.execute(f"SELECT pgbraid.saga_begin('{order.name}', timeout => {limit})")
            return 0
        if step == "abort":
            order.told = connection.execute(f"SELECT pgbraid.saga_abort('{order.name}', 'by its client')").fetchone()[0]
            return None
        if step == 3:
            if order.is_given_up:
                return None
            order.told = connection.execute(f"SELECT pgbraid.saga_end('{order.name}')").fetchone()[0]
            return None
        if order.is_given_up and step == 2:
            return 3
        statements, undo = order.step(step)
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"SELECT pgbraid.saga_step('{order.name}', 'step {step}', $undo${undo}$undo$)")
        if order.fails_at == step:
            connection.execute("ROLLBACK")
            return "abort"
        if connection.execute("COMMIT").statusmessage != "COMMIT":
            return "abort"
        return step + 1


def states(shards):
    return dict(shards.everywhere("SELECT name, state FROM pgbraid.saga"))


def settle(shards, limit):
    """Waits until no saga is open, and returns how long it took."""
    begun = time.monotonic()
    while time.monotonic() - begun < limit:
        if not set(states(shards).values()) & {"running", "undoing"}:
            break
        time.sleep(0.2)
    return time.monotonic() - begun


def run_orders(checks, shards, proxy, arguments):
    choice = random.Random(arguments.seed)
    orders = [Order(number, choice) for number in range(1, arguments.sagas + 1)]
    clients = Clients(proxy, arguments.seed, orders, arguments.clients)
    kills = 0
    stopping = threading.Event()

    def kill():
        nonlocal kills
        while not stopping.wait(arguments.kill_interval * (0.5 + choice.random())):
            proxy.kill()
            proxy.start()
            kills += 1

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    begun = time.monotonic()
    stuck_clients = clients.run(arguments.limit)
    seconds = time.monotonic() - begun
    # Undoing goes on under kills, too, for a while.
    settle(shards, 3 * arguments.kill_interval)
    stopping.set()
    killer.join()
    waited = settle(shards, arguments.limit)
    checks.check(f"{len(orders)} orders by {arguments.clients} clients in {seconds:.0f} s, the proxy killed {kills} times: no client hangs", stuck_clients == 0,
                 f"errors by SQLSTATE {dict(clients.errors)}")
    verify(checks, shards, orders, waited)


def verify(checks, shards, orders, waited):
    ended = states(shards)
    counts = collections.Counter(ended.values())
    checks.check(f"every saga is completed or compensated, {waited:.0f} s later", set(ended.values()) <= {"completed", "compensated"} and len(ended) == len(orders), dict(counts))
    checks.check("both ends occur often", min(counts["completed"], counts["compensated"]) >= len(orders) // 10, dict(counts))
    told = [order.name for order in orders if order.told == "completed" and ended[order.name] != "completed"]
    told += [order.name for order in orders if order.told in ("undoing", "compensated") and ended[order.name] != "compensated"]
    checks.check("each ended as its client was told", not told, told[:5])
    completed = [order for order in orders if ended[order.name] == "completed"]
    rows = {(user, number) for user, number in shards.everywhere("SELECT user_id, id FROM customer_order")}
    checks.check("exactly the completed orders are there", rows == {(order.customer, order.number) for order in completed})
    left = dict(shards.everywhere("SELECT user_id, count FROM stock"))
    taken = collections.Counter(order.article for order in completed)
    checks.check("the stock adds up", all(left[key] == STOCK - taken[key] for key in left), sum(taken.values()))
    balances = dict(shards.everywhere("SELECT user_id, balance FROM account"))
    wanted = collections.Counter({key: MONEY for key in balances})
    for order in completed:
        wanted[order.customer] -= PRICE
        wanted[order.seller] += PRICE
    checks.check("each balance adds up", balances == dict(wanted))
    names = dict(shards.everywhere("SELECT id, name FROM pgbraid.saga"))
    scripts = {order.name for order in orders if order.is_script}
    # Steps of scripts count from 1.
    journal = [(names[saga], step - (names[saga] in scripts), is_undone) for saga, step, is_undone in shards.everywhere("SELECT saga_id, right(name, 1)::int, undone_at IS NOT NULL FROM pgbraid.saga_step")]
    undone = collections.Counter((saga, step) for saga, step, is_undone in journal if is_undone)
    logged = collections.Counter((saga, step) for saga, step in shards.everywhere("SELECT saga, step FROM undo_log"))
    twice = [key for key, count in logged.items() if count > 1]
    checks.check(f"each of {sum(logged.values())} undos ran once", not twice and logged and max(logged.values()) == 1, twice[:5])
    checks.check("what the journal has undone is what ran", undone == logged)
    kept = [(saga, step) for saga, step, is_undone in journal if is_undone != (ended[saga] == "compensated")]
    checks.check(f"all of {len(journal)} steps that were committed are undone where, and only where, the saga is", not kept, kept[:5])
    checks.check("nothing is left prepared", not shards.prepared(), shards.prepared())


def poison(checks, shards, proxy):
    proxy.sql("SELECT pgbraid.saga_begin('poisoned')")
    for number, undo in enumerate(["INSERT INTO undo_log VALUES (1, 'poisoned', 0)", "INSERT INTO undo_log SELECT 1, 'poisoned', 1 / (SELECT count FROM stock WHERE user_id = -1)"]):
        proxy.sql(f"SELECT pgbraid.saga_step('poisoned', 'step {number}', $undo${undo}$undo$)")
    proxy.sql("INSERT INTO stock VALUES (-1, 0)")
    proxy.sql("SELECT pgbraid.saga_abort('poisoned')")
    settle(shards, 60)
    reason = shards.everywhere("SELECT reason FROM pgbraid.saga WHERE name = 'poisoned'")
    checks.check("a poisoned undo is stuck", states(shards)["poisoned"] == "stuck", reason[0][0])
    proxy.sql("UPDATE stock SET count = 1 WHERE user_id = -1")
    proxy.sql("SELECT pgbraid.saga_retry('poisoned')")
    settle(shards, 60)
    rows = sorted(shards.everywhere("SELECT step, count(*) FROM undo_log WHERE saga = 'poisoned' GROUP BY step"))
    checks.check("cured and retried, it is undone", states(shards)["poisoned"] == "compensated" and rows == [(0, 1), (1, 1)], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1_000_000))
    parser.add_argument("--sagas", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--kill-interval", type=float, default=3)
    parser.add_argument("--limit", type=float, default=300, help="seconds that the clients may take, and undoing behind them")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    checks = Checks()
    with temporary_cluster(arguments.pgbraid, "sagas", checks) as (shards, proxy):
        for statement in TABLES.split(";"):
            proxy.sql(statement)
        proxy.sql(f"INSERT INTO stock SELECT i, {STOCK} FROM generate_series(1, {ARTICLES}) AS i")
        proxy.sql(f"INSERT INTO account SELECT i, {MONEY} FROM generate_series(1, {CUSTOMERS}) AS i")
        run_orders(checks, shards, proxy, arguments)
        poison(checks, shards, proxy)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
