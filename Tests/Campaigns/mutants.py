"""Mistakes the checkers of the simulation were not written for, and whether it finds them.

Each file NAME.patch in --patches (Tests/Campaigns/mutants) is one mistake in the proxy. A copy of the tree is built with it, and
`simulate` must find a world that breaks a promise. Who writes a patch reads the code that is changed and what it
promises, not the checkers. NAME.strict.patch breaks a promise that only strict reads make. The unchanged tree goes first: it must
keep every promise.
"""

import argparse
import filecmp
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPIED = ["Package.swift", "Package.resolved", "Sources", "Tests"]


def synchronise(source, copy):
    """Makes `copy` what `source` is. Files that are the same keep their times, so that they are not built again."""
    if source.is_dir():
        copy.mkdir(exist_ok=True)
        names = {path.name for path in source.iterdir()}
        for path in copy.iterdir():
            if path.name not in names:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in names:
            synchronise(source / name, copy / name)
    elif source.exists() and not (copy.exists() and filecmp.cmp(source, copy, shallow=False)):
        shutil.copyfile(source, copy)


def copy_tree(tree, patch=None):
    """Puts the sources into `tree`, and the mistake into them."""
    tree.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        synchronise(ROOT / name, tree / name)
    if patch:
        subprocess.run(["patch", "-p1", "--quiet", "-i", patch.resolve()], cwd=tree, check=True)


def build(tree, product="simulate", configuration="release"):
    command = ["swift", "build", "-c", configuration, "--product", product]
    result = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    if result.returncode != 0:
        errors = [line for line in result.stdout.splitlines() if "error:" in line]
        sys.exit("cannot build: " + "\n".join(errors or result.stdout.splitlines()[-5:]))


def first_failure(tree, seeds, is_strict):
    """The first line that tells of a broken promise; None when every world kept them."""
    command = [".build/release/simulate", "--seed", "0", "--count", str(seeds), "--check-reads"]
    command += ["--strict-reads", "offered"] if is_strict else []
    result = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    found = re.search(r"FAIL, the first: (seed \d+: .*)", result.stdout)
    if found:
        return found.group(1)
    if result.returncode == 0:
        return None
    return f"the process ended with {result.returncode}: {result.stderr[-200:]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=pathlib.Path, default=ROOT / "Tests" / "Campaigns" / "mutants")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--more-seeds", type=int, default=50_000, help="for mutants that survive those")
    parser.add_argument("--only", default="", help="beginnings of names, with commas between")
    parser.add_argument("--tree", type=pathlib.Path, default=ROOT / ".build-mutants")
    arguments = parser.parse_args()
    chosen = tuple(arguments.only.split(","))
    patches = sorted(patch for patch in arguments.patches.glob("*.patch") if patch.name.startswith(chosen))
    if not patches:
        sys.exit(f"no patches in {arguments.patches}")
    survivors = []
    for patch in [None, *patches]:
        copy_tree(arguments.tree, patch)
        begin = time.monotonic()
        build(arguments.tree)
        built = time.monotonic()
        is_strict, lived = patch is not None and patch.stem.endswith(".strict"), arguments.seeds
        failure = first_failure(arguments.tree, lived, is_strict)
        if patch is None and failure is None:
            failure = first_failure(arguments.tree, lived, is_strict=True)
        if patch and failure is None:
            lived = arguments.more_seeds
            failure = first_failure(arguments.tree, lived, is_strict)
        name = patch.stem if patch else "unchanged"
        verdict = failure or f"kept every promise in {lived} worlds"
        print(f"{name}: {verdict} (built in {built - begin:.0f} s, lived {time.monotonic() - built:.0f} s)", flush=True)
        if (failure is None) == (patch is not None):
            survivors.append(name)
    if survivors:
        sys.exit(f"not as it should be: {', '.join(survivors)}")
    print(f"all {len(patches)} mutants were found")


if __name__ == "__main__":
    main()
