// DatabaseSession: a session whose transaction sees one moment, with texts written the same way on every server.
//
// On the cluster a REPEATABLE READ block has one snapshot of all shards. A database beside it has its own, of a moment close by.
import DatabaseClient
import ProxyCore
import WireProtocol

final class DatabaseSession {
    let connection: DatabaseConnection
    /// For people.
    let name: String
    /// The table that its transactions read; nil: catalogs, and what queries of the configuration name.
    var guarded: GuardedTable?
    private let answerSeconds: Int
    private var portals = 0

    /// So that both sides write values alike, nothing ends a long look, and no row is hidden without an error.
    private static let settings = [
        ("DateStyle", "ISO, YMD"), ("TimeZone", "UTC"), ("IntervalStyle", "iso_8601"), ("bytea_output", "hex"), ("extra_float_digits", "3"),
        ("standard_conforming_strings", "on"), ("statement_timeout", "0"), ("lock_timeout", "0"), ("idle_in_transaction_session_timeout", "0"),
        ("row_security", "off"),
    ]
    /// How often a transaction is begun that cannot see one moment of all shards.
    private static let beginnings = 3

    init(_ connection: DatabaseConnection, name: String, limits: ReconciliationLimits) throws {
        self.connection = connection
        self.name = name
        answerSeconds = limits.answerSeconds
        connection.maximumFrameBytes = limits.rowBytes
        for (setting, value) in Self.settings { try execute("SET \(setting) TO \(SQL.literal(value))") }
    }

    /// Runs one statement, and waits as long for its answer as any may take.
    @discardableResult
    func execute(_ text: String) throws -> StatementResult {
        awaitAnswer()
        return try connection.execute(text).last ?? StatementResult()
    }

    /// Runs one statement with values for its parameters.
    func execute(_ text: String, _ values: [String?]) throws -> StatementResult {
        awaitAnswer()
        return try connection.execute(text, values)
    }

    /// To be called before each question: a server that has gone silent is not waited for for ever.
    func awaitAnswer() { connection.deadline = .now + .seconds(answerSeconds) }

    /// - Throws: ReconciliationError, which says which database it is.
    convenience init(_ database: ReconciliationSettings.Database, limits: ReconciliationLimits) throws {
        let name = "database \(database.database) at \(database.host):\(database.port)"
        let parameters = ConnectionParameters(
            address: .host(database.host, port: database.port), user: database.user, database: database.database, password: database.password,
            encryption: Encryption(database.tlsMode, rootCertificateFile: database.tlsRootCertificateFile), settings: [("application_name", "pgbraid reconcile")])
        do {
            try self.init(DatabaseConnection(parameters, nonce: ClientNonce.make()), name: name, limits: limits)
            // Between two looks it says nothing. Before PostgreSQL 14 there is no such limit.
            do { try execute("SET idle_session_timeout TO '0'") } catch is DatabaseMessage {}
        } catch let error as ConnectionLost {
            throw ReconciliationError("08001", "\(name) cannot be reached: \(error.description)", hint: "Look at its address, password and tls.")
        } catch let error as DatabaseMessage {
            throw ReconciliationError(error.sqlState.rawValue, "\(name) refuses: \(error.message)", hint: "Look at its user and password.")
        }
    }

    /// Begins a transaction that sees this moment.
    func begin() throws {
        var attempts = 1
        while true {
            do {
                return try beginOnce()
            } catch let error as DatabaseMessage where error.sqlState == .serializationFailure && attempts < Self.beginnings {
                // The proxy does not take snapshots anew behind a lock, which it would lose.
                attempts += 1
                try end()
            }
        }
    }

    private func beginOnce() throws {
        try execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try guarded?.lock(in: self)
        // The first query takes the snapshot.
        try execute("SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE oid = 0")
        try guarded?.check(in: self)
    }

    func end() throws {
        if connection.transactionStatus != .idle { try execute("ROLLBACK") }
    }

    func nextPortal() -> String {
        portals += 1
        return "reconcile\(portals)"
    }
}
