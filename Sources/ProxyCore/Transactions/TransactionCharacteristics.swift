// TransactionCharacteristics: what COMMIT AND CHAIN and ROLLBACK AND CHAIN keep of the block that they end.
//
// PostgreSQL looks at them when the block ends. A failure has undone by then, as it does with all settings, what SET TRANSACTION
// and BEGIN have said in the subtransaction that failed.

/// What a block has in common with the one that AND CHAIN opens behind it: isolation level, read only, deferrable (manual, COMMIT).
struct TransactionCharacteristics {
    /// Of its BEGIN.
    let modes: String
    /// What SET TRANSACTION has said since.
    let steps: [TransactionStep]
    /// nil: that of blocks whose BEGIN names none.
    let isolation: IsolationLevel?

    /// - Parameter hasFailed: the failure has undone what was said behind the last savepoint, and without one what BEGIN said, too: not
    ///   what the block has from the one before it.
    init(_ transaction: Transaction, hasFailed: Bool) {
        let savepoint = transaction.steps.lastIndex {
            if case .savepoint(let name) = $0 { name != Transaction.readOnlySavepoint } else { false }
        }
        if hasFailed, savepoint == nil {
            let inherited = transaction.inherited
            (modes, steps, isolation) = (inherited?.modes ?? "", inherited?.steps ?? [], inherited?.isolation)
            return
        }
        modes = String(transaction.beginText.dropFirst("BEGIN".count).trimmingPrefix(" "))
        let kept = transaction.steps[..<(hasFailed ? savepoint ?? 0 : transaction.steps.count)]
        steps = kept.filter { if case .modes = $0 { true } else { false } }
        isolation = transaction.isolation
    }
}
