// BinaryRows: COPY's binary format, written by hand.

enum BinaryRows {
    static let header: [UInt8] = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0] + [0, 0, 0, 0] + [0, 0, 0, 0]
    static let trailer: [UInt8] = [0xFF, 0xFF]

    static func int4(_ value: Int) -> [UInt8] { bytes(Int32(value)) }

    /// nil is NULL.
    static func row(_ fields: [[UInt8]?]) -> [UInt8] {
        bytes(Int16(fields.count))
            + fields.flatMap { field in bytes(Int32(field?.count ?? -1)) + (field ?? []) }
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }
}
