"""The proxy under test: started, asked what it holds, watched, stopped."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from wire import Client

MEASURED = ("sessions", "links", "streams", "blocks", "large_bytes")


class Proxy:
    """A pgbraid process. Its whole output goes to a log, so that a crash leaves its report there."""

    def __init__(self, program, words, port, log, user="postgres", password=None, environment=None):
        self.port, self.log_path, self.user, self.password = port, log, user, password
        self.output = open(log, "wb")
        self.process = subprocess.Popen(
            [program, *words], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
            env={**os.environ, **(environment or {})})

    def wait_until_ready(self, seconds=120):
        deadline = time.monotonic() + seconds
        while True:
            try:
                client = Client.connect(self.port, self.user, self.password, timeout=5)
                client.close()
                return
            except Exception:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the proxy did not start, see {self.log_path}")
                time.sleep(0.1)

    @property
    def is_alive(self):
        return self.process.poll() is None

    def memory(self):
        """SHOW MEMORY, without the asking session and its stream themselves."""
        client = Client.connect(self.port, self.user, self.password, database="pgbraid")
        counts = {name: int(count) for name, count in client.run("SHOW MEMORY")}
        client.close()
        counts["sessions"] -= 1
        counts["streams"] -= 1
        return {name: counts[name] for name in MEASURED}

    def table(self, name):
        client = Client.connect(self.port, self.user, self.password, database="pgbraid")
        rows = client.run(f"SHOW {name}")
        client.close()
        return rows

    def memory_after(self, baseline, seconds):
        """What it holds once nothing is above `baseline`, or when the time is up."""
        deadline = time.monotonic() + seconds
        while True:
            now = self.memory()
            if all(now[name] <= baseline[name] for name in MEASURED) or time.monotonic() > deadline:
                return now
            time.sleep(0.5)

    def crash_report(self):
        """The lines of the log that a healthy process never writes."""
        with open(self.log_path, errors="replace") as file:
            marks = ("AddressSanitizer", "Fatal error", "ThreadSanitizer", "Crash:", "precondition", "belongs to a session that has ended")
            return [line.rstrip() for line in file if any(mark in line for mark in marks)]

    def stop(self):
        if self.is_alive:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.output.close()


class PeakMemory:
    """Samples the resident memory of a process every 100 ms from /proc."""

    def __init__(self, pid):
        self.pid, self.peak_kilobytes, self.samples = pid, 0, 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def _watch(self):
        while not self.done.is_set():
            self.peak_kilobytes = max(self.peak_kilobytes, resident_kilobytes(self.pid))
            self.samples += 1
            self.done.wait(0.1)


def resident_kilobytes(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def clean_up(path, options, failures):
    """Removes a campaign's directory, unless it was asked for or shows a failure."""
    if not options.directory and not failures:
        shutil.rmtree(path, ignore_errors=True)


def work_directory(name):
    """A directory the servers' user can enter."""
    path = tempfile.mkdtemp(prefix=f"pgbraid-{name}-")
    os.chmod(path, 0o755)
    return path
