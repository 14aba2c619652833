// SplitterHarness: runs whole inputs through a splitter, cut into chunks in any way.
import Primitives
import RowSplitting
import ShardMap

/// What came out of a splitter.
struct SplitResult: Equatable {
    var outputs: [[UInt8]] = []
    var rowCounts: [Int] = []
    var lineNumber = 0
    /// For each shard, the client's lines of its lines 1 to 30.
    var correctedLines: [[Int?]] = []
    var error: CopyError?

    /// The outputs as text.
    var texts: [String] { outputs.map { String(decoding: $0, as: UTF8.self) } }
}

enum SplitterHarness {
    /// Three shards; key 1 lives on shard 0, key 2 on shard 1, every other key on shard 2.
    static func readableMethod(_ type: KeyType = .int4) throws -> PlacementMethod {
        let keys: [KeyValue] = type.family == .text ? [.text("1"), .text("2")] : [.integer(1), .integer(2)]
        return .list(
            try ListPlacement([(keys[0], ShardIndex(0)), (keys[1], ShardIndex(1))], defaultShard: ShardIndex(2)))
    }

    static func options(
        _ format: CopyDataFormat, columns: [String] = ["user_id", "b"], column: Int = 0, type: KeyType = .int4
    ) throws -> CopySplitterOptions {
        let key = CopyKeyColumn(column: column, type: type, method: try readableMethod(type))
        return CopySplitterOptions(format: format, columnNames: columns, key: key)
    }

    static func map() throws -> ShardMap { try ShardMap(shardCount: 3) }

    /// Feeds `chunks` and the end of input, and gives all memory back.
    static func run(_ chunks: [ArraySlice<UInt8>], _ options: CopySplitterOptions, map: ShardMap) -> SplitResult {
        let pool = BlockPool()
        var splitter = CopySplitter(options: options, map: map, pool: pool.reference)
        var outputs = (0..<map.shardCount).map { _ in ByteQueue(pool: pool.reference) }
        var result = SplitResult()
        do throws(CopyError) {
            for chunk in chunks { try feed(chunk, &splitter, &outputs) }
            try splitter.finish(into: &outputs)
            result.outputs = outputs.map { Array($0.readable) }
        } catch {
            result.error = error
        }
        result.rowCounts = splitter.rowCounts
        result.lineNumber = splitter.lineNumber
        result.correctedLines = (0..<map.shardCount).map { shard in
            (1...30).map { splitter.originalLine(shard: ShardIndex(shard), line: $0) }
        }
        splitter.free()
        for index in outputs.indices { outputs[index].free() }
        precondition(pool.lentBlockCount == 0 && pool.lentLargeBytes == 0, "the splitter kept memory")
        return result
    }

    static func run(_ input: String, _ options: CopySplitterOptions) throws -> SplitResult {
        run([Array(input.utf8)[...]], options, map: try map())
    }

    private static func feed(
        _ chunk: ArraySlice<UInt8>, _ splitter: inout CopySplitter, _ outputs: inout [ByteQueue]
    ) throws(CopyError) {
        // Copied, so that reading behind the chunk would be seen by a sanitizer.
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: chunk.count, alignment: 1)
        defer { bytes.deallocate() }
        bytes.copyBytes(from: chunk)
        try splitter.feed(UnsafeRawBufferPointer(bytes), into: &outputs)
    }

    /// How many ways of cutting `input` (byte by byte, and in two at every place) give another result than no cut.
    static func cutsThatMatter(_ input: [UInt8], _ options: CopySplitterOptions, map: ShardMap) -> [Int] {
        let whole = run([input[...]], options, map: map)
        var differing: [Int] = []
        if run(input.indices.map { input[$0...$0] }, options, map: map) != whole { differing.append(-1) }
        for cut in 0...input.count where run([input[..<cut], input[cut...]], options, map: map) != whole {
            differing.append(cut)
        }
        return differing
    }
}
