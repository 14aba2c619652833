// ComparisonRun: merges two sides, then looks again at what differs: with work in flight between two databases, or two proxies, a difference
// counts only if a later look, on a new snapshot, finds it the same.
import DatabaseClient
import Practice

/// What a comparison has found.
struct ComparisonOutcome {
    /// Seen twice the same, in the order of the keys.
    var confirmed: [Candidate] = []
    /// Differences beyond what is kept: counted as they were seen first.
    var unverified = 0
    /// Differed at every look, each time otherwise.
    var unsettled = 0
    /// What differed at the first look.
    var firstLook = 0
    var sourceRows = 0
    var targetRows = 0
}

struct ComparisonRun {
    let comparison: Comparison
    let limits: ReconciliationLimits

    /// Both sessions have begun; they have ended behind it, and begun anew if something differed.
    func run() throws -> ComparisonOutcome {
        var outcome = ComparisonOutcome()
        var kept: [Candidate] = []
        var keptBytes = 0
        (outcome.sourceRows, outcome.targetRows) = try comparison.run { candidate in
            outcome.firstLook += 1
            if kept.count >= limits.candidates || keptBytes + candidate.byteCount > limits.candidateBytes { return outcome.unverified += 1 }
            keptBytes += candidate.byteCount
            // A copy of its own: a slice would keep the whole part it came with.
            kept.append(candidate.copied)
        }
        var pause = limits.pauseMilliseconds
        var look = 0
        while !kept.isEmpty, look < limits.looks {
            look += 1
            try rest(milliseconds: pause)
            pause *= 2
            (outcome.confirmed, kept) = try lookAgain(kept, outcome.confirmed)
        }
        outcome.unsettled = kept.count
        outcome.confirmed.sort { left, right in
            guard let left = left.row, let right = right.row else { return false }
            return comparison.order.compare(left, right) < 0
        }
        return outcome
    }

    /// What is as it was is confirmed, what is equal now is forgotten, all else is kept as it is now.
    private func lookAgain(_ kept: [Candidate], _ known: [Candidate]) throws -> (confirmed: [Candidate], changed: [Candidate]) {
        var (confirmed, changed) = (known, [Candidate]())
        let step = comparison.keysPerStatement
        for start in stride(from: 0, to: kept.count, by: step) {
            let asked = Array(kept[start..<min(start + step, kept.count)])
            var now: [[[UInt8]?]: Candidate] = [:]
            _ = try comparison.run(keys: asked.map(comparison.keyValues)) { now[comparison.identity($0)] = $0.copied }
            for candidate in asked {
                guard let found = now[comparison.identity(candidate)] else { continue }
                if found.isSame(as: candidate) { confirmed.append(candidate) } else { changed.append(found) }
            }
        }
        return (confirmed, changed)
    }

    /// Waits, and sees another moment then. Meanwhile no snapshot is open, which would keep VACUUM from its work, and no block idle, which a proxy
    /// may end.
    private func rest(milliseconds: Int) throws {
        for session in sessions { try session.end() }
        BackgroundThread.sleep(milliseconds: milliseconds)
        for session in sessions { try session.begin() }
    }

    private var sessions: [DatabaseSession] {
        let (source, target) = (comparison.source.session, comparison.target.session)
        return source === target ? [source] : [source, target]
    }
}

extension Candidate {
    fileprivate var copied: Candidate {
        var copy = self
        copy.source = source.map { ResultRow(bytes: Array($0.bytes)[...]) }
        copy.target = target.map { ResultRow(bytes: Array($0.bytes)[...]) }
        return copy
    }
}
