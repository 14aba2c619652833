// Sessions of the module under test with a server of the test's own, which takes the proxy's comments for comments: one shard.
import ProxyCore
import TestSupport

@testable import Reconciliation

extension DatabaseSession {
    convenience init(_ server: TemporaryPostgreSQL, user: String = "postgres") throws {
        try self.init(ReconciliationSettings.Database(host: server.socketDirectory, port: server.port, user: user), limits: ReconciliationLimits())
    }
}
