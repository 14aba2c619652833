// DetailRoom: what bounds a result: inconsistencies that are told one by one, and their repairs.

/// What may still be told and repaired one by one.
struct DetailRoom {
    private let limits: ReconciliationLimits
    private var count = 0
    private var bytes = 0
    /// Bytes left for repairs; none where nobody wants them.
    private var repairBytes: Int

    init(_ limits: ReconciliationLimits, keepsRepairs: Bool = false) {
        self.limits = limits
        repairBytes = keepsRepairs ? limits.repairBytes : 0
    }

    /// The repair, unless nobody wants it or there is no room for it.
    mutating func fitting(repair: () -> String) -> String? {
        guard repairBytes > 0 else { return nil }
        let text = repair()
        guard text.utf8.count <= repairBytes else { return nil }
        repairBytes -= text.utf8.count
        return text
    }

    /// The inconsistency with its values cut to the limit; nil: there is no room for it.
    mutating func fitting(_ inconsistency: Inconsistency) -> Inconsistency? {
        guard count < limits.details, bytes < limits.detailBytes else { return nil }
        var told = inconsistency
        told.key = cut(told.key)
        told.source = told.source.map(cut)
        told.target = told.target.map(cut)
        let size = 100 + [told.key, told.source ?? [:], told.target ?? [:]].reduce(0) { $0 + $1.reduce(0) { $0 + $1.key.utf8.count + ($1.value?.utf8.count ?? 4) + 6 } }
        guard bytes + size <= limits.detailBytes else { return nil }
        count += 1
        bytes += size
        return told
    }

    private func cut(_ values: [String: String?]) -> [String: String?] {
        values.mapValues { $0.map { $0.count > limits.valueCharacters ? $0.prefix(limits.valueCharacters) + "…" : $0 } }
    }
}
