// FactsReader: asks every worker what it is and does. A worker answers out of its memory between two events, so that little is asked of it:
// lists are left out where they would be long.
import DatabaseClient
import WireProtocol

/// The commands of the admin database that ask no shard.
enum ShowCommand: String, CaseIterable, Sendable {
    case shards, pools, clients, transactions, latency, stats, memory
}

/// What was found out, or why not: figures of some workers alone would look as if the others had been set back.
typealias FactsOrFailure = Result<ProxyFacts, FactsFailure>

struct FactsFailure: Error, Equatable {
    var reason: String
}

struct FactsReader: Sendable {
    /// Rows of pools, and of clients, that a worker is asked for at most.
    static let listedRows: UInt64 = 1000
    /// For all workers together.
    static let patience = Duration.seconds(2)

    let access: AdminAccess

    func read() -> FactsOrFailure {
        var facts = ProxyFacts()
        let deadline = ContinuousClock.now + Self.patience
        for worker in 0..<access.workerCount {
            do { facts.add(try ask(worker, by: deadline)) } catch let message as DatabaseMessage {
                return .failure(FactsFailure(reason: "worker \(worker) refuses: \(message.message)"))
            } catch {
                return .failure(FactsFailure(reason: "worker \(worker) does not answer: \(error)"))
            }
        }
        return .success(facts)
    }

    private func ask(_ worker: Int, by deadline: ContinuousClock.Instant) throws -> [ShowCommand: ShownRows] {
        let connection = try access.connect(worker, max(.zero, ContinuousClock.now.duration(to: deadline)))
        connection.deadline = deadline
        defer { connection.terminate() }
        func show(_ command: ShowCommand) throws -> ShownRows {
            try connection.execute("SHOW \(command.rawValue)").first.map(ShownRows.init) ?? ShownRows(columns: [], rows: [])
        }
        var shown: [ShowCommand: ShownRows] = [:]
        for command in [ShowCommand.shards, .stats, .latency, .transactions] { shown[command] = try show(command) }
        let memory = try show(.memory)
        func count(_ name: String) -> UInt64 { memory.rows.first { $0.first == name }.flatMap { $0.last ?? nil }.flatMap { UInt64($0) } ?? 0 }
        if count("roles") * UInt64(shown[.shards]?.rows.count ?? 0) <= Self.listedRows { shown[.pools] = try show(.pools) }
        if count("sessions") <= Self.listedRows { shown[.clients] = try show(.clients) }
        shown[.memory] = memory
        return shown
    }
}
