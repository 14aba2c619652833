// SyncMessages: Flush and Sync, and the end of a batch in any other way.
import Primitives
import WireProtocol

extension Worker {
    func flush(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> FrameResult {
        if let result = settleHeldParse(index, session) { return result }
        if session.pointee.link >= 0, session.pointee.isLinkUnsynced {
            output(ofLink: session.pointee.link).pointee.output.writeFlush()
            streams.markDirty(links.at(session.pointee.link).pointee.stream.index)
        }
        return .consumed
    }

    @inline(__always)
    func sync(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> FrameResult {
        if session.pointee.heldParse != 0, !session.pointee.skipsUntilSync {
            guard case .consumed = flushHeldParse(index, session) else { return .blocked }
        }
        session.pointee.heldParse = 0
        let isSimple = session.pointee.link >= 0 && session.pointee.isLinkUnsynced && !session.pointee.isFailedHere
        if isSimple, session.pointee.isPlain || session.pointee.detail?.transaction?.isExplicit != false {
            if session.pointee.hasPortals { closeChecked(session, on: session.pointee.link) }
            session.pointee.skipsUntilSync = false
            session.pointee.isBatchOpen = false
            session.pointee.isLinkUnsynced = false
            session.pointee.hasBatchExecuted = false
            session.pointee.unnamedPortalLink = -1
            session.pointee.activity = .passing
            let record = links.at(session.pointee.link)
            streams.at(record.pointee.stream.index).pointee.output.writeSync()
            record.pointee.expectations.append(.passSync)
            streams.markDirty(record.pointee.stream.index)
            if session.pointee.hasPortals { endPortals(session) }
            return .consumed
        }
        return syncSlowly(index, session)
    }

    /// Sync of a batch that failed in the proxy, ran over several shards, or needs no shard.
    func syncSlowly(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> FrameResult {
        let isFailed = session.pointee.isFailedHere
        if isFailed, session.pointee.isLinkUnsynced, session.pointee.link >= 0, session.pointee.detail?.transaction == nil,
            isDrained(session)
        {
            undoBatch(session)
        }
        guard isQuiescent(index) else { return .blocked }
        // The client has heard of an error, of a shard or the proxy: the block is undone without another.
        let isErrorTold = isFailed || session.pointee.skipsUntilSync
        session.pointee.skipsUntilSync = false
        session.pointee.isBatchOpen = false
        session.pointee.isFailedHere = false
        session.pointee.unnamedPortalLink = -1
        session.pointee.activity = .idle
        if let transaction = session.pointee.detail?.transaction, !transaction.isExplicit {
            start(BatchEndExecution(worker: self, session: index, isFailed: isErrorTold), on: index)
            return .consumed
        }
        endPortals(session)
        writeReady(index)
        letGoIfFailed(index)
        return .consumed
    }

    /// Outside a block portals end with the batch (manual, section 55.2.3).
    @inline(never)
    func endPortals(_ session: UnsafeMutablePointer<Session>) {
        guard session.pointee.hasPortals, let detail = session.pointee.detail, detail.transaction?.isExplicit != true else { return }
        detail.portals = [:]
        session.pointee.hasPortals = false
    }

    /// The batch failed in the proxy, or its client left, after the link had executed a part: ROLLBACK before Sync would
    /// commit it.
    func undoBatch(_ session: UnsafeMutablePointer<Session>) {
        guard session.pointee.hasBatchExecuted else { return }
        session.pointee.hasBatchExecuted = false
        let link = session.pointee.link
        let stream = outputEndingUnnamed(ofLink: link)
        stream.pointee.output.writeParse(name: "", text: "ROLLBACK")
        stream.pointee.output.writeBind()
        stream.pointee.output.writeExecute(portal: "")
        for expectation in [Expectation.dropParse, .dropBind, .dropExecute] {
            links.at(link).pointee.expectations.append(expectation)
        }
        // The Flush that was sent for what came before brings no answer to these.
        session.pointee.isFlushSent = false
        streams.markDirty(links.at(link).pointee.stream.index)
    }

    /// A Query while answers are due: they come first, and the Query ends an open batch like a Sync would. False: it waits.
    func isBatchEnded(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> Bool {
        guard session.pointee.isBatchOpen else { return false }
        if session.pointee.heldParse != 0, !session.pointee.skipsUntilSync {
            guard case .consumed = flushHeldParse(index, session) else { return false }
        }
        guard isQuiescent(index) else { return false }
        session.pointee.isBatchOpen = false
        session.pointee.activity = .idle
        if session.pointee.detail?.transaction == nil { endPortals(session) }
        return true
    }
}
