#!/usr/bin/python3
"""Whether difference.py finds mistakes in what merges the rows of shards.

Each file NAME.patch in Tests/Campaigns/merge_mutants is one mistake. A copy of the tree is built with it, and difference.py must find an answer
that differs within 2,000 statements. A finding counts when it comes again with the mistake, and the same piece without the mistake
has none; another is printed, and the search goes on behind it.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from difference_journal import Journal
from mutants import ROOT, build, copy_tree

# What is told with a finding, in lines.
TOLD = 6
# How often a piece is lived again: a mistake may show only when the shards answer in a certain order.
TRIES = 4


class Finding:
    def __init__(self, match):
        self.kind, self.piece, self.statement, self.text = match["kind"], int(match["piece"]), int(match["statement"]), match[0]

    def is_again(self, other):
        return other is not None and (self.kind, self.piece, self.statement) == (other.kind, other.piece, other.statement)


class Searcher:
    """Lives the same statements against several proxies."""

    def __init__(self, sound, seed, statements, words):
        self.sound, self.seed, self.statements, self.words = sound, seed, statements, words

    def first_finding(self, program, *words):
        """That of one run of difference.py; None when all was the same."""
        command = ["/usr/bin/python3", ROOT / "Tests/Campaigns/difference.py", "--pgbraid", program, "--until-found", "--seed", str(self.seed), *self.words, *words]
        result = subprocess.run(command, capture_output=True, text=True)
        if not re.search(r"\d+ passed, \d+ failed\s*$", result.stdout):
            sys.exit(f"difference.py ended with {result.returncode}: {result.stderr[-1000:]}")
        found = re.search(rf"^FAIL (?P<kind>.*), seed \d+ piece (?P<piece>\d+), \d+ shards, statement (?P<statement>\d+)(.*\n){{1,{TOLD}}}", result.stdout, re.MULTILINE)
        return found and Finding(found)

    def counts(self, finding, program):
        """Whether the mistake makes the difference."""
        piece = ["--piece", str(finding.piece)]
        return any(finding.is_again(self.first_finding(program, *piece)) for _ in range(TRIES)) and self.first_finding(self.sound, *piece) is None

    def search(self, program):
        """(what was found, how many statements it took); None when nothing was."""
        with tempfile.TemporaryDirectory() as directory:
            path = f"{directory}/journal"
            while True:
                finding = self.first_finding(program, "--journal", path, "--statements", str(self.statements))
                if finding is None:
                    return None
                lived = Journal(path, self.seed).pieces
                if self.counts(finding, program):
                    return finding, finding.statement + sum(tally.statements for piece, tally in lived.items() if piece < finding.piece)
                print(f"not of this mistake: {finding.text}", flush=True)


def build_copy(tree, patch, name):
    """A proxy of the tree with the mistake, beside those built before."""
    copy_tree(tree, patch)
    build(tree, "pgbraid", "debug")
    program = tree / f".build/pgbraid-{name}"
    # One that still runs cannot be written to.
    program.unlink(missing_ok=True)
    return pathlib.Path(shutil.copy2(tree / ".build/debug/pgbraid", program))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--statements", type=int, default=2000)
    parser.add_argument("--only", default="", help="beginnings of names, with commas between")
    parser.add_argument("--tree", type=pathlib.Path, default=ROOT / ".build-mutants")
    parser.add_argument("--sound", type=pathlib.Path, default=None, help="a proxy without a mistake; else one is built")
    parser.add_argument("--words", default="", help="more words for difference.py")
    arguments = parser.parse_args()
    patches = [patch for patch in sorted((ROOT / "Tests/Campaigns/merge_mutants").glob("*.patch")) if patch.name.startswith(tuple(arguments.only.split(",")))]
    sound = arguments.sound or build_copy(arguments.tree, None, "sound")
    searcher, survivors = Searcher(sound, arguments.seed, arguments.statements, arguments.words.split()), []
    for patch in patches:
        found = searcher.search(build_copy(arguments.tree, patch, "mutant"))
        if found is None:
            survivors.append(patch.stem)
            print(f"{patch.stem}: not found", flush=True)
        else:
            print(f"{patch.stem}: found by statement {found[1]}\n{found[0].text}", flush=True)
    if survivors:
        sys.exit(f"not found: {', '.join(survivors)}")
    print(f"all {len(patches)} mutants were found")


if __name__ == "__main__":
    main()
