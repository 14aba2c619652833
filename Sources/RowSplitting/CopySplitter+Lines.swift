// Splitting text and CSV: scan a row, read its key, find its shard, append it.
import Primitives
import ShardMap

/// Neighbouring rows of one shard, not yet copied to its queue.
private struct RowRun {
    var shard = -1
    var start = 0
    var end = 0

    /// Takes in the row `start..<end`; copies what was gathered first if it was another shard's.
    @inline(__always)
    mutating func add(
        _ start: Int, _ end: Int, shard: Int, of bytes: UnsafeRawBufferPointer, into outputs: inout [ByteQueue]
    ) {
        if shard != self.shard {
            flush(bytes, into: &outputs)
            self.shard = shard
            self.start = start
        }
        self.end = end
    }

    @inline(__always)
    mutating func flush(_ bytes: UnsafeRawBufferPointer, into outputs: inout [ByteQueue]) {
        if shard >= 0 { outputs[shard].append(bytes.part(start..<end)) }
        shard = -1
    }
}

extension CopySplitter {
    mutating func splitLines(
        _ bytes: UnsafeRawBufferPointer, atEnd: Bool, into outputs: inout [ByteQueue]
    ) throws(CopyError) -> Int {
        var position = 0
        var run = RowRun()
        scanner.startBuffer()
        while !dataEnded {
            guard let row = try scan(bytes, from: position, atEnd: atEnd) else { break }
            dataEnded = row.endsData
            if row.endsData, row.contentEnd == position { break }
            if expectsHeader {
                expectsHeader = false
                lineNumber += 1 + row.embeddedLines
                Self.sendToAll(bytes.part(position..<row.end), &outputs)
            } else {
                let shard = try place(row, of: bytes, from: position)
                run.add(position, row.end, shard: shard, of: bytes, into: &outputs)
            }
            position = row.end
        }
        run.flush(bytes, into: &outputs)
        return dataEnded ? bytes.count : position
    }

    @inline(__always)
    private mutating func scan(
        _ bytes: UnsafeRawBufferPointer, from position: Int, atEnd: Bool
    ) throws(CopyError) -> ScannedRow? {
        do throws(RowSyntaxError) {
            return try scanner.nextRow(in: bytes, from: position, atEnd: atEnd)
        } catch {
            throw CopyError(
                sqlState: "22P04", message: error.message, hint: error.hint,
                line: lineNumber + 1 + scanner.embeddedLines, place: .line)
        }
    }

    /// The shard of a row; counts the row and its lines.
    @inline(__always)
    private mutating func place(
        _ row: ScannedRow, of bytes: UnsafeRawBufferPointer, from start: Int
    ) throws(CopyError) -> Int {
        lineNumber += 1 + row.embeddedLines
        let content = bytes.part(start..<row.contentEnd)
        let field = readKey(of: content, isPlain: row.isPlain)
        guard case .text(let text) = field else { throw keyError(field, row: content) }
        let shard = try shard(ofKey: text).int
        if rowCounts[shard] == 0, !row.isPlain { noteFirstRow(content) }
        rowCounts[shard] += 1
        ledger.record(shard: shard, lines: 1 + row.embeddedLines)
        return shard
    }

    /// Before its first line end a shard does not know the style of line ends, and counts lines inside quotes differently.
    private mutating func noteFirstRow(_ content: UnsafeRawBufferPointer) {
        guard options.format.kind == .csv, !options.format.hasHeader else { return }
        if content.contains(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) { ledger.giveUp() }
    }

    @inline(__always)
    private mutating func readKey(of row: UnsafeRawBufferPointer, isPlain: Bool) -> KeyField {
        options.format.kind == .csv
            ? csvReader.key(of: row, isPlain: isPlain) : textReader.key(of: row, isPlain: isPlain)
    }

    @inline(__always)
    private func shard(ofKey text: UnsafeRawBufferPointer) throws(CopyError) -> ShardIndex {
        guard let key = options.key else { preconditionFailure("splitting without a key") }
        let value = try stored(text, key) { .field(column: options.columnNames[key.column], text: [UInt8]($0)) }
        do throws(PlacementError) {
            return try map.shard(ofTextFormat: value, type: key.type, by: key.method)
        } catch {
            throw CopyError(
                sqlState: error.sqlState, message: error.message, hint: error.hint, line: lineNumber,
                place: .field(column: options.columnNames[key.column], text: [UInt8](text)))
        }
    }

    private func keyError(_ field: KeyField, row: UnsafeRawBufferPointer) -> CopyError {
        switch field {
        case .missing(let fieldCount):
            return CopyError(
                sqlState: "22P04", message: "missing data for column \"\(options.columnNames[fieldCount])\"",
                line: lineNumber, place: .content([UInt8](row)))
        case .unterminatedQuote:
            return CopyError(
                sqlState: "22P04", message: "unterminated CSV quoted field", line: lineNumber,
                place: .content([UInt8](row)))
        case .null, .text: return nullKey(place: .content([UInt8](row)))
        }
    }
}
