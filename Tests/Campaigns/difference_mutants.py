#!/usr/bin/python3
"""Whether difference.py finds mistakes in what merges the rows of shards.

Each file NAME.patch in Tests/Campaigns/merge_mutants is one mistake. A copy of the tree is built with it, and difference.py must find an answer
that differs within 2,000 statements.
"""

import argparse
import pathlib
import re
import subprocess
import sys

from mutants import ROOT, build, copy_tree


def statements_until_found(program, arguments):
    """How many statements were run when a difference was found; None if none was."""
    command = ["/usr/bin/python3", ROOT / "Tests/Campaigns/difference.py", "--pgbraid", program, "--until-found",
               "--seed", str(arguments.seed), "--statements", str(arguments.statements)]
    result = subprocess.run(command, capture_output=True, text=True)
    last = re.search(r"(\d+) passed, (\d+) failed\s*$", result.stdout)
    if not last:
        sys.exit(f"difference.py ended with {result.returncode}: {result.stderr[-500:]}")
    passed, failed = map(int, last.groups())
    return passed + failed if failed else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--statements", type=int, default=2000)
    parser.add_argument("--only", default="", help="beginnings of names, with commas between")
    parser.add_argument("--tree", type=pathlib.Path, default=ROOT / ".build-mutants")
    arguments = parser.parse_args()
    patches = [patch for patch in sorted((ROOT / "Tests/Campaigns/merge_mutants").glob("*.patch")) if patch.name.startswith(tuple(arguments.only.split(",")))]
    survivors = []
    for patch in patches:
        copy_tree(arguments.tree, patch)
        build(arguments.tree, "pgbraid", "debug")
        found = statements_until_found(arguments.tree / ".build/debug/pgbraid", arguments)
        print(f"{patch.stem}: {f'found within {found} statements' if found else 'not found'}", flush=True)
        if not found:
            survivors.append(patch.stem)
    if survivors:
        sys.exit(f"not found: {', '.join(survivors)}")
    print(f"all {len(patches)} mutants were found")


if __name__ == "__main__":
    main()
