"""What difference.py prints at its end."""

from difference_kinds import ALL


def share(part, whole):
    return f"{part / max(whole, 1):.1%}"


def report(tally):
    """Prints all counts; returns the exit status."""
    total = tally.statements
    for name, count in tally.counts.most_common():
        print(f"{count:7} {share(count, total):>6} {name}")
    for message, count in tally.refusals.most_common(40):
        print(f"{count:7} {message}")
        for text in tally.examples[message]:
            print(f"        {text[:500]}")
    for message, count in tally.errors.most_common(12):
        print(f"{count:7} error {message}")
    for setting, count in sorted(tally.settings.items()):
        print(f"{count:7} {setting}")
    for subject, count in tally.answered.items():
        print(f"results not empty: {tally.filled[subject]} of {count} {subject}, {share(tally.filled[subject], count)}")
    print(f"results not empty: {share(tally.filled.total(), tally.answered.total())} of all")
    refused = tally.counts["refused"]
    print(f"refused: {share(refused, total)} of all")
    for kind in ALL:
        print(f"plan {kind}: {tally.plans[kind]}, {share(tally.plans[kind], tally.plans.total())} of the queries and writes")
    for kind, count in tally.findings.most_common():
        print(f"{count:7} {kind}")
    failed = tally.findings.total()
    print(f"{total - failed} passed, {failed} failed")
    return 1 if failed else 0
