// RowReader: one side of a comparison, row by row: asks for a part at a time, so that only one part is held, and checks that keys rise.
import WireProtocol

final class RowReader {
    /// Hands the next rows to `take`, as DataRow frames; says whether there may be more.
    typealias Fetch = (_ rows: Int, _ take: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool

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
    private var rowsWanted = 100
    private var following: ResultRow?

    /// The row whose turn it is; of several with one key the first. nil at the end.
    private(set) var current: ResultRow?
    /// How many rows have the key of the current one.
    private(set) var copies = 0
    /// Rows read so far.
    private(set) var rowCount = 0

    init(order: KeyOrder, limits: ReconciliationLimits, name: String, fetch: @escaping Fetch) {
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
        mayHaveMore = try fetch(rowsWanted) { frame in
            _ = try DataRowMessage(frame)
            if part.count + frame.count > limits.largestPartBytes {
                throw ReconciliationError("53400", "rows of the \(name) are too large", hint: "Compare a hash of large values: md5(column).")
            }
            part += UnsafeRawBufferPointer(rebasing: frame[MessageHeader.byteCount...])
            ends.append(part.count)
        }
        // As many rows as fit if they are like the largest one seen here.
        var largest = 1
        for (index, end) in ends.enumerated() { largest = max(largest, end - (index == 0 ? 0 : ends[index - 1])) }
        rowsWanted = max(1, min(limits.partRows, limits.partBytes / largest))
    }
}

private enum MessageHeader {
    /// Type and length.
    static let byteCount = 5
}
