"""psql and pgbench at work, scene by scene; see transcript.py."""

import os
import re
import signal
import subprocess

import transcript
from transcript import SCHEMA, scene, show

BINARIES = os.environ.get("PGBRAID_POSTGRESQL_BIN", "/usr/lib/postgresql/15/bin")
ADDRESS = ["-h", "127.0.0.1", "-p", str(transcript.port), "-U", "postgres"]
ENVIRONMENT = {**os.environ, "PGOPTIONS": f"-c search_path={SCHEMA}", "PGDATABASE": "postgres", "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "20"}


def psql_process(*arguments):
    return subprocess.Popen(
        [f"{BINARIES}/psql", "-X", *ADDRESS, *arguments], env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)


def psql(script, *arguments):
    process = psql_process(*arguments)
    output, _ = process.communicate(script, timeout=60)
    show(output.rstrip("\n"))
    show("status", process.returncode)


def value(statement):
    process = psql_process("-Atc", statement)
    return process.communicate(timeout=60)[0].strip()


@scene
def tables():
    psql(f"""
DROP SCHEMA IF EXISTS {SCHEMA} CASCADE;
CREATE SCHEMA {SCHEMA};
CREATE TABLE account (user_id int PRIMARY KEY, name text NOT NULL DEFAULT 'x', balance numeric(12,2) CHECK (balance > -100));
COMMENT ON COLUMN account.name IS 'of the owner';
CREATE INDEX account_name ON account (name) WHERE balance > 0;
CREATE TABLE currency (code char(3) PRIMARY KEY, digits int);
CREATE TABLE entry (user_id int, entry_id int, currency char(3) REFERENCES currency, PRIMARY KEY (user_id, entry_id),
    FOREIGN KEY (user_id) REFERENCES account ON DELETE CASCADE);
CREATE VIEW rich AS SELECT user_id, name FROM account WHERE balance > 1000;
CREATE SEQUENCE counter;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
""", "-q")


@scene
def descriptions():
    psql(r"""
\d
\d account
\d+ account
\d entry
\d currency
\d rich
\dt+
\dt *.currency
\di
\dv
\ds
\dT
\df
\sf twice
\dn drivers
\d missing


""", "-P", "pager=off")


@scene
def statements_of_several_lines():
    psql(r"""
INSERT INTO account SELECT 1, 'name 1', 10;
INSERT INTO account VALUES (2, 'two', 20), (3, 'three', 30), (4, 'four', NULL), (5, 'five', 50);
SELECT * FROM account WHERE user_id = 2; SELECT count(*) FROM account; SELECT 1 AS one \; SELECT 2 AS two;
UPDATE account SET balance = 0 WHERE balance IS NULL \; SELECT user_id, balance FROM account ORDER BY user_id;
BEGIN;
DELETE FROM account WHERE user_id > 3;
SAVEPOINT here;
INSERT INTO account VALUES (1, 'there already', 0);
SELECT 1;
ROLLBACK TO here;
SELECT count(*) FROM account;
ROLLBACK;
SELECT user_id, name FROM account ORDER BY balance DESC, user_id LIMIT 2 \gx
SELECT 'SELECT ' || user_id || ' AS user_id' FROM account ORDER BY user_id \gexec
SELECT count(*) AS how_many FROM account \gset
\echo :how_many
SELECT name FROM account WHERE user_id = 3 \gdesc
SELECT user_id, balance FROM account ORDER BY 1 \crosstabview user_id balance
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT missing;
SELECT 'still here' FROM account WHERE user_id = 1;
COMMIT;
\set FETCH_COUNT 2
SELECT user_id FROM account WHERE user_id = 1 ORDER BY user_id;
\unset FETCH_COUNT
SELECT twice(21);
\errverbose
SELECT 1/0;
\errverbose
\encoding
SET client_encoding TO latin1;
\encoding
SHOW DateStyle;
EXPLAIN (COSTS OFF) SELECT * FROM account WHERE user_id = 1;
VACUUM account;
ANALYZE account;
TRUNCATE entry;
""", "-P", "pager=off")


@scene
def one_line_of_several_statements():
    psql("", "-c", "SELECT 1; INSERT INTO account VALUES (10, 'ten', 1), (11, 'eleven', 1); SELECT 1/0", "-c", "SELECT count(*) FROM account")
    psql("", "-1", "-c", "INSERT INTO account VALUES (10, 'ten', 1)", "-c", "INSERT INTO account VALUES (11, 'eleven', 1)", "-c", "SELECT count(*) FROM account")
    psql("", "-At", "-v", "ON_ERROR_STOP=1", "-c", "DELETE FROM account WHERE user_id > 9 RETURNING name IS NOT NULL")


@scene
def copy_in_and_out():
    path = f"/tmp/pgbraid-copy-{os.getpid()}"
    lines = "".join(f"{user}\tcopied {user}\t{user / 4}\n" for user in range(100, 1100))
    try:
        with open(path, "w") as file:
            file.write(lines)
        psql(f"""
\\copy account FROM '{path}'
SELECT count(*), sum(balance) FROM account;
\\copy account TO '{path}' WITH (FORMAT csv, HEADER)
\\copy (SELECT user_id, name FROM account WHERE user_id = 100) TO STDOUT
COPY account (user_id, name) FROM STDIN;
2000\tinline
2001\t\\N
\\.
COPY account (user_id, name) FROM STDIN;
2000\tinline
2001\tinline 2
\\.
SELECT user_id, name FROM account WHERE user_id >= 2000 ORDER BY 1;
""")
        with open(path) as file:
            written = file.read().splitlines()
        show(written[0], len(written), sorted(written[1:])[:3])
    finally:
        os.remove(path)


@scene
def an_interrupted_statement():
    for call, statement in (("(71)", "SELECT pg_sleep(71) FROM account WHERE user_id = 3;"), ("(72)", "SELECT max(pg_sleep(72)::text) FROM account;")):
        process = psql_process("-f", "-")
        process.stdin.write(f"BEGIN;\nUPDATE account SET balance = 7 WHERE user_id IN (1, 2, 3, 4);\n{statement}\nSELECT 1;\nROLLBACK;\nSELECT count(*) FROM account WHERE balance = 7;\n")
        process.stdin.flush()
        try:
            transcript.until_running(call)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
            show(output.rstrip("\n"))
        finally:
            process.kill()


def pgbench(*arguments):
    result = subprocess.run([f"{BINARIES}/pgbench", *ADDRESS, *arguments], env=ENVIRONMENT, capture_output=True, text=True, timeout=100)
    lines = [line for line in (result.stdout + result.stderr).splitlines() if re.match("number of (transactions|failed)|.*(error|ERROR|FATAL)", line)]
    show(result.returncode, *lines)


@scene
def benchmarks():
    pgbench("-i", "-q", "-s", "1")
    show(value("SELECT count(*), sum(abalance) FROM pgbench_accounts"))
    psql("\\d pgbench_accounts\n\\d pgbench_history\n")
    for mode in ("simple", "extended", "prepared"):
        for script in ("tpcb-like", "simple-update", "select-only"):
            # Each client has a thread: pgbench waits in PQprepare, and with one thread nobody would end the blocks that have the links.
            pgbench("-n", "-M", mode, "-b", script, "-c", "7", "-j", "7", "-t", "30")
        show(value("SELECT count(*) FROM pgbench_history"))
        for table in ("accounts", "branches", "tellers"):
            balance = table[0] + "balance"
            show(table, value(f"SELECT sum({balance}) FROM pgbench_{table}") == value(
                "SELECT sum(delta) FROM pgbench_history" if table == "accounts" else "SELECT sum(tbalance) FROM pgbench_tellers"))
    psql("DROP TABLE pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers;\n")


@scene
def rows_of_a_reference_table_under_contention():
    psql("CREATE TABLE meter (meter int PRIMARY KEY, reading int);\nINSERT INTO meter SELECT 1, 0;\nINSERT INTO meter VALUES (2, 0), (3, 0);\n", "-q")
    path = f"/tmp/pgbraid-script-{os.getpid()}"
    try:
        with open(path, "w") as file:
            file.write("BEGIN;\nUPDATE meter SET reading = reading + 1 WHERE meter = 1;\n"
                       "UPDATE meter SET reading = reading + 1 WHERE meter > 1;\nEND;\n")
        pgbench("-n", "-f", path, "-c", "6", "-t", "20")
    finally:
        os.remove(path)
    show(value("SELECT * FROM meter ORDER BY meter"))


def main():
    for function in transcript.scenes():
        try:
            function()
        except Exception as error:
            show("!!", type(error).__name__, str(error))


main()
