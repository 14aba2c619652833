#!/usr/bin/python3
"""Looks at the status page with headless Chromium, as a person would, while a shard stops and comes back.

Four shards, clients that run statements, one of them with an application_name that is a script. The page must show the four shards, warn when one
of them is stopped, be well again behind it, and run nothing. Pictures of it, light and dark, wide and narrow, are left in the directory of --keep.

Every check prints a line; the last line is `N passed, M failed`.
"""

import argparse
import html.parser
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import psycopg

from shards import Checks, temporary_cluster

HOSTILE = "<script>document.title='taken'</script>"


class Tables(html.parser.HTMLParser):
    """The tables of a page under their headings, the verdict's lines, and every element's name."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.verdict, self.elements = {}, [], set()
        self.heading, self.place = "", None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        classes = dict(attributes).get("class") or ""
        if tag == "h2":
            self.heading, self.place = "", "heading"
        elif tag == "tr":
            self.tables.setdefault(self.heading, []).append([])
        elif tag in ("td", "th"):
            self.tables[self.heading][-1].append("")
            self.place = "cell"
        elif tag == "li" or tag == "p" and "verdict" in classes:
            self.verdict.append("")
            self.place = "verdict"

    def handle_endtag(self, tag):
        if tag in ("h2", "td", "th", "li", "p"):
            self.place = None

    def handle_data(self, data):
        if self.place == "heading":
            self.heading += data
        elif self.place == "cell":
            self.tables[self.heading][-1][-1] += data
        elif self.place == "verdict":
            self.verdict[-1] += data

    def rows(self, heading):
        """Its rows by the names of their columns."""
        table = self.tables.get(heading) or [[]]
        return [dict(zip(table[0], row)) for row in table[1:]]


class Browser:
    def __init__(self, address, directory):
        self.address, self.directory = address, directory

    def run(self, *words):
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir=" + self.directory, *words, self.address]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    def page(self):
        return Tables(self.run("--dump-dom"))

    def picture(self, path, width, height, dark=False):
        words = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
        self.run(*words, f"--screenshot={path}", f"--window-size={width},{height}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(address):
    """Status code and text."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def eventually(condition, seconds=30):
    """The first value that is true, or the last."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.2)


class Load:
    """Clients that run statements of all kinds until told to stop; errors while a shard is down are theirs to expect."""

    def __init__(self, proxy, clients):
        self.proxy, self.isOver, self.count = proxy, threading.Event(), 0
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        while not self.isOver.is_set():
            try:
                with self.proxy.connect(autocommit=True, application_name="load") as connection:
                    while not self.isOver.is_set():
                        self.turn(connection, number)
            except psycopg.Error:
                self.isOver.wait(0.1)

    def turn(self, connection, number):
        self.count += 1
        key = number * 1000 + self.count % 100
        connection.execute("SELECT n FROM probe WHERE key = %s", (key,))
        if self.count % 20 == 0:
            connection.execute("SELECT count(*) FROM probe")
            with connection.transaction():
                connection.execute("UPDATE probe SET n = n + 1 WHERE key = %s", (key,))
                connection.execute("UPDATE probe SET n = n + 1 WHERE key = %s", (key + 1,))
        self.isOver.wait(0.002)

    def stop(self):
        self.isOver.set()
        for thread in self.threads:
            thread.join()


def states(page):
    return [row.get("state") for row in page.rows("Shards")]


def looks(checks, shards, proxy, address, browser, keep):
    page = browser.page()
    checks.check("the page shows the four shards", states(page) == ["up"] * 4, states(page))
    checks.check("and that all is well", page.verdict == ["All 4 shards are up."], page.verdict)
    headings = ["Shards", "Pools", "Latency", "Work since the start", "Clients"]
    checks.check("it has its sections", all(page.rows(heading) for heading in headings), [heading for heading in headings if not page.rows(heading)])
    rates = [row["statements / s"] for row in page.rows("Shards")]
    checks.check("every shard has traffic", all(rate not in ("", "0") for rate in rates), rates)
    names = [row["application"] for row in page.rows("Clients")]
    checks.check("a name that is a script is text, and nothing ran", HOSTILE in names and "script" not in page.elements, names)
    browser.picture(f"{keep}/well-light.png", 1280, 1400)
    browser.picture(f"{keep}/well-dark.png", 1280, 1400, dark=True)
    browser.picture(f"{keep}/well-narrow.png", 500, 1400)
    shards.stop(2)
    code = eventually(lambda: get(address + "healthz")[0] == 503 and 503)
    checks.check("health is 503 when shard 2 is stopped", code == 503)
    said = json.loads(get(address + "healthz")[1])
    checks.check("and says which", said["reason"] == "shard 2 is down" and said["status"] == "unhealthy", said)
    page = browser.page()
    checks.check("the page warns", states(page) == ["up", "up", "down", "up"] and any(line.startswith("Shard 2 is down") for line in page.verdict), page.verdict)
    code, text = get(address + "metrics")
    checks.check("metrics still come, with the shard at 0", code == 200 and 'pgbraid_shard_up{shard="2"} 0\n' in text and text.endswith("# EOF\n"))
    browser.picture(f"{keep}/down-light.png", 1280, 1400)
    browser.picture(f"{keep}/down-dark.png", 1280, 1400, dark=True)
    shards.start(2)
    checks.check("health is 200 when it is back", eventually(lambda: get(address + "healthz")[0] == 200))
    page = browser.page()
    checks.check("and the page is well again", states(page) == ["up"] * 4, states(page))


def costs(checks, proxy, address):
    """What the endpoint takes while nobody asks, and what many who ask take."""
    ticks = os.sysconf("SC_CLK_TCK")

    def processor_seconds():
        with open(f"/proc/{proxy.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    def share(seconds, act=None):
        before, begun = processor_seconds(), time.monotonic()
        while time.monotonic() - begun < seconds:
            if act:
                act()
            time.sleep(0.01)
        return (processor_seconds() - before) / (time.monotonic() - begun)

    idle = share(5)
    checks.check("nobody asks: it takes no processor time to speak of", idle < 0.02, f"{idle:.2%} of one")
    counts = []

    def ask():
        counts.append(get(address + "metrics")[0])

    busy = share(5, ask)
    checks.check(f"asked {len(counts) / 5:.0f} times a second, all were answered", set(counts) == {200}, f"{busy:.1%} of one")
    with open(f"/proc/{proxy.process.pid}/status") as file:
        memory = [line.split()[1] for line in file if line.startswith("VmRSS")][0]
    print(f"     resident memory {int(memory) / 1024:.1f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbraid", default=".build/release/pgbraid", help="the executable")
    parser.add_argument("--keep", default="/tmp/pgbraid-status-page", help="where the pictures go")
    arguments = parser.parse_args()
    os.makedirs(arguments.keep, exist_ok=True)
    checks, port = Checks(), free_port()
    address = f"http://127.0.0.1:{port}/"
    profile = tempfile.mkdtemp(prefix="pgbraid-browser-")
    browser = Browser(address, profile)
    with temporary_cluster(arguments.pgbraid, "page", checks, sections=["[http]", f'listen = "127.0.0.1:{port}"']) as (shards, proxy):
        proxy.sql("CREATE TABLE probe (key int PRIMARY KEY, n int NOT NULL)")
        proxy.sql("INSERT INTO probe SELECT i, 0 FROM generate_series(0, 5000) AS i")
        load = Load(proxy, 4)
        with proxy.connect(autocommit=True, application_name=HOSTILE) as hostile:
            hostile.execute("SELECT 1")
            eventually(lambda: load.count > 2000, seconds=20)
            looks(checks, shards, proxy, address, browser, arguments.keep)
        load.stop()
        costs(checks, proxy, address)
    shutil.rmtree(profile, ignore_errors=True)
    print(f"pictures are in {arguments.keep}")
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
