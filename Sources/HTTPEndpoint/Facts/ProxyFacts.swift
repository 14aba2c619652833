// ProxyFacts: what the workers tell of themselves, added up to what the process is and does. No shard is asked for it.

/// One shard, as the worker sees it that sees it worst.
struct ShardFact: Equatable, Sendable {
    enum State: Int, Comparable, Sendable {
        case up, fenced, down

        static func < (left: State, right: State) -> Bool { left.rawValue < right.rawValue }
        var word: String { "\(self)" }
    }

    var number: Int
    var place: String
    var state: State
    /// Since the start.
    var statements: UInt64
    var lastFailure: String?
}

/// Links of one role to one shard.
struct PoolFact: Equatable, Sendable {
    var user: String
    var shard: Int
    var links = 0
    var idle = 0
    var connecting = 0
    /// Sessions that wait for a link.
    var waiting = 0
    var lastFailure: String?
    var leased: Int { max(0, links - idle - connecting) }
}

/// Sessions of one role and application.
struct ClientFact: Equatable, Sendable {
    var user: String
    var application: String
    var sessions = 0
    var inTransaction = 0
}

/// A prepared transaction that some recovery round has seen.
struct PreparedFact: Equatable, Sendable {
    var gid: String
    var shard: Int
    var owner: String
    var ageSeconds: Double
    var state: String
}

/// Durations of statements since the start, by what had them.
struct DurationFact: Equatable, Sendable {
    /// Counts of durations, by the bound in nanoseconds below which they are; those of 2^63 ns or more are missing.
    var counts: [UInt64: UInt64] = [:]
    var count: UInt64 = 0
    var totalNanoseconds: UInt64 = 0
}

struct ProxyFacts: Equatable, Sendable {
    var shards: [ShardFact] = []
    /// nil: too many to be listed.
    var pools: [PoolFact]? = []
    /// nil: too many to be listed.
    var clients: [ClientFact]? = []
    var prepared: [PreparedFact] = []
    /// Distributed commits of this process.
    var commitsUnderWay = 0
    /// Of SHOW STATS.
    var counters: [String: UInt64] = [:]
    /// Of SHOW MEMORY.
    var memory: [String: UInt64] = [:]
    /// By way: `passed`, `executed`.
    var durations: [String: DurationFact] = [:]
    /// Those that count for max_clients: of the admin database, and the proxy's own, there are more.
    var clientCount: Int { Int(memory["clients"] ?? 0) }
}

extension ProxyFacts {
    /// Adds what one worker answered, by command.
    mutating func add(_ shown: [ShowCommand: ShownRows]) {
        for record in shown[.shards]?.records ?? [] { addShard(record) }
        if let rows = shown[.pools] { for record in rows.records { addPool(record) } } else { pools = nil }
        if let rows = shown[.clients] { for record in rows.records { addClient(record) } } else { clients = nil }
        for record in shown[.transactions]?.records ?? [] { addTransaction(record) }
        for record in shown[.latency]?.records ?? [] { addDuration(record) }
        for row in shown[.stats]?.rows ?? [] { Self.add(row, to: &counters) }
        for row in shown[.memory]?.rows ?? [] { Self.add(row, to: &memory) }
    }

    private static func add(_ row: [String?], to sums: inout [String: UInt64]) {
        guard row.count == 2, let name = row[0], let value = row[1].flatMap({ UInt64($0) }) else { return }
        sums[name, default: 0] &+= value
    }

    private mutating func addShard(_ record: [String: String]) {
        guard let number = record["shard"].flatMap({ Int($0) }) else { return }
        let state: ShardFact.State = record["state"] == "up" ? .up : record["state"] == "fenced" ? .fenced : .down
        let place = "\(record["host"] ?? ""):\(record["port"] ?? "")/\(record["database"] ?? "")"
        let statements = UInt64(record["statements"] ?? "") ?? 0
        guard let index = shards.firstIndex(where: { $0.number == number }) else {
            return shards.append(ShardFact(number: number, place: place, state: state, statements: statements, lastFailure: record["last_failure"]))
        }
        shards[index].state = max(shards[index].state, state)
        shards[index].statements &+= statements
        shards[index].lastFailure = shards[index].lastFailure ?? record["last_failure"]
    }

    private mutating func addPool(_ record: [String: String]) {
        guard var known = pools, let user = record["user"], let shard = record["shard"].flatMap({ Int($0) }) else { return }
        let index = known.firstIndex { $0.user == user && $0.shard == shard } ?? known.endIndex
        if index == known.endIndex { known.append(PoolFact(user: user, shard: shard)) }
        func count(_ name: String) -> Int { record[name].flatMap { Int($0) } ?? 0 }
        known[index].links += count("links")
        known[index].idle += count("idle")
        known[index].connecting += count("connecting")
        known[index].waiting += count("waiting")
        known[index].lastFailure = known[index].lastFailure ?? record["last_failure"]
        pools = known
    }

    private mutating func addClient(_ record: [String: String]) {
        guard var known = clients, record["phase"] != "console", record["address"] != "[own]" else { return }
        let (user, application) = (record["user"] ?? "", record["application_name"] ?? "")
        let index = known.firstIndex { $0.user == user && $0.application == application } ?? known.endIndex
        if index == known.endIndex { known.append(ClientFact(user: user, application: application)) }
        known[index].sessions += 1
        if record["status"] != "I" { known[index].inTransaction += 1 }
        clients = known
    }

    /// Each worker tells its own commits, and what the last recovery round of it has seen on all shards.
    private mutating func addTransaction(_ record: [String: String]) {
        guard let gid = record["gid"], let state = record["state"] else { return }
        if state.hasPrefix("own") { return commitsUnderWay += 1 }
        guard let shard = record["shard"].flatMap({ Int($0) }) else { return }
        let fact = PreparedFact(
            gid: gid, shard: shard, owner: record["owner"] ?? "", ageSeconds: record["age_seconds"].flatMap { Double($0) } ?? 0, state: state)
        guard let index = prepared.firstIndex(where: { $0.gid == gid && $0.shard == shard }) else { return prepared.append(fact) }
        if fact.ageSeconds > prepared[index].ageSeconds { prepared[index] = fact }
    }

    private mutating func addDuration(_ record: [String: String]) {
        guard let way = record["way"], let count = record["count"].flatMap({ UInt64($0) }) else { return }
        if let bound = record["below_nanoseconds"].flatMap({ UInt64($0) }) {
            durations[way, default: DurationFact()].counts[bound, default: 0] &+= count
        } else {
            durations[way, default: DurationFact()].count &+= count
            durations[way, default: DurationFact()].totalNanoseconds &+= record["total_nanoseconds"].flatMap { UInt64($0) } ?? 0
        }
    }
}
