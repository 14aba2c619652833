// SQLState: the five-character codes by which clients tell errors apart (PostgreSQL manual, appendix A). Only the
// codes the proxy raises or reacts to have names; any other code travels as its raw value.

/// A SQLSTATE. The raw value has five characters, so it lives inside the String and is never allocated.
public struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    @inlinable public init(rawValue: String) { self.rawValue = rawValue }
    @inlinable public init(_ rawValue: String) { self.rawValue = rawValue }

    public var description: String { rawValue }

    /// The class: the first two characters.
    public var classCode: Substring { rawValue.prefix(2) }
}

extension SQLState {
    // Class 00, 01, 02: success, warning, no data.
    @inlinable public static var successfulCompletion: SQLState { SQLState("00000") }
    @inlinable public static var warning: SQLState { SQLState("01000") }
    @inlinable public static var noData: SQLState { SQLState("02000") }

    // Class 08: connection exception.
    @inlinable public static var connectionException: SQLState { SQLState("08000") }
    @inlinable public static var unableToEstablishConnection: SQLState { SQLState("08001") }
    @inlinable public static var connectionDoesNotExist: SQLState { SQLState("08003") }
    @inlinable public static var serverRejectedConnection: SQLState { SQLState("08004") }
    @inlinable public static var connectionFailure: SQLState { SQLState("08006") }
    @inlinable public static var transactionResolutionUnknown: SQLState { SQLState("08007") }
    @inlinable public static var protocolViolation: SQLState { SQLState("08P01") }

    // Class 0A: feature not supported.
    @inlinable public static var featureNotSupported: SQLState { SQLState("0A000") }

    // Class 22: data exception.
    @inlinable public static var stringDataRightTruncation: SQLState { SQLState("22001") }
    @inlinable public static var numericValueOutOfRange: SQLState { SQLState("22003") }
    @inlinable public static var datetimeFieldOverflow: SQLState { SQLState("22008") }
    @inlinable public static var divisionByZero: SQLState { SQLState("22012") }
    @inlinable public static var characterNotInRepertoire: SQLState { SQLState("22021") }
    @inlinable public static var invalidParameterValue: SQLState { SQLState("22023") }
    @inlinable public static var invalidTextRepresentation: SQLState { SQLState("22P02") }
    @inlinable public static var invalidBinaryRepresentation: SQLState { SQLState("22P03") }
    @inlinable public static var badCopyFileFormat: SQLState { SQLState("22P04") }
    @inlinable public static var untranslatableCharacter: SQLState { SQLState("22P05") }

    // Class 23: integrity constraint violation.
    @inlinable public static var integrityConstraintViolation: SQLState { SQLState("23000") }
    @inlinable public static var notNullViolation: SQLState { SQLState("23502") }
    @inlinable public static var foreignKeyViolation: SQLState { SQLState("23503") }
    @inlinable public static var uniqueViolation: SQLState { SQLState("23505") }
    @inlinable public static var checkViolation: SQLState { SQLState("23514") }

    // Class 24, 25, 26: cursor state, transaction state, statement name.
    @inlinable public static var invalidCursorState: SQLState { SQLState("24000") }
    @inlinable public static var invalidTransactionState: SQLState { SQLState("25000") }
    @inlinable public static var activeSQLTransaction: SQLState { SQLState("25001") }
    @inlinable public static var readOnlySQLTransaction: SQLState { SQLState("25006") }
    @inlinable public static var noActiveSQLTransaction: SQLState { SQLState("25P01") }
    @inlinable public static var inFailedSQLTransaction: SQLState { SQLState("25P02") }
    @inlinable public static var idleInTransactionSessionTimeout: SQLState { SQLState("25P03") }
    @inlinable public static var invalidSQLStatementName: SQLState { SQLState("26000") }

    // Class 28: authorization.
    @inlinable public static var invalidAuthorizationSpecification: SQLState { SQLState("28000") }
    @inlinable public static var invalidPassword: SQLState { SQLState("28P01") }

    // Class 2D, 34, 3B, 3D, 3F: transaction end, cursor, savepoint, catalog, schema.
    @inlinable public static var invalidTransactionTermination: SQLState { SQLState("2D000") }
    @inlinable public static var invalidCursorName: SQLState { SQLState("34000") }
    @inlinable public static var savepointException: SQLState { SQLState("3B000") }
    @inlinable public static var invalidSavepointSpecification: SQLState { SQLState("3B001") }
    @inlinable public static var invalidCatalogName: SQLState { SQLState("3D000") }
    @inlinable public static var invalidSchemaName: SQLState { SQLState("3F000") }

    // Class 40: transaction rollback.
    @inlinable public static var transactionRollback: SQLState { SQLState("40000") }
    @inlinable public static var serializationFailure: SQLState { SQLState("40001") }
    @inlinable public static var statementCompletionUnknown: SQLState { SQLState("40003") }
    @inlinable public static var deadlockDetected: SQLState { SQLState("40P01") }
}
