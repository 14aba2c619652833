"""The servers of a run: four PostgreSQL shards, PgBouncer, pgbraid.

Every shard has two databases. `copy` holds all of pgbench's rows, so that a query costs the same on whichever shard it
runs: there PgBouncer (which deals connections to the four servers in turn) and pgbraid (which deals queries by key) make
the servers do the same work, and only the proxies differ. `dealt` holds the rows that belong on the shard by
aid modulo 4: there pgbraid is compared with one PostgreSQL that has them all.

Every server is reached on a unix socket of its own and at an address of its own, both with the same port number,
because PgBouncer's host list knows one port.
"""

import os
import subprocess
import time

from processes import Program, as_service_user, give_to_service_user

SHARD_COUNT = 4
COPY, DEALT = "copy", "dealt"
# Both proxies may hold as many connections to the servers. PgBouncer counts those of a database's hosts together, pgbraid by
# shard; more would let pgbraid keep several times PgBouncer's number of server processes warm, which costs both sides CPU.
SERVER_CONNECTIONS = 32
MAXIMUM_CLIENTS = 12_000
TABLE_KEYS = {
    "pgbench_accounts": "aid", "pgbench_branches": "bid", "pgbench_tellers": "tid", "pgbench_history": "aid",
}


class Shards:
    """Four PostgreSQL servers with pgbench's tables."""

    def __init__(self, directory, binaries, port, scale):
        self.directory, self.binaries, self.port, self.scale = directory, binaries, port, scale
        self.programs = []

    def address(self, shard):
        return f"127.0.0.{11 + shard}"

    def socket_directory(self, shard):
        return os.path.join(self.directory, f"socket{shard}")

    def start(self):
        fresh = [shard for shard in range(SHARD_COUNT) if not os.path.exists(self._data(shard) + "/PG_VERSION")]
        for shard in range(SHARD_COUNT):
            for path in (self._data(shard), self.socket_directory(shard)):
                os.makedirs(path, mode=0o700 if path == self._data(shard) else 0o755, exist_ok=True)
                give_to_service_user(path)
        for shard in fresh:
            subprocess.run(
                [f"{self.binaries}/initdb", "-D", self._data(shard), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync"], check=True, stdout=subprocess.DEVNULL, **as_service_user())
        for shard in range(SHARD_COUNT):
            self._start(shard)
        for shard in range(SHARD_COUNT):
            self.programs[shard].wait_until(lambda: self._answers(shard))
        for shard in fresh:
            self._load(shard)

    def stop(self):
        for program in self.programs:
            program.stop()

    def sql(self, shard, database, text):
        result = subprocess.run(
            [f"{self.binaries}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.socket_directory(shard), "-p",
             str(self.port), "-U", "postgres", "-d", database, "-c", text], check=True, capture_output=True, text=True)
        return result.stdout.strip()

    def _data(self, shard):
        return os.path.join(self.directory, f"shard{shard}")

    def _start(self, shard):
        settings = {
            "listen_addresses": self.address(shard), "port": self.port,
            "unix_socket_directories": self.socket_directory(shard), "max_connections": 400,
            "max_prepared_transactions": 200, "shared_buffers": "256MB",
            # No work of its own during a run.
            "autovacuum": "off", "checkpoint_timeout": "1h", "max_wal_size": "8GB",
        }
        words = [f"{self.binaries}/postgres", "-D", self._data(shard)]
        for name, value in settings.items():
            words += ["-c", f"{name}={value}"]
        self.programs.append(Program(words, f"{self.directory}/shard{shard}.log", **as_service_user()))

    def _answers(self, shard):
        return subprocess.run(
            [f"{self.binaries}/pg_isready", "-q", "-h", self.socket_directory(shard), "-p", str(self.port)]
        ).returncode == 0

    def _load(self, shard):
        for database in (COPY, DEALT):
            self.sql(shard, "postgres", f"CREATE DATABASE {database}")
            subprocess.run(
                [f"{self.binaries}/pgbench", "-q", "-i", "-s", str(self.scale), "-h", self.socket_directory(shard),
                 "-p", str(self.port), "-U", "postgres", database], check=True, capture_output=True)
        for table, key in TABLE_KEYS.items():
            self.sql(shard, DEALT, f"DELETE FROM {table} WHERE {key} % {SHARD_COUNT} <> {shard}")
        self.sql(shard, DEALT, "VACUUM FULL")
        self.sql(shard, DEALT, "ANALYZE")


class Target:
    """Something pgbench connects to, and the process whose cost is of interest (none for PostgreSQL itself)."""

    def __init__(self, name, host, port, database, pid=None, script=None):
        self.name, self.host, self.port, self.database, self.pid = name, host, port, database, pid
        # What pgbench runs there, where it is another thing than elsewhere.
        self.script = script


class Relay:
    """A program in C that only copies bytes between each client and a server: the least a proxy can cost."""

    SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "relay.c")

    def __init__(self, shards, port):
        self.port = port
        self.directory = os.path.join(shards.directory, "relay")
        os.makedirs(self.directory, exist_ok=True)
        give_to_service_user(self.directory)
        program = os.path.join(self.directory, "relay")
        subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-o", program, self.SOURCE], check=True)
        directories = [shards.socket_directory(shard) for shard in range(SHARD_COUNT)]
        self.program = Program(
            [program, self.directory, str(port), str(shards.port), *directories], f"{self.directory}/log", **as_service_user())
        self.program.wait_until(lambda: os.path.exists(f"{self.directory}/.s.PGSQL.{port}"))

    def target(self):
        return Target("relay", self.directory, self.port, COPY, self.program.pid)


class PgBouncer:
    """One PgBouncer in front of the four servers' full copies. The database decides mode and kind of socket."""

    def __init__(self, shards, program, port, wrapper=(), environment=None):
        self.port = port
        self.directory = os.path.join(shards.directory, "pgbouncer")
        os.makedirs(self.directory, exist_ok=True)
        give_to_service_user(self.directory)
        hosts = {
            "unix": ",".join(shards.socket_directory(shard) for shard in range(SHARD_COUNT)),
            "tcp": ",".join(shards.address(shard) for shard in range(SHARD_COUNT)),
        }
        lines = ["[databases]"]
        for kind, list_of_hosts in hosts.items():
            for mode in ("transaction", "session"):
                lines.append(
                    f"{kind}_{mode} = host={list_of_hosts} port={shards.port} dbname={COPY} user=postgres pool_mode={mode}")
        lines += [
            "[pgbouncer]", "listen_addr = 127.0.0.1", f"listen_port = {port}", f"unix_socket_dir = {self.directory}",
            "auth_type = any", f"default_pool_size = {SERVER_CONNECTIONS}", f"max_client_conn = {MAXIMUM_CLIENTS}",
            "admin_users = postgres", "log_connections = 0", "log_disconnections = 0", "log_stats = 0",
            # What PgBouncer's manual advises for several servers behind one name: even load on them. Without it the
            # connection used last is used again, one server does nearly all the work and is the faster for it.
            "server_round_robin = 1",
            "client_tls_sslmode = allow", f"client_tls_cert_file = {shards.directory}/server.crt",
            f"client_tls_key_file = {shards.directory}/server.key", "ignore_startup_parameters = extra_float_digits",
        ]
        path = f"{self.directory}/pgbouncer.ini"
        with open(path, "w") as file:
            file.write("\n".join(lines) + "\n")
        self.program = Program([*wrapper, program, path], f"{self.directory}/log", environment, **as_service_user())
        self.program.wait_until(lambda: os.path.exists(f"{self.directory}/.s.PGSQL.{port}"))

    def target(self, kind, mode):
        host = self.directory if kind == "unix" else "127.0.0.1"
        return Target("PgBouncer", host, self.port, f"{kind}_{mode}", self.program.pid)


class Pgbraid:
    """One pgbraid in front of one database of the four servers."""

    def __init__(
        self, shards, program, port, database, kind, name, environment=None, wrapper=(), consistent_reads="atomic",
        shard_count=SHARD_COUNT):
        self.kind, self.port, self.consistent_reads, self.shard_count = kind, port, consistent_reads, shard_count
        self.directory = os.path.join(shards.directory, name)
        os.makedirs(self.directory, exist_ok=True)
        path = f"{self.directory}/proxy.conf"
        with open(path, "w") as file:
            file.write(self._configuration(shards, database))
        log = f"{self.directory}/log"
        open(log, "w").close()
        self.program = Program([*wrapper, program, "run", "--config", path], log, environment)
        self.program.wait_until(lambda: "listening" in open(log).read())

    def _configuration(self, shards, database):
        lines = [
            "[proxy]", f'listen = ["127.0.0.1:{self.port}", "{self.directory}:{self.port}"]', 'auth = "trust"',
            "allow_unlisted_users = true", f"pool_size = {SERVER_CONNECTIONS // SHARD_COUNT}", f"max_clients = {MAXIMUM_CLIENTS}",
            "[admin]", 'user = "postgres"', "[transactions]", f'consistent_reads = "{self.consistent_reads}"',
            "[tls]", f'certificate = "{shards.directory}/server.crt"', f'key = "{shards.directory}/server.key"',
        ]
        for shard in range(self.shard_count):
            host = shards.socket_directory(shard) if self.kind == "unix" else shards.address(shard)
            lines += ["[[shard]]", f'host = "{host}"', f"port = {shards.port}", f'dbname = "{database}"']
        method = "modulo" if database == DEALT else "hash"
        for table, key in TABLE_KEYS.items():
            lines += ["[[table]]", f'name = "{table}"', f'key = "{key}"', f'method = "{method}"']
        return "\n".join(lines) + "\n"

    def target(self):
        host = self.directory if self.kind == "unix" else "127.0.0.1"
        return Target("pgbraid" if self.consistent_reads == "atomic" else "pgbraid without gate", host, self.port, "postgres", self.program.pid)

    def stop(self):
        self.program.stop()


def make_certificate(directory):
    """A self-signed certificate that both proxies may read."""
    if os.path.exists(f"{directory}/server.crt"):
        return
    subprocess.run(
        ["openssl", "req", "-new", "-x509", "-days", "30", "-nodes", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost", "-out", f"{directory}/server.crt", "-keyout",
         f"{directory}/server.key"], check=True, capture_output=True)
    give_to_service_user(f"{directory}/server.key")
    give_to_service_user(f"{directory}/server.crt")
