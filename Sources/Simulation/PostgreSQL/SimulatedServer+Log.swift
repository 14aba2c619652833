// Writing the log: commits are answered, and seen, once they are on disk and, with a synchronous standby, there.
import Primitives
import WireProtocol

extension SimulatedServer {
    /// Writes a record and completes when it is safe.
    func write(_ record: LogRecord, _ backend: Backend, then completion: Completion) {
        let position = log.append(record)
        backend.completion = completion
        backend.wait = .flush(position)
        backend.waitCount += 1
        requestFlush(position, within: world.climate.flushTime)
    }

    private func requestFlush(_ position: Int, within span: Span) {
        world.schedule(
            .flush(server: number, incarnation: incarnation, position: position), after: world.dice.span(upTo: span))
    }

    /// Writes a record nobody waits for.
    func writeAsynchronously(_ record: LogRecord) {
        requestFlush(log.append(record), within: .milliseconds(600))
    }

    func flushed(upTo position: Int, incarnation: Int) {
        guard incarnation == self.incarnation, isUp, position > log.flushedCount else { return }
        let first = log.flushedCount
        log.flushedCount = position
        for record in log.records[first..<position] { world.ledger.flushed(record, server: number) }
        world.schedule(
            .replicate(server: number, incarnation: incarnation, position: position),
            after: world.dice.span(upTo: world.climate.replicationTime))
        for case let backend? in backends {
            guard case .flush(let awaited)? = backend.wait, awaited <= position else { continue }
            isOnDisk(backend, awaited)
        }
    }

    private func isOnDisk(_ backend: Backend, _ position: Int) {
        // A prepared transaction is listed while its standby is still waited for.
        if case .prepare(let gid)? = backend.completion { registerPrepared(gid, backend) }
        guard isSynchronous, log.replicatedCount < position else { return completed(backend) }
        backend.wait = .replication(position)
        if backend.isCancelled { interruptReplicationWait(backend) }
    }

    func replicated(upTo position: Int, incarnation: Int) {
        guard incarnation == self.incarnation, isUp, position > log.replicatedCount else { return }
        log.replicatedCount = position
        for case let backend? in backends {
            guard case .replication(let awaited)? = backend.wait, awaited <= position else { continue }
            completed(backend)
        }
    }

    /// A cancel ends the wait for the standby; the commit stands all the same.
    func interruptReplicationWait(_ backend: Backend) {
        backend.isCancelled = false
        world.note(.interruptedReplication)
        var warning = DatabaseMessage(
            notice: .warning, SQLState("01000"), "canceling wait for synchronous replication due to user request",
            detail: "The transaction has already committed locally, but might not have been replicated to the standby.")
        warning.routine = "SyncRepWaitForLSN"
        backend.outbox.writeNoticeResponse(warning)
        flush(backend)
        completed(backend)
    }

    private func registerPrepared(_ gid: String, _ backend: Backend) {
        guard let transaction = backend.transaction else { return }
        storage.prepared.append(
            PreparedWork(
                gid: gid, owner: backend.effectiveRole, transactionID: transaction.id, lockOwner: transaction.lockOwner, changes: transaction.changes,
                preparedAt: world.now, isBusy: true))
    }

    /// The log holds what was written: it takes effect and is answered.
    private func completed(_ backend: Backend) {
        guard let completion = backend.completion else { return }
        backend.wait = nil
        backend.completion = nil
        switch completion {
        case .commit:
            makeVisible(backend)
            finishStatement(backend, tag: "COMMIT")
        case .statement(let tag):
            makeVisible(backend)
            finishStatement(backend, tag: tag)
        case .sync:
            makeVisible(backend)
            writeReady(backend)
        case .prepare(let gid):
            if let place = storage.prepared(gid) { storage.prepared[place].isBusy = false }
            backend.transaction = nil
            backend.block = .none
            finishStatement(backend, tag: "PREPARE TRANSACTION")
        case .endPrepared(let gid, let isCommit):
            endPrepared(gid, isCommit: isCommit)
            finishStatement(backend, tag: isCommit ? "COMMIT PREPARED" : "ROLLBACK PREPARED")
        }
        wake(backend)
    }

    /// The backend's transaction is seen by all from now on.
    func makeVisible(_ backend: Backend) {
        if let transaction = backend.transaction {
            storage.commit(transaction.changes, of: transaction.id)
            wakeWaiters(of: transaction.id)
            releaseAdvisoryLocks(of: transaction.lockOwner)
        }
        backend.transaction = nil
        backend.block = .none
    }

    private func endPrepared(_ gid: String, isCommit: Bool) {
        guard let place = storage.prepared(gid) else { return }
        let work = storage.prepared.remove(at: place)
        if isCommit { storage.commit(work.changes, of: work.transactionID) } else { storage.release(work.transactionID) }
        wakeWaiters(of: work.transactionID)
        releaseAdvisoryLocks(of: work.lockOwner)
    }
}
