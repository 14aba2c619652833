// CSVKeyReader: the key of a row in CSV.
//
// The rules are those of CopyReadAttributesCSV (src/backend/commands/copyfromparse.c): quotes may begin and end anywhere
// in a field; inside them the escape character takes a quote or itself along; NULL is the null string without quotes.
import Primitives

struct CSVKeyReader {
    private let column: Int
    private let format: CopyDataFormat
    private let isForcedNotNull: Bool
    private let isForcedNull: Bool
    private var decoded: ByteQueue

    init(key: CopyKeyColumn?, format: CopyDataFormat, pool: BlockPool.Reference) {
        column = key?.column ?? 0
        self.format = format
        isForcedNotNull = key?.isForcedNotNull ?? false
        isForcedNull = key?.isForcedNull ?? false
        decoded = ByteQueue(pool: pool)
    }

    mutating func free() { decoded.free() }

    /// - Parameter isPlain: the row has no quote.
    @inline(__always)
    mutating func key(of row: UnsafeRawBufferPointer, isPlain: Bool) -> KeyField {
        isPlain ? plainKey(of: row) : quotedKey(of: row)
    }

    @inline(__always)
    private func plainKey(of row: UnsafeRawBufferPointer) -> KeyField {
        var start = 0
        for field in 0..<column {
            guard let end = row.position(of: format.delimiter, from: start) else {
                return .missing(fieldCount: field + 1)
            }
            start = end + 1
        }
        let key = row.part(start..<(row.position(of: format.delimiter, from: start) ?? row.count))
        return key.isEqual(to: format.null) && !isForcedNotNull ? .null : .text(key)
    }

    private mutating func quotedKey(of row: UnsafeRawBufferPointer) -> KeyField {
        var position = 0
        for field in 0...column {
            let start = position
            guard let sawQuote = decodeField(of: row, at: &position) else { return .unterminatedQuote }
            if field == column { return key(raw: row.part(start..<position), sawQuote: sawQuote) }
            guard position < row.count else { return .missing(fieldCount: field + 1) }
            position += 1
        }
        return .null
    }

    private func key(raw: UnsafeRawBufferPointer, sawQuote: Bool) -> KeyField {
        if !sawQuote, raw.isEqual(to: format.null), !isForcedNotNull { return .null }
        let text = decoded.readable
        return isForcedNull && sawQuote && text.isEqual(to: format.null) ? .null : .text(text)
    }

    /// Decodes the field at `position` and moves there behind its last byte; whether it had quotes, nil if one is open.
    private mutating func decodeField(of row: UnsafeRawBufferPointer, at position: inout Int) -> Bool? {
        decoded.truncate(to: 0)
        let room = decoded.prepare(row.count - position + 1)
        var count = 0
        var sawQuote = false
        while position < row.count, row[position] != format.delimiter {
            let byte = row[position]
            position += 1
            if byte == format.quote {
                sawQuote = true
                guard decodeQuoted(of: row, at: &position, into: room, &count) else { return nil }
            } else {
                room[count] = byte
                count += 1
            }
        }
        decoded.commit(count)
        return sawQuote
    }

    /// Decodes up to the closing quote and moves behind it; false if there is none.
    private func decodeQuoted(
        of row: UnsafeRawBufferPointer, at position: inout Int, into room: UnsafeMutableRawBufferPointer,
        _ count: inout Int
    ) -> Bool {
        while position < row.count {
            var byte = row[position]
            position += 1
            if byte == format.escape, position < row.count,
                row[position] == format.escape || row[position] == format.quote
            {
                byte = row[position]
                position += 1
            } else if byte == format.quote {
                return true
            }
            room[count] = byte
            count += 1
        }
        return false
    }
}
