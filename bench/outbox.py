#!/usr/bin/python3
"""How many events a second pgbraid-relay tells RabbitMQ, beside two peers in the same run:

  broker alone   `pgbraid-relay probe`: the same library, made-up events, no database: nothing can be faster
  one by one     a relay that reads, publishes and marks one event at a time (batch = 1, in_flight = 1), as simple relays do

The outboxes of four shards are filled, then the relay starts; counted is the time until all events are marked. Rounds are interleaved, and the
medians count: all processes share the machine, so only the ratios mean something.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../Tests/Campaigns"))

from brokers import RabbitNode
from outbox import Relay, documented_table
from shards import Checks, temporary_cluster

AGGREGATES = 5000
DATA = '{"text": "' + "x" * 88 + '"}'


def fill(shards, proxy, count):
    proxy.sql("TRUNCATE outbox_events")
    for shard in range(shards.count):
        proxy.sql(f"/* pgbraid: shard={shard} */ INSERT INTO outbox_events (aggregate_id, event_type, event_data) "
                  f"SELECT 'aggregate ' || g % {AGGREGATES}, 'measured', '{DATA}' FROM generate_series(1, {count // shards.count}) AS g")
    for shard in range(shards.count):
        shards.sql(shard, "VACUUM ANALYZE outbox_events")


def relayed(arguments, shards, proxy, node, count, lines):
    """Events per second until all are marked."""
    fill(shards, proxy, count)
    relay = Relay(arguments.relay, shards.directory, 0, proxy, node.section(), lines)
    begun = time.monotonic()
    relay.start()
    while shards.total("SELECT count(*) FROM outbox_events WHERE status = 'pending'"):
        time.sleep(0.05)
    seconds = time.monotonic() - begun
    relay.kill(15)
    return count / seconds


def alone(arguments, shards, proxy, node, count):
    relay = Relay(arguments.relay, shards.directory, 1, proxy, node.section())
    text = subprocess.run([relay.executable, "probe", "--config", relay.config, "--count", str(count), "--bytes", "100"],
                          check=True, capture_output=True, text=True).stdout
    return int(re.search(r"(\d+) per second", text).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid")
    parser.add_argument("--relay", default=".build/release/pgbraid-relay")
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rates = {"broker alone": [], "pgbraid-relay": [], "one by one": []}
    with temporary_cluster(arguments.pgbraid, "outbox-bench", Checks(), sections=["[[table]]", 'name = "outbox_events"', 'kind = "local"']) as (shards, proxy):
        proxy.sql(documented_table())
        node = RabbitNode(shards.directory)
        try:
            node.start()
            for _ in range(arguments.rounds):
                # Nobody reads the queue: it is emptied between the rounds.
                for name, run in (
                        ("broker alone", lambda: alone(arguments, shards, proxy, node, arguments.events)),
                        ("pgbraid-relay", lambda: relayed(arguments, shards, proxy, node, arguments.events, [])),
                        ("one by one", lambda: relayed(arguments, shards, proxy, node, arguments.events // 20, ["batch = 1", "in_flight = 1"]))):
                    node.declare("outbox_events")
                    rates[name].append(run())
                    node.delete("outbox_events")
        finally:
            node.end()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, median in medians.items():
        ratios = ", ".join(f"{median / other:.2f} of {peer}" for peer, other in medians.items() if peer != name)
        print(f"{name:14} {median:9.0f} events/s   {ratios}   {[round(value) for value in rates[name]]}")


if __name__ == "__main__":
    main()
