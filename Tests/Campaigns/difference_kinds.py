"""By which kind of plan the proxy answered a statement, for difference.py: its counters (SHOW STATS) before and after tell."""

from difference_session import Session

# The first that has grown is the kind (docs/explain.md).
KINDS = [("gather", ("gathered_statements", "fetched_write_statements")), ("partial and finish", ("finished_statements", "aggregated_statements")),
         ("push down", ("scatter_statements", "broadcast_statements"))]
ONE_SHARD = "one shard"
ALL = [ONE_SHARD, "push down", "partial and finish", "gather"]


class PlanKinds:
    """The counters of a proxy of one worker that has no other clients."""

    def __init__(self, words):
        self.session = Session(words)
        self.before = self.counters()

    def counters(self):
        return {name.decode(): int(count) for name, count in self.session.run("SHOW STATS").rows}

    def since(self):
        """The kind of what was done since the last call."""
        before, self.before = self.before, self.counters()
        for kind, names in KINDS:
            if any(self.before.get(name, 0) > before.get(name, 0) for name in names):
                return kind
        return ONE_SHARD
