#!/usr/bin/python3
"""Rows for TPC-H's eight tables, made up after the rules of its specification (clause 4.2) but with words of its own.

Called as a program it prints one table's rows as COPY's text format: `tpch_rows.py --scale 0.1 --table orders`. The same
scale and seed give the same rows.
"""

import argparse
import datetime
import random
import sys

REGIONS = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]
NATIONS = [
    ("ALGERIA", 0), ("ARGENTINA", 1), ("BRAZIL", 1), ("CANADA", 1), ("EGYPT", 4), ("ETHIOPIA", 0), ("FRANCE", 3), ("GERMANY", 3),
    ("INDIA", 2), ("INDONESIA", 2), ("IRAN", 4), ("IRAQ", 4), ("JAPAN", 2), ("JORDAN", 4), ("KENYA", 0), ("MOROCCO", 0),
    ("MOZAMBIQUE", 0), ("PERU", 1), ("CHINA", 2), ("ROMANIA", 3), ("SAUDI ARABIA", 4), ("VIETNAM", 2), ("RUSSIA", 3),
    ("UNITED KINGDOM", 3), ("UNITED STATES", 1),
]
SEGMENTS = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"]
PRIORITIES = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]
INSTRUCTIONS = ["COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"]
MODES = ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]
TYPES = [f"{one} {two} {three}" for one in ("STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO")
         for two in ("ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED") for three in ("TIN", "NICKEL", "BRASS", "STEEL", "COPPER")]
CONTAINERS = [f"{one} {two}" for one in ("SM", "LG", "MED", "JUMBO", "WRAP")
              for two in ("CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM")]
COLOURS = """almond azure beige black blue brown coral cream cyan forest frosted ghost gold green honey indigo ivory khaki lace lemon
lime linen magenta maroon mint misty navy olive orange orchid peach pink plum puff purple red rose royal saddle salmon sandy sienna sky
slate smoke snow steel tan tomato violet wheat white yellow""".split()
WORDS = """about accounts across after again against among bold busy careful deposits even express final foxes furious ideas ironic quick
instructions never packages pending pinto quiet regular requests silent sleep slow special theodolites unusual wake""".split()

FIRST_DAY, DAYS, TODAY = datetime.date(1992, 1, 1), 2406, (datetime.date(1995, 6, 17) - datetime.date(1992, 1, 1)).days
DATES = [(FIRST_DAY + datetime.timedelta(days=day)).isoformat() for day in range(DAYS + 200)]


def money(cents):
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"


class Generator:
    """Tables by name, each a sequence of rows of texts. `scale`: 1 is about six million line items."""

    TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")

    def __init__(self, scale, seed=1):
        self.scale, self.seed = scale, seed
        self.suppliers, self.customers = max(8, int(10_000 * scale)), max(30, int(150_000 * scale))
        self.parts, self.orders = max(40, int(200_000 * scale)), max(300, int(1_500_000 * scale))
        made = random.Random(f"{seed} comments")
        self.comments = [" ".join(made.choices(WORDS, k=made.randint(3, 9)))[:70] for _ in range(4000)]

    def rows(self, table):
        return getattr(self, f"_{table}")(random.Random(f"{self.seed} {'orders' if table == 'lineitem' else table}"))

    def _region(self, made):
        for key, name in enumerate(REGIONS):
            yield str(key), name, made.choice(self.comments)

    def _nation(self, made):
        for key, (name, region) in enumerate(NATIONS):
            yield str(key), name, str(region), made.choice(self.comments)

    def _phone(self, made, nation):
        return f"{nation + 10}-{made.randint(100, 999)}-{made.randint(100, 999)}-{made.randint(1000, 9999)}"

    def _supplier(self, made):
        for key in range(1, self.suppliers + 1):
            nation, comment = made.randrange(25), made.choice(self.comments)
            if key % 200 == 7:
                comment += " Customer slow Complaints"
            yield (str(key), f"Supplier#{key:09}", f"{made.randint(1, 999)} {made.choice(WORDS)} street", str(nation),
                   self._phone(made, nation), money(made.randint(-99_999, 999_999)), comment)

    def _customer(self, made):
        for key in range(1, self.customers + 1):
            nation = made.randrange(25)
            yield (str(key), f"Customer#{key:09}", f"{made.randint(1, 999)} {made.choice(WORDS)} road", str(nation),
                   self._phone(made, nation), money(made.randint(-99_999, 999_999)), made.choice(SEGMENTS), made.choice(self.comments))

    def _price(self, part):
        """In cents (clause 4.2.3, P_RETAILPRICE)."""
        return 90_000 + part // 10 % 20_001 + 100 * (part % 1000)

    def _part(self, made):
        for key in range(1, self.parts + 1):
            maker = made.randint(1, 5)
            yield (str(key), " ".join(made.sample(COLOURS, 5)), f"Manufacturer#{maker}", f"Brand#{maker}{made.randint(1, 5)}",
                   made.choice(TYPES), str(made.randint(1, 50)), made.choice(CONTAINERS), money(self._price(key)), made.choice(self.comments))

    def _supplier_of(self, part, number):
        """The suppliers of a part, `number` from 0 to 3 (clause 4.2.3, PS_SUPPKEY)."""
        count = self.suppliers
        return (part + number * (count // 4 + (part - 1) // count)) % count + 1

    def _partsupp(self, made):
        for key in range(1, self.parts + 1):
            # Of few suppliers the rule names some twice.
            for supplier in sorted({self._supplier_of(key, number) for number in range(4)}):
                yield str(key), str(supplier), str(made.randint(1, 9999)), money(made.randint(100, 100_000)), made.choice(self.comments)

    def _orders(self, made):
        for order, _ in self._sales(made):
            yield order

    def _lineitem(self, made):
        for _, lines in self._sales(made):
            yield from lines

    def _sales(self, made):
        """Orders with their lines; a third of the customers order nothing, and order keys have gaps."""
        for number in range(self.orders):
            key, day = str(number // 8 * 32 + number % 8 + 1), made.randrange(DAYS)
            customer = made.randrange(self.customers) + 1
            while customer % 3 == 0:
                customer = made.randrange(self.customers) + 1
            lines, total, states = [], 0, set()
            for line in range(1, made.randint(1, 7) + 1):
                cents, row = self._line(made, key, line, day)
                lines.append(row)
                total += cents
                states.add(row[9])
            comment = made.choice(self.comments)
            yield (key, str(customer), "P" if len(states) > 1 else states.pop(), money((total + 5_000) // 10_000), DATES[day],
                   made.choice(PRIORITIES), f"Clerk#{made.randint(1, 1000):09}", "0", comment), lines

    def _line(self, made, key, line, day):
        """A line's price with discount and tax in hundredths of hundredths of cents, and its row."""
        chance = made.random
        part, quantity = int(chance() * self.parts) + 1, int(chance() * 50) + 1
        discount, tax = int(chance() * 11), int(chance() * 9)
        price = quantity * self._price(part)
        shipped = day + 1 + int(chance() * 121)
        received = shipped + 1 + int(chance() * 30)
        returned = "N" if received > TODAY else "RA"[int(chance() * 2)]
        return price * (100 - discount) * (100 + tax), (
            key, str(part), str(self._supplier_of(part, int(chance() * 4))), str(line), str(quantity), money(price), f"0.{discount:02}",
            f"0.{tax:02}", returned, "O" if shipped > TODAY else "F", DATES[shipped], DATES[day + 30 + int(chance() * 61)], DATES[received],
            INSTRUCTIONS[int(chance() * 4)], MODES[int(chance() * 7)], self.comments[int(chance() * 4000)])


SCHEMA = """
CREATE TABLE region (r_regionkey int PRIMARY KEY, r_name char(25) NOT NULL, r_comment varchar(152));
CREATE TABLE nation (n_nationkey int PRIMARY KEY, n_name char(25) NOT NULL, n_regionkey int NOT NULL, n_comment varchar(152));
CREATE TABLE supplier (s_suppkey int PRIMARY KEY, s_name char(25) NOT NULL, s_address varchar(40) NOT NULL, s_nationkey int NOT NULL,
    s_phone char(15) NOT NULL, s_acctbal numeric(15,2) NOT NULL, s_comment varchar(101) NOT NULL);
CREATE TABLE customer (c_custkey int PRIMARY KEY, c_name varchar(25) NOT NULL, c_address varchar(40) NOT NULL, c_nationkey int NOT NULL,
    c_phone char(15) NOT NULL, c_acctbal numeric(15,2) NOT NULL, c_mktsegment char(10) NOT NULL, c_comment varchar(117) NOT NULL);
CREATE TABLE part (p_partkey int PRIMARY KEY, p_name varchar(55) NOT NULL, p_mfgr char(25) NOT NULL, p_brand char(10) NOT NULL,
    p_type varchar(25) NOT NULL, p_size int NOT NULL, p_container char(10) NOT NULL, p_retailprice numeric(15,2) NOT NULL,
    p_comment varchar(101) NOT NULL);
CREATE TABLE partsupp (ps_partkey int, ps_suppkey int, ps_availqty int NOT NULL, ps_supplycost numeric(15,2) NOT NULL,
    ps_comment varchar(199) NOT NULL, PRIMARY KEY (ps_partkey, ps_suppkey));
CREATE TABLE orders (o_orderkey bigint PRIMARY KEY, o_custkey int NOT NULL, o_orderstatus char(1) NOT NULL,
    o_totalprice numeric(15,2) NOT NULL, o_orderdate date NOT NULL, o_orderpriority char(15) NOT NULL, o_clerk char(15) NOT NULL,
    o_shippriority int NOT NULL, o_comment varchar(79) NOT NULL);
CREATE TABLE lineitem (l_orderkey bigint, l_partkey int NOT NULL, l_suppkey int NOT NULL, l_linenumber int,
    l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL,
    l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL,
    l_commitdate date NOT NULL, l_receiptdate date NOT NULL, l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL,
    l_comment varchar(99) NOT NULL, PRIMARY KEY (l_orderkey, l_linenumber));
"""
KEYS = {"customer": "c_custkey", "part": "p_partkey", "partsupp": "ps_partkey", "orders": "o_orderkey", "lineitem": "l_orderkey"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", choices=Generator.TABLES, help="its rows; otherwise psql's script for all of them, with the tables")
    arguments = parser.parse_args()
    generator = Generator(arguments.scale, arguments.seed)
    if not arguments.table:
        print(SCHEMA)
    for table in [arguments.table] if arguments.table else Generator.TABLES:
        if not arguments.table:
            print(f"COPY {table} FROM STDIN;")
        sys.stdout.writelines("\t".join(row) + "\n" for row in generator.rows(table))
        if not arguments.table:
            print("\\.")


if __name__ == "__main__":
    main()
