// MergeError: why rows could not be merged. One type for every merge, so that a caller turns it into an ErrorResponse
// in one place.
import WireProtocol

/// An error of a merge, as the client is to see it.
public struct MergeError: Error, Sendable, Equatable {
    public let sqlState: SQLState
    public let message: String
    public let hint: String?

    public init(_ sqlState: SQLState, _ message: String, hint: String? = nil) {
        self.sqlState = sqlState
        self.message = message
        self.hint = hint
    }

    /// The ErrorResponse for the client (severity ERROR).
    public var asError: DatabaseMessage { DatabaseMessage(error: sqlState, message, hint: hint) }
}

extension MergeError {
    /// A row is larger than a merge holds. Public, because a caller sees the length in the frame's header, before it
    /// has read the row.
    public static func rowTooLarge(bytes: Int, limit: Int) -> MergeError {
        MergeError(
            .configurationLimitExceeded, "row of \(bytes) bytes is too large to be merged",
            hint: "The limit is \(limit) bytes: merge_row in section [limits] of proxy.conf.")
    }

    static func tooManyBytes(limit: Int) -> MergeError {
        MergeError(
            .configurationLimitExceeded, "merging the rows of several shards needs more memory than allowed",
            hint: "The limit is \(limit) bytes: merge in section [limits] of proxy.conf.")
    }

    static func malformed(_ violation: ProtocolViolation) -> MergeError {
        MergeError(violation.sqlState, violation.message)
    }

    static var malformedRow: MergeError { malformed(.insufficientData) }

    static func unexpectedColumnCount(_ count: Int, expected: Int) -> MergeError {
        MergeError(.protocolViolation, "a shard sent a row of \(count) columns where \(expected) were expected")
    }

    static func malformedValue(column: Int) -> MergeError {
        MergeError(.invalidBinaryRepresentation, "a shard sent an incorrect binary value in column \(column + 1)")
    }

    static func differentTypes(column: String, _ first: UInt32, _ second: UInt32) -> MergeError {
        MergeError(
            .datatypeMismatch,
            "column \"\(column)\" has different types on different shards (type OIDs \(first) and \(second))",
            hint: "Run the same data definition statements on all shards.")
    }

    static func unexpectedType(column: String, _ type: UInt32, expected: UInt32) -> MergeError {
        MergeError(
            .featureNotSupported, "column \"\(column)\" has another type than the proxy took it for (type OIDs \(type) and \(expected))",
            hint: "Cast the expression to the type it is to have.")
    }

    static func differentCommands(_ first: [UInt8], _ second: UnsafeRawBufferPointer) -> MergeError {
        MergeError(
            .internalError,
            "shards answered with different command tags: \"\(String(decoding: first, as: UTF8.self))\" and \"\(second.text)\"")
    }

    static func outOfRange(_ typeName: String) -> MergeError {
        MergeError(.numericValueOutOfRange, "\(typeName) out of range")
    }

    static var numericOverflow: MergeError {
        MergeError(.numericValueOutOfRange, "value overflows numeric format")
    }

    static var unsupportedAggregate: MergeError {
        MergeError(.featureNotSupported, "cannot combine these aggregates of several shards")
    }

    static func cannotOrder(typeOID: UInt32) -> MergeError {
        MergeError(.featureNotSupported, "cannot merge rows ordered by a value of the type with OID \(typeOID)")
    }
}
