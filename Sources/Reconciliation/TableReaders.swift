// TableReaders: the sessions in which tables of clients are read: each in one of its owner's. To plan a query is enough to run functions that the
// owner of a table has written, those of its indexes for instance, and they run as who asks. So nobody who may do more than the owner asks.
//
// What is asked in them is asked in transactions that only read.
import DatabaseClient
import WireProtocol

final class TableReaders {
    private let cluster: ReconciledCluster
    private let limits: ReconciliationLimits
    private var byRole: [String: DatabaseSession] = [:]

    /// Roles that have a session kept.
    private static let keptCount = 4
    /// All tables are read as who runs the comparison.
    private static let anyRole = ""

    init(_ cluster: ReconciledCluster, _ limits: ReconciliationLimits) {
        self.cluster = cluster
        self.limits = limits
    }

    deinit { for session in byRole.values { session.connection.terminate() } }

    /// The session for a table, in which each transaction finds out first that it still is what was found.
    /// - Throws: what connecting throws: not every role may log in.
    func session(for table: FoundTable) throws -> DatabaseSession {
        let session = try session(of: table.owner)
        session.guarded = GuardedTable(table: table, shardCount: cluster.shardCount, isReadAsOwner: cluster.connectAs != nil)
        return session
    }

    private func session(of owner: String) throws -> DatabaseSession {
        let role = cluster.connectAs == nil ? Self.anyRole : owner
        if let session = byRole[role] { return session }
        if byRole.count >= Self.keptCount { forgetAll() }
        let connection = try cluster.connectAs.map { try $0(owner) } ?? cluster.connect()
        let session = try DatabaseSession(connection, name: "cluster \(cluster.name)", limits: limits)
        byRole[role] = session
        return session
    }

    /// Checks one table. Where that fails the result says so of this table, and has nothing else of it.
    /// - Throws: what is no failure of a server.
    func check(
        _ table: ClusterTable, _ result: inout ReconciliationResult, _ room: inout DetailRoom,
        _ body: (DatabaseSession, inout ReconciliationResult, inout DetailRoom) throws -> Void
    ) throws {
        let before = (result, room)
        let failure: String
        do {
            let session = try session(for: table.found)
            try body(session, &result, &room)
            return try session.end()
        } catch let error as DatabaseMessage {
            failure = "\(error.message) (\(error.sqlState.rawValue))"
        } catch let error as ReconciliationError {
            failure = error.description
        } catch let error as ConnectionLost {
            failure = error.description
        }
        (result, room) = before
        result.addUnchecked(table.shownName, cluster.connectAs == nil ? failure : "as its owner \(table.found.owner): \(failure)")
        forget(table.found.owner)
    }

    /// Whatever state a session is in, the next table gets another one.
    private func forget(_ owner: String) {
        byRole.removeValue(forKey: cluster.connectAs == nil ? Self.anyRole : owner)?.connection.terminate()
    }

    private func forgetAll() {
        for session in byRole.values { session.connection.terminate() }
        byRole = [:]
    }
}
