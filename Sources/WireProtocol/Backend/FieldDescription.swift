// FieldDescription: one column of a result.

/// One column as RowDescription describes it.
public struct FieldDescription: Equatable, Sendable {
    public var name: [UInt8]
    /// The table the column comes from, or 0.
    public var tableOID: UInt32
    /// The column's number in that table, or 0.
    public var columnNumber: Int16
    public var typeOID: UInt32
    /// Bytes of a value; negative for types of variable length.
    public var typeSize: Int16
    public var typeModifier: Int32
    public var format: FormatCode

    public init(
        name: [UInt8], tableOID: UInt32 = 0, columnNumber: Int16 = 0, typeOID: UInt32, typeSize: Int16 = -1,
        typeModifier: Int32 = -1, format: FormatCode = .text
    ) {
        self.name = name
        self.tableOID = tableOID
        self.columnNumber = columnNumber
        self.typeOID = typeOID
        self.typeSize = typeSize
        self.typeModifier = typeModifier
        self.format = format
    }

    public init(
        name: String, tableOID: UInt32 = 0, columnNumber: Int16 = 0, typeOID: UInt32, typeSize: Int16 = -1,
        typeModifier: Int32 = -1, format: FormatCode = .text
    ) {
        self.init(
            name: Array(name.utf8), tableOID: tableOID, columnNumber: columnNumber, typeOID: typeOID,
            typeSize: typeSize, typeModifier: typeModifier, format: format)
    }

    public var nameText: String { String(decoding: name, as: UTF8.self) }

    /// Bytes after the name on the wire.
    @usableFromInline static var fixedBytes: Int { 18 }

    init(_ cursor: inout MessageCursor) throws(ProtocolViolation) {
        name = Array(try cursor.string())
        tableOID = try cursor.integer(UInt32.self)
        columnNumber = try cursor.integer(Int16.self)
        typeOID = try cursor.integer(UInt32.self)
        typeSize = try cursor.integer(Int16.self)
        typeModifier = try cursor.integer(Int32.self)
        format = FormatCode(rawValue: try cursor.integer(Int16.self))
    }
}
