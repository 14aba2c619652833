// Value: fields and frames for tests.
import Primitives
import ResultMerging
import WireProtocol

/// One field of a row under test.
enum Value: Equatable, Hashable {
    case null
    case bytes([UInt8])

    static func text(_ text: String) -> Value { .bytes(Array(text.utf8)) }
    static func int8(_ number: Int64) -> Value { .bytes(bigEndian(number)) }
    static func int4(_ number: Int32) -> Value { .bytes(bigEndian(number)) }
    static func bool(_ value: Bool) -> Value { .bytes([value ? 1 : 0]) }

    static func bigEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    var bytes: [UInt8]? {
        if case .bytes(let bytes) = self { bytes } else { nil }
    }

    var description: String { bytes.map { String(decoding: $0, as: UTF8.self) } ?? "NULL" }
}

/// Numbers of types as pg_type.dat has them.
enum TypeOID {
    static let bool: UInt32 = 16
    static let bytea: UInt32 = 17
    static let int8: UInt32 = 20
    static let int2: UInt32 = 21
    static let int4: UInt32 = 23
    static let text: UInt32 = 25
    static let json: UInt32 = 114
    static let box: UInt32 = 603
    static let int4Array: UInt32 = 1007
    static let bpchar: UInt32 = 1042
    static let numeric: UInt32 = 1700
}

extension SortKey {
    static func ascending(_ column: Int, _ typeOID: UInt32, nullsFirst: Bool = false) -> SortKey {
        SortKey(column: column, typeOID: typeOID, isDescending: false, nullsFirst: nullsFirst)
    }

    static func descending(_ column: Int, _ typeOID: UInt32, nullsFirst: Bool = true) -> SortKey {
        SortKey(column: column, typeOID: typeOID, isDescending: true, nullsFirst: nullsFirst)
    }
}

extension ByteQueue {
    /// Takes the rows out of the queue; other frames are a failure of the test.
    mutating func takeRows() throws -> [[Value]] {
        var rows: [[Value]] = []
        while case .frame(let header) = FrameScanner.frame(in: readable, at: 0, limit: 1 << 30) {
            let frame = UnsafeRawBufferPointer(rebasing: readable[..<header.length])
            var row: [Value] = []
            try DataRowMessage(frame).forEachField { row.append($1.map { .bytes(Array($0)) } ?? .null) }
            rows.append(row)
            consume(header.length)
        }
        return rows
    }
}
