// TestServers: the PostgreSQL servers all suites of this target share, started once: starting servers is what costs.
//
// One plain server is the judge: what it answers is right. Seven more are shards: of the clusters of one, two and four.
import TestSupport

struct TestServers: Sendable {
    /// The servers; an error is the same for every test that needs them.
    static let shared = Result { try TestServers() }

    let judge: TemporaryPostgreSQL
    let single: TemporaryPostgreSQL
    let two: [TemporaryPostgreSQL]
    let four: [TemporaryPostgreSQL]

    static let settings = [
        "max_connections": "200", "max_prepared_transactions": "100", "shared_buffers": "16MB", "log_min_messages": "warning",
    ]

    private init() throws {
        judge = try TemporaryPostgreSQL(settings: Self.settings)
        single = try TemporaryPostgreSQL(settings: Self.settings)
        two = try (0..<2).map { _ in try TemporaryPostgreSQL(settings: Self.settings) }
        four = try (0..<4).map { _ in try TemporaryPostgreSQL(settings: Self.settings) }
    }
}
