"""User instructions, lines of code and system calls of one transaction, of both proxies.

Time depends on what else the machine does; these counts do not. A proxy runs under valgrind's callgrind while pgbench runs
select-only through it, N transactions and then 3 N: the difference over 2 N leaves the logins out. Under callgrind a
proxy is slow, so that with eight clients one turn of its loop serves several; with one client each turn serves one
event, which costs most. System calls are counted in the same profile, as calls of the functions that make them. A proxy that has slept finds the caches full of what the servers did meanwhile: how many lines of
64 bytes its code lies in counts as much as how many instructions it has. A line that not every transaction needs counts by its share.

`instruction_limits.json` holds what pgbraid may use. The profiles stay in the directory of the servers' data: the last
file of each says by function what the instructions were used for.
"""

import collections
import glob
import json
import os
import re
import subprocess

from cluster import COPY, PgBouncer, Pgbraid
from processes import as_service_user, give_to_service_user

TRANSACTIONS = 4000
HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "scripts", "select.sql")
CLIENTS = (1, 8)
LINE_BYTES = 64
# Functions that enter the kernel once a call, as either proxy uses them while it forwards.
SYSTEM_CALLS = {
    "clinux_receive", "clinux_send", "clinux_wait", "recv", "send", "read", "write", "epoll_wait", "epoll_ctl",
}


def limits():
    """Instructions a transaction may cost, by mode and number of clients."""
    with open(os.path.join(HERE, "instruction_limits.json")) as file:
        return json.load(file)


class Profile:
    """The files callgrind writes about one program."""

    def __init__(self, directory, name, owner=None):
        os.makedirs(directory, exist_ok=True)
        give_to_service_user(directory)
        # Whose process it is: vgdb reaches only those of its own user.
        self.owner = owner or {}
        self.prefix = os.path.join(directory, name)
        self.remove()

    @property
    def wrapper(self):
        return ["valgrind", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no", "--dump-instr=yes",
                f"--callgrind-out-file={self.prefix}.%p"]

    def counts(self, pid):
        """Counts since the last call: "instructions", "calls", and how often each line of code was used."""
        known = set(self._files())
        subprocess.run(
            ["vgdb", f"--pid={pid}", "--wait=60", "dump"], check=True, capture_output=True, timeout=120, **self.owner)
        new = set(self._files()) - known
        if len(new) != 1:
            raise RuntimeError(f"callgrind wrote {sorted(new)} instead of one file")
        with open(new.pop()) as file:
            text = file.read()
        instructions = int(re.search(r"^summary: (\d+)$", text, re.MULTILINE).group(1))
        calls = re.findall(r"^cfn=(.*)\ncalls=(\d+)", text, re.MULTILINE)
        counts = lines_of_code(text)
        counts["instructions"] = instructions
        counts["calls"] = sum(int(number) for name, number in calls if name.split("@")[0] in SYSTEM_CALLS)
        return counts

    def remove(self):
        for path in self._files():
            os.remove(path)

    def _files(self):
        return glob.glob(self.prefix + ".*")


def lines_of_code(profile):
    """How often each line of code was used, by file and number, from a profile's text."""
    uses = collections.Counter()
    program, belongs_to_call = None, False
    for row in profile.splitlines():
        if row.startswith("ob="):
            program = row
        elif row.startswith("calls="):
            # The row that follows is the cost of what was called.
            belongs_to_call = True
        elif row.startswith("0x"):
            if not belongs_to_call:
                address, _, executions = row.split()
                line = (program, int(address, 16) // LINE_BYTES)
                uses[line] = max(uses[line], int(executions))
            belongs_to_call = False
    return uses


def without_debug_information(program, directory):
    """A copy with its symbols, which callgrind needs, but without DWARF, which valgrind 3.19 cannot read of Swift."""
    copy = os.path.join(directory, "pgbraid-symbols")
    subprocess.run(["strip", "--strip-debug", "-o", copy, program], check=True)
    return copy


def run_transactions(binaries, target, clients, mode, count, scale):
    subprocess.run(
        [f"{binaries}/pgbench", "-n", "-f", SCRIPT, "-D", f"scale={scale}", "-c", str(clients), "-j", "1", "-t",
         str(count // clients), "-M", mode, "-h", target.host, "-p", str(target.port), "-U", "postgres",
         target.database], check=True, capture_output=True)


def per_transaction(binaries, target, profile, clients, mode, scale):
    """Instructions, system calls and lines of code of one transaction."""
    few, many = TRANSACTIONS, 3 * TRANSACTIONS
    run_transactions(binaries, target, clients, mode, few, scale)
    profile.counts(target.pid)
    counts = []
    for transactions in (few, many):
        run_transactions(binaries, target, clients, mode, transactions, scale)
        counts.append(profile.counts(target.pid))
    less, more = counts
    per_transaction = {key: (more[key] - less[key]) / (many - few) for key in more}
    instructions, calls = per_transaction.pop("instructions"), per_transaction.pop("calls")
    return instructions, calls, sum(min(1, max(0, uses)) for uses in per_transaction.values())


def measure(arguments, shards, mode, clients):
    """Instructions, system calls and lines of code of one transaction, by the proxy's name."""
    directory = os.path.join(arguments.directory, "profiles")
    figures = {"mode": mode, "clients": clients}
    profile = Profile(directory, f"pgbraid-{mode}-{clients}")
    program = without_debug_information(arguments.pgbraid, arguments.directory)
    proxy = Pgbraid(shards, program, arguments.port + 4, COPY, "unix", "pgbraid-instructions", wrapper=profile.wrapper)
    try:
        figures["pgbraid"] = per_transaction(
            arguments.postgresql, proxy.target(), profile, clients, mode, arguments.scale)
    finally:
        proxy.stop()
    profile = Profile(directory, f"pgbouncer-{mode}-{clients}", as_service_user())
    bouncer = PgBouncer(shards, arguments.pgbouncer, arguments.port + 1, wrapper=profile.wrapper)
    try:
        target = bouncer.target("unix", "session" if mode == "prepared" else "transaction")
        figures["PgBouncer"] = per_transaction(
            arguments.postgresql, target, profile, clients, mode, arguments.scale)
    finally:
        bouncer.program.stop()
    return figures
