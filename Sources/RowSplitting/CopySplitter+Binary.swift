// Splitting binary data: a header for all shards, then rows of a field count and fields that know their lengths, then a
// trailer for all.
//
// Source: PostgreSQL manual, COPY, Binary Format; error texts as in src/backend/commands/copyfromparse.c.
import Primitives
import ShardMap

/// How far binary data has been read.
struct BinaryProgress {
    static let signature: [UInt8] = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00]
    var headerDone = false
}

/// Where a binary row ends and its key lies, in the current buffer.
private struct BinaryRow {
    var end: Int
    /// nil is NULL.
    var key: Range<Int>?
}

extension CopySplitter {
    mutating func splitBinary(
        _ bytes: UnsafeRawBufferPointer, atEnd: Bool, into outputs: inout [ByteQueue]
    ) throws(CopyError) -> Int {
        var position = 0
        if !binary.headerDone {
            guard let end = try headerEnd(in: bytes, atEnd: atEnd) else { return 0 }
            Self.sendToAll(bytes.part(0..<end), &outputs)
            binary.headerDone = true
            position = end
        }
        while position < bytes.count {
            guard !dataEnded else { throw binaryError("received copy data after EOF marker") }
            // PostgreSQL takes half a field count for the end of the data.
            guard position + 2 <= bytes.count else { return position }
            let fieldCount = Self.int16(bytes, position)
            if fieldCount == -1 {
                Self.sendToAll(bytes.part(position..<position + 2), &outputs)
                dataEnded = true
                position += 2
                continue
            }
            guard let row = try binaryRow(in: bytes, from: position, fieldCount: fieldCount, atEnd: atEnd) else {
                break
            }
            let shard = try place(row, of: bytes)
            outputs[shard].append(bytes.part(position..<row.end))
            position = row.end
        }
        return position
    }

    /// Behind the header; nil if it is not complete yet.
    private func headerEnd(in bytes: UnsafeRawBufferPointer, atEnd: Bool) throws(CopyError) -> Int? {
        let signature = BinaryProgress.signature
        let known = min(bytes.count, signature.count)
        guard bytes.part(0..<known).elementsEqual(signature[..<known]), known == signature.count || !atEnd else {
            throw headerError("COPY file signature not recognized")
        }
        guard bytes.count >= signature.count + 8 else {
            guard atEnd else { return nil }
            throw headerError(
                "invalid COPY file header (missing \(bytes.count < signature.count + 4 ? "flags" : "length"))")
        }
        let length = Self.int32(bytes, signature.count + 4)
        guard length >= 0 else { throw headerError("invalid COPY file header (wrong length)") }
        let end = signature.count + 8 + length
        guard end > bytes.count else { return end }
        guard atEnd else { return nil }
        throw headerError("invalid COPY file header (wrong length)")
    }

    /// The row at `position`; nil if it is not complete yet.
    private func binaryRow(
        in bytes: UnsafeRawBufferPointer, from start: Int, fieldCount: Int, atEnd: Bool
    ) throws(CopyError) -> BinaryRow? {
        guard fieldCount == options.columnNames.count else {
            throw binaryError("row field count is \(fieldCount), expected \(options.columnNames.count)")
        }
        var row = BinaryRow(end: start + 2, key: nil)
        for column in 0..<fieldCount {
            let lengthEnd = row.end + 4
            let length = lengthEnd <= bytes.count ? Self.int32(bytes, row.end) : 0
            guard length >= -1 else { throw binaryError("invalid field size", column: column) }
            let end = lengthEnd + max(length, 0)
            guard end <= bytes.count else {
                if atEnd { throw binaryError("unexpected EOF in COPY data", column: column) }
                return nil
            }
            if column == options.key?.column, length >= 0 { row.key = lengthEnd..<end }
            row.end = end
        }
        return row
    }

    /// The shard of a row; counts the row.
    private mutating func place(_ row: BinaryRow, of bytes: UnsafeRawBufferPointer) throws(CopyError) -> Int {
        lineNumber += 1
        guard let key = options.key else { preconditionFailure("splitting without a key") }
        let name = options.columnNames[key.column]
        guard let range = row.key else { throw nullKey(place: .line) }
        let value = try stored(bytes.part(range), key) { _ in .column(name) }
        do throws(PlacementError) {
            let shard = try map.shard(ofBinaryFormat: value, type: key.type, by: key.method).int
            rowCounts[shard] += 1
            ledger.record(shard: shard, lines: 1)
            return shard
        } catch {
            throw CopyError(
                sqlState: error.sqlState, message: error.message, hint: error.hint, line: lineNumber,
                place: .column(name))
        }
    }

    private func headerError(_ message: String) -> CopyError {
        CopyError(sqlState: "22P04", message: message, line: 0, place: .nowhere)
    }

    private func binaryError(_ message: String, column: Int? = nil) -> CopyError {
        CopyError(
            sqlState: "22P04", message: message, line: lineNumber + 1,
            place: column.map { .column(options.columnNames[$0]) } ?? .line)
    }

    private static func int16(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Int {
        Int(Int16(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self)))
    }

    private static func int32(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Int {
        Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
    }
}
