// TextKeyReader: the key of a row in COPY's text format.
//
// The rules are those of CopyReadAttributesText (src/backend/commands/copyfromparse.c): NULL is compared before escapes
// are undone; `\` and one to three octal digits, or `\x` and one or two hexadecimal digits, are a byte; \b \f \n \r \t
// \v are control characters; any other byte behind a backslash is itself.
import Primitives

struct TextKeyReader {
    private let column: Int
    private let delimiter: UInt8
    private let null: [UInt8]
    private var decoded: ByteQueue

    init(key: CopyKeyColumn?, format: CopyDataFormat, pool: BlockPool.Reference) {
        column = key?.column ?? 0
        delimiter = format.delimiter
        null = format.null
        decoded = ByteQueue(pool: pool)
    }

    mutating func free() { decoded.free() }

    /// - Parameter isPlain: the row has no backslash.
    @inline(__always)
    mutating func key(of row: UnsafeRawBufferPointer, isPlain: Bool) -> KeyField {
        isPlain ? plainKey(of: row) : escapedKey(of: row)
    }

    @inline(__always)
    private func plainKey(of row: UnsafeRawBufferPointer) -> KeyField {
        var start = 0
        for field in 0..<column {
            guard let end = row.position(of: delimiter, from: start) else { return .missing(fieldCount: field + 1) }
            start = end + 1
        }
        let key = row.part(start..<(row.position(of: delimiter, from: start) ?? row.count))
        return key.isEqual(to: null) ? .null : .text(key)
    }

    private mutating func escapedKey(of row: UnsafeRawBufferPointer) -> KeyField {
        var start = 0
        for field in 0..<column {
            let end = fieldEnd(in: row, from: start)
            guard end < row.count, row[end] == delimiter else { return .missing(fieldCount: field + 1) }
            start = end + 1
        }
        let key = row.part(start..<fieldEnd(in: row, from: start))
        if key.isEqual(to: null) { return .null }
        guard key.contains(UInt8(ascii: "\\")) else { return .text(key) }
        decode(key)
        return .text(decoded.readable)
    }

    /// Behind the field's last byte: at its delimiter, at the row's end, or at a lone backslash before that.
    private func fieldEnd(in row: UnsafeRawBufferPointer, from start: Int) -> Int {
        var position = start
        while position < row.count, row[position] != delimiter {
            if row[position] == UInt8(ascii: "\\") {
                guard position + 1 < row.count else { return position }
                position += 1
            }
            position += 1
        }
        return position
    }

    private mutating func decode(_ field: UnsafeRawBufferPointer) {
        decoded.truncate(to: 0)
        let room = decoded.prepare(field.count + 1)
        var count = 0
        var position = 0
        while position < field.count {
            var byte = field[position]
            position += 1
            if byte == UInt8(ascii: "\\"), position < field.count { byte = Self.escaped(in: field, at: &position) }
            room[count] = byte
            count += 1
        }
        decoded.commit(count)
    }

    /// The byte that the characters behind a backslash mean; moves `position` behind them.
    private static func escaped(in field: UnsafeRawBufferPointer, at position: inout Int) -> UInt8 {
        let byte = field[position]
        position += 1
        switch byte {
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "v"): return 0x0B
        case UInt8(ascii: "x"):
            return digits(in: field, at: &position, upTo: 2, radix: 16) ?? byte
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            position -= 1
            return digits(in: field, at: &position, upTo: 3, radix: 8) ?? byte
        default: return byte
        }
    }

    /// The number of the digits at `position`, its low eight bits; nil if there is no digit.
    private static func digits(
        in field: UnsafeRawBufferPointer, at position: inout Int, upTo limit: Int, radix: Int
    ) -> UInt8? {
        var value = 0
        var count = 0
        while count < limit, position < field.count,
            let digit = Character(UnicodeScalar(field[position])).hexDigitValue, digit < radix
        {
            value = value * radix + digit
            position += 1
            count += 1
        }
        return count > 0 ? UInt8(truncatingIfNeeded: value) : nil
    }
}
