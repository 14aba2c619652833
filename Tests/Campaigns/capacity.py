#!/usr/bin/python3
"""Shows that sizes are sampled once whoever samples, that skewed keys are found, and that reports forecast generated histories right.

Keys are drawn by Zipf's law, rows are loaded by them and clients ask for them in all three protocols of pgbench, and the heaviest that the report
tells are compared with those that were drawn. Two proxies sample the same shards while one of them is killed and comes back. Then a cluster without
a sampler gets histories that are made up (growing, with a weekly wave, with a bulk load, short), and the report is compared with how they were made;
its page is drawn by Chromium where there is one.

Every check prints a line; the last line is `N passed, M failed`.
"""

import argparse
import bisect
import collections
import itertools
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time

from shards import PROXY_PORT, Checks, Proxy, temporary_cluster

GIGABYTE = 1 << 30
SAMPLING = ["[capacity]", 'sample_interval = "500ms"', "key_sample = 64", 'capacity_limit = "1GB"']


def zipf(count, exponent, values, seed):
    """`count` numbers from 1 to `values`, n with the weight n ** -exponent."""
    sums = list(itertools.accumulate(n ** -exponent for n in range(1, values + 1)))
    source = random.Random(seed)
    return [bisect.bisect(sums, source.random() * sums[-1]) + 1 for _ in range(count)]


def report(proxy, executable, *words):
    result = subprocess.run(
        [executable, "capacity", "--host", proxy.sockets, "--port", str(PROXY_PORT), "--json", *words], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"pgbraid capacity ended with {result.returncode}: {result.stderr}")
    return json.loads(result.stdout)


def heavy_rows(checks, proxy, executable, arguments):
    keys = zipf(arguments.rows, 1.1, 20_000, arguments.seed)
    # A known permutation, so that the heaviest are not the smallest.
    keys = [(key * 7919) % 1_000_003 for key in keys]
    proxy.sql("CREATE TABLE probe (key int NOT NULL, n int NOT NULL, filler text)")
    with proxy.connect() as connection, connection.cursor() as cursor:
        with cursor.copy("COPY probe FROM STDIN") as copy:
            for number, key in enumerate(keys):
                copy.write_row((key, number, "x" * 50))
    truth = collections.Counter(keys).most_common(10)
    for name, prepare in (("sampled pages", None), ("statistics", "ANALYZE probe")):
        if prepare:
            proxy.sql(prepare, user="postgres")
        await_sample(proxy, "table_name = 'probe'")
        found = [(int(key["value"]), int(key["count"])) for key in report(proxy, executable)["heaviestByRows"] if key["isExact"]]
        wanted = truth if prepare else truth[:3]
        checks.check(f"the {len(wanted)} heaviest keys of {len(keys)} rows are found by {name}", found[:len(wanted)] == wanted, found[:3])


def await_sample(proxy, condition, limit=30):
    """A sample that was taken from now on."""
    begun = proxy.sql("SELECT clock_timestamp()")[0][0]
    end = time.monotonic() + limit
    while time.monotonic() < end:
        text = f"SELECT count(DISTINCT shard) FROM pgbraid.capacity_sample WHERE {condition} AND sampled_at > '{begun}'"
        if proxy.sql(text)[0][0] == proxy.shards:
            return
        time.sleep(0.1)
    raise RuntimeError(f"no sample with {condition}; see {proxy.log}")


def heavy_traffic(checks, proxy, executable, directory, arguments):
    exponent, values = 1.2, 10_000
    whole = sum(n ** -exponent for n in range(1, values + 1))
    shares = [n ** -exponent / whole for n in (1, 2, 3)]
    modes = ["simple", "extended", "prepared"]
    script = os.path.join(directory, "zipf.sql")
    for number, mode in enumerate(modes):
        with open(script, "w") as file:
            file.write(f"\\set key {number * 100_000} + random_zipfian(1, {values}, {exponent})\nSELECT count(n) FROM probe_traffic WHERE key = :key;\n")
        os.chmod(script, 0o644)
        result = proxy.pgbench("-n", "-M", mode, "-c", "8", "-j", "2", "-t", str(arguments.statements // 8), "-f", script)
        checks.check(f"pgbench -M {mode} ended well", result.returncode == 0, result.stderr[-200:] if result.returncode else "")
    shown = proxy.sql("SHOW KEYS", user="postgres", dbname="pgbraid")
    total = {mode: 0.0 for mode in modes}
    for row in shown:
        if row[0] == "probe_traffic":
            total[modes[int(row[2]) // 100_000]] += float(row[3])
    for number, mode in enumerate(modes):
        mine = [row for row in shown if row[0] == "probe_traffic" and int(row[2]) // 100_000 == number]
        top = [int(row[2]) % 100_000 for row in mine[:3]]
        checks.check(f"-M {mode}: the three keys asked for most are found in their order", top == [1, 2, 3], top)
        found = int(mine[0][3]) / arguments.statements if mine else 0
        checks.check(f"-M {mode}: the first has its share of {shares[0]:.1%}, about", abs(found - shares[0]) < 0.3 * shares[0], f"{found:.1%}")
    heaviest = report(proxy, executable)["heaviestByTraffic"]
    checks.check("the report tells them", [int(key["value"]) % 100_000 for key in heaviest[:3]] == [1, 1, 1], [key["value"] for key in heaviest[:4]])


def samples(proxy):
    return proxy.sql("SELECT shard, sampled_at FROM pgbraid.capacity_sample WHERE table_name IS NULL ORDER BY shard, sampled_at")


def leases(checks, shards, proxy, executable):
    """Two proxies, one of which is killed and started again and again."""
    second = Proxy(executable, shards.directory, shards.sockets, shards.count, "second", 1)
    second.configure(SAMPLING)
    begun = proxy.sql("SELECT clock_timestamp()")[0][0]
    for _ in range(3):
        second.start()
        await_sample(proxy, "table_name IS NULL")
        await_sample(proxy, "table_name IS NULL")
        second.kill()
        await_sample(proxy, "table_name IS NULL")
    taken = [row for row in samples(proxy) if row[1] > begun]
    seconds = (proxy.sql("SELECT clock_timestamp()")[0][0] - begun).total_seconds()
    for shard in range(shards.count):
        mine = [row[1] for row in taken if row[0] == shard]
        most = seconds / 0.5 + 2
        checks.check(f"shard {shard}: {len(mine)} samples in {seconds:.0f} s, none of them twice", 3 <= len(mine) <= most and len(mine) == len(set(mine)))
    # The one that is left goes on when the other is killed, and the other when the one is.
    second.start()
    proxy.kill()
    await_sample(second, "table_name IS NULL")
    checks.check("a proxy goes on when the other is killed", True)
    proxy.start()
    second.kill()


def history(shard, days, level, growth, weekly=0.0, step=None, noise=0.3):
    """Rows of samples, four a day, in gigabytes."""
    source = random.Random(shard)
    rows = []
    for day in range(days):
        chance = source.gauss(0, noise)
        for part in range(4):
            at = day + part / 4
            size = level + growth * at + weekly * math.sin(2 * math.pi * at / 7) + chance + (step[1] if step and day >= step[0] else 0)
            rows.append((days - at, int(size * GIGABYTE)))
    return rows


def forecasts(checks, executable, directory):
    made = [
        ("linear", dict(days=120, level=100, growth=1.0)), ("weekly wave", dict(days=121, level=200, growth=0.5, weekly=5.0)),
        ("bulk load", dict(days=120, level=100, growth=0.25, step=(80, 120.0))), ("short", dict(days=5, level=50, growth=2.0)),
    ]
    with temporary_cluster(executable, "forecast", checks, sections=["[capacity]", 'sample_interval = "0s"', 'capacity_limit = "300GB"']) as (shards, proxy):
        for shard, (_, how) in enumerate(made):
            values = ",".join(f"({shard}, now() - interval '1 day' * {age}, {size})" for age, size in history(shard, **how))
            shards.sql(
                shard,
                "INSERT INTO pgbraid.capacity_sample (shard, sampled_at, bytes, limit_bytes, rows, inserted, updated, deleted, sequential_scans, index_scans, commits) "
                f"SELECT s, t, b::bigint, {300 * GIGABYTE}, 0, 0, 0, 0, 0, 0, 0 FROM (VALUES {values}) AS v (s, t, b)")
        found = report(proxy, executable)
        for shard, (name, how) in enumerate(made):
            size = found["shards"][shard]["size"]
            if how["days"] < 7:
                checks.check(f"{name}: says nothing", "growthPerDay" not in size and found["shards"][shard]["limit"]["state"] == "tooLittleHistory")
                continue
            growth = {key: value / GIGABYTE for key, value in size["growthPerDay"].items()}
            checks.check(f"{name}: grows by {how['growth']} GB a day", abs(growth["value"] - how["growth"]) < 0.03, f"{growth['value']:.3f}")
            truth = how["level"] + how["growth"] * (how["days"] + 30) + (how["step"][1] if "step" in how else 0)
            month = {key: value / GIGABYTE for key, value in size["in30Days"].items()}
            checks.check(f"{name}: {truth:.0f} GB in 30 days", month["low"] - how.get("weekly", 0) <= truth <= month["high"] + how.get("weekly", 0), f"{month['low']:.1f} to {month['high']:.1f}")
        limit = found["shards"][0]["limit"]
        checks.check("linear: the limit is reached in 80 days", abs(limit["days"] - 80) < 2 and limit["earliest"] <= 80.5 and limit["latest"] >= 79.5, limit)
        checks.check("the first sentence is of the shard that is full first", found["advice"][0].startswith("Shard 1 reaches its limit of 300 GB in about"), found["advice"][0])
        page(checks, proxy, executable, directory)


def page(checks, proxy, executable, directory):
    os.makedirs(directory, exist_ok=True)
    document, picture = os.path.join(directory, "capacity.html"), os.path.join(directory, "capacity.png")
    report(proxy, executable, "--html", document)
    browser = shutil.which("chromium")
    if browser is None:
        print("     no chromium: the page is not drawn")
        return
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--screenshot={picture}", "--window-size=1200,1600", document], capture_output=True)
    drawn = os.path.exists(picture) and os.path.getsize(picture) > 20_000
    checks.check("the page is drawn", drawn, picture)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--statements", type=int, default=300_000, help="of each protocol; one in a hundred is looked at, and chance must not change the order")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", default="/tmp", help="the directory of the page and its picture")
    parser.add_argument("--only", choices=["skew", "forecasts"], help="one half")
    arguments = parser.parse_args()
    executable = os.path.abspath(arguments.pgbraid)
    checks = Checks()
    if arguments.only != "forecasts":
        traffic = ["[[table]]", 'name = "probe_traffic"', 'key = "key"']
        with temporary_cluster(executable, "capacity", checks, sections=[*SAMPLING, *traffic]) as (shards, proxy):
            heavy_rows(checks, proxy, executable, arguments)
            proxy.sql("CREATE TABLE probe_traffic (key int PRIMARY KEY, n int)")
            heavy_traffic(checks, proxy, executable, shards.directory, arguments)
            leases(checks, shards, proxy, executable)
    if arguments.only != "skew":
        forecasts(checks, executable, arguments.output)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
