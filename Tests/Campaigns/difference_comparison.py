"""Whether two servers answered difference.py the same, up to what PostgreSQL leaves open."""

import math
import re

from difference_text import exact_columns

# Which row's error comes first is PostgreSQL's freedom.
RACES = {"23502", "23505", "21000", "22003"}
# What the proxy says of a key before any shard reads the other values (docs/limits.md).
KEY_ERROR = "null value in the sharding key"
# Collations that do not fit each other: where that is noticed depends on the plan.
BY_PLAN = {"42P22"}
# PostgreSQL 15 makes a subquery with WITH TIES of min(x) ... FETCH FIRST ROWS WITH TIES where it reads rows in order, and that may have several rows.
TIES_ERROR = "more than one row returned by a subquery used as an expression"
# Of what these make of equal values PostgreSQL may show either.
TIES = re.compile(r"DISTINCT|GROUP BY|UNION|INTERSECT|EXCEPT|max\(|min\(|mode\(|percentile_|greatest\(|least\(|FETCH|LIMIT|WITHIN|OVER", re.IGNORECASE)


def depends_on_plan(text, proxy, judge):
    """Whether one of the two has an error that another plan would not have."""
    return bool(BY_PLAN & {proxy.code, judge.code}) or "WITH TIES" in text and TIES_ERROR in (proxy.message, judge.message)


def is_same(one, two):
    if isinstance(one, float) and isinstance(two, float):
        return (math.isnan(one) and math.isnan(two)) or math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-9)
    return one == two


def order_of_row(row):
    return [(value is not None, format(value, ".12g") if isinstance(value, float) else value.hex() if value is not None else "") for value in row]


def difference(proxy, judge, is_ordered):
    """What is not the same, or None."""
    if proxy.code != judge.code and not {proxy.code, judge.code} <= RACES and not (judge.code and proxy.message == KEY_ERROR):
        return "SQLSTATE"
    if proxy.code:
        return None
    if proxy.copied != judge.copied and not is_same_copy(proxy.copied, judge.copied, is_ordered):
        return "copied"
    if proxy.columns != judge.columns:
        return "columns"
    if proxy.tag != judge.tag:
        return "tag"
    if proxy.parameters != judge.parameters:
        return "parameters"
    left, right = proxy.rows, judge.rows
    if not is_ordered:
        left, right = sorted(left, key=order_of_row), sorted(right, key=order_of_row)
    if len(left) != len(right) or not all(is_same(a, b) for one, two in zip(left, right) for a, b in zip(one, two)):
        return "rows"
    return None


def is_same_copy(one, two, is_ordered):
    """Lines of COPY: floats may differ in their last digits, and lines come in any order without ORDER BY."""
    if one is None or two is None:
        return False
    # Not certain to be comparable: floats of binary rows.
    if b"PGCOPY" in (one + [b""])[0]:
        return sum(map(len, one)) == sum(map(len, two))

    def fields(line):
        return [float(word) if re.fullmatch(rb"-?\d+(\.\d+)?(e[-+]\d+)?", word) else word for word in re.split(rb"[,|\t\n\"]", line)]

    left, right = ([fields(line) for line in lines] for lines in (one, two))
    if not is_ordered:
        left, right = sorted(left, key=order_of_row), sorted(right, key=order_of_row)
    return len(left) == len(right) and all(len(a) == len(b) and all(map(is_same, a, b)) for a, b in zip(left, right))


def shorten(value):
    """A number without its scale."""
    # Binary jsonb: its version, then text.
    if isinstance(value, bytes) and value[:1] == b"\x01":
        return value[:1] + shorten(value[1:])
    # Binary: digits, weight and sign are the number; then comes its scale.
    if isinstance(value, bytes) and len(value) >= 8 and len(value) == 8 + 2 * int.from_bytes(value[:2], "big"):
        return value[:6] + value[8:]
    is_number = isinstance(value, bytes) and re.fullmatch(rb"-?\d+\.\d+", value)
    return value.rstrip(b"0").rstrip(b".") if is_number else value


def are_same_rows(one, two, is_ordered):
    if not is_ordered:
        one, two = sorted(one, key=order_of_row), sorted(two, key=order_of_row)
    return len(one) == len(two) and all(is_same(a, b) for left, right in zip(one, two) for a, b in zip(left, right))


def is_scale_only(text, one, two, is_ordered):
    """Equal numbers of different scale (1.5 and 1.50) in a tie are both right. Without ties all rows must be there as they are, and sums always."""
    if not TIES.search(text) and sorted(one, key=order_of_row) != sorted(two, key=order_of_row):
        return False
    exact = exact_columns(text, TIES)
    if exact:
        left, right = ([[value if n in exact else shorten(value) for n, value in enumerate(row)] for row in rows] for rows in (one, two))
        if not are_same_rows(left, right, False):
            return False
    one, two = ([[shorten(value) for value in row] for row in rows] for rows in (one, two))
    return are_same_rows(one, two, is_ordered)
