// ProtocolViolation: a peer sent bytes that are not the protocol. Readers throw it as a typed error, so that the
// throw allocates nothing; the session decides whether the stream survives (an ERROR, as PostgreSQL answers for a
// malformed Bind) or is closed (a broken frame length).

/// What is wrong with the bytes a peer sent, in PostgreSQL's words.
public struct ProtocolViolation: Error, Equatable, Sendable, CustomStringConvertible {
    public let sqlState: SQLState
    public let message: String

    public init(_ message: String, sqlState: SQLState = .protocolViolation) {
        self.message = message
        self.sqlState = sqlState
    }

    public var description: String { "\(sqlState.rawValue): \(message)" }

    /// The ErrorResponse PostgreSQL would send for it (severity ERROR).
    public var asError: DatabaseMessage { DatabaseMessage(error: sqlState, message) }

    /// The same as the last word before the stream is closed (severity FATAL).
    public var asFatal: DatabaseMessage { DatabaseMessage(fatal: sqlState, message) }
}

extension ProtocolViolation {
    // The sentences of PostgreSQL's src/backend/libpq/pqformat.c.
    public static var noDataLeft: ProtocolViolation { ProtocolViolation("no data left in message") }
    public static var insufficientData: ProtocolViolation { ProtocolViolation("insufficient data left in message") }
    public static var invalidString: ProtocolViolation { ProtocolViolation("invalid string in message") }
    public static var invalidFormat: ProtocolViolation { ProtocolViolation("invalid message format") }
    public static var invalidLength: ProtocolViolation { ProtocolViolation("invalid message length") }
}
