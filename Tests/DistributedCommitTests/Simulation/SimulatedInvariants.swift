// The promises, checked against the durable truth of all shards.
import Primitives

@testable import DistributedCommit

extension SimulatedWorld {
    /// After every step: some P committed => D committed; D committed => every P is prepared or committed; an error
    /// was answered => nothing is committed.
    func checkInvariants() {
        for index in transactions.indices {
            let transaction = transactions[index]
            let isDecided = shards[transaction.shards[transaction.decider]].durable.committed.contains(index)
            if case .failed? = transaction.answer, isDecided { violate("T\(index) was answered with an error but commits") }
            for writer in transaction.writers where writer != transaction.decider {
                let state = shards[transaction.shards[writer]].durable
                let isCommitted = state.committed.contains(index)
                if isCommitted && !isDecided { violate("T\(index) is committed on \(writer) and not decided") }
                if isDecided && !isCommitted && state.prepared[transaction.gids[writer]] == nil {
                    violate("T\(index) is decided and lost on \(writer)")
                }
            }
        }
    }

    /// COMMIT was answered => all committed or fenced.
    func checkAnswer(_ index: Int) {
        let transaction = transactions[index]
        guard case .committed? = transaction.answer else { return }
        for writer in transaction.writers where isOpen(transaction.shards[writer], transaction.process) {
            if !shards[transaction.shards[writer]].durable.committed.contains(index) {
                violate("T\(index) is answered as committed, but not on \(writer), which is open")
            }
        }
    }

    private func isOpen(_ shard: Int, _ process: Int) -> Bool {
        !processes[process].fences.isClosed(ShardIndex(shard))
    }

    /// A shard opens => with it nobody sees half of a transaction that had no coordinator when the round began.
    func checkOpening(_ opened: Int, _ process: Int) {
        for (index, transaction) in transactions.enumerated() {
            guard let endedAt = transaction.endedAt, endedAt < processes[process].roundStartedAt,
                transaction.writers.contains(where: { transaction.shards[$0] == opened })
            else { continue }
            let seen = transaction.writers.map { transaction.shards[$0] }.filter { isOpen($0, process) }
            let committed = seen.filter { shards[$0].visible.committed.contains(index) }
            if !committed.isEmpty, committed.count < seen.count {
                violate("s\(opened) opens on process \(process) with T\(index) visible on s\(committed) of s\(seen)")
            }
        }
    }

    /// At the end: everywhere or nowhere, and nothing is left behind.
    func checkEnd() {
        let states = shards.map(\.durable)
        for (index, transaction) in transactions.enumerated() {
            let committed = transaction.writers.filter { states[transaction.shards[$0]].committed.contains(index) }
            if !committed.isEmpty, committed.count < transaction.writers.count {
                violate("T\(index) ends committed only on \(committed)")
            }
            if case .committed? = transaction.answer, committed.isEmpty { violate("T\(index)'s commit is lost") }
            if processes[transaction.process].isAlive, transaction.answer == nil {
                violate("T\(index)'s client has no answer")
            }
        }
        for (index, state) in states.enumerated() {
            if !state.prepared.isEmpty { violate("s\(index) keeps prepared transactions") }
            if !state.rows.isEmpty { violate("s\(index) keeps decision rows") }
        }
        if lastSummary?.remaining != 0 { violate("the last round left something") }
    }
}
