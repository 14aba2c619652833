// OutcomeTelling: how the differences of two sides are told, and repaired.

struct OutcomeTelling {
    var kind: String?
    var table: String?
    var shard: Int?
    let repair: (_ candidate: Candidate, _ columns: [String], _ keyCount: Int) -> String

    init(kind: String? = nil, table: String? = nil, shard: Int? = nil, repair: @escaping (Candidate, [String], Int) -> String) {
        self.kind = kind
        self.table = table
        self.shard = shard
        self.repair = repair
    }
}

extension ReconciliationResult {
    mutating func add(_ outcome: ComparisonOutcome, _ comparison: Comparison, _ telling: OutcomeTelling, _ room: inout DetailRoom) {
        for candidate in outcome.confirmed {
            let key = Dictionary(zip(comparison.key, comparison.keyValues(candidate))) { first, _ in first }
            let others = { (row: ResultRow?) in comparison.columns.count == comparison.keyCount ? nil : comparison.named(row)?.filter { !comparison.key.contains($0.key) } }
            add(
                Inconsistency(
                    kind: telling.kind ?? candidate.kind.rawValue, table: telling.table, shard: telling.shard, key: key, source: others(candidate.source),
                    target: others(candidate.target)),
                repair: telling.repair(candidate, comparison.columns, comparison.keyCount), &room)
        }
        firstLookCount += outcome.firstLook
        inconsistencyCount += outcome.unverified
        unverifiedCount += outcome.unverified
        unsettledCount += outcome.unsettled
    }
}
