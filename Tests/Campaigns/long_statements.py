"""Statements of up to a million terms: an answer, or 54001."""

import time

import wire
from wire import Client, ServerError


def long_statements():
    """Name and text of statements that are too long, too deep, or just long."""
    for terms in (1, 10, 1000, 10_000, 30_000, 100_000, 1_000_000):
        yield f"{terms} additions", "SELECT " + "+".join(["1"] * terms)
        yield f"{terms} parentheses", "SELECT " + "(" * terms + "1" + ")" * terms
        yield f"{terms} signs", "SELECT " + "- " * terms + "1"
        yield f"{terms} casts", "SELECT 1" + "::int" * terms
        yield f"{terms} conditions", "SELECT 1 WHERE " + " AND ".join(["1=1"] * terms)
        yield f"{terms} negations", "SELECT " + "NOT " * terms + "true"
        yield f"{terms} subscripts", "SELECT v" + "[1]" * terms + " FROM t"
    for terms in (1, 100, 1000, 10_000, 100_000):
        yield f"{terms} unions", " UNION ALL ".join(["SELECT 1"] * terms)
        yield f"{terms} subqueries", "SELECT * FROM " + "(SELECT * FROM " * terms + "t" + ") a" * terms
        yield f"{terms} joins", "SELECT 1 FROM t t0" + "".join(f" JOIN t t{n} USING (user_id)" for n in range(1, terms))
        yield f"{terms} cases", "SELECT " + "CASE WHEN true THEN " * terms + "1" + " END" * terms
        # PostgreSQL itself takes minutes for 100,000 and does not look at its time limit meanwhile.
        yield f"{min(terms, 30_000)} with queries", "WITH " + ", ".join(f"w{n} AS (SELECT 1)" for n in range(min(terms, 30_000))) + " SELECT 1"
    yield "IN list of 100000 values", f"SELECT count(*) FROM t WHERE user_id IN ({', '.join(map(str, range(100_000)))})"
    yield "INSERT of 100000 rows", "INSERT INTO t VALUES " + ", ".join(f"({n}, 'row')" for n in range(100_000))
    yield "INSERT of 100000 rows for one shard", "INSERT INTO t VALUES " + ", ".join("(7, 'row')" for n in range(100_000))
    yield "script of 20000 statements", "SELECT 1;" * 20_000


def run_long_statements(port, proxy, user, password):
    answers, refusals, others, slowest = 0, 0, [], (0, "")
    for name, sql in long_statements():
        for extended in (False, True):
            begin = time.monotonic()
            client = None
            try:
                # PostgreSQL itself plans a join of a thousand tables for minutes.
                client = Client.connect(port, user, password, timeout=300, options="-c statement_timeout=3s")
                if extended:
                    client.send(wire.parse("", sql) + wire.bind("", "") + wire.execute() + wire.SYNC)
                    client.until_ready()
                else:
                    client.run(sql)
                answers += 1
            except ServerError as error:
                # 42601: several statements in one Parse. 42804 and others: PostgreSQL's own word on a text it read.
                if error.state == "54001":
                    refusals += 1
                elif error.state not in ("57014", "42601", "42804", "42P01", "42846", "42703", "54011", "0A000", "42712"):
                    others.append(f"{name}: {error}")
            except Exception as error:
                others.append(f"{name}: {error!r}")
            if client:
                client.close()
            if time.monotonic() - begin > 5:
                print(f"  {name}: {time.monotonic() - begin:.0f} s", flush=True)
            slowest = max(slowest, (time.monotonic() - begin, name))
            if not proxy.is_alive:
                return answers, refusals, others + [f"{name}: the proxy died"], slowest
    return answers, refusals, others, slowest
