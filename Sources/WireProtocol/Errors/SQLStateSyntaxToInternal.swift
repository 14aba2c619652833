// SQLState, second half: classes 42 (what is wrong with the statement) to XX (what is wrong with the server).

extension SQLState {
    // Class 42: syntax error or access rule violation.
    @inlinable public static var insufficientPrivilege: SQLState { SQLState("42501") }
    @inlinable public static var syntaxError: SQLState { SQLState("42601") }
    @inlinable public static var invalidName: SQLState { SQLState("42602") }
    @inlinable public static var nameTooLong: SQLState { SQLState("42622") }
    @inlinable public static var duplicateColumn: SQLState { SQLState("42701") }
    @inlinable public static var ambiguousColumn: SQLState { SQLState("42702") }
    @inlinable public static var undefinedColumn: SQLState { SQLState("42703") }
    @inlinable public static var undefinedObject: SQLState { SQLState("42704") }
    @inlinable public static var duplicateObject: SQLState { SQLState("42710") }
    @inlinable public static var duplicateAlias: SQLState { SQLState("42712") }
    @inlinable public static var groupingError: SQLState { SQLState("42803") }
    @inlinable public static var datatypeMismatch: SQLState { SQLState("42804") }
    @inlinable public static var wrongObjectType: SQLState { SQLState("42809") }
    @inlinable public static var cannotCoerce: SQLState { SQLState("42846") }
    @inlinable public static var reservedName: SQLState { SQLState("42939") }
    @inlinable public static var undefinedFunction: SQLState { SQLState("42883") }
    @inlinable public static var undefinedTable: SQLState { SQLState("42P01") }
    @inlinable public static var undefinedParameter: SQLState { SQLState("42P02") }
    @inlinable public static var duplicateCursor: SQLState { SQLState("42P03") }
    @inlinable public static var duplicateDatabase: SQLState { SQLState("42P04") }
    @inlinable public static var duplicatePreparedStatement: SQLState { SQLState("42P05") }
    @inlinable public static var duplicateSchema: SQLState { SQLState("42P06") }
    @inlinable public static var duplicateTable: SQLState { SQLState("42P07") }
    @inlinable public static var ambiguousParameter: SQLState { SQLState("42P08") }
    @inlinable public static var invalidColumnReference: SQLState { SQLState("42P10") }
    @inlinable public static var invalidPreparedStatementDefinition: SQLState { SQLState("42P14") }
    @inlinable public static var invalidTableDefinition: SQLState { SQLState("42P16") }
    @inlinable public static var invalidObjectDefinition: SQLState { SQLState("42P17") }
    @inlinable public static var indeterminateDatatype: SQLState { SQLState("42P18") }

    // Class 53, 54: resources and program limits.
    @inlinable public static var insufficientResources: SQLState { SQLState("53000") }
    @inlinable public static var diskFull: SQLState { SQLState("53100") }
    @inlinable public static var outOfMemory: SQLState { SQLState("53200") }
    @inlinable public static var tooManyConnections: SQLState { SQLState("53300") }
    @inlinable public static var configurationLimitExceeded: SQLState { SQLState("53400") }
    @inlinable public static var programLimitExceeded: SQLState { SQLState("54000") }
    @inlinable public static var statementTooComplex: SQLState { SQLState("54001") }
    @inlinable public static var tooManyColumns: SQLState { SQLState("54011") }
    @inlinable public static var tooManyArguments: SQLState { SQLState("54023") }

    // Class 55: object not in the state the statement needs.
    @inlinable public static var objectNotInPrerequisiteState: SQLState { SQLState("55000") }
    @inlinable public static var objectInUse: SQLState { SQLState("55006") }
    @inlinable public static var cannotChangeRuntimeParameter: SQLState { SQLState("55P02") }
    @inlinable public static var lockNotAvailable: SQLState { SQLState("55P03") }

    // Class 57, 58: operator intervention, system error.
    @inlinable public static var operatorIntervention: SQLState { SQLState("57000") }
    @inlinable public static var queryCanceled: SQLState { SQLState("57014") }
    @inlinable public static var adminShutdown: SQLState { SQLState("57P01") }
    @inlinable public static var crashShutdown: SQLState { SQLState("57P02") }
    @inlinable public static var cannotConnectNow: SQLState { SQLState("57P03") }
    @inlinable public static var databaseDropped: SQLState { SQLState("57P04") }
    @inlinable public static var idleSessionTimeout: SQLState { SQLState("57P05") }
    @inlinable public static var systemError: SQLState { SQLState("58000") }
    @inlinable public static var ioError: SQLState { SQLState("58030") }

    // Class F0, P0, XX: configuration, procedures, internal.
    @inlinable public static var configurationFileError: SQLState { SQLState("F0000") }
    @inlinable public static var raiseException: SQLState { SQLState("P0001") }
    @inlinable public static var internalError: SQLState { SQLState("XX000") }
    @inlinable public static var dataCorrupted: SQLState { SQLState("XX001") }
}
