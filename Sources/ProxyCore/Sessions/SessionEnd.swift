// SessionEnd: how a session ends, whoever ends it: nothing of it stays on any link.
import Primitives
import WireProtocol

extension Worker {
    /// Tells the client why, closes, and ends what runs.
    func endSession(_ index: Int32, _ message: DatabaseMessage) {
        let session = sessions.at(index)
        guard session.pointee.phase != .leaving else { return }
        let stream = session.pointee.stream
        streams.at(stream.index).pointee.output.writeErrorResponse(message)
        streams.markDirty(stream.index)
        dropSession(index)
    }

    /// A message that PostgreSQL cannot take while it reads COPY data: it gives the connection up.
    func loseSynchronization(_ index: Int32, type: UInt8) {
        let digits = String(type, radix: 16, uppercase: true)
        // The client must hear it also where a portal keeps its answers.
        sessions.at(index).pointee.isDiverted = false
        output(ofSession: index).pointee.output.writeErrorResponse(
            DatabaseMessage(error: .protocolViolation, "unexpected message type 0x\(digits) during COPY from stdin"))
        endSession(
            index, DatabaseMessage(fatal: .protocolViolation, "terminating connection because protocol synchronization was lost"))
    }

    /// Closes after what waits is sent.
    func dropSession(_ index: Int32) {
        guard sessions.at(index).pointee.phase != .leaving else { return }
        let stream = sessions.at(index).pointee.stream
        streams.at(stream.index).pointee.owner = -1
        effects.append(.close(stream))
        leave(index)
    }

    /// The client's stream is gone.
    func sessionStreamClosed(_ index: Int32) { leave(index) }

    /// Ends the session's work. A statement outside a block runs to its end, as on a PostgreSQL whose client has left;
    /// an open block is rolled back.
    private func leave(_ index: Int32) {
        let session = sessions.at(index)
        guard session.pointee.phase != .leaving else { return }
        session.pointee.phase = .leaving
        session.pointee.stream = sink
        if session.pointee.activity == .waiting { abandonWait(index) }
        let isCopying = session.pointee.isCopyingIn || session.pointee.frameRemaining > 0 || session.pointee.detail?.execution?.wantsClientFrames == true
        if isCopying { abandonCopy(index) }
        if session.pointee.activity == .passing || session.pointee.activity == .executing {
            if session.pointee.detail?.transaction != nil { cancelWork(of: index) }
            let link = session.pointee.link
            if session.pointee.activity == .passing, link >= 0 {
                readOn(link)
                session.pointee.isBatchOpen = false
                if session.pointee.isLinkUnsynced { syncForLeaving(index, link) }
                if !links.at(link).pointee.expectations.isEmpty {
                    return awaitEnd(index, isCancelled: false)
                }
            } else if session.pointee.detail?.execution != nil {
                let generation = session.pointee.generation
                session.pointee.detail?.execution?.clientDrained()
                guard session.pointee.generation == generation else { return }
                return awaitEnd(index, isCancelled: false)
            }
        }
        freeSession(index)
    }

    private func awaitEnd(_ index: Int32, isCancelled: Bool) {
        let generation = sessions.at(index).pointee.generation
        timers.add(.leaving(session: index, generation: generation, isCancelled: isCancelled), at: now + Self.leavingPatience)
    }

    /// What a client left behind still runs: it is cancelled, and when that does not help either, its links are closed.
    func hurryLeaving(_ index: Int32, isCancelled: Bool) {
        guard isCancelled else {
            cancelWork(of: index)
            return awaitEnd(index, isCancelled: true)
        }
        let generation = sessions.at(index).pointee.generation
        for link in 0..<links.highWater where links.at(link).pointee.isOpen && links.at(link).pointee.session == index {
            guard sessions.at(index).pointee.generation == generation else { return }
            if !links.at(link).pointee.expectations.isEmpty { breakLink(link, reason: "a statement of a client that left does not end") }
        }
    }

    /// What the link still sends is read and thrown away.
    func readOn(_ link: Int32) {
        let stream = links.at(link).pointee.stream
        if streams.at(stream.index).pointee.isReadPaused { resumeReading(stream) }
    }

    /// A batch without its Sync is not to be committed by ours.
    private func syncForLeaving(_ index: Int32, _ link: Int32) {
        if sessions.at(index).pointee.detail?.transaction == nil { undoBatch(sessions.at(index)) }
        output(ofLink: link).pointee.output.writeSync()
        links.at(link).pointee.expectations.append(.dropSync)
        streams.markDirty(links.at(link).pointee.stream.index)
        sessions.at(index).pointee.isLinkUnsynced = false
    }

    /// The session does not want the link any more that it waits for, or has reserved.
    func stopWaiting(_ index: Int32) {
        leaveQueue(index)
        let session = sessions.at(index)
        session.pointee.activity = .executing
        returnReserved(index)
    }

    /// Gives back a link that the session was given and has no use for any more.
    func returnReserved(_ index: Int32) {
        let session = sessions.at(index)
        guard session.pointee.isLinkReserved else { return }
        let link = session.pointee.link
        session.pointee.isLinkReserved = false
        session.pointee.link = -1
        // Lost while the session waited for it.
        if link < 0 { return }
        if links.at(link).pointee.expectations.isEmpty { return giveBack(link, from: index) }
        // What the session has there it must not lose unheard.
        if session.pointee.detail?.pinnedLinks.contains(where: { $0.link == link }) == true { return }
        links.at(link).pointee.session = -1
        breakLink(link, reason: "it was given up while it was prepared")
    }

    private func abandonWait(_ index: Int32) {
        stopWaiting(index)
        let session = sessions.at(index)
        let executions = sequence(first: session.pointee.detail?.execution) { $0?.parent }.prefix { $0 != nil }
        let legs = executions.flatMap { $0?.legs ?? [] }
        session.pointee.detail?.execution = nil
        session.pointee.activity = .idle
        releaseUnheld(legs.map(\.link), session: index)
    }

    /// Gives back the links of a statement that was still waiting for more of them; those of a block stay with the block.
    private func releaseUnheld(_ candidates: [Int32], session index: Int32) {
        guard let detail = sessions.at(index).pointee.detail else { return }
        var held = Set(detail.pinnedLinks.map(\.link))
        held.formUnion(detail.transaction?.participants.map(\.link) ?? [])
        for link in candidates where held.insert(link).inserted && links.at(link).pointee.session == index {
            links.at(link).pointee.task = nil
            if links.at(link).pointee.expectations.isEmpty { release(link) } else { breakLink(link, reason: "its client left") }
        }
    }

    private func abandonCopy(_ index: Int32) {
        let session = sessions.at(index)
        if let execution = session.pointee.detail?.execution, execution.wantsClientFrames {
            execution.clientLeft()
        } else if session.pointee.link >= 0 {
            if session.pointee.frameRemaining > 0 { return breakLink(session.pointee.link, reason: "the client left within COPY data") }
            output(ofLink: session.pointee.link).pointee.output.writeCopyFail(reason: "the client left")
            streams.markDirty(links.at(session.pointee.link).pointee.stream.index)
            session.pointee.isCopyingIn = false
        }
    }

    /// Gives every link back, cleaned, and frees the record.
    func freeSession(_ index: Int32) {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail else { return }
        var held: [Int32] = detail.pinnedLinks.map(\.link)
        for link in held { links.at(link).pointee.isTainted = true }
        for participant in detail.transaction?.participants ?? [] where !held.contains(participant.link) {
            held.append(participant.link)
        }
        if session.pointee.link >= 0, !held.contains(session.pointee.link) { held.append(session.pointee.link) }
        if let transaction = detail.transaction { forgetCatalog(of: transaction) }
        detail.transaction = nil
        detail.pinnedLinks = []
        dropNameChanges(detail)
        for number in detail.statements.removeAll() { statements.release(number) }
        statements.release(detail.unnamedStatement)
        // A batch nobody will end with Sync: the link is of no use to others.
        let unsynced = session.pointee.isLinkUnsynced ? session.pointee.link : -1
        if detail.isAdmitted { sessionTable.clientLeft() }
        session.pointee.detail = nil
        session.pointee.link = -1
        session.pointee.generation &+= 1
        sessions.giveBack(index)
        for link in held where links.at(link).pointee.session == index {
            let isClean = links.at(link).pointee.expectations.isEmpty && link != unsynced
            if isClean { release(link) } else { breakLink(link, reason: "its client left") }
        }
        finishIfEmpty()
    }

    /// The session's present work is over and its client has left.
    func leavingQuiet(_ index: Int32) {
        if sessions.at(index).pointee.phase == .leaving { freeSession(index) }
    }
}
