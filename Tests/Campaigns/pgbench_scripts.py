#!/usr/bin/python3
"""pgbench as it comes, through the proxy over four shards: every built-in script in every query mode, without an error.

The tables are made by `pgbench -i` and sharded by aid, bid and tid. Their rows are counted on the shards themselves, at
least half of the tpcb-like transactions must have been two-phase, and afterwards the balances of accounts, branches,
tellers and history add up to the same sum.

Every check prints a line; the last line is `N passed, M failed`.
"""

import argparse
import re
import sys

from shards import Checks, temporary_cluster


def initialise(checks, proxy, shards, scale):
    made = proxy.pgbench("-i", "-s", str(scale), "-q")
    checks.check(f"pgbench -i -s {scale}", made.returncode == 0, made.stderr[-500:] if made.returncode else "")
    for table, rows in (("accounts", 100_000), ("branches", 1), ("tellers", 10)):
        counts = [row[0] for row in shards.everywhere(f"SELECT count(*) FROM pgbench_{table}")]
        checks.check(f"{rows * scale} rows of pgbench_{table} on the shards", sum(counts) == rows * scale, counts)
        checks.check("and through the proxy", proxy.sql(f"SELECT count(*) FROM pgbench_{table}") == [(rows * scale,)])


def run(checks, proxy, script, mode, clients, seconds):
    before = proxy.statistics()["two_phase_commits"]
    result = proxy.pgbench("-n", "-b", script, "-M", mode, "-c", str(clients), "-T", str(seconds), "--max-tries=1")
    processed = int((re.search(r"actually processed: (\d+)", result.stdout) or [0, 0])[1])
    failed = re.search(r"failed transactions: (\d+)", result.stdout)
    share = (proxy.statistics()["two_phase_commits"] - before) / max(processed, 1)
    checks.check(f"{script}, {mode}: {processed} transactions, none failed", result.returncode == 0 and processed > 0 and failed and failed[1] == "0",
          result.stderr[-500:])
    if script == "tpcb-like":
        checks.check(f"{script}, {mode}: {share:.0%} of them by two-phase commit", share >= 0.5)


def sums(checks, proxy, text, script):
    """simple-update changes neither branches nor tellers."""
    queries = ["abalance) FROM pgbench_accounts", "delta) FROM pgbench_history"]
    if script != "simple-update":
        queries += ["bbalance) FROM pgbench_branches", "tbalance) FROM pgbench_tellers"]
    found = [proxy.sql(f"SELECT sum({query}")[0][0] for query in queries]
    checks.check(f"{text}: the balances add up", len(set(found)) == 1 and found[0] is not None, found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--seconds", type=int, default=5, help="of each script in each mode")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--scale", type=int, default=10)
    arguments = parser.parse_args()
    checks = Checks()
    with temporary_cluster(arguments.pgbraid, "pgbench", checks) as (shards, proxy):
        initialise(checks, proxy, shards, arguments.scale)
        for script in ("tpcb-like", "select-only", "simple-update"):
            for mode in ("simple", "extended", "prepared"):
                run(checks, proxy, script, mode, arguments.clients, arguments.seconds)
            if script != "select-only":
                sums(checks, proxy, script, script)
        checks.check("nothing is left prepared", not shards.prepared())
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
