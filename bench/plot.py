"""A bar chart as SVG, written by hand: CPU of the proxies per transaction, user and system stacked."""

WIDTH, LEFT, BAR, GAP, GROUP_GAP, TOP = 760, 250, 16, 4, 14, 64
COLOURS = {("pgbraid", "user"): "#0b6e4f", ("pgbraid", "system"): "#7fc8a9",
           ("PgBouncer", "user"): "#8a4b08", ("PgBouncer", "system"): "#e3b778"}


def drawing(results):
    """The chart of all select-only comparisons."""
    tables = results.get("select", [])
    longest = max((bar_value(table, name) for table in tables for name in ("pgbraid", "PgBouncer")), default=1)
    scale = (WIDTH - LEFT - 80) / longest
    parts, y = [], TOP
    for table in tables:
        parts += group(table, y, scale)
        y += 2 * (BAR + GAP) + GROUP_GAP
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 10}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{y + 10}" fill="white"/>',
        text(10, 22, "CPU of the proxy per point query, µs (dark: user, light: system)", size=15), *legend(), *parts,
        "</svg>", ""])


def bar_value(table, name):
    return table["rows"][name]["cpu"]


def legend():
    parts = []
    for place, name in enumerate(("pgbraid", "PgBouncer")):
        x = LEFT + place * 120
        parts += [rectangle(x, 36, 12, 12, COLOURS[name, "system"]), text(x + 18, 46, name)]
    return parts


def group(table, y, scale):
    label = f"{table['mode']}, {table['clients']} clients, {table['kind']}"
    parts = [text(LEFT - 10, y + BAR + GAP + 2, label, anchor="end")]
    for place, name in enumerate(("pgbraid", "PgBouncer")):
        parts += bar(table["rows"][name], name, y + place * (BAR + GAP), scale)
    return parts


def bar(row, name, y, scale):
    """The whole is the scheduler's figure; the ticks say how it divides."""
    whole = row["cpu"] * scale
    user = whole * row["user"] / max(row["user"] + row["system"], 1e-9)
    return [rectangle(LEFT, y, user, BAR, COLOURS[name, "user"]),
            rectangle(LEFT + user, y, whole - user, BAR, COLOURS[name, "system"]),
            text(LEFT + whole + 6, y + BAR - 4, f"{row['cpu']:.1f}")]


def rectangle(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def text(x, y, content, anchor="start", size=12):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}">{content}</text>'
