"""What was measured, as text: lines for the terminal, docs/performance.md, and which figures miss their limit."""

import os
import platform

import bulk
import instructions
import measure
import plot

CPU_RATIO_LIMIT = 1.05
USER_MICROSECONDS_LIMIT = 1.0
IDLE_KILOBYTES_LIMIT = 4.0
# Timers and the like wake a proxy now and then, whatever its clients do.
CALL_TOLERANCE = 0.05


def summary(kind, mode, clients, runs):
    """Medians over the rounds of one comparison."""
    rows = {}
    for name, list_of_runs in runs.items():
        rows[name] = {
            "rate": measure.median(list_of_runs, "rate"),
            "average": measure.median(list_of_runs, "average_latency"),
            "p99": measure.median(list_of_runs, "p99_latency"),
            "cpu": measure.median(list_of_runs, "cpu"),
            "user": measure.per_transaction(list_of_runs, "user"),
            "system": measure.per_transaction(list_of_runs, "system"),
        }
    result = {
        "kind": kind, "mode": mode, "clients": clients, "rounds": len(runs["pgbraid"]), "rows": rows,
        "rate_ratios": {name: measure.median_ratio(runs["pgbraid"], others, "rate") for name, others in runs.items() if name != "pgbraid"},
    }
    if "PgBouncer" in runs:
        result["cpu_ratio"] = measure.median_ratio(runs["pgbraid"], runs["PgBouncer"], "cpu")
        result["rate_ratio"] = measure.median_ratio(runs["pgbraid"], runs["PgBouncer"], "rate")
    return result


def lines_of(table):
    """One comparison as a Markdown table."""
    lines = ["| | transactions/s | latency, ms | p99, ms | CPU, µs/transaction | user | system |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    for name, row in table["rows"].items():
        cost = f"{row['cpu']:.2f} | {row['user']:.2f} | {row['system']:.2f}" if row["cpu"] else "| |"
        lines.append(f"| {name} | {row['rate']:,.0f} | {row['average']:.3f} | {row['p99']:.3f} | {cost} |")
    if "cpu_ratio" in table:
        lines += ["", f"pgbraid / PgBouncer, median of {table['rounds']} rounds: CPU {table['cpu_ratio']:.3f}, "
                      f"throughput {table['rate_ratio']:.3f}."]
    else:
        ratios = ", ".join(f"{ratio:.3f} of {name}" for name, ratio in table["rate_ratios"].items())
        lines += ["", f"Throughput of pgbraid, median of {table['rounds']} rounds: {ratios}."]
    return "\n".join(lines)


def acceptance(results):
    """Every figure that has a limit: name, figure, limit, kept or not."""
    rows = []
    for table in results.get("select", []):
        what = f"{table['mode']}, {table['clients']} clients, {table['kind']}"
        rows.append((f"CPU per transaction, pgbraid / PgBouncer: {what}", f"{table['cpu_ratio']:.3f}",
                     f"at most {CPU_RATIO_LIMIT}", table["cpu_ratio"] <= CPU_RATIO_LIMIT))
        user = table["rows"]["pgbraid"]["user"]
        rows.append((f"User CPU per transaction by the kernel's ticks: {what}", f"{user:.2f} µs", f"at most {USER_MICROSECONDS_LIMIT} µs",
                     user <= USER_MICROSECONDS_LIMIT))
    for entry in results.get("user", []):
        user = entry["pgbraid"][0]
        rows.append((f"User CPU per transaction between system calls: {clients_text(entry['mode'], entry['clients'])}", f"{user:.2f} µs",
                     f"at most {USER_MICROSECONDS_LIMIT} µs", user <= USER_MICROSECONDS_LIMIT))
    if "memory" in results:
        figure = results["memory"]["pgbraid"]
        rows.append(("Memory of an idle client without TLS", f"{figure:.2f} kB", f"at most {IDLE_KILOBYTES_LIMIT} kB",
                     figure <= IDLE_KILOBYTES_LIMIT))
    if "copy" in results:
        ratio = results["copy"]["speed_ratios"]["PostgreSQL"]
        rows.append((f"Rows a second, pgbraid / one PostgreSQL: {results['copy']['title']}", f"{ratio:.2f}",
                     f"at least {bulk.COPY_RATIO_LIMIT}", ratio >= bulk.COPY_RATIO_LIMIT))
    limits = instructions.limits() if "instructions" in results else {}
    for entry in results.get("instructions", []):
        mode, clients = entry["mode"], entry["clients"]
        limit = limits[mode][str(clients)]
        count, calls, _ = entry["pgbraid"]
        rows.append((f"User instructions per transaction: {clients_text(mode, clients)}", f"{count:,.0f}", f"at most {limit:,}",
                     count <= limit))
        # With several clients, how many events meet in one turn of a loop, and so share one wait, is chance.
        if clients == 1:
            most = entry["PgBouncer"][1] + CALL_TOLERANCE
            rows.append((f"System calls per transaction: {clients_text(mode, clients)}", f"{calls:.2f}",
                         f"PgBouncer's: at most {most:.2f}", calls <= most))
    for entry in results.get("allocations", []):
        few, many = entry["calls"]
        if entry["inject"]:
            rows.append((f"The same with one allocation injected per turn of the event loop, {entry['protocol']}", f"{many - few:,}",
                         "above 0: the count sees it", many > few))
        else:
            rows.append((f"Allocator calls of 2 N less those of N warm queries, {entry['protocol']}", f"{many - few:,}",
                         "0", many == few))
    return rows


def is_acceptable(results):
    return all(row[3] for row in acceptance(results))


def write(results, directory):
    with open(os.path.join(directory, "performance.md"), "w") as file:
        file.write(document(results))
    with open(os.path.join(directory, "performance.svg"), "w") as file:
        file.write(plot.drawing(results))


def document(results):
    return "\n\n".join(part for part in (
        INTRODUCTION.format(machine=machine(), **results), acceptance_text(results), select_text(results), user_text(results),
        instructions_text(results), distributed_text(results), keyed_text(results), bulk_text(results), memory_text(results)) if part) + "\n"


INTRODUCTION = """# Performance

Written by `make bench` (`bench/run`); do not edit.

{machine}: a load average far above 4 says that others were
at work too, and that the figures are too high. Everything runs on this one machine, so what counts are ratios between targets measured in the same rounds: in every round each target runs for {seconds} s, in turn, and the
figures are medians over the rounds. CPU is the proxy's own, from the scheduler's nanoseconds; its parts user and system
are sums of 10 ms ticks over all rounds. pgbench runs with one thread at scale {scale}.

![CPU per transaction](performance.svg)"""


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    return (f"{os.cpu_count()} processors ({model}), Linux {platform.release()}, load average "
            f"{os.getloadavg()[2]:.1f} in the last quarter of an hour")


def acceptance_text(results):
    rows = acceptance(results)
    if not rows:
        return ""
    lines = ["## Figures with a limit", "", "| figure | measured | limit | kept |", "|---|---:|---|---|"]
    lines += [f"| {name} | {figure} | {limit} | {'yes' if kept else '**no**'} |" for name, figure, limit, kept in rows]
    return "\n".join(lines)


def select_text(results):
    if "select" not in results:
        return ""
    parts = ["## Point queries\n\n`SELECT abalance FROM pgbench_accounts WHERE aid = ...` over four servers that all hold "
             "the whole table, so that both proxies cause the same work behind them: PgBouncer deals its connections to "
             "the servers in turn, pgbraid finds the server by the key in the query. For prepared statements PgBouncer "
             "pools by session. The relay is a program in C (bench/relay.c) that copies bytes between each client and a connection of its "
             "own and reads nothing of them: the least that standing between can cost on this machine."]
    for table in results["select"]:
        parts.append(f"### {table['mode']}, {table['clients']} clients, {SOCKETS[table['kind']]}\n\n{lines_of(table)}")
    return "\n\n".join(parts)


def clients_text(mode, clients):
    return f"{mode}, {clients} client{'s' if clients > 1 else ''}"


def instruction_line(entry):
    cells = [f"{count:,.0f} | {lines:.0f} | {calls:.2f}"
             for count, calls, lines in (entry[name] for name in ("pgbraid", "PgBouncer"))]
    return f"| {clients_text(entry['mode'], entry['clients'])} | {' | '.join(cells)} |"


def user_line(entry):
    cells = [f"{microseconds:.2f} | {cuts:.2f}" for microseconds, cuts in (entry[name] for name in ("pgbraid", "PgBouncer"))]
    return f"| {clients_text(entry['mode'], entry['clients'])} | {' | '.join(cells)} |"


def user_text(results):
    if "user" not in results:
        return ""
    lines = ["## Between the system calls\n\nMicroseconds of a transaction that the proxy runs outside the kernel (unix sockets), by the processor's clock at "
             "the end of each system call and at the beginning of the next (bench/count_user_time.c). The column \"user\" above is the kernel's sample "
             "of ticks, which counts for the user what waits until interrupts are on again: the same code has several times as much of it over TCP. Gaps above "
             "50 µs are cut, since somebody else had the processor; how many of a thousand is told. What reading the clock takes is taken off.", "",
             "| | pgbraid, µs | cut of 1,000 | PgBouncer, µs | cut of 1,000 |", "|---|---:|---:|---:|---:|"]
    return "\n".join(lines + [user_line(entry) for entry in results["user"]])


def instructions_text(results):
    if "instructions" not in results:
        return ""
    lines = ["## Instructions\n\nUser instructions, lines of code (64 bytes of it, as caches hold them) and system calls of one point query, counted by callgrind, so that no "
             "other load on the machine shows in them. The limits are in bench/instruction_limits.json.", "",
             "| | pgbraid, instructions | lines | calls | PgBouncer, instructions | lines | calls |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    return "\n".join(lines + [instruction_line(entry) for entry in results["instructions"]])


SOCKETS = {"unix": "unix sockets to proxy and shards", "tcp": "TCP to proxy and shards"}
DISTRIBUTED = {
    "transfer": "BEGIN, an UPDATE on one shard, an UPDATE on another, COMMIT (by two-phase commit); one PostgreSQL does "
                "the same on one server, and a client in C prepares and commits on both shards itself",
    "select": "A point query on one shard, which the snapshot gate does not concern",
    "aggregate": "`SELECT count(*), sum(abalance) FROM pgbench_accounts` over four shards with a quarter of the rows "
                 "each; one PostgreSQL has them all",
}


def distributed_text(results):
    if "distributed" not in results:
        return ""
    parts = ["## Several shards at once"]
    for table in results["distributed"]:
        parts.append(f"### {table['mode']}, {table['clients']} clients\n\n{DISTRIBUTED[table['mode']]}.\n\n{lines_of(table)}")
    return "\n\n".join(parts)


def keyed_text(results):
    if "keyed" not in results:
        return ""
    parts = ["## Requests under an idempotency key\n\nThe same payment through pgbraid with a key of its own for each transaction (row pgbraid) and without one: an UPDATE of one "
             "account (payment), and of two accounts on different shards in a block (transfer). The key is on another shard than the account three times of four, and "
             "makes two-phase commit of what one shard would have committed."]
    for table in results["keyed"]:
        parts.append(f"### {table['mode']}, {table['clients']} clients\n\n{lines_of(table)}")
    return "\n\n".join(parts)


def bulk_text(results):
    tables = [results["copy"]] if "copy" in results else []
    tables += results.get("merge", [])
    if not tables:
        return ""
    parts = ["## Many rows\n\nOne PostgreSQL has all rows and may use parallel workers on all processors; postgres_fdw mounts the same "
             "four shards in one PostgreSQL as a hash-partitioned table. psql's time is in all figures."]
    return "\n\n".join(parts + [f"### {table['title']}\n\n{bulk.lines_of(table)}" for table in tables])


def memory_text(results):
    if "memory" not in results:
        return ""
    lines = [f"## Idle clients\n\nGrowth of resident memory with {results['idle_clients']:,} clients (a fifth of them "
             "with TLS) that asked one query each.", "", "| | kB per client | MB per 1,000 clients |", "|---|---:|---:|"]
    lines += [f"| {name} | {value:.2f} | {value * 1000 / 1024:.2f} |" for name, value in results["memory"].items()]
    return "\n".join(lines)
