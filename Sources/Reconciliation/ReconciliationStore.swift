// ReconciliationStore: the SQL of tasks, over a session of the proxy's own role (`InternalSchema+Reconciliation` has what it works on).
import DatabaseClient
import Foundation

public struct ReconciliationStore {
    let connection: DatabaseConnection
    /// Who claims tasks.
    let holder: String
    private let limits: ReconciliationLimits

    public init(connection: DatabaseConnection, limits: ReconciliationLimits = ReconciliationLimits()) {
        self.connection = connection
        self.limits = limits
        holder = UUID().uuidString.lowercased()
    }

    init(connection: DatabaseConnection, holder: String, limits: ReconciliationLimits) {
        self.connection = connection
        self.holder = holder
        self.limits = limits
    }

    /// Stores a comparison that nobody has requested.
    /// - Throws: DatabaseMessage, ConnectionLost.
    public func record(_ result: ReconciliationResult) throws { _ = try end(nil, result) }

    /// Requests a comparison whose last one began longer ago than `seconds`.
    func requestWhenDue(_ name: String, seconds: Double) throws {
        try connection.execute("SELECT pgbraid.reconciliation_due($1, $2)", [name, "\(seconds)"])
    }

    /// The names of which a task is requested, or running or left.
    func openNames() throws -> [String] {
        let text = "SELECT DISTINCT name FROM pgbraid.reconciliation_tasks WHERE status IN ('requested', 'running') LIMIT 1000"
        return try connection.execute(text).first?.rows.compactMap { $0[0] } ?? []
    }

    /// The task that is ours now; nil: there is none, or somebody is at it.
    func claim(_ name: String) throws -> String? {
        try connection.execute("SELECT pgbraid.reconciliation_claim($1, $2, $3)", [name, holder, "\(limits.leaseSeconds)"]).rows.first?.first ?? nil
    }

    /// Says that who has claimed a task is at it still; false: it is not ours any more.
    func renew(_ name: String, _ task: String) throws -> Bool {
        try connection.execute("SELECT pgbraid.reconciliation_renew($1, $2, $3, $4)", [name, task, holder, "\(limits.leaseSeconds)"]).rows.first?.first == "t"
    }

    /// Stores what came of a task; false: it is not ours any more.
    func end(_ task: String?, _ result: ReconciliationResult) throws -> Bool {
        let values = [result.name, task, holder, try result.json, "\(limits.keptTasks)"]
        return try connection.execute("SELECT pgbraid.reconciliation_end($1, $2, $3, $4, $5)", values).rows.first?.first == "t"
    }
}
