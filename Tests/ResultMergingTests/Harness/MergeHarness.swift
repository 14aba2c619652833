// MergeHarness: a RowMerger with its pool and its client's output, driven row by row.
import Primitives
import ResultMerging
import WireProtocol

/// A merge under test.
final class MergeHarness {
    let pool = BlockPool(keepCount: 64)
    private(set) var merger: RowMerger
    private var output: ByteQueue
    private var frame: ByteQueue

    init(
        _ plan: MergePlan, sources: Int, window: RowWindow = .everything, formats: [FormatCode] = [],
        rowBytes: Int = 1 << 20, totalBytes: Int = 1 << 24, outputBytes: Int = .max
    ) {
        merger = RowMerger(
            plan: plan, sourceCount: sources, window: window, visibleFormats: formats,
            bounds: RowMerger.Bounds(rowBytes: rowBytes, totalBytes: totalBytes, outputBytes: outputBytes),
            pool: pool.reference)
        output = ByteQueue(pool: pool.reference)
        frame = ByteQueue(pool: pool.reference)
    }

    deinit { release() }

    func describe(_ source: Int, _ fields: [FieldDescription]) throws(MergeError) {
        frame.writeRowDescription(fields)
        defer { frame.consume(frame.count) }
        try merger.rowDescription(source: source, frame: frame.readable)
    }

    func row(_ source: Int, _ values: Value...) throws(MergeError) { try row(source, values) }

    func row(_ source: Int, _ values: [Value]) throws(MergeError) {
        frame.writeDataRow(values.map(\.bytes))
        defer { frame.consume(frame.count) }
        try merger.dataRow(source: source, frame: frame.readable, into: &output)
    }

    /// A frame that no server sends.
    func frame(_ source: Int, _ bytes: [UInt8]) throws(MergeError) {
        frame.append(bytes)
        defer { frame.consume(frame.count) }
        try merger.dataRow(source: source, frame: frame.readable, into: &output)
    }

    func end(_ source: Int) throws(MergeError) { try merger.finished(source: source, into: &output) }

    func resume() throws(MergeError) { try merger.resume(into: &output) }

    /// Bytes the client has not read.
    var outputBytes: Int { output.count }

    /// The rows that came out since the last call.
    func rows() throws -> [[Value]] { try output.takeRows() }

    /// The same, for reading: fields joined by "|".
    func lines() throws -> [String] { try rows().map { $0.map(\.description).joined(separator: "|") } }

    /// Memory that the pool still lends, after the merge is gone and the output read.
    func lentBlocksAfterRelease() -> Int {
        release()
        return pool.lentBlockCount + pool.lentLargeBytes
    }

    /// Lets go of the merger before the pool.
    private func release() {
        merger = RowMerger(
            plan: MergePlan(visibleColumnCount: 0), sourceCount: 0,
            bounds: RowMerger.Bounds(rowBytes: 0, totalBytes: 0, outputBytes: 0), pool: pool.reference)
        output.free()
        frame.free()
    }
}
