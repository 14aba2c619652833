"""What a proxy runs between its system calls: microseconds a transaction, by the processor's own clock.

Both proxies run with count_user_time.so preloaded, which says why the kernel's ticks do not do. What reading the clock itself takes, some
times a transaction, is measured when a proxy starts and taken off; interrupts shorter than the cut are in the figures.
"""

import mmap
import os
import struct
import subprocess

import measure
from cluster import COPY, PgBouncer, Pgbraid
from processes import give_to_service_user

EMPTY_CALLS = 1000  # As in count_user_time.c.
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "count_user_time.c")


class UserTime:
    """The preloaded library and the page of one proxy."""

    def __init__(self, directory, name):
        self.library = os.path.join(directory, "count_user_time.so")
        if not os.path.exists(self.library):
            subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", self.library, SOURCE, "-ldl"], check=True)
        self.path = os.path.join(directory, f"user-time-{name}")
        with open(self.path, "wb") as file:
            file.write(bytes(4096))
        give_to_service_user(self.path)
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)

    @property
    def environment(self):
        return {"LD_PRELOAD": self.library, "USER_TIME_FILE": self.path}

    def read(self):
        """Seconds between calls less those of reading the clock, calls, and gaps that were cut."""
        steps, calls, cuts, steps_per_second, steps_of_empty_calls = struct.unpack_from("=QQQQQ", self.page)
        return (steps - calls * steps_of_empty_calls / EMPTY_CALLS) / steps_per_second, calls, cuts


def measure_all(arguments, shards, modes, clients, rounds, report):
    """Rows of mode, clients and, by proxy, the medians of microseconds a transaction and of cut gaps in a thousand calls."""
    library = os.path.join(arguments.directory, "count_user_time.so")
    if os.path.exists(library):
        os.remove(library)
    times = {name: UserTime(arguments.directory, name) for name in ("PgBouncer", "pgbraid")}
    bouncer = PgBouncer(shards, arguments.pgbouncer, arguments.port + 1, environment=times["PgBouncer"].environment)
    braid = Pgbraid(shards, arguments.pgbraid, arguments.port + 2, COPY, "unix", "pgbraid-user-time", times["pgbraid"].environment)
    rows = []
    try:
        for mode in modes:
            for count in clients:
                pool_mode = "session" if mode == "prepared" else "transaction"
                targets = {"PgBouncer": bouncer.target("unix", pool_mode), "pgbraid": braid.target()}
                load = measure.Load("select", count, mode, arguments.seconds, arguments.scale)
                runs = {name: [] for name in targets}
                for number in range(rounds):
                    for name in sorted(targets, reverse=number % 2 == 1):
                        runs[name].append(measure_one(arguments.postgresql, targets[name], load, times[name]))
                    report(".")
                report("\n")
                rows.append({"mode": mode, "clients": count, **{name: medians(list_of_runs) for name, list_of_runs in runs.items()}})
    finally:
        braid.stop()
        bouncer.program.stop()
    return rows


def measure_one(binaries, target, load, times):
    before = times.read()
    run = measure.run_once_more_if_nothing_ran(binaries, target, load)
    seconds, calls, cuts = (after - earlier for after, earlier in zip(times.read(), before))
    return seconds / run.transactions * 1e6, cuts / calls * 1000


def medians(runs):
    return tuple(measure.statistics.median(run[part] for run in runs) for part in (0, 1))
