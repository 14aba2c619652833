// RowReader: one side of a comparison, row by row: asks for a part at a time, so that only one part is held, and checks that keys rise.
//
// How many rows fit into a part is judged by the rows before. Where they are suddenly larger, what does not fit is dropped, and asked for again in
// smaller parts. Rows of one key may come in another order then; as many as before are of lower keys, and as many of each key.
import WireProtocol

final class RowReader {
    /// Hands the next rows to `take`, as DataRow frames, or the first ones, of the query run anew; says whether there may be more.
    typealias Fetch = (_ rows: Int, _ isAnew: Bool, _ take: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool

    private let fetch: Fetch
    private let order: KeyOrder
    private let limits: ReconciliationLimits
    /// For messages.
    private let name: String

    private var part: [UInt8] = []
    /// Where each row of the part ends.
    private var ends: [Int] = []
    private var next = 0
    private var mayHaveMore = true
    private var rowsWanted: Int
    /// The most that are asked for at once, since a part could not hold all.
    private var rowsFitting = Int.max
    /// The query has not been run yet, or the rest of what it sends was dropped.
    private var isDue = true
    private var following: ResultRow?

    /// The row whose turn it is; of several with one key the first. nil at the end.
    private(set) var current: ResultRow?
    /// How many rows have the key of the current one.
    private(set) var copies = 0
    /// Rows read so far.
    private(set) var rowCount = 0

    init(order: KeyOrder, limits: ReconciliationLimits, name: String, fetch: @escaping Fetch) {
        // The first rows tell how large rows are.
        rowsWanted = min(2, limits.partRows)
        self.fetch = fetch
        self.order = order
        self.limits = limits
        self.name = name
    }

    /// Goes to the next key.
    /// - Throws: ReconciliationError where the rows are not in order; what reading throws.
    func advance() throws {
        current = try following ?? read()
        following = nil
        copies = 1
        guard let current else { return }
        while let row = try read() {
            let order = order.compare(current, row)
            if order == 0 {
                copies += 1
                continue
            }
            guard order < 0 else { throw disorder }
            following = row
            return
        }
    }

    private var disorder: ReconciliationError {
        ReconciliationError(
            "XX001", "the rows of the \(name) are not in the order of their keys",
            hint: "An index or the encoding of its server may be to blame: REINDEX, or select the key as a text.")
    }

    private func read() throws -> ResultRow? {
        while next == ends.count {
            guard mayHaveMore else { return nil }
            try readPart()
        }
        let start = next == 0 ? 0 : ends[next - 1]
        defer { next += 1 }
        rowCount += 1
        return ResultRow(bytes: part[start..<ends[next]])
    }

    private func readPart() throws {
        part = []
        part.reserveCapacity(limits.partBytes)
        ends = []
        next = 0
        if isDue { try skipKnown() }
        let isAnew = isDue && rowCount == 0
        isDue = false
        var largest = 1
        mayHaveMore = try fetch(rowsWanted, isAnew) { frame in
            _ = try DataRowMessage(frame)
            largest = max(largest, frame.count)
            if isDue || part.count + frame.count > limits.largestPartBytes { return try drop() }
            part += UnsafeRawBufferPointer(rebasing: frame[MessageHeader.byteCount...])
            ends.append(part.count)
        }
        if isDue {
            mayHaveMore = true
            // Half of it, so that it happens again only where rows are twice as large as these.
            rowsFitting = max(1, limits.largestPartBytes / 2 / largest)
        }
        // As many rows as fit if they are like the largest one seen here.
        rowsWanted = max(1, min(limits.partRows, rowsFitting, limits.partBytes / largest))
    }

    /// The part is full; its other rows are asked for again when these have had their turn.
    private func drop() throws {
        if ends.isEmpty { throw ReconciliationError("53400", "a row of the \(name) is too large", hint: "Compare a hash of large values: md5(column).") }
        isDue = true
    }

    /// Runs the query anew, up to the rows that have had their turn.
    private func skipKnown() throws {
        var skipped = 0
        while skipped < rowCount {
            let step = min(rowCount - skipped, Self.skippedRows)
            _ = try fetch(step, skipped == 0) { _ in }
            skipped += step
        }
    }

    /// Dropped at a time: none of them is held.
    private static let skippedRows = 1_000_000
}

private enum MessageHeader {
    /// Type and length.
    static let byteCount = 5
}
