// RoleSessions: the sessions in which a thread carries out and undoes steps, as the roles that own them.
import DatabaseClient
import WireProtocol

/// A thread's sessions by role, kept from one undo to the next.
final class RoleSessions {
    private let cluster: ClusterAccess
    private let limits: SagaLimits
    private var byRole: [String: DatabaseConnection] = [:]

    /// Roles that have a session kept.
    private static let keptCount = 4

    init(_ cluster: ClusterAccess, _ limits: SagaLimits) {
        self.cluster = cluster
        self.limits = limits
    }

    private func session(of role: String) throws -> DatabaseConnection {
        if let session = byRole[role] { return session }
        if byRole.count >= Self.keptCount { byRole = [:] }
        let session = try cluster.connect(as: role)
        session.deadline = .now + .seconds(limits.stepSeconds)
        try prepare(session)
        byRole[role] = session
        return session
    }

    /// Runs `body` behind a mark and commits, as a role, in one transaction that ends in time.
    /// - Parameter mark: false: there is nothing to do.
    /// - Throws: SagaFailure, with nothing done, unless the end of the transaction is not known.
    func transaction(as role: String, mark: (DatabaseConnection) throws -> Bool, body: (DatabaseConnection) throws -> Void) throws {
        var (isMarked, isCommitted) = (false, false)
        do {
            let session = try session(of: role)
            session.deadline = .now + .seconds(limits.stepSeconds)
            try session.execute("BEGIN")
            isMarked = try mark(session)
            if isMarked {
                // The shards end each statement in time. What is longer than that may be waiting for a connection to another of them.
                session.deadline = .now + .seconds(limits.stepSeconds + limits.waitSeconds)
                try body(session)
                guard session.transactionStatus == .inTransaction, try session.execute("COMMIT").last?.tag == "COMMIT" else {
                    throw SagaFailure("it has ended its transaction", .mistake)
                }
                isCommitted = true
                try session.execute("DISCARD ALL")
                try prepare(session)
            } else {
                try session.execute("ROLLBACK")
            }
            session.deadline = nil
        } catch {
            byRole[role] = nil
            // Only the session is not fit for the next one.
            if isCommitted { return }
            switch error {
            case let error as ConnectionLost: throw SagaFailure(error, isUnderWay: isMarked)
            case let error as DatabaseMessage: throw SagaFailure(error)
            default: throw error
            }
        }
    }

    /// Whatever a step does, it ends.
    private func prepare(_ session: DatabaseConnection) throws {
        try session.execute("SET statement_timeout TO '\(limits.stepSeconds)s'; SET lock_timeout TO '\(limits.lockSeconds)s'")
    }
}
