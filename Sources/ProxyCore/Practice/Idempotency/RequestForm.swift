// RequestForm: the values of a statement's parameters, and the formats that they and the answer are in. Drivers change formats between one attempt and the
// next (a statement is prepared after some executions, and its values are binary from then on), so that they are no part of what tells requests apart.
//
// Values whose binary format is known here are hashed as their text, so that both formats compare. Others compare only with values in the same format.
import Primitives
import WireProtocol

struct RequestForm: Equatable {
    /// A hash of all values; empty for a simple Query.
    private(set) var values: [UInt8] = []
    /// For each parameter 1 where the value is hashed in a binary format that is not known here, else 0; without zeros at the end.
    private(set) var parameters: [UInt8] = []
    /// The formats of the result's columns as they were asked for: none means text, one holds for all.
    private(set) var results: [UInt8] = []

    /// Of a simple Query: everything is in the text.
    init() {}

    /// - Parameter types: of the parameters, as far as the client has declared them.
    init(_ bind: BindMessage, types: [UInt32]) {
        var hashed: [UInt8] = []
        bind.forEachParameter { index, parameter in
            let (value, isOpaque) = Self.comparable(parameter, type: types.indices.contains(index) ? types[index] : 0)
            hashed.append(value == nil ? 0 : 1)
            withUnsafeBytes(of: UInt64(value?.count ?? 0).bigEndian) { hashed.append(contentsOf: $0) }
            hashed.append(contentsOf: value ?? [])
            parameters.append(isOpaque ? 1 : 0)
        }
        while parameters.last == 0 { parameters.removeLast() }
        values = Digest.sha256(hashed)
        results = (0..<bind.resultFormatCount).map { bind.resultFormatCode($0) == .text ? 0 : 1 }
    }

    /// Whether an answer that was asked for in this form has the formats that the other asks for.
    func answers(_ other: RequestForm, columnCount: Int) -> Bool {
        results == other.results || (0..<columnCount).allSatisfy { format(ofColumn: $0) == other.format(ofColumn: $0) }
    }

    private func format(ofColumn column: Int) -> UInt8 {
        results.count == 1 ? results[0] : column < results.count ? results[column] : 0
    }

    // MARK: As it is stored

    private static let hashBytes = 32

    var bytes: [UInt8] {
        guard !values.isEmpty else { return [] }
        let count: [UInt8] = [UInt8(parameters.count >> 8), UInt8(parameters.count & 0xFF)]
        return values + count + parameters + results
    }

    /// nil for bytes that are no form.
    init?(bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        let begin = Self.hashBytes + 2
        guard bytes.count >= begin else { return nil }
        let count = Int(bytes[Self.hashBytes]) << 8 | Int(bytes[Self.hashBytes + 1])
        guard bytes.count >= begin + count, bytes[begin...].allSatisfy({ $0 <= 1 }) else { return nil }
        values = Array(bytes[..<Self.hashBytes])
        parameters = Array(bytes[begin..<begin + count])
        results = Array(bytes[(begin + count)...])
    }

    // MARK: Values

    /// The value as text, where that is known, else as it is. Source of the formats: the types' receive functions (src/backend/utils/adt).
    private static func comparable(_ parameter: BindMessage.Parameter, type: UInt32) -> (value: [UInt8]?, isOpaque: Bool) {
        guard let bytes = parameter.value else { return (nil, false) }
        let value = Array(bytes)
        guard parameter.format != .text else { return (value, false) }
        switch (type, value.count) {
        case (TypeOID.int2, 2), (TypeOID.int4, 4), (TypeOID.int8, 8): return (Array("\(integer(value))".utf8), false)
        case (TypeOID.uuid, 16): return (uuidText(value), false)
        case (TypeOID.text, _), (TypeOID.varchar, _): return (value, false)
        default: return (value, true)
        }
    }

    /// Source: pg_type.dat.
    private enum TypeOID {
        static let int8: UInt32 = 20
        static let int2: UInt32 = 21
        static let int4: UInt32 = 23
        static let text: UInt32 = 25
        static let varchar: UInt32 = 1043
        static let uuid: UInt32 = 2950
    }

    /// A signed number, highest byte first.
    private static func integer(_ bytes: [UInt8]) -> Int64 {
        let start: Int64 = bytes[0] >= 0x80 ? -1 : 0
        return bytes.reduce(start) { $0 << 8 | Int64($1) }
    }

    private static func uuidText(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array(Hexadecimal.text(bytes).utf8)
        let parts: [ArraySlice<UInt8>] = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
        return Array(parts.joined(separator: [UInt8(ascii: "-")]))
    }
}
