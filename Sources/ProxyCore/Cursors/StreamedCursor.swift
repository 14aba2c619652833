// StreamedCursor: a cursor over several shards that has not read its rows yet. It is a cursor on each of the shards, declared at one
// instant; FETCH asks them for as many rows as it needs, and merges them.
//
// What is in the proxy is bounded: of each shard at most one batch, a quarter of its share of `limits.merge`, as far as the rows read so far
// tell how long rows are. The cursors on the shards have the same snapshots, savepoints and end as the client's.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class StreamedCursor: ShardedCursor {
    /// Rows of the first batch, before it is known how long they are, and of the largest.
    static let firstBatchRows = 8
    static let largestBatchRows = 10_000

    /// Its rows are locked as they are read from the shards.
    let locksRows: Bool
    /// `Transaction.changeCount` when it was read last.
    var changeCount = 0
    /// Its name on the shards.
    let shardName: String
    let shards: [ShardIndex]
    let merger: RowMerger
    private let plan: MergePlan
    /// Rows that are due next.
    let ready: PortalBuffer
    private let mergeBytes: Int
    private var largestRow = 0
    private(set) var batchRows = StreamedCursor.firstBatchRows
    /// The formats of the rows in `ready` and in the merger.
    private var formats: [FormatCode] = []

    init(_ opening: StreamOpening, name: String, isBinary: Bool, locksRows: Bool, fields: [FieldDescription], worker: Worker) {
        self.locksRows = locksRows
        shardName = opening.shardName
        shards = opening.shards
        merger = opening.merger
        plan = opening.plan
        ready = PortalBuffer(pool: worker.streams.pool.reference)
        mergeBytes = worker.settings.limits.mergeBytes
        super.init(name: name, isBinary: isBinary, fields: fields)
    }

    /// Rows that were read ahead, to put them in order. PostgreSQL would lock each as it is fetched, and pass over those that the block has
    /// changed by then.
    var lockedAhead: DatabaseMessage {
        DatabaseMessage(
            error: .featureNotSupported, "rows of cursor \"\(name)\" were locked before the block changed rows, or gave up locks",
            hint: "Leave out ORDER BY, or fetch all rows of the cursor before other statements change any.")
    }

    override var heldBytes: Int { ready.stream.pointee.output.count + merger.bufferedBytes }
    override var isForwardOnly: Bool { true }

    /// Rows have been read that were not given yet.
    var holdsRows: Bool { firstRow != nil || merger.holdsRows }

    var isOrdered: Bool { !plan.sortKeys.isEmpty }

    /// The formats of its rows are known.
    var hasFormats: Bool { !formats.isEmpty }

    /// Takes the formats of the next rows.
    /// - Returns: false if rows are here already in others.
    func take(_ formats: [FormatCode]) -> Bool {
        if holdsRows { return formats == self.formats }
        self.formats = formats
        return true
    }

    /// The client's formats for what it sees, binary for what the merge reads.
    var shardFormats: [FormatCode] { formats + Array(repeating: FormatCode.binary, count: max(0, plan.hiddenColumnCount)) }

    /// A row has come.
    func noteRow(bytes: Int) {
        guard bytes > largestRow else { return }
        largestRow = bytes
        batchRows = min(Self.largestBatchRows, max(1, mergeBytes / shards.count / 4 / bytes))
    }

    /// The first row that is due; nil: more must be asked for.
    var firstRow: UnsafeRawBufferPointer? {
        let bytes = ready.stream.pointee.output.readable
        guard case .frame(let header) = FrameScanner.frame(in: bytes, at: 0, limit: .max) else { return nil }
        return UnsafeRawBufferPointer(rebasing: bytes[0..<header.length])
    }

    func dropFirstRow(_ row: UnsafeRawBufferPointer) { ready.stream.pointee.output.consume(row.count) }
}

/// What a StreamedCursor is made of.
struct StreamOpening {
    var shardName: String
    var shards: [ShardIndex]
    var merger: RowMerger
    var plan: MergePlan
}

extension StatementPlan {
    /// Where the rows of a query are merged as they come from the shards, so that they can be read as they are wanted.
    var streamed: (route: Route, scatter: ScatterPlan)? {
        guard case .scatter(let route, let scatter) = action, scatter.finisher == nil, scatter.merge.aggregate == nil else { return nil }
        return (route, scatter)
    }
}
