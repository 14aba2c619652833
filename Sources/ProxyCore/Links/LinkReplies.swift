// LinkReplies: what a shard sends, frame by frame: passed to the client, dropped, or given to a task.
//
// Frames that go to the client next to each other are copied in one piece. Rows and COPY data pass while they still
// arrive; only small frames and those of tasks must be whole.
import Primitives
import WireProtocol

extension Worker {
    /// Handles bytes from a link; returns how many were consumed.
    func linkReceived(_ index: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        let link = links.at(index)
        if link.pointee.state == .greeting {
            guard bytes.count > 0 else { return 0 }
            guard bytes.count == 1 else {
                breakLink(index, reason: "bytes behind the answer to SSLRequest")
                return bytes.count
            }
            linkGreeted(index, answer: bytes[0])
            return 1
        }
        if hotSettings.isStrict, link.pointee.session >= 0 { holdReplies(toSession: link.pointee.session, from: link.pointee.shard) }
        let generation = link.pointee.generation
        var cursor = ReplyCursor(bytes: bytes)
        passPlainReplies(link, &cursor)
        while cursor.position < bytes.count, link.pointee.generation == generation, !streams.at(link.pointee.stream.index).pointee.isReadPaused {
            guard nextReply(index, link, &cursor) else { break }
        }
        guard link.pointee.generation == generation else { return bytes.count }
        flush(&cursor, to: link)
        if cursor.hasPopped && link.pointee.expectations.isEmpty {
            // Its client may be slow, but the next to have this link is not to wait for that.
            if streams.at(link.pointee.stream.index).pointee.isReadPaused { resumeReading(link.pointee.stream) }
            linkQuiet(index)
        }
        return cursor.position
    }

    /// A walk through received bytes; [rangeStart, position) is due to the client and not yet copied.
    struct ReplyCursor {
        let bytes: UnsafeRawBufferPointer
        var position = 0
        var rangeStart = -1
        /// An answer was completed.
        var hasPopped = false
    }

    /// Copies the range due to the client.
    @inline(__always)
    private func flush(_ cursor: inout ReplyCursor, to link: UnsafeMutablePointer<Link>) {
        guard cursor.rangeStart >= 0 else { return }
        let range = UnsafeRawBufferPointer(rebasing: cursor.bytes[cursor.rangeStart..<cursor.position])
        cursor.rangeStart = -1
        forward(range, from: link)
    }

    /// Appends bytes to the output of the link's client; a slow client pauses the link.
    @inline(__always)
    func forward(_ range: UnsafeRawBufferPointer, from link: UnsafeMutablePointer<Link>) {
        let session = link.pointee.session
        guard session >= 0, sessions.at(session).pointee.phase != .leaving else { return }
        let stream = streams.at(sessions.at(session).pointee.stream.index)
        stream.pointee.output.append(range)
        statistics.bytesToClients &+= UInt64(range.count)
        streams.markDirty(sessions.at(session).pointee.stream.index)
        if stream.pointee.output.count > hotSettings.outputHighWaterBytes {
            stream.pointee.wantsDrained = true
            streams.at(link.pointee.stream.index).pointee.isReadPaused = true
        }
    }

    /// Handles one frame or part of one; false when more bytes are needed.
    @inline(__always)
    private func nextReply(_ index: Int32, _ link: UnsafeMutablePointer<Link>, _ cursor: inout ReplyCursor) -> Bool {
        let available = cursor.bytes.count - cursor.position
        if link.pointee.frameRemaining > 0 {
            let count = min(link.pointee.frameRemaining, available)
            guard count > 0 else { return false }
            take(count, forwarded: link.pointee.frameIsForwarded, link, &cursor)
            link.pointee.frameRemaining -= count
            return true
        }
        guard available >= FrameHeader.bytes else { return false }
        let type = cursor.bytes[cursor.position]
        let length = Int(cursor.bytes.integer(at: cursor.position + 1, as: Int32.self)) + 1
        guard length >= FrameHeader.bytes, type != BackendMessageType.readyForQuery || length == FrameHeader.bytes + 1 else {
            breakLink(index, reason: "malformed message from the shard")
            return false
        }
        let expectation = link.pointee.expectations.first
        let translates = link.pointee.translatesOIDs && mustTranslate(type, link, expectation)
        if type == BackendMessageType.dataRow || type == BackendMessageType.copyData, expectation != .task,
            link.pointee.state == .leased, !translates
        {
            link.pointee.frameRemaining = length
            link.pointee.frameIsForwarded = expectation?.passesRows ?? false
            return true
        }
        guard length <= settings.limits.shardFrameBytes else {
            if expectation == .task, type == BackendMessageType.dataRow || type == BackendMessageType.copyData,
                let execution = link.pointee.task as? Execution
            {
                refuseRow(link, length: length, of: execution)
                return true
            }
            breakLink(index, reason: "a message of \(length) bytes is over the limit of \(settings.limits.shardFrameBytes)")
            return false
        }
        guard available >= length else { return false }
        if translates { return handleTranslated(index, link, type: type, length: length, expectation, &cursor) }
        return handleReply(index, link, type: type, length: length, expectation, &cursor)
    }

    /// Handles a whole frame with its OIDs translated.
    @inline(never)
    private func handleTranslated(
        _ index: Int32, _ link: UnsafeMutablePointer<Link>, type: UInt8, length: Int, _ expectation: Expectation?,
        _ cursor: inout ReplyCursor
    ) -> Bool {
        flush(&cursor, to: link)
        let frame = UnsafeRawBufferPointer(rebasing: cursor.bytes[cursor.position..<cursor.position + length])
        cursor.position += length
        guard let translated = translated(index, frame, type: type) else { return false }
        var inner = ReplyCursor(bytes: translated)
        let generation = link.pointee.generation
        let goesOn = handleReply(index, link, type: type, length: length, expectation, &inner)
        guard link.pointee.generation == generation else { return false }
        flush(&inner, to: link)
        cursor.hasPopped = cursor.hasPopped || inner.hasPopped
        if goesOn, type == BackendMessageType.rowDescription { passPlainReplies(link, &cursor) }
        return goesOn
    }

    /// A row that its task would have to see whole is larger than it may be: the task fails, the link reads past the row.
    @inline(never)
    private func refuseRow(_ link: UnsafeMutablePointer<Link>, length: Int, of execution: Execution) {
        link.pointee.frameRemaining = length
        link.pointee.frameIsForwarded = false
        let limit = settings.limits.shardFrameBytes
        execution.rowTooLarge(
            DatabaseMessage(
                error: .configurationLimitExceeded, "row of \(length) bytes is too large to be merged",
                hint: "The limit is \(limit) bytes: shard_message in section [limits] of proxy.conf."))
    }

    /// Moves past `count` bytes, due to the client or not.
    @inline(__always)
    private func take(_ count: Int, forwarded: Bool, _ link: UnsafeMutablePointer<Link>, _ cursor: inout ReplyCursor) {
        if forwarded {
            if cursor.rangeStart < 0 { cursor.rangeStart = cursor.position }
            cursor.position += count
            if cursor.position - cursor.rangeStart > settings.limits.outputLowWaterBytes { flush(&cursor, to: link) }
        } else {
            flush(&cursor, to: link)
            cursor.position += count
        }
    }

    /// Handles one whole frame.
    @inline(__always)
    private func handleReply(
        _ index: Int32, _ link: UnsafeMutablePointer<Link>, type: UInt8, length: Int, _ expectation: Expectation?,
        _ cursor: inout ReplyCursor
    ) -> Bool {
        if link.pointee.state != .leased || expectation == .task || expectation == nil {
            return handleUncommonReply(index, link, type: type, length: length, expectation, &cursor)
        }
        if expectation == .passDescribeStatement {
            noteDescription(link, cursor.bytes.part(from: cursor.position, length: length), type: type)
        }
        let verdict = verdictOf(type, expectation.unsafelyUnwrapped)
        switch verdict {
        case .forward: take(length, forwarded: true, link, &cursor)
        case .forwardAndPop:
            take(length, forwarded: true, link, &cursor)
            popExpectation(link, &cursor)
        case .drop: take(length, forwarded: false, link, &cursor)
        case .dropAndPop:
            take(length, forwarded: false, link, &cursor)
            popExpectation(link, &cursor)
        case .ready:
            handleReady(index, link, expectation.unsafelyUnwrapped, &cursor)
        case .special:
            return handleUncommonReply(index, link, type: type, length: length, expectation, &cursor)
        }
        return true
    }

    private enum Verdict { case forward, forwardAndPop, drop, dropAndPop, ready, special }

    /// What the head of the queue says to an ordinary frame.
    @inline(__always)
    private func verdictOf(_ type: UInt8, _ expectation: Expectation) -> Verdict {
        switch type {
        case BackendMessageType.readyForQuery: return .ready
        case BackendMessageType.rowDescription, BackendMessageType.noData:
            switch expectation {
            case .passDescribeStatement, .passDescribePortal: return .forwardAndPop
            case .passQuery, .passQueryWithoutReady: return .forward
            case .dropQuery: return .drop
            case .dropDescribe: return .dropAndPop
            case .passDescription: return type == BackendMessageType.noData ? .dropAndPop : .forwardAndPop
            default: return .special
            }
        case BackendMessageType.commandComplete, BackendMessageType.emptyQueryResponse, BackendMessageType.portalSuspended:
            switch expectation {
            case .passExecute, .passExecuteTranslated: return .forwardAndPop
            case .dropExecute: return .dropAndPop
            case .passQuery, .passQueryWithoutReady: return .forward
            case .dropQuery: return .drop
            default: return .special
            }
        case BackendMessageType.parseComplete:
            return expectation == .passParse ? .forwardAndPop : expectation == .dropParse || expectation == .join ? .dropAndPop : .special
        case BackendMessageType.bindComplete:
            return expectation == .passBind ? .forwardAndPop : expectation == .dropBind || expectation == .join ? .dropAndPop : .special
        case BackendMessageType.closeComplete:
            return expectation == .passClose ? .forwardAndPop : expectation == .dropClose ? .dropAndPop : .special
        case BackendMessageType.dataRow: return expectation == .task ? .special : .forward
        case BackendMessageType.parameterDescription:
            return expectation == .passDescribeStatement ? .forward : .special
        default: return .special
        }
    }

    /// Takes the head entry and writes the answers the proxy owes next.
    @inline(__always)
    func popExpectation(_ link: UnsafeMutablePointer<Link>, _ cursor: inout ReplyCursor) {
        cursor.hasPopped = true
        if link.pointee.expectations.first == .passParse { confirmNameChange(link.pointee.session) }
        if link.pointee.expectations.first == .passDescribeStatement { link.pointee.describing.removeFirst() }
        link.pointee.expectations.removeFirst()
        while let next = link.pointee.expectations.first, next == .synthesizeParse || next == .synthesizeClose {
            flush(&cursor, to: link)
            writeSynthesized(next, session: link.pointee.session)
            confirmNameChange(link.pointee.session)
            link.pointee.expectations.removeFirst()
        }
    }

    func writeSynthesized(_ expectation: Expectation, session: Int32) {
        guard session >= 0, sessions.at(session).pointee.phase != .leaving else { return }
        let index = sessions.at(session).pointee.stream.index
        if expectation == .synthesizeParse {
            streams.at(index).pointee.output.writeParseComplete()
        } else {
            streams.at(index).pointee.output.writeCloseComplete()
        }
        streams.markDirty(index)
    }

    /// ReadyForQuery for the head entry.
    @inline(__always)
    private func handleReady(
        _ index: Int32, _ link: UnsafeMutablePointer<Link>, _ expectation: Expectation, _ cursor: inout ReplyCursor
    ) {
        let status = cursor.bytes[cursor.position + FrameHeader.bytes]
        link.pointee.status = status
        switch expectation {
        case .passQuery, .passSync:
            if link.pointee.session >= 0 {
                sessions.at(link.pointee.session).pointee.status = status
                if sessions.at(link.pointee.session).pointee.hasStatusNews {
                    flush(&cursor, to: link)
                    tellStatusNews(link.pointee.session)
                }
            }
            take(6, forwarded: true, link, &cursor)
        case .passQueryWithoutReady, .dropQuery, .dropSync:
            take(6, forwarded: false, link, &cursor)
        default:
            return breakLink(index, reason: "the shard is ready before it answered")
        }
        link.pointee.isErrorTold = false
        popExpectation(link, &cursor)
        if link.pointee.isCancelDelayed, expectation == .dropQuery { sendDelayedCancel(toLink: index) }
    }
}

extension Expectation {
    /// Rows and COPY data answered to this entry go to the client.
    @inline(__always)
    var passesRows: Bool {
        switch self {
        case .passQuery, .passQueryWithoutReady, .passExecute, .passExecuteTranslated: true
        default: false
        }
    }

    /// The entry belongs to a message of the client, who must hear of its failure.
    var isPassed: Bool {
        switch self {
        case .passQuery, .passQueryWithoutReady, .passParse, .passBind, .passDescribeStatement, .passDescribePortal, .passDescription,
            .passExecute, .passExecuteTranslated, .passClose, .passSync, .synthesizeParse, .synthesizeClose:
            true
        case .dropQuery, .join, .dropParse, .dropBind, .dropDescribe, .dropExecute, .dropClose, .dropSync, .task: false
        }
    }
}
