"""What the driver scripts share: where they connect, and how they write down what their driver did.

A script runs once against PostgreSQL and once against the proxy. Its output is the transcript, and the two must be equal
line by line. So a script prints what an application sees, sorts what has no order, and prints nothing that depends on the
server it happens to talk to (process ids, OIDs, addresses).

Usage of a script: SCRIPT PORT SERVER_PORT[,SERVER_PORT ...]. The server ports are those of the PostgreSQL servers
themselves: a script asks them what they are doing right now, for example before it cancels.
"""

import sys
import time

import psycopg

SCHEMA = "drivers"
DEADLINE_SECONDS = 20

port = int(sys.argv[1])
server_ports = [int(word) for word in sys.argv[2].split(",")]
_scenes = []


def scene(function):
    """A decorator: the function is one scene of the transcript, under its own name."""
    _scenes.append(function)
    return function


def scenes():
    """The scenes in the order they are written in, each after its heading is printed."""
    for function in _scenes:
        print(f"== {function.__name__.replace('_', ' ')}", flush=True)
        yield function


def show(*values):
    """One line of the transcript."""
    print(*(repr(value) if not isinstance(value, str) else value for value in values), flush=True)


def eventually(what, condition):
    """Asks again and again until the condition holds."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise TimeoutError(f"not in time: {what}")


def _is_running(text):
    query = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' AND position(%s in query) > 0"
    for server_port in server_ports:
        with psycopg.connect(host="127.0.0.1", port=server_port, user="postgres", dbname="postgres") as server:
            if server.execute(query, [text]).fetchone()[0] > 0:
                return True
    return False


def until_running(text):
    """Waits until one of the servers runs a statement with this text."""
    eventually(f"a server runs {text}", lambda: _is_running(text))
