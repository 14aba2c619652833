// CopySplitter: the rows of one COPY FROM stream, each to the shard of its key.
//
// Fed with the payloads of CopyData messages, which may cut rows anywhere. Whole rows are appended to the shards' queues
// as they came, byte for byte, neighbouring rows of one shard in one piece; an unfinished row waits in a bounded queue.
// Every shard sees a valid stream of its own: the header line or binary header goes to all, and so does the binary
// trailer; the text end-of-data marker goes to none (CopyDone ends the stream). Errors that a shard could not see, because
// it has only some of the rows (mixed line ends, a key without a place), are raised here in PostgreSQL's words.
//
// Without a key (reference tables) all bytes go to all shards unread.
import Primitives
import ShardMap

/// Splits COPY FROM data among shards. Owns memory: call `free` exactly once.
public struct CopySplitter {
    let options: CopySplitterOptions
    let map: ShardMap
    /// An unfinished row.
    var carry: ByteQueue
    var scanner: RowScanner
    var textReader: TextKeyReader
    var csvReader: CSVKeyReader
    var binary = BinaryProgress()
    var ledger: LineLedger
    /// A header line is still to come.
    var expectsHeader: Bool
    /// The end-of-data marker was read: the rest is ignored (text, CSV) or an error (binary).
    var dataEnded = false

    /// Rows sent to each shard. All zero without a key: then only the shards know.
    public internal(set) var rowCounts: [Int]
    /// The line of the last whole row, from 1, a header line and lines inside quotes included; rows in binary data.
    public internal(set) var lineNumber = 0

    /// - Parameter pool: lends memory for unfinished rows and keys under decoding.
    public init(options: CopySplitterOptions, map: ShardMap, pool: BlockPool.Reference) {
        self.options = options
        self.map = map
        carry = ByteQueue(pool: pool)
        scanner = RowScanner(format: options.format)
        textReader = TextKeyReader(key: options.key, format: options.format, pool: pool)
        csvReader = CSVKeyReader(key: options.key, format: options.format, pool: pool)
        ledger = LineLedger(shardCount: map.shardCount, capacity: options.rememberedLines)
        expectsHeader = options.format.hasHeader
        rowCounts = [Int](repeating: 0, count: map.shardCount)
    }

    /// Rows sent to any shard.
    public var rowCount: Int { rowCounts.reduce(0, +) }

    /// Bytes of an unfinished row.
    public var waitingBytes: Int { carry.count }

    /// Gives all memory back; the splitter must not be used any more.
    public mutating func free() {
        carry.free()
        textReader.free()
        csvReader.free()
    }

    /// Appends the rows that `chunk` completes to their shards' queues. Amortised O(bytes); allocates nothing per row.
    /// - Parameter outputs: one queue per shard; payload is appended without frames.
    /// - Throws: `CopyError`; the COPY has failed and the outputs hold unusable remains.
    public mutating func feed(_ chunk: UnsafeRawBufferPointer, into outputs: inout [ByteQueue]) throws(CopyError) {
        precondition(outputs.count == map.shardCount, "one output per shard")
        guard options.key != nil else { return Self.sendToAll(chunk, &outputs) }
        if carry.isEmpty {
            let used = try split(chunk, atEnd: false, into: &outputs)
            carry.append(chunk.part(used..<chunk.count))
        } else {
            carry.append(chunk)
            carry.consume(try split(carry.readable, atEnd: false, into: &outputs))
            carry.releaseIfEmpty()
        }
        guard carry.count <= options.rowLimitBytes else { throw rowTooLong() }
    }

    /// The input has ended (CopyDone): appends what is left, the last row without a line end.
    /// - Throws: `CopyError` if the data ends inside a row.
    public mutating func finish(into outputs: inout [ByteQueue]) throws(CopyError) {
        precondition(outputs.count == map.shardCount, "one output per shard")
        guard options.key != nil else { return }
        _ = try split(carry.readable, atEnd: true, into: &outputs)
        carry.consume(carry.count)
    }

    /// The line of the client's data that was line `line` of a shard's, to correct `COPY t, line n` in a shard's error;
    /// nil if that is not known (see `CopySplitterOptions.rememberedLines`). O(remembered lines).
    public func originalLine(shard: ShardIndex, line: Int) -> Int? {
        let headerLines = options.format.hasHeader ? 1 : 0
        guard options.key != nil, line > headerLines else { return line }
        return ledger.originalLine(shard: shard.int, line: line - headerLines).map { $0 + headerLines }
    }

    /// Returns how many bytes are done with.
    private mutating func split(
        _ bytes: UnsafeRawBufferPointer, atEnd: Bool, into outputs: inout [ByteQueue]
    ) throws(CopyError) -> Int {
        options.format.kind == .binary
            ? try splitBinary(bytes, atEnd: atEnd, into: &outputs)
            : try splitLines(bytes, atEnd: atEnd, into: &outputs)
    }

    static func sendToAll(_ bytes: UnsafeRawBufferPointer, _ outputs: inout [ByteQueue]) {
        for index in outputs.indices { outputs[index].append(bytes) }
    }

    private func rowTooLong() -> CopyError {
        CopyError(
            sqlState: "54000", message: "row of COPY data is longer than \(options.rowLimitBytes) bytes",
            hint: "Check the quotes and line ends of the data, or raise the limit.", line: lineNumber + 1, place: .line)
    }
}
