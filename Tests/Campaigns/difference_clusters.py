"""The clusters of difference.py: proxies in front of one, two and four shards, and the judge, with the same tables."""

import contextlib

import shards as cluster
from difference_kinds import PlanKinds
from difference_session import Session
from difference_tables import KEYS, schema, types

# How often a piece runs with so many shards: with one there is nothing to merge.
SHARD_COUNTS = {1: 1, 2: 3, 4: 6}


class Place:
    """A proxy, how to connect to it, and the database of its shards."""

    def __init__(self, proxy, shards, count, database):
        self.shards, self.count, self.database = shards, count, database
        self.words = f"host={proxy.sockets} port={cluster.PROXY_PORT} user=app dbname=postgres"
        self.kinds = PlanKinds(f"host={proxy.sockets} port={cluster.PROXY_PORT} user=postgres dbname=pgbraid")

    def rows_of_shards(self, text):
        """The rows of a query on each shard, in one order."""
        return [sorted(map(str, self.shards.sql(shard, text, self.database))) for shard in range(self.count)]


def run(words, statements):
    session = Session(words)
    for statement in statements:
        answer = session.run(statement)
        if answer.code:
            raise RuntimeError(f"{statement}: {answer}")


@contextlib.contextmanager
def clusters(executable, checks, transactions):
    """`transactions`: lines of the proxies' section of this name. (Places by their number of shards, words to connect to the judge)."""
    lines = [*transactions, *(f'[[table]]\nname = "{table}"\nkey = "{key}"' for table, key in KEYS.items() if key != "user_id")]
    with cluster.temporary_cluster(executable, "difference", checks, lines) as (shards, four), contextlib.ExitStack() as stack:
        places = {4: Place(four, shards, 4, "postgres")}
        # Types of users have one OID on all shards as long as all servers have done the same: fewer and fewer servers.
        run(places[4].words, types())
        for count in (2, 1):
            database = f"shards{count}"
            for shard in range(count):
                shards.sql(shard, f"CREATE DATABASE {database} OWNER app")
            proxy = cluster.Proxy(executable, shards.directory, shards.sockets, count, f"difference{count}", 1, database)
            proxy.configure(["[transactions]", *lines])
            proxy.start()
            stack.callback(proxy.kill)
            places[count] = Place(proxy, shards, count, database)
            run(places[count].words, types())
        shards.sql(0, "CREATE DATABASE judge OWNER app")
        judge = f"host={shards.sockets} port={cluster.FIRST_PORT} user=app dbname=judge"
        run(judge, types())
        for words in [judge, *(place.words for place in places.values())]:
            run(words, schema())
        yield places, judge
