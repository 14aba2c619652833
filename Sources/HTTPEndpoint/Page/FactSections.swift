// FactSections: the sections about the process and its shards.

enum FactSections {
    /// From when on a prepared transaction is old; it holds its locks all the while.
    static let oldSeconds = 60.0

    static func shards(_ facts: ProxyFacts, _ traffic: Traffic?) -> PageSection {
        let rows = facts.shards.map { shard -> [PageCell] in
            let pools = facts.pools?.filter { $0.shard == shard.number }
            let rate = traffic.map { Double($0.statements[shard.number] ?? 0) / max($0.seconds, 0.001) }
            let waiting = pools?.reduce(0) { $0 + $1.waiting }
            return [
                PageCell("\(shard.number)"), PageCell(shard.place), PageCell(shard.state.word, mood(shard.state)),
                PageCell(rate.map(Quantity.rate) ?? ""), PageCell(Quantity.count(shard.statements)),
                PageCell(pools.map { Quantity.count($0.reduce(0) { $0 + $1.leased }) } ?? "?"), PageCell(pools.map { Quantity.count($0.reduce(0) { $0 + $1.links }) } ?? "?"),
                PageCell(waiting.map { Quantity.count($0) } ?? "?", (waiting ?? 0) > 0 ? .warning : .plain), PageCell(shard.lastFailure ?? "", .bad),
            ]
        }
        return PageSection(
            "Shards", note: "Statements \(window(traffic)), connections in use and open, and sessions that wait for one.",
            table: PageTable(
                columns: [
                    .number("shard"), .text("address"), .text("state"), .number("statements / s"), .number("since the start"), .number("in use"), .number("open"),
                    .number("waiting"), .remark("why it is down"),
                ], rows: rows))
    }

    private static func mood(_ state: ShardFact.State) -> Mood { state == .up ? .good : state == .fenced ? .warning : .bad }

    private static func window(_ traffic: Traffic?) -> String {
        guard let traffic else { return "" }
        return traffic.isWhole ? "of the \(Quantity.duration(seconds: traffic.seconds.rounded())) since the start" : "of the last \(Quantity.duration(seconds: traffic.seconds.rounded()))"
    }

    static func pools(_ facts: ProxyFacts) -> PageSection {
        guard let pools = facts.pools else { return PageSection("Pools", note: "There are too many roles to be listed. SHOW POOLS in the admin database does it.") }
        let busy = pools.sorted { ($0.waiting, $0.leased, $1.user, $1.shard) > ($1.waiting, $1.leased, $0.user, $0.shard) }
        let rows = busy.map {
            [
                PageCell($0.user), PageCell("\($0.shard)"), PageCell(Quantity.count($0.leased)), PageCell(Quantity.count($0.idle)),
                PageCell(Quantity.count($0.connecting)), PageCell(Quantity.count($0.waiting), $0.waiting > 0 ? .warning : .plain), PageCell($0.lastFailure ?? "", .bad),
            ]
        }
        return PageSection(
            "Pools", note: rows.isEmpty ? "No role has connections." : "Connections to shards, by role, the busiest first. The proxy's own are among them.",
            table: rows.isEmpty ? nil : PageTable(
                columns: [.text("role"), .number("shard"), .number("in use"), .number("idle"), .number("connecting"), .number("waiting"), .remark("last failure")], rows: rows))
    }

    static func durations(_ traffic: Traffic?) -> PageSection {
        let ways = [("passed", "passed to one shard"), ("executed", "over several shards, and the proxy's own")]
        let rows = ways.compactMap { way, title -> [PageCell]? in
            guard let traffic, let fact = traffic.durations[way], fact.count > 0 else { return nil }
            let mean = Double(fact.totalNanoseconds) / Double(fact.count) / 1e9
            let bounds = [0.5, 0.95, 0.99].map { part in PageCell(fact.bound(of: part).map { Quantity.duration(seconds: Double($0) / 1e9) } ?? "?") }
            return [PageCell(title), PageCell(Quantity.rate(Double(fact.count) / max(traffic.seconds, 0.001))), PageCell(Quantity.duration(seconds: mean))] + bounds
        }
        return PageSection(
            "Latency", note: rows.isEmpty ? "No statement has run." : "Statements \(window(traffic)), from the shard's being asked to the end of its answer; bounds are powers of two.",
            table: rows.isEmpty ? nil : PageTable(
                columns: [.text("statements"), .number("/ s"), .number("mean"), .number("half under"), .number("95 % under"), .number("99 % under")], rows: rows))
    }

    static func work(_ facts: ProxyFacts) -> PageSection {
        let shown = [
            ("over several shards", "scatter_statements"), ("on all shards", "broadcast_statements"), ("commits on one shard", "one_phase_commits"),
            ("commits on several", "two_phase_commits"), ("errors of the proxy", "errors"), ("queue timeouts", "queue_timeouts"), ("deadlocks", "deadlocks"),
            ("recovered", "recovered_commits"), ("recovered by rollback", "recovered_rollbacks"),
        ]
        let rows = shown.map { [PageCell($0.0), PageCell(Quantity.count(facts.counters[$0.1] ?? 0))] }
        return PageSection("Work since the start", note: "What the statements were, and how transactions ended.", table: PageTable(columns: [.text("what"), .number("count")], rows: rows))
    }

    static func transactions(_ facts: ProxyFacts) -> PageSection {
        let rows = facts.prepared.sorted { $0.ageSeconds > $1.ageSeconds }.map {
            [
                PageCell($0.gid), PageCell("\($0.shard)"), PageCell($0.owner),
                PageCell(Quantity.duration(seconds: $0.ageSeconds), $0.ageSeconds >= oldSeconds ? .bad : .plain), PageCell($0.state, $0.state == "prepared" ? .plain : .warning),
            ]
        }
        let count = facts.commitsUnderWay
        let underWay = "\(count == 0 ? "No commit" : count == 1 ? "One commit" : "\(count) commits") over several shards \(count > 1 ? "are" : "is") under way."
        let found = rows.isEmpty ? " The last look has found no prepared transaction." : " Prepared transactions that the last look has found; those whose decision cannot be read say why."
        return PageSection(
            "Transactions in doubt", note: underWay + found,
            table: rows.isEmpty ? nil : PageTable(columns: [.text("gid"), .number("shard"), .text("owner"), .number("age"), .text("state")], rows: rows))
    }

    static func clients(_ facts: ProxyFacts) -> PageSection {
        guard let clients = facts.clients else { return PageSection("Clients", note: "There are \(Quantity.count(facts.clientCount)), too many to be listed.") }
        let rows = clients.sorted { ($0.sessions, $1.user, $1.application) > ($1.sessions, $0.user, $0.application) }.map {
            [PageCell($0.user), PageCell($0.application), PageCell(Quantity.count($0.sessions)), PageCell(Quantity.count($0.inTransaction))]
        }
        return PageSection(
            "Clients", note: rows.isEmpty ? "No client is connected." : "By role and application.",
            table: rows.isEmpty ? nil : PageTable(columns: [.text("role"), .text("application"), .number("sessions"), .number("in a transaction")], rows: rows))
    }
}
