"""Peak memory of the proxy while much passes through it: COPY in and out with a shard that stops for a while, and a merge
for a client that reads slowly and leaves in the middle.
"""

import argparse
import os
import signal
import socket
import sys
import threading
import time

import wire
from proxy import PeakMemory, Proxy, clean_up, work_directory
from wire import Client

SHARDS = 4


def pause(pid, after, seconds):
    """Stops a server's whole process group for a while."""
    def work():
        time.sleep(after)
        children = [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and parent_of(entry) == pid]
        for process in [pid, *children]:
            send(process, signal.SIGSTOP)
        time.sleep(seconds)
        for process in [pid, *children]:
            send(process, signal.SIGCONT)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def send(pid, signal_number):
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        pass


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return 0


def server_pid(directory, shard):
    with open(os.path.join(directory, f"data/shard{shard}/postmaster.pid")) as file:
        return int(file.readline())


def copy_in(port, megabytes):
    client = Client.connect(port, timeout=600)
    client.send(wire.query("COPY big FROM STDIN"))
    assert client.receive()[0] == b"G"
    key, sent = 0, 0
    while sent < megabytes << 20:
        rows = "".join(f"{key + n}\t{'x' * 1000}\n" for n in range(64)).encode()
        key += 64
        client.send(wire.copy_data(rows))
        sent += len(rows)
    client.send(wire.COPY_DONE)
    client.until_ready()
    client.close()
    return key


def copy_out(port, table):
    client = Client.connect(port, timeout=600)
    client.send(wire.query(f"COPY {table} TO STDOUT"))
    rows = 0
    while True:
        kind, payload = client.receive()
        if kind == b"d":
            rows += payload.count(b"\n")
        elif kind == b"E":
            raise wire.ServerError(payload)
        elif kind == b"Z":
            client.close()
            return rows


def read_slowly(port, seconds, bytes_per_second):
    """Reads an ordered result at a fixed pace, then leaves in the middle."""
    client = Client.connect(port, timeout=600)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    client.send(wire.query("SELECT user_id, v FROM many ORDER BY user_id"))
    end, got = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        got += len(client.socket.recv(bytes_per_second // 20))
        time.sleep(0.05)
    client.close()
    return got


class Bounds:
    def __init__(self, options):
        self.options, self.failures = options, []

    def measure(self, proxy, name, work):
        begin = time.monotonic()
        with PeakMemory(proxy.process.pid) as memory:
            result = work()
        megabytes = memory.peak_kilobytes / 1024
        print(f"{name}: peak {megabytes:.0f} MB in {memory.samples} samples, {time.monotonic() - begin:.0f} s, {result}", flush=True)
        if megabytes > self.options.limit_megabytes:
            self.failures.append(f"{name}: {megabytes:.0f} MB")
        return result

    def paused(self, directory, work):
        thread = pause(server_pid(directory, 2), self.options.pause_after, self.options.pause_seconds)
        result = work()
        thread.join()
        return result

    def check_nothing_left(self, proxy, baseline):
        after = proxy.memory_after({**baseline, "links": 1 << 20, "streams": 1 << 20}, 60)
        print(f"before {baseline}, afterwards {after}", flush=True)
        for what in ("sessions", "blocks", "large_bytes"):
            if after[what] > baseline[what]:
                self.failures.append(f"{what} grew from {baseline[what]} to {after[what]}")

    def run(self):
        options = self.options
        directory = options.directory or work_directory("memory")
        os.makedirs(directory, exist_ok=True)
        words = ["dev", "--shards", str(SHARDS), "--listen", f"127.0.0.1:{options.port}", "--data", os.path.join(directory, "data")]
        for setting in ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "autovacuum=off", "max_wal_size=256MB"):
            words += ["--server-option", setting]
        proxy = Proxy(options.program, words, options.port, os.path.join(directory, "log"))
        try:
            proxy.wait_until_ready()
            client = Client.connect(options.port, timeout=600)
            for sql in ("DROP TABLE IF EXISTS big, many", "CREATE UNLOGGED TABLE big (user_id bigint, v text)",
                        "CREATE UNLOGGED TABLE many (user_id bigint, v text)"):
                client.run(sql)
            baseline = proxy.memory()
            written = self.measure(
                proxy, f"COPY in of {options.copy_megabytes} MB, one shard stopped for {options.pause_seconds} s",
                lambda: self.paused(directory, lambda: copy_in(options.port, options.copy_megabytes)))
            read = self.measure(
                proxy, f"COPY out of {options.copy_megabytes} MB, one shard stopped for {options.pause_seconds} s",
                lambda: self.paused(directory, lambda: copy_out(options.port, "big")))
            if read != written:
                self.failures.append(f"{written} rows went in and {read} came out")
            client.run("TRUNCATE big")
            self.fill(options.rows)
            self.measure(
                proxy, f"ORDER BY over {options.rows} rows, read at 1 MB/s for {options.slow_seconds} s (bytes)",
                lambda: read_slowly(options.port, options.slow_seconds, 1 << 20))
            client.close()
            self.check_nothing_left(proxy, {**baseline, "sessions": 0})
        finally:
            proxy.stop()
        clean_up(directory, options, self.failures)
        print("passed" if not self.failures else f"failed: {self.failures}")
        return 1 if self.failures else 0

    def fill(self, rows):
        client = Client.connect(self.options.port, timeout=600)
        client.send(wire.query("COPY many FROM STDIN"))
        assert client.receive()[0] == b"G"
        for first in range(0, rows, 2000):
            client.send(wire.copy_data("".join(f"{key}\tr\n" for key in range(first, min(rows, first + 2000))).encode()))
        client.send(wire.COPY_DONE)
        client.until_ready()
        client.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=".build/release/pgbraid")
    parser.add_argument("--copy-megabytes", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--slow-seconds", type=int, default=60)
    parser.add_argument("--pause-after", type=float, default=2)
    parser.add_argument("--pause-seconds", type=float, default=10)
    parser.add_argument("--limit-megabytes", type=int, default=200)
    parser.add_argument("--port", type=int, default=7480)
    parser.add_argument("--directory")
    sys.exit(Bounds(parser.parse_args()).run())


if __name__ == "__main__":
    main()
