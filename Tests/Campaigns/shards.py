"""PostgreSQL servers and the proxy of a campaign, and what to ask them directly."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import psycopg

BINARIES = os.environ.get("PGBIN", "/usr/lib/postgresql/15/bin")
FIRST_PORT = 7500
PROXY_PORT = 7432


def as_service_user():
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def make_directory(path):
    os.makedirs(path, exist_ok=True)
    if os.geteuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(path, entry.pw_uid, entry.pw_gid)


class Shards:
    """Servers on unix sockets; what a kill leaves to the kernel is enough here, so fsync is off unless `settings` say otherwise."""

    def __init__(self, directory, count, settings=None):
        self.directory, self.count, self.settings = directory, count, settings or {}
        self.sockets = os.path.join(directory, "shards")
        for path in (directory, self.sockets):
            make_directory(path)

    def data(self, shard):
        return os.path.join(self.directory, f"data{shard}")

    def create(self):
        make_directory(self.data(0))
        self._run("initdb", "-D", self.data(0), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        for shard in range(1, self.count):
            shutil.copytree(self.data(0), self.data(shard), copy_function=shutil.copy2)
            if os.geteuid() == 0:
                subprocess.run(["chown", "-R", "postgres:postgres", self.data(shard)], check=True)
            os.chmod(self.data(shard), 0o700)
        for shard in range(self.count):
            self.start(shard)
            self.sql(shard, "CREATE ROLE app LOGIN; GRANT CREATE ON SCHEMA public TO app")

    def start(self, shard):
        settings = {
            "listen_addresses": "", "unix_socket_directories": self.sockets, "port": FIRST_PORT + shard, "fsync": "off",
            "max_prepared_transactions": 100, "max_connections": 200, "shared_buffers": "32MB", "log_min_messages": "fatal",
            **self.settings,
        }
        words = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run("pg_ctl", "start", "-s", "-w", "-D", self.data(shard), "-l", os.path.join(self.data(shard), "server.log"), "-o", words)

    def logged(self, shard, text):
        """How many lines of the server's log contain `text`."""
        with open(os.path.join(self.data(shard), "server.log"), errors="replace") as log:
            return sum(text in line for line in log)

    def stop(self, shard, mode="immediate"):
        self._run("pg_ctl", "stop", "-s", "-w", "-m", mode, "-D", self.data(shard))

    def send_signal(self, shard, number):
        """To the server and all its processes."""
        with open(os.path.join(self.data(shard), "postmaster.pid")) as file:
            postmaster = int(file.readline())
        os.kill(postmaster, number)
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(postmaster)], capture_output=True, text=True).stdout
        for process in children.split():
            try:
                os.kill(int(process), number)
            except ProcessLookupError:
                pass

    def stop_all(self):
        for shard in range(self.count):
            if os.path.exists(os.path.join(self.data(shard), "postmaster.pid")):
                self.stop(shard)

    def _run(self, program, *arguments):
        subprocess.run([os.path.join(BINARIES, program), *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/", **as_service_user())

    def sql(self, shard, text, database="postgres"):
        """Rows of a statement on one shard, past the proxy."""
        with psycopg.connect(host=self.sockets, port=FIRST_PORT + shard, user="postgres", dbname=database, autocommit=True) as connection:
            cursor = connection.execute(text)
            return cursor.fetchall() if cursor.description else []

    def everywhere(self, text):
        return [row for shard in range(self.count) for row in self.sql(shard, text)]

    def total(self, text):
        return sum(row[0] or 0 for row in self.everywhere(text))

    def prepared(self):
        return [row[0] for row in self.everywhere("SELECT gid FROM pg_prepared_xacts")]


@contextlib.contextmanager
def temporary_cluster(executable, name, checks, transactions=(), count=4, sections=(), server_settings=None):
    """Shards that run and their proxy, started; both stopped at the end, and their directory removed when all was well.

    `transactions`: lines of the proxy's section of this name; `sections`: lines of further ones, with their headings;
    `server_settings`: of postgresql.conf, by name.
    """
    directory = tempfile.mkdtemp(prefix=f"pgbraid-{name}-", dir="/tmp")
    os.chmod(directory, 0o755)
    shards = Shards(directory, count, server_settings)
    proxy = Proxy(os.path.abspath(executable), directory, shards.sockets, count, name, 1)
    proxy.configure(["[transactions]", *transactions, *sections])
    try:
        shards.create()
        proxy.start()
        yield shards, proxy
    finally:
        if proxy.is_running:
            proxy.kill()
        shards.stop_all()
    if not checks.failed:
        shutil.rmtree(directory)


class Checks:
    """What was found right or wrong, a line each."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, text, is_good, detail=""):
        if is_good:
            self.passed += 1
        else:
            self.failed += 1
        print(f"{'ok  ' if is_good else 'FAIL'} {text} {detail}".rstrip(), flush=True)

    def finish(self):
        """Prints the last line and returns the exit status."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


class Proxy:
    """pgbraid, started and killed."""

    def __init__(self, executable, directory, shard_sockets, shards, name, workers, database=None):
        self.executable, self.shards = executable, shards
        self.sockets = os.path.join(directory, f"proxy-{name}")
        make_directory(self.sockets)
        self.config = os.path.join(directory, f"{name}.conf")
        self.log = os.path.join(directory, f"{name}.log")
        self.process = None
        keys = {"pgbench_accounts": "aid", "pgbench_branches": "bid", "pgbench_tellers": "tid", "pgbench_history": "aid",
                "ledger": "key", "probe": "key"}
        with open(self.config, "w") as file:
            file.write(f'[proxy]\nlisten = ["{self.sockets}:{PROXY_PORT}"]\nauth = "trust"\nallow_unlisted_users = true\nworkers = {workers}\n')
            for shard in range(shards):
                file.write(f'[[shard]]\nhost = "{shard_sockets}"\nport = {FIRST_PORT + shard}\n')
                if database:
                    file.write(f'dbname = "{database}"\n')
            for table, key in keys.items():
                file.write(f'[[table]]\nname = "{table}"\nkey = "{key}"\n')

    def configure(self, lines):
        """Adds lines to its configuration, before it starts."""
        with open(self.config, "a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def start(self, limit=60):
        """Starts it and returns the seconds until it serves clients."""
        log = open(self.log, "a")
        begun = time.monotonic()
        self.process = subprocess.Popen([self.executable, "run", "--config", self.config], stdout=log, stderr=log)
        while time.monotonic() - begun < limit:
            if self.process.poll() is not None:
                raise RuntimeError(f"pgbraid ended with {self.process.returncode}; see {self.log}")
            try:
                self.connect().close()
                return time.monotonic() - begun
            except psycopg.Error:
                time.sleep(0.02)
        raise RuntimeError(f"pgbraid does not serve; see {self.log}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def connect(self, **options):
        return psycopg.connect(
            host=self.sockets, port=PROXY_PORT, user="app", dbname="postgres", connect_timeout=20, prepare_threshold=None, **options)

    def sql(self, text, user="app", dbname="postgres"):
        with psycopg.connect(host=self.sockets, port=PROXY_PORT, user=user, dbname=dbname, autocommit=True, prepare_threshold=None,
                             cursor_factory=psycopg.ClientCursor) as connection:
            cursor = connection.execute(text)
            return cursor.fetchall() if cursor.description else []

    def statistics(self):
        """SHOW STATS: counts by name."""
        return {name: int(value) for name, value in self.sql("SHOW STATS", user="postgres", dbname="pgbraid") if str(value).isdigit()}

    def pgbench(self, *words):
        return subprocess.run(
            [os.path.join(BINARIES, "pgbench"), *words, "-h", self.sockets, "-p", str(PROXY_PORT), "-U", "app", "postgres"],
            capture_output=True, text=True, cwd="/", **as_service_user())
