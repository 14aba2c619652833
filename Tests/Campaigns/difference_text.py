"""Which columns of a query have one right scale, for difference.py, by the query's text."""

import re

SUM = re.compile(r"(sum|avg)\((?!DISTINCT)")
# NULLs of grouping sets and of columns are ties of an order.
SETS = re.compile("ROLLUP|CUBE|GROUPING")
# Of a cursor's rows the query stands in a comment.
DECLARED = re.compile(r"/\* DECLARE .*? FOR (.*) \*/$", re.DOTALL)
# What may stand outside of parentheses and leaves the scale of sums alone: groups are in a total order.
HARMLESS = re.compile("GROUP BY|LIMIT|FETCH|WITH TIES", re.IGNORECASE)


def outside(text):
    """The text with blanks for what stands in quotes and parentheses, so that places stay the same."""
    made, depth, is_quoted = [], 0, False
    for letter in text:
        if letter == "'":
            is_quoted = not is_quoted
        depth -= letter == ")" and not is_quoted
        made.append(letter if depth == 0 and not is_quoted else " ")
        depth += letter == "(" and not is_quoted
    return "".join(made)


def exact_columns(text, ties):
    """The places of sums of columns among whose rows `ties` finds nothing: their scale is that of their summands, which are the same everywhere."""
    declared = DECLARED.search(text)
    text = declared[1] if declared else text
    bare = outside(text)
    if not bare.startswith("SELECT ") or bare.startswith("SELECT DISTINCT") or " FROM " not in bare or SETS.search(text):
        return set()
    end = bare.index(" FROM ")
    within = "".join(letter if blank == " " else " " for letter, blank in zip(text[end:], bare[end:]))
    if ties.search(within) or ties.search(HARMLESS.sub("", bare[end:])):
        return set()
    commas = [place for place, letter in enumerate(bare[:end]) if letter == ","]
    items = [text[start:stop].strip() for start, stop in zip([len("SELECT "), *(place + 1 for place in commas)], [*commas, end])]
    return {n for n, item in enumerate(items) if SUM.match(item) and not ties.search(item)}
