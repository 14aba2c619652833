"""The rows of dump.py: SQL that fills the tables of dump_schema.sql, the same whatever number of shards there is."""

import argparse

ACCOUNTS, OPENING = 200, 1000

EVERYTHING = """INSERT INTO everything (user_id, truth, small, big, exact, single, twice, words, blanks, short, raw, day, hour, zoned,
moment, instant, span, code, tree, binary_tree, markup, host, net, card, bits, more_bits, price, place, numbers, many_numbers, list,
texts, feeling, feelings, home, count, search, number) VALUES ({0}, {0} % 2 = 0, {0}, {0} * 10000000000, {0} / 7.0, {0} / 3.0,
{0} / 3.0, E'line\\t\\\\ {0}\\nnext \\\\. {{"x": 1}}', 'ab', 'vä', decode(lpad(to_hex({0}), 8, '0'), 'hex'), date '2020-01-01' + {0},
'10:00:00.5', '10:00+02', '2020-01-01 10:00', '2020-06-01 10:00+00', '1 mon 3 days 00:00:01', md5('{0}')::uuid, '{{"a": 1}}',
'{{"b": [1, 2]}}', '<a/>', '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', B'1010', B'101', 12.5, point(1, {0}),
int4range(1, {0} + 2), '{{[1,3)}}', ARRAY[1, NULL, {0}], ARRAY['a"', 'b,', NULL, ''], 'ok', ARRAY['sad', 'happy']::mood[],
ROW('street {0}', {0})::address, {0} + 1, 'a b'::tsvector, 42)"""


def statements(accounts):
    yield "INSERT INTO currency VALUES ('EUR', 'Euro', 1), ('USD', 'Dollar', 1.08)"
    yield "INSERT INTO category VALUES " + ", ".join(f"({number}, 'category {number}')" for number in range(1, 6))
    yield "SELECT setval('category_id_seq', 5)"
    for first in range(1, accounts + 1, 50):
        users = range(first, min(first + 50, accounts + 1))
        yield "INSERT INTO account (user_id, name, balance, currency) VALUES " + ", ".join(
            f"({user}, 'user {user}', {OPENING}, '{'EUR' if user % 3 else 'USD'}')" for user in users)
        for category in range(1, 6):
            yield "INSERT INTO purchase (user_id, category, amount, at, note) VALUES " + ", ".join(
                f"({user}, {category}, {user * category} * 0.5, '2024-01-01 00:00+00', '  note {user}')" for user in users)
    yield f"SELECT setval('account_user_id_seq', {accounts})"
    yield from (EVERYTHING.format(number) for number in range(1, 51))
    yield "INSERT INTO everything (user_id) VALUES " + ", ".join(f"({number})" for number in range(1, 20))
    yield 'INSERT INTO stock."Item list" VALUES ' + ", ".join(f"('item ''{number}''', E'groß\\\\ {number}')" for number in range(1, 10))
    for name in ("stock.counter", "down", "wheel"):
        yield from [f"SELECT nextval('{name}')"] * 9
    yield "SELECT setval('put', 77)"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    print(";\n".join(statements(parser.parse_args().accounts)) + ";")
