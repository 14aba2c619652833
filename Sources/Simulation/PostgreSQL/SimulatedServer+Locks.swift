// Waiting for other transactions: row locks and unique keys, their timeouts, deadlocks, cancels.
import Primitives
import WireProtocol

extension SimulatedServer {
    /// Makes the backend wait for the end of transactions; its statement is then run again.
    func wait(for transactions: [Int], _ backend: Backend) -> Progress {
        backend.wait = .transactions(transactions)
        backend.waitCount += 1
        world.note(.lockWait)
        if let limit = backend.transaction?.lockTimeout {
            world.schedule(.lockTimeout(server: number, number: backend.number, wait: backend.waitCount), after: limit)
        }
        world.schedule(
            .deadlockTimeout(server: number, number: backend.number, wait: backend.waitCount), after: Self.deadlockTimeout)
        return .waiting
    }

    /// PostgreSQL's deadlock_timeout.
    private static var deadlockTimeout: Span { .seconds(1) }

    func wakeWaiters(of transaction: Int) {
        guard transaction != 0 else { return }
        for case let backend? in backends {
            guard case .transactions(var awaited)? = backend.wait, awaited.contains(transaction) else { continue }
            awaited.removeAll { $0 == transaction }
            backend.wait = awaited.isEmpty ? nil : .transactions(awaited)
            if awaited.isEmpty { schedule(backend) }
        }
    }

    /// Lets the backend go on in a moment.
    private func schedule(_ backend: Backend) {
        guard !backend.isScheduled else { return }
        backend.isScheduled = true
        world.schedule(
            .backend(server: number, number: backend.number), after: world.dice.span(upTo: .microseconds(200)))
    }

    private func waiting(_ number: Int, _ wait: Int) -> Backend? {
        guard number < backends.count, let backend = backends[number], backend.waitCount == wait,
            case .transactions? = backend.wait
        else { return nil }
        return backend
    }

    func lockTimedOut(_ number: Int, wait: Int) {
        guard let backend = waiting(number, wait) else { return }
        interrupt(backend, StatementError("55P03", "canceling statement due to lock timeout"))
    }

    func deadlockTimedOut(_ number: Int, wait: Int) {
        guard let backend = waiting(number, wait), isInCycle(backend) else { return }
        world.note(.localDeadlock)
        interrupt(backend, StatementError("40P01", "deadlock detected"))
    }

    /// What pg_locks and pg_blocking_pids say: process, when its wait began, who holds what it waits for (0: prepared), the name of the only
    /// prepared transaction that does.
    var lockWaits: [[String?]] {
        backends.compactMap { backend in
            guard let backend, case .transactions(let holders)? = backend.wait else { return nil }
            let processes = holders.map { "\(self.backend(of: $0)?.key.processID ?? 0)" }
            let prepared = storage.prepared.filter { holders.contains($0.transactionID) || holders.contains($0.lockOwner) }.map(\.gid)
            return ["\(backend.key.processID)", "\(backend.waitCount)", processes.joined(separator: ","), prepared.count == 1 ? prepared[0] : nil]
        }
    }

    /// The backend that is in this transaction; nil: it is prepared.
    func backend(of transaction: Int) -> Backend? {
        for case let backend? in backends {
            if let own = backend.transaction, own.id == transaction || own.lockOwner == transaction { return backend }
        }
        return nil
    }

    /// Whether the backend waits, over others, for itself.
    private func isInCycle(_ backend: Backend) -> Bool {
        var seen: [Int] = []
        var rest = [backend]
        while let present = rest.popLast() {
            guard case .transactions(let holders)? = present.wait else { continue }
            for case let holder? in holders.map({ self.backend(of: $0) }) where !seen.contains(holder.number) {
                if holder === backend { return true }
                seen.append(holder.number)
                rest.append(holder)
            }
        }
        return false
    }

    /// Ends a wait with an error.
    private func interrupt(_ backend: Backend, _ error: StatementError) {
        backend.wait = nil
        fail(backend, error)
        wake(backend)
    }

    /// A cancel request came: it ends a wait, or the next statement of what runs; an idle backend ignores it.
    func cancel(_ key: CancelKey) {
        guard case let backend?? = backends.first(where: { $0?.key == key }) else { return }
        switch backend.wait {
        case .transactions: interrupt(backend, .cancelled)
        case .replication: interruptReplicationWait(backend)
        case .flush: backend.isCancelled = true
        case nil: if backend.isScriptRunning || backend.executing != nil { backend.isCancelled = true }
        }
    }

    /// Undoes a transaction.
    func abort(_ transaction: ServerTransaction) {
        storage.release(transaction.id)
        wakeWaiters(of: transaction.id)
        releaseAdvisoryLocks(of: transaction.lockOwner)
    }
}

extension SimulatedServer {
    /// pg_terminate_backend. A process that writes its commit is left alone: that it dies then is a crash's matter.
    func terminate(_ backend: Backend) {
        switch backend.wait {
        case .flush, .replication: return
        case .transactions, nil: break
        }
        backend.wait = nil
        backend.outbox.writeErrorResponse(
            DatabaseMessage(fatal: SQLState("57P01"), "terminating connection due to administrator command"))
        end(backend)
    }
}
