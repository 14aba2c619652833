// ResultRow: one row as it came: the fields of a DataRow message in text format, kept as bytes.
import WireProtocol

struct ResultRow: Equatable {
    /// Of the message, behind its header: the number of fields, then each with its length.
    let bytes: ArraySlice<UInt8>

    static func == (left: ResultRow, right: ResultRow) -> Bool {
        left.bytes.count == right.bytes.count && left.bytes.withUnsafeBytes { left in right.bytes.withUnsafeBytes { KeyOrder.compareBytes(left, $0) == 0 } }
    }

    /// Calls `body` with the frame's view.
    func withMessage<Result>(_ body: (DataRowFields) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBytes { try body(DataRowFields($0)) }
    }

    /// The values as text; nil is NULL.
    var values: [String?] {
        withMessage { fields in
            var fields = fields
            return (0..<fields.count).map { _ in fields.next()?.text }
        }
    }
}

/// A walk over the fields of a row that was checked when it came.
struct DataRowFields {
    let bytes: UnsafeRawBufferPointer
    let count: Int
    private var position = 2

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        count = Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt16.self)))
    }

    /// The next field, nil for NULL; at most `count` times.
    mutating func next() -> UnsafeRawBufferPointer? {
        let length = Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: Int32.self)))
        position += 4
        guard length >= 0 else { return nil }
        defer { position += length }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + length])
    }
}
