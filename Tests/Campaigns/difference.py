#!/usr/bin/python3
"""Looks for answers of pgbraid that are not those of one PostgreSQL.

Random statements (difference_grammar.py and what it is made of) go to a proxy over one, two or four shards and to a judge, a database of its own
with the same rows. Rows, column names and types, command tags, parameter types and SQLSTATEs must be the same; the proxy may refuse
(0A000, 53400, 54001) what the judge answers, and what it refuses most is printed. Writing statements run in blocks with
savepoints and outside, and whole tables are compared after them. Cursors are moved about, and queries copied. After writes that
are random by themselves all copies of a reference table must be the same, and rows where their keys belong. The session's settings change now and then.

A seed is lived in pieces, each with tables of its own: `--piece N` runs one again. With `--journal` the pieces that are done are kept, and
left out the next time. Every finding is printed with both answers; the same seed makes the same statements. What is wanted besides: at most
10 % refused, results of at least 60 % not empty, each kind of plan at least 10 %. The last line is `N passed, M failed`.
"""

import argparse
import random
import sys
import time

import shards as cluster
from difference_campaign import Campaign
from difference_clusters import SHARD_COUNTS, clusters
from difference_journal import Journal
from difference_report import report

PIECE = 250
# Nothing waits for it here, and the machine may be busy.
SNAPSHOT_WINDOW = 'snapshot_window = "2s"'


def live(options, places, judge, journal):
    """Runs the pieces that are not done yet, until there are statements enough."""
    begun, piece, done = time.monotonic(), 0, sum(tally.statements for tally in journal.pieces.values())
    while options.piece is not None or done < options.statements:
        if options.piece is not None or piece not in journal.pieces:
            number = piece if options.piece is None else options.piece
            chance = random.Random(f"{journal.seed} {number}")
            count = options.shards or chance.choices(list(SHARD_COUNTS), SHARD_COUNTS.values())[0]
            campaign = Campaign(chance, places[count], judge, f"seed {journal.seed} piece {number}, {count} shards", options.trace)
            campaign.run(min(PIECE, options.statements))
            if options.trace:
                campaign.print_history()
            journal.add(number, campaign.tally)
            done += campaign.tally.statements
            print(f"piece {number}: {done} statements in {time.monotonic() - begun:.0f} s, {campaign.tally.findings.total()} findings", flush=True)
            if options.piece is not None or options.until_found and campaign.tally.findings:
                return
        piece += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--statements", type=int, default=10000)
    parser.add_argument("--piece", type=int, default=None, help="only this one, again")
    parser.add_argument("--trace", action="store_true", help="print all that is said")
    parser.add_argument("--shards", type=int, choices=SHARD_COUNTS, default=None, help="always so many, not drawn ones")
    parser.add_argument("--journal", default=None, help="a file of the pieces that are done")
    parser.add_argument("--transactions", action="append", default=[], metavar="LINE", help="a line of the proxies' section [transactions]")
    parser.add_argument("--until-found", action="store_true", help="stop behind the first piece with a finding")
    parser.add_argument("--first-port", type=int, default=cluster.FIRST_PORT)
    parser.add_argument("--proxy-port", type=int, default=cluster.PROXY_PORT)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    cluster.FIRST_PORT, cluster.PROXY_PORT = options.first_port, options.proxy_port
    journal = Journal(options.journal, seed)
    with clusters(options.pgbraid, cluster.Checks(), [SNAPSHOT_WINDOW, *options.transactions]) as (places, judge):
        live(options, places, judge, journal)
    return report(journal.total())


if __name__ == "__main__":
    sys.exit(main())
