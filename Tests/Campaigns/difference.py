#!/usr/bin/python3
"""Looks for answers of pgbraid that are not those of one PostgreSQL.

Random statements (difference_grammar.py and what it is made of) go to the proxy over four shards and to a judge, a database of its own with the
same rows. Rows, column names and types, command tags, parameter types and SQLSTATEs must be the same; the proxy may refuse
(0A000, 53400, 54001) what the judge answers, and what it refuses most is printed. Writing statements run in blocks with
savepoints and outside, and whole tables are compared after them. Cursors are moved about, and queries copied. After writes that
are random by themselves all copies of a reference table must be the same, and rows where their keys belong. The session's settings change now and then.

Every finding is printed with both answers; the same seed makes the same statements. The last line is `N passed, M failed`.
"""

import argparse
import random
import sys

import shards as cluster
from difference_campaign import Campaign
from difference_tables import KEYS, types


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--statements", type=int, default=10000)
    parser.add_argument("--first-port", type=int, default=cluster.FIRST_PORT)
    parser.add_argument("--proxy-port", type=int, default=cluster.PROXY_PORT)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    cluster.FIRST_PORT, cluster.PROXY_PORT = options.first_port, options.proxy_port
    keys = [f'[[table]]\nname = "{table}"\nkey = "{key}"' for table, key in KEYS.items() if key != "user_id"]
    checks = cluster.Checks()
    with cluster.temporary_cluster(options.pgbraid, "difference", checks, keys) as (shards, proxy):
        # Before the judge, which would take numbers of shard 0.
        for statement in types():
            proxy.sql(statement)
        shards.sql(0, "CREATE DATABASE judge OWNER app")
        campaign = Campaign(seed, f"host={proxy.sockets} port={cluster.PROXY_PORT} user=app dbname=postgres",
                            f"host={shards.sockets} port={cluster.FIRST_PORT} user=app dbname=judge", shards)
        campaign.run(options.statements)
        statistics = proxy.statistics()
    total = sum(campaign.counts.values())
    for name, count in campaign.counts.most_common():
        print(f"{count:7} {count / total:6.1%} {name}")
    print(f"{campaign.filled / total:.1%} of the statements have rows")
    print({name: count for name, count in statistics.items() if name.endswith(("statements", "commits", "retries"))})
    for message, count in campaign.refusals.most_common(40):
        print(f"{count:7} {message}\n        {campaign.examples[message][:300]}")
    for message, count in campaign.errors.most_common(12):
        print(f"{count:7} error {message}")
    for kind, count in campaign.kinds.most_common():
        print(f"{count:7} {kind}")
    print(f"{total - campaign.findings} passed, {campaign.findings} failed")
    return 1 if campaign.findings else 0


if __name__ == "__main__":
    sys.exit(main())
