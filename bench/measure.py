"""Measuring: pgbench against several targets in turn, round after round.

The machine is never quiet, so no number stands alone: in every round all targets run one after the other, each round
begins with another one, and what is reported is the median over the rounds, of ratios too.
"""

import glob
import os
import re
import statistics
import subprocess
import tempfile

from processes import Cost, as_service_user, give_to_service_user

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scripts")


class Load:
    """What pgbench is asked to do."""

    def __init__(self, script, clients, mode, seconds, scale):
        self.script, self.clients, self.mode, self.seconds, self.scale = script, clients, mode, seconds, scale


class PlainTwoPhase:
    """The transfers of two shards by a client in C that prepares and commits on both itself, with nothing between."""

    SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "two_phase.c")

    def __init__(self, directory, directories, port, database):
        self.name, self.pid = "PREPARE on both", None
        self.program = os.path.join(directory, "two_phase")
        self.words = [str(port), database, *directories]
        subprocess.run(
            ["gcc", "-O2", "-I/usr/include/postgresql", "-o", self.program, self.SOURCE, "-lpq", "-lpthread"], check=True)

    @staticmethod
    def run(binaries, target, load):
        words = [target.program, str(load.seconds), str(load.clients), str(load.scale), *target.words]
        result = subprocess.run(words, capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError(f"two_phase: {result.stderr.strip()[-2000:]}")
        latencies = sorted(map(int, result.stdout.split()))
        if not latencies:
            raise NoTransaction(f"two_phase finished no transaction in {load.seconds} s")
        return Run(len(latencies), load.seconds, latencies, Cost(0, 0, 0))


class NoTransaction(RuntimeError):
    """The machine was so busy that nothing was measured."""


class Run:
    """The outcome of one pgbench run: transactions per second, latency in ms, CPU of the proxy in µs a transaction."""

    def __init__(self, transactions, seconds, latencies, cost):
        self.transactions = transactions
        self.rate = transactions / seconds
        self.average_latency = statistics.fmean(latencies) / 1000
        self.p99_latency = latencies[int(len(latencies) * 0.99)] / 1000
        self.cost = cost
        self.cpu = cost.total / transactions * 1e6


def run_once_more_if_nothing_ran(binaries, target, load):
    run = target.run if isinstance(target, PlainTwoPhase) else run_pgbench
    try:
        return run(binaries, target, load)
    except NoTransaction:
        return run(binaries, target, load)


def run_pgbench(binaries, target, load):
    with tempfile.TemporaryDirectory(prefix="pgbench-") as directory:
        give_to_service_user(directory)
        words = [
            f"{binaries}/pgbench", "-n", "-f", f"{SCRIPTS}/{target.script or load.script}.sql", "-D", f"scale={load.scale}", "-c",
            str(load.clients), "-j", "1", "-T", str(load.seconds), "-M", load.mode, "-l", f"--log-prefix={directory}/log",
            "-h", target.host, "-p", str(target.port), "-U", "postgres", target.database,
        ]
        before = Cost.of(target.pid) if target.pid else None
        result = subprocess.run(words, capture_output=True, text=True, cwd=directory)
        cost = Cost.of(target.pid) - before if target.pid else Cost(0, 0, 0)
        if result.returncode != 0:
            raise RuntimeError(f"pgbench on {target.name}: {result.stderr.strip()[-2000:]}")
        transactions = int(re.search(r"transactions actually processed: (\d+)", result.stdout).group(1))
        if transactions == 0:
            raise NoTransaction(f"{target.name} finished no transaction in {load.seconds} s, see {target.host}")
        return Run(transactions, load.seconds, read_latencies(directory), cost)


def read_latencies(directory):
    """Latencies of all transactions in µs, ascending."""
    latencies = []
    for path in glob.glob(f"{directory}/log*"):
        with open(path) as file:
            latencies += [int(line.split(" ", 3)[2]) for line in file]
    return sorted(latencies)


def run_rounds(binaries, targets, load, rounds, report):
    """Runs of each target, by its name, in the order of the rounds."""
    runs = {target.name: [] for target in targets}
    for target in targets:
        run_once_more_if_nothing_ran(binaries, target, Load(load.script, load.clients, load.mode, 1, load.scale))
    for number in range(rounds):
        shift = number % len(targets)
        for target in targets[shift:] + targets[:shift]:
            runs[target.name].append(run_once_more_if_nothing_ran(binaries, target, load))
        report(".")
    report("\n")
    return runs


def median(runs, attribute):
    return statistics.median(getattr(run, attribute) for run in runs)


def median_ratio(runs, other_runs, attribute):
    """The median of the rounds' ratios."""
    return statistics.median(
        getattr(run, attribute) / getattr(other, attribute) for run, other in zip(runs, other_runs))


def per_transaction(runs, part):
    """User or system CPU in µs a transaction over all rounds together."""
    return sum(getattr(run.cost, part) for run in runs) / sum(run.transactions for run in runs) * 1e6
