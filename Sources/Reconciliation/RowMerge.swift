// RowMerge: walks along two ordered results at once and tells where they differ.

/// A key at which the sides differ, with the rows they have there.
struct Candidate {
    enum Kind: String {
        /// Only the source has it.
        case missing
        /// Only the target has it.
        case extra
        /// Both have it, with other values.
        case changed
        /// A side has it several times, so that rows cannot be told apart by it.
        case duplicate
    }

    var kind: Kind
    var source: ResultRow?
    var target: ResultRow?
    var sourceCopies = 0
    var targetCopies = 0

    var byteCount: Int { (source?.bytes.count ?? 0) + (target?.bytes.count ?? 0) }
    /// Its row on either side, whose first fields are the key.
    var row: ResultRow? { source ?? target }

    /// Whether two looks at one key have found the same. Which of several rows with that key comes first is chance.
    func isSame(as other: Candidate) -> Bool {
        guard kind == other.kind, sourceCopies == other.sourceCopies, targetCopies == other.targetCopies else { return false }
        return max(sourceCopies, targetCopies) > 1 || source == other.source && target == other.target
    }
}

struct RowMerge {
    let order: KeyOrder
    /// By column; nil: values must be the same.
    let tolerances: [ValueTolerance?]
    /// Only what the target lacks counts, and how often a key is there does not.
    let isSubset: Bool

    /// Calls `found` with each difference, in the order of the keys.
    func run(_ source: RowReader, _ target: RowReader, _ found: (Candidate) throws -> Void) throws {
        try source.advance()
        try target.advance()
        while source.current != nil || target.current != nil {
            let order = order(source.current, target.current)
            if order < 0 {
                try found(candidate(isUnique(source) ? .missing : .duplicate, source, nil))
                try source.advance()
            } else if order > 0 {
                if !isSubset { try found(candidate(isUnique(target) ? .extra : .duplicate, nil, target)) }
                try target.advance()
            } else {
                if let kind = difference(source, target) { try found(candidate(kind, source, target)) }
                try source.advance()
                try target.advance()
            }
        }
    }

    /// Of a subset it does not matter how often a key is there.
    private func isUnique(_ side: RowReader) -> Bool { isSubset || side.copies == 1 }

    private func order(_ source: ResultRow?, _ target: ResultRow?) -> Int {
        guard let source, let target else { return source == nil ? 1 : -1 }
        return source == target ? 0 : order.compare(source, target)
    }

    private func candidate(_ kind: Candidate.Kind, _ source: RowReader?, _ target: RowReader?) -> Candidate {
        Candidate(kind: kind, source: source?.current, target: target?.current, sourceCopies: source?.copies ?? 0, targetCopies: target?.copies ?? 0)
    }

    private func difference(_ source: RowReader, _ target: RowReader) -> Candidate.Kind? {
        if isSubset { return nil }
        if source.copies > 1 || target.copies > 1 { return .duplicate }
        guard let left = source.current, let right = target.current, left != right else { return nil }
        return isSame(left, right) ? nil : .changed
    }

    /// Whether two rows of one key have the same values.
    func isSame(_ a: ResultRow, _ b: ResultRow) -> Bool {
        a.withMessage { a in
            b.withMessage { b in
                guard a.count == b.count else { return false }
                var (a, b) = (a, b)
                for index in 0..<a.count {
                    switch (a.next(), b.next()) {
                    case (nil, nil): continue
                    case (let left?, let right?):
                        // The key is the same already, however it is written: 1.0 and 1.00.
                        if index < order.kinds.count { continue }
                        guard tolerances[index]?.accepts(left, right) ?? (KeyOrder.compareBytes(left, right) == 0) else { return false }
                    default: return false
                    }
                }
                return true
            }
        }
    }
}
