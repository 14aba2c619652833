// MergeHarness: two sides written as text, and what their merge tells, written the same way.
import Primitives
import WireProtocol

@testable import Reconciliation

enum MergeHarness {
    /// Rows as `1 a, 2 b`: fields stand between blanks, NULL is `-`.
    static func rows(_ text: String) -> [[String?]] {
        text.split(separator: ",").map { $0.split(separator: " ").map { $0 == "-" ? nil : String($0) } }
    }

    /// A reader of rows that never come in parts of more than `partRows`.
    /// - Parameter asked: called with each question of the reader.
    static func reader(
        _ text: String, _ order: KeyOrder, partRows: Int = 2, largestPartBytes: Int = 1 << 20, name: String = "source",
        asked: @escaping (_ rows: Int, _ isAnew: Bool) -> Void = { _, _ in }
    ) -> RowReader {
        let all = rows(text)
        var left = all[...]
        var limits = ReconciliationLimits()
        limits.partRows = partRows
        limits.largestPartBytes = largestPartBytes
        return RowReader(order: order, limits: limits, name: name) { wanted, isAnew, take in
            asked(wanted, isAnew)
            if isAnew { left = all[...] }
            let pool = BlockPool(keepCount: 1)
            for fields in left.prefix(wanted) {
                var queue = ByteQueue(pool: pool.reference)
                queue.writeDataRow(text: fields)
                try take(queue.readable)
                queue.free()
            }
            left = left.dropFirst(wanted)
            return !left.isEmpty
        }
    }

    /// What a merge tells: `missing 2 b`, `changed 3 c|d`.
    static func merge(
        _ source: String, _ target: String, kinds: [KeyOrder.Kind] = [.number], tolerances: [ValueTolerance?] = [nil, nil, nil], isSubset: Bool = false
    ) throws -> [String] {
        let order = KeyOrder(kinds: kinds)
        var told: [String] = []
        try RowMerge(order: order, tolerances: tolerances, isSubset: isSubset).run(reader(source, order), reader(target, order, name: "target")) { found in
            let sides = [found.source, found.target].compactMap { $0?.values.map { $0 ?? "-" }.joined(separator: " ") }
            told.append("\(found.kind.rawValue) \(sides.joined(separator: "|"))" + (found.kind == .duplicate ? " \(found.sourceCopies):\(found.targetCopies)" : ""))
        }
        return told
    }
}
