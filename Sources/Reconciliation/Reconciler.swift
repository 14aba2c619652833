// Reconciler: carries out one named comparison, from its settings to its result.
import DatabaseClient
import Practice
import ProxyCore
import ShardMap
import WireProtocol

/// What comparisons need to know of the cluster.
public struct ReconciledCluster: Sendable {
    /// For people.
    public var name: String
    public var shardCount: Int
    public var rules: ShardingRules
    /// A new session, of a role that may read the catalog, and run the queries of the configuration.
    public var connect: @Sendable () throws -> DatabaseConnection
    /// A new session of the owner of a table; nil: all tables are read as the role of `connect`.
    public var connectAs: (@Sendable (_ owner: String) throws -> DatabaseConnection)?

    public init(
        name: String, shardCount: Int, rules: ShardingRules, connect: @escaping @Sendable () throws -> DatabaseConnection,
        connectAs: (@Sendable (_ owner: String) throws -> DatabaseConnection)? = nil
    ) {
        self.name = name
        self.shardCount = shardCount
        self.rules = rules
        self.connect = connect
        self.connectAs = connectAs
    }
}

public struct Reconciler: Sendable {
    private let cluster: ReconciledCluster
    private let limits: ReconciliationLimits
    private let keepsRepairs: Bool

    /// - Parameter keepsRepairs: results have the SQL that would repair what was found; it takes memory.
    public init(cluster: ReconciledCluster, limits: ReconciliationLimits = ReconciliationLimits(), keepsRepairs: Bool = false) {
        self.cluster = cluster
        self.limits = limits
        self.keepsRepairs = keepsRepairs
    }

    /// The comparison of a name: one of the configuration, or one that needs none.
    /// - Throws: ReconciliationError 42704.
    public static func comparison(named name: String, among configured: [ReconciliationSettings]) throws -> ReconciliationSettings {
        if let found = configured.first(where: { $0.name == name }) { return found }
        if let check = ReconciliationSettings.Check.builtIn.first(where: { $0.rawValue == name }) { return ReconciliationSettings(builtIn: check) }
        throw ReconciliationError("42704", "there is no comparison \"\(name)\"", hint: "There are: \(names(configured).joined(separator: ", ")).")
    }

    /// The names of all comparisons, those of the configuration first.
    public static func names(_ configured: [ReconciliationSettings]) -> [String] {
        configured.map(\.name) + ReconciliationSettings.Check.builtIn.map(\.rawValue).filter { name in !configured.contains { $0.name == name } }
    }

    /// Makes a comparison. What keeps it from being made is in the result, as its error.
    public func run(_ comparison: ReconciliationSettings) -> ReconciliationResult {
        let begun = ContinuousClock.now
        let empty = ReconciliationResult(
            name: comparison.name, entityType: comparison.entityType, sourceSystem: systemName(comparison.source), targetSystem: systemName(comparison.target))
        var result = empty
        do {
            try fill(&result, comparison)
            if keepsRepairs { result.tellMissingRepairs() }
            let components = begun.duration(to: .now).components
            result.conclude(seconds: Double(components.seconds) + Double(components.attoseconds) / 1e18)
        } catch {
            // Half of a comparison says nothing.
            result = empty
            result.status = .error
            result.error = Self.words(error)
        }
        return result
    }

    private static func words(_ error: any Error) -> String {
        guard let error = error as? DatabaseMessage else { return "\(error)" }
        return "\(error.message) (\(error.sqlState.rawValue))" + (error.hint.map { "; \($0)" } ?? "")
    }

    private func systemName(_ side: ReconciliationSettings.Side) -> String {
        side.database.map { "\($0.database) at \($0.host):\($0.port)" } ?? "cluster \(cluster.name)"
    }

    private func fill(_ result: inout ReconciliationResult, _ comparison: ReconciliationSettings) throws {
        var room = DetailRoom(limits, keepsRepairs: keepsRepairs)
        var limits = limits
        limits.pauseMilliseconds = Int(comparison.recheckAfter.milliseconds)
        switch comparison.check {
        case .queries, .childrenWithoutParents: return try compareQueries(&result, comparison, limits, &room)
        case .misplacedRows, .referenceTables, .preparedTransactions, .outbox: break
        }
        let session = try clusterSession()
        defer { session.connection.terminate() }
        let readers = TableReaders(cluster, limits)
        let checks = ShardChecks(session: session, readers: readers, shardCount: cluster.shardCount, limits: limits)
        switch comparison.check {
        case .queries, .childrenWithoutParents: break
        case .misplacedRows: try checks.misplacedRows(tables(session), &result, &room)
        case .referenceTables:
            try ReferenceTables(readers: readers, shardCount: cluster.shardCount, limits: limits).check(tables(session), &result, &room)
        case .preparedTransactions: try checks.preparedTransactions(olderThan: comparison.olderThan.seconds, &result, &room)
        case .outbox: try checks.stuckEvents(in: comparison.table, olderThan: comparison.olderThan.seconds, &result, &room)
        }
    }

    private func tables(_ session: DatabaseSession) throws -> [ClusterTable] { try ClusterTables(session: session, rules: cluster.rules).load() }

    private func clusterSession() throws -> DatabaseSession { try DatabaseSession(cluster.connect(), name: "cluster \(cluster.name)", limits: limits) }

    /// Two sides on one database are read in one transaction, and so at one moment.
    private func compareQueries(
        _ result: inout ReconciliationResult, _ settings: ReconciliationSettings, _ limits: ReconciliationLimits, _ room: inout DetailRoom
    ) throws {
        let source = try session(settings.source.database)
        defer { source.connection.terminate() }
        let target = settings.target.database == settings.source.database ? source : try session(settings.target.database)
        defer { if target !== source { target.connection.terminate() } }
        let repaired = try repairedTable(settings, target)
        try source.begin()
        if target !== source { try target.begin() }
        let isSubset = settings.check == .childrenWithoutParents
        let comparison = try Comparison(
            source: ComparedSide(session: source, shard: nil, query: settings.source.query, role: "source"),
            target: ComparedSide(session: target, shard: nil, query: settings.target.query, role: "target"),
            key: settings.key, tolerances: settings.tolerances, isSubset: isSubset, limits: limits)
        let outcome = try ComparisonRun(comparison: comparison, limits: limits).run()
        result.rowCount = outcome.sourceRows + outcome.targetRows
        result.add(outcome, comparison, telling(settings, repaired), &room)
    }

    private func session(_ database: ReconciliationSettings.Database?) throws -> DatabaseSession {
        try database.map { try DatabaseSession($0, limits: limits) } ?? clusterSession()
    }

    private func repairedTable(_ settings: ReconciliationSettings, _ target: DatabaseSession) throws -> RepairText.Table? {
        guard keepsRepairs, settings.check == .queries, let name = settings.repairTable else { return nil }
        return try RepairText.Table(named: name, in: target)
    }

    private func telling(_ settings: ReconciliationSettings, _ repaired: RepairText.Table?) -> OutcomeTelling {
        let table = settings.repairTable
        if settings.check == .childrenWithoutParents {
            return OutcomeTelling(kind: "orphan", table: table) { candidate, columns, keyCount in
                RepairText.orphan(table: table ?? "", key: Array(columns.prefix(keyCount)), values: Array((candidate.row?.values ?? []).prefix(keyCount)))
            }
        }
        return OutcomeTelling(table: table) { RepairText.row($0, table: repaired, columns: $1, keyCount: $2) }
    }
}
