"""What difference.py has done, a line a piece, so that it can be stopped and go on, and all counts of a seed together."""

import collections
import json
import os

COUNTERS = ("counts", "plans", "settings", "filled", "answered", "refusals", "errors", "findings")

EXAMPLES = 4


class Tally:
    """Counts of one piece or of many."""

    def __init__(self, record=None):
        record = record or {}
        for name in COUNTERS:
            setattr(self, name, collections.Counter(record.get(name, {})))
        # The shortest statements of each refusal.
        self.examples = {message: list(texts) for message, texts in record.get("examples", {}).items()}

    def add(self, other):
        for name in COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for message, texts in other.examples.items():
            for text in texts:
                self.note_example(message, text)

    def note_example(self, message, text):
        self.examples[message] = sorted([*self.examples.get(message, []), text], key=len)[:EXAMPLES]

    def record(self):
        return {name: dict(getattr(self, name)) for name in COUNTERS} | {"examples": self.examples}

    @property
    def statements(self):
        return sum(self.counts.values())


class Journal:
    """The pieces of one seed that are done. Without a path nothing is kept."""

    def __init__(self, path, seed):
        self.path, self.seed, self.pieces = path, seed, {}
        if path and os.path.exists(path):
            with open(path) as file:
                for line in file:
                    entry = json.loads(line)
                    if entry["seed"] == seed:
                        self.pieces[entry["piece"]] = Tally(entry)

    def add(self, piece, tally):
        self.pieces[piece] = tally
        if self.path:
            with open(self.path, "a") as file:
                file.write(json.dumps({"seed": self.seed, "piece": piece} | tally.record()) + "\n")

    def total(self):
        total = Tally()
        for tally in self.pieces.values():
            total.add(tally)
        return total
