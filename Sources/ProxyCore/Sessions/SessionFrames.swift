// SessionFrames: what a client sends, frame by frame.
//
// A frame that cannot be handled yet (no link is free, earlier answers are still due) is left unread and the stream
// pauses; whoever makes progress possible resumes it. So nothing of a client is ever queued in the proxy's memory.
import Primitives
import WireProtocol

/// Whether more may be appended for a client.
enum OutputRoom {
    case free
    /// The client is slow: its links pause until it has read.
    case full
    /// A portal's rows are over the limit for what is held back.
    case exceeded
}

/// What became of a client's frame.
enum FrameResult {
    case consumed
    /// Not handled: the session waits and sees the frame again.
    case blocked
}

extension Worker {
    /// Handles bytes from a client; returns how many were consumed.
    func sessionReceived(_ index: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        let session = sessions.at(index)
        if session.pointee.phase != .ready {
            return session.pointee.phase == .console ? consoleReceived(index, bytes) : loginReceived(index, bytes)
        }
        if isShuttingDown, hasNothingOpen(index) {
            endSession(index, shutdownMessage)
            return bytes.count
        }
        let generation = session.pointee.generation
        var position = 0
        while true {
            if session.pointee.frameRemaining > 0 {
                let count = streamCopyData(index, UnsafeRawBufferPointer(rebasing: bytes[position...]))
                position += count
                if session.pointee.generation != generation { return bytes.count }
                if session.pointee.frameRemaining > 0 { return position }
                continue
            }
            guard bytes.count - position >= FrameHeader.bytes else { return position }
            if isStalled(session) { return position }
            if session.pointee.unnamedPortalLink >= 0, let length = passUsualBatchEnd(session, bytes, position) {
                position += length
                continue
            }
            let type = bytes[position]
            let length = Int(bytes.integer(at: position + 1, as: Int32.self)) + 1
            guard isAcceptable(index, type: type, length: length) else { return bytes.count }
            if type == FrontendMessageType.copyData, session.pointee.isCopyingIn, session.pointee.activity == .passing {
                session.pointee.frameRemaining = length
                continue
            }
            guard bytes.count - position >= length else { return position }
            let frame = UnsafeRawBufferPointer(rebasing: bytes[position..<position + length])
            let result = sessionFrame(index, session, type: type, frame, received: bytes)
            if session.pointee.generation != generation || session.pointee.phase == .leaving { return bytes.count }
            guard case .consumed = result else {
                streams.at(session.pointee.stream.index).pointee.isReadPaused = true
                return position
            }
            position += length
        }
    }

    /// Too much waits already for the client, which sends and does not read, or for its shard: its frames stay unread until
    /// that has drained.
    @inline(__always)
    private func isStalled(_ session: UnsafeMutablePointer<Session>) -> Bool {
        let client = streams.at(session.pointee.stream.index)
        if client.pointee.isHeld { return stallHeld(client) }
        if client.pointee.awaitsCancel, stallBehindCancel(session, client) { return true }
        if client.pointee.output.count > hotSettings.outputHighWaterBytes { return stall(client, behind: client) }
        guard session.pointee.link >= 0 else { return false }
        let shard = streams.at(links.at(session.pointee.link).pointee.stream.index)
        if shard.pointee.output.count > hotSettings.outputHighWaterBytes { return stall(client, behind: shard) }
        return false
    }

    @inline(never)
    func stall(_ client: UnsafeMutablePointer<Stream>, behind full: UnsafeMutablePointer<Stream>) -> Bool {
        full.pointee.wantsDrained = true
        client.pointee.isReadPaused = true
        return true
    }

    /// What the client asks next must come after what it is about to be told.
    @inline(never)
    private func stallHeld(_ client: UnsafeMutablePointer<Stream>) -> Bool {
        client.pointee.isReadPaused = true
        return true
    }

    /// A cancel of what the session ran before is not to hit what it asks next.
    @inline(never)
    private func stallBehindCancel(_ session: UnsafeMutablePointer<Session>, _ client: UnsafeMutablePointer<Stream>) -> Bool {
        client.pointee.awaitsCancel = hasCancelUnderWay(session)
        if client.pointee.awaitsCancel { client.pointee.isReadPaused = true }
        return client.pointee.awaitsCancel
    }

    /// Ends the session on a frame that no PostgreSQL would take.
    @inline(__always)
    private func isAcceptable(_ index: Int32, type: UInt8, length: Int) -> Bool {
        if type == FrontendMessageType.query || type == FrontendMessageType.bind, length >= FrameHeader.bytes,
            length <= hotSettings.clientFrameBytes
        {
            return true
        }
        return isAcceptableOther(index, type: type, length: length)
    }

    @inline(never)
    private func isAcceptableOther(_ index: Int32, type: UInt8, length: Int) -> Bool {
        let limit = FrontendMessageType.frameLimit(type, largeFrameBytes: settings.limits.clientFrameBytes)
        guard let limit else {
            endSession(index, DatabaseMessage(fatal: .protocolViolation, "invalid frontend message type \(type)"))
            return false
        }
        if length < FrameHeader.bytes || length > limit {
            endSession(
                index,
                DatabaseMessage(
                    fatal: .protocolViolation, "invalid message length",
                    detail: "A message of type \(type) claims \(length) bytes; the limit is \(limit)."))
            return false
        }
        return true
    }

    @inline(__always)
    private func sessionFrame(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, type: UInt8, _ frame: UnsafeRawBufferPointer,
        received: UnsafeRawBufferPointer
    ) -> FrameResult {
        if session.pointee.activity == .waiting { return .blocked }
        if session.pointee.activity == .executing {
            guard let execution = session.pointee.detail?.execution else { return .blocked }
            return execution.clientFrame(frame, type: type) ? .consumed : .blocked
        }
        if type == FrontendMessageType.query {
            if session.pointee.activity == .passing || session.pointee.isBatchOpen {
                // As any message between an error and Sync.
                if session.pointee.skipsUntilSync { return .consumed }
                if session.pointee.hasUnopenedPortal, let result = openPortals(index, session, type: type, frame) { return result }
                guard isBatchEnded(index, session) else { return .blocked }
            }
            if session.pointee.hasPortals, let result = dropUnnamedPortal(index, session) { return result }
            return simpleQuery(index, session, frame)
        }
        return extendedFrame(index, session, type: type, frame, received: received)
    }

    /// COPY data goes to the link while it still arrives; returns how many bytes were taken.
    private func streamCopyData(_ index: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        let session = sessions.at(index)
        let count = min(session.pointee.frameRemaining, bytes.count)
        guard count > 0 else { return 0 }
        session.pointee.frameRemaining -= count
        // The frame is finished on its link even when an error has ended the COPY meanwhile.
        guard session.pointee.link >= 0 else { return count }
        let link = links.at(session.pointee.link)
        let stream = streams.at(link.pointee.stream.index)
        stream.pointee.output.append(UnsafeRawBufferPointer(rebasing: bytes[0..<count]))
        streams.markDirty(link.pointee.stream.index)
        if session.pointee.frameRemaining == 0, link.pointee.expectations.isEmpty {
            linkQuiet(session.pointee.link)
        } else if stream.pointee.output.count > hotSettings.outputHighWaterBytes {
            stream.pointee.wantsDrained = true
            streams.at(session.pointee.stream.index).pointee.isReadPaused = true
        }
        return count
    }

    /// CopyData, CopyDone and CopyFail of a COPY by pass-through, or left over after it failed.
    func copyFrame(_ index: Int32, type: UInt8, _ frame: UnsafeRawBufferPointer) -> FrameResult {
        let session = sessions.at(index)
        guard session.pointee.isCopyingIn, session.pointee.link >= 0 else { return .consumed }
        let link = links.at(session.pointee.link)
        streams.at(link.pointee.stream.index).pointee.output.append(frame)
        streams.markDirty(link.pointee.stream.index)
        if type != FrontendMessageType.copyData { session.pointee.isCopyingIn = false }
        return .consumed
    }

    /// The client took what waited for it: its links may go on.
    func sessionDrained(_ index: Int32) {
        let session = sessions.at(index)
        session.pointee.stalledSince = .origin
        let execution = session.pointee.detail?.execution
        let reading = execution as? MultiShardExecution
        if session.pointee.activity == .executing {
            if reading?.isHeldBack != true { session.pointee.detail?.execution?.clientDrained() }
        } else if session.pointee.link >= 0 {
            readOn(session.pointee.link)
        }
        // Links that sent notifications or notices while nothing was asked of them.
        if !session.pointee.isPlain, let detail = session.pointee.detail {
            for pinned in detail.pinnedLinks where reading?.holdsBack(pinned.link) != true { readOn(pinned.link) }
            // What runs now knows itself which of its links are to wait.
            for participant in detail.transaction?.participants ?? [] where reading?.holdsBack(participant.link) != true && execution?.pauses(participant.link) != true {
                readOn(participant.link)
            }
        }
        unpause(index)
    }

    // MARK: Answers of the proxy itself

    @inline(__always)
    func output(ofSession index: Int32) -> UnsafeMutablePointer<Stream> {
        if sessions.at(index).pointee.isDiverted, let diversion = sessions.at(index).pointee.detail?.diversion { return diversion.stream }
        streams.markDirty(sessions.at(index).pointee.stream.index)
        return streams.at(sessions.at(index).pointee.stream.index)
    }

    /// How much more the client takes now.
    func room(ofSession index: Int32) -> OutputRoom {
        let count = output(ofSession: index).pointee.output.count
        guard sessions.at(index).pointee.isDiverted else { return count > hotSettings.outputHighWaterBytes ? .full : .free }
        let reserved = sessions.at(index).pointee.detail?.diversion?.reservedBytes ?? 0
        return count + reserved > settings.limits.mergeBytes ? .exceeded : .free
    }

    /// An error outside the extended protocol: the statement failed, the client may go on.
    func failQuery(_ index: Int32, _ message: DatabaseMessage) {
        let session = sessions.at(index)
        guard session.pointee.phase != .leaving else { return }
        statistics.errors &+= 1
        if session.pointee.detail?.transaction != nil { session.pointee.status = TransactionStatus.failed.rawValue }
        returnReserved(index)
        let stream = output(ofSession: index)
        stream.pointee.output.writeErrorResponse(message)
        writeReady(index)
        letGoIfFailed(index)
    }

    /// ReadyForQuery with the session's status.
    func writeReady(_ index: Int32) {
        let session = sessions.at(index)
        guard session.pointee.phase != .leaving else { return }
        if session.pointee.hasStatusNews { tellStatusNews(index) }
        output(ofSession: index).pointee.output.writeReadyForQuery(
            TransactionStatus(rawValue: session.pointee.status) ?? .idle)
    }
}
