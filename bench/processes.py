"""Programs under measurement: starting and stopping them, and what /proc says about their cost."""

import os
import pwd
import signal
import subprocess
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# PostgreSQL and PgBouncer refuse to run as root.
SERVICE_USER = "postgres"


def as_service_user():
    """Keyword arguments that make subprocess run a program as a user PostgreSQL accepts."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(SERVICE_USER)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def give_to_service_user(path):
    if os.geteuid() == 0:
        entry = pwd.getpwnam(SERVICE_USER)
        os.chown(path, entry.pw_uid, entry.pw_gid)


class Program:
    """A running program of ours, stopped at the end whatever happens."""

    def __init__(self, words, log, environment=None, **arguments):
        self.name = os.path.basename(words[0])
        self.log_path = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, **(environment or {})}, start_new_session=True, **arguments)

    @property
    def pid(self):
        return self.process.pid

    def wait_until(self, is_ready, seconds=60):
        """Waits for a condition; a program that ended first is an error."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start, see {self.log_path}")
            time.sleep(0.05)

    def stop(self, signal_number=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Cost:
    """CPU time a process has used, in seconds, all threads together.

    `total` comes from the scheduler in nanoseconds. `user` and `system` come from /proc/PID/stat, which counts ticks of
    10 ms: they are good only as sums over many rounds.
    """

    def __init__(self, user, system, total):
        self.user, self.system, self.total = user, system, total

    @classmethod
    def of(cls, pid):
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
        return cls(int(fields[11]) / TICKS_PER_SECOND, int(fields[12]) / TICKS_PER_SECOND, total / 1e9)

    def __sub__(self, other):
        return Cost(self.user - other.user, self.system - other.system, self.total - other.total)


def resident_kilobytes(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise RuntimeError(f"no VmRSS for {pid}")
