// LinkExceptions: the frames from a shard that are not plain replies: errors, notices, changed settings, COPY, login.
import Primitives
import WireProtocol

extension Worker {
    /// Handles one whole frame that the fast path does not know; false when no more may be read.
    @inline(never)
    func handleUncommonReply(
        _ index: Int32, _ link: UnsafeMutablePointer<Link>, type: UInt8, length: Int, _ expectation: Expectation?,
        _ cursor: inout ReplyCursor
    ) -> Bool {
        flushRange(&cursor, link)
        let frame = UnsafeRawBufferPointer(rebasing: cursor.bytes[cursor.position..<cursor.position + length])
        cursor.position += length
        if link.pointee.state == .authenticating {
            linkLoginFrame(index, frame, type: type)
            return true
        }
        switch type {
        case BackendMessageType.commandComplete where expectation == .join: joined(index, link, &cursor)
        case BackendMessageType.parameterStatus: parameterChanged(index, frame, expectation)
        case BackendMessageType.notificationResponse: passNotification(frame, link)
        case BackendMessageType.noticeResponse where expectation != .task:
            if expectation?.isPassed == true { passToClient(frame, link) }
        case BackendMessageType.errorResponse where expectation != .task: linkError(index, link, frame, expectation, &cursor)
        case BackendMessageType.copyInResponse where expectation == .passQuery || expectation == .passExecute || expectation == .passExecuteTranslated
            || expectation == .passQueryWithoutReady:
            passToClient(frame, link)
            if link.pointee.session >= 0, sessions.at(link.pointee.session).pointee.phase == .leaving {
                endUnwantedCopy(index, link, isExtended: expectation != .passQuery && expectation != .passQueryWithoutReady)
            } else if link.pointee.session >= 0 {
                sessions.at(link.pointee.session).pointee.isCopyingIn = true
                // Data that came with the statement waits unread.
                unpause(link.pointee.session)
            }
        case BackendMessageType.copyOutResponse where expectation?.passesRows == true,
            BackendMessageType.copyDone where expectation?.passesRows == true:
            passToClient(frame, link)
        default: return handleTaskReply(index, link, frame, type: type, expectation, &cursor)
        }
        return true
    }

    /// The shard asks for data of a client that has left. In COPY it has not minded a Sync that it got before.
    private func endUnwantedCopy(_ index: Int32, _ link: UnsafeMutablePointer<Link>, isExtended: Bool) {
        output(ofLink: index).pointee.output.writeCopyFail(reason: "the client left")
        if isExtended { output(ofLink: index).pointee.output.writeSync() }
        streams.markDirty(link.pointee.stream.index)
    }

    private func flushRange(_ cursor: inout ReplyCursor, _ link: UnsafeMutablePointer<Link>) {
        guard cursor.rangeStart >= 0 else { return }
        let range = UnsafeRawBufferPointer(rebasing: cursor.bytes[cursor.rangeStart..<cursor.position])
        cursor.rangeStart = -1
        passToClient(range, link)
    }

    private func passToClient(_ range: UnsafeRawBufferPointer, _ link: UnsafeMutablePointer<Link>) { forward(range, from: link) }

    /// Passes a notification on. The sender is told apart from the receiver by the process id, and clients know their own
    /// as the proxy told it in BackendKeyData: a session's own notification bears that one, another's never does.
    private func passNotification(_ frame: UnsafeRawBufferPointer, _ link: UnsafeMutablePointer<Link>) {
        guard let message = try? NotificationResponseMessage(frame) else { return }
        guard link.pointee.session >= 0 else { return (link.pointee.task as? LockKeeper)?.notified(message) ?? () }
        guard sessions.at(link.pointee.session).pointee.phase != .leaving else { return }
        let own = cancelKey(of: link.pointee.session).processID
        let sender = message.processID == link.pointee.cancelKey.processID ? own : message.processID == own ? 0 : message.processID
        var told = Array(frame)
        withUnsafeBytes(of: sender.bigEndian) { told.replaceSubrange(FrameHeader.bytes..<FrameHeader.bytes + 4, with: $0) }
        passNotification(told, link)
    }

    /// Notifications come between messages, and not within a transaction block (PostgreSQL manual, NOTIFY). A server takes care of that
    /// in what it answers itself; what another link answers, or the proxy, goes first.
    private func passNotification(_ message: [UInt8], _ link: UnsafeMutablePointer<Link>) {
        let session = sessions.at(link.pointee.session)
        let isOfServer = session.pointee.activity == .passing && session.pointee.link >= 0 && links.at(session.pointee.link) == link
        let isAtRest = session.pointee.activity == .idle && session.pointee.status == TransactionStatus.idle.rawValue && !session.pointee.isBatchOpen
        guard let detail = session.pointee.detail, !isOfServer, !isAtRest else { return message.withUnsafeBytes { passToClient($0, link) } }
        guard detail.heldNotifications.count + message.count <= settings.limits.heldNotificationBytes else {
            return endSession(
                link.pointee.session,
                DatabaseMessage(
                    fatal: .programLimitExceeded, "too many notifications came while the session was in a transaction",
                    hint: "The limit is \(settings.limits.heldNotificationBytes) bytes."))
        }
        detail.heldNotifications += message
        session.pointee.hasStatusNews = true
    }

    private func handleTaskReply(
        _ index: Int32, _ link: UnsafeMutablePointer<Link>, _ frame: UnsafeRawBufferPointer, type: UInt8,
        _ expectation: Expectation?, _ cursor: inout ReplyCursor
    ) -> Bool {
        if expectation == .task {
            if type == BackendMessageType.readyForQuery {
                link.pointee.status = frame[FrameHeader.bytes]
                link.pointee.isErrorTold = false
                link.pointee.expectations.removeFirst()
                cursor.hasPopped = true
            }
            link.pointee.task?.received(frame, type: type, from: index)
            return true
        }
        if link.pointee.state == .idle, type == BackendMessageType.errorResponse || type == BackendMessageType.noticeResponse {
            return true
        }
        breakLink(index, reason: "unexpected message of type \(type)")
        return false
    }

    /// BEGIN is done: the link is in a block, of which no ReadyForQuery has told.
    private func joined(_ index: Int32, _ link: UnsafeMutablePointer<Link>, _ cursor: inout ReplyCursor) {
        link.pointee.status = TransactionStatus.inTransaction.rawValue
        popExpectation(link, &cursor)
        if link.pointee.isCancelDelayed { sendDelayedCancel(toLink: index) }
    }

    /// An ErrorResponse outside a task: the client's, or to something the proxy slipped in.
    private func linkError(
        _ index: Int32, _ link: UnsafeMutablePointer<Link>, _ frame: UnsafeRawBufferPointer, _ expectation: Expectation?,
        _ cursor: inout ReplyCursor
    ) {
        guard let expectation else {
            // Nothing was asked: the server says why it is about to close (shutdown, idle timeouts).
            return
        }
        // FATAL: the server is about to close. The client keeps its session, and hears once that the link is lost.
        if let message = try? DatabaseMessage(frame: frame), message.severity == .fatal || message.severity == .panic {
            return breakLink(index, reason: message.message)
        }
        if expectation.isPassed { tellError(frame, link) }
        switch expectation {
        // The client may know that its COPY is over before ReadyForQuery is here: a Sync it sends then is no longer one within the data.
        case .passQuery, .passQueryWithoutReady: if link.pointee.session >= 0 { sessions.at(link.pointee.session).pointee.isCopyingIn = false }
        case .dropQuery: link.pointee.injectedFailed = true
        // What was sent behind it the shard has left aside, and would up to a Sync.
        case .join: breakLink(index, reason: "BEGIN failed on it")
        default:
            skipToSync(link, firstIsPassed: expectation.isPassed, frame)
            cursor.hasPopped = true
        }
    }

    /// The error is the client's.
    private func tellError(_ frame: UnsafeRawBufferPointer, _ link: UnsafeMutablePointer<Link>) {
        passError(frame, link)
        statistics.errors &+= 1
        if link.pointee.session >= 0 { sessions.at(link.pointee.session).pointee.sawError = true }
    }

    /// Passes an error on. Where it names a prepared statement as the links know it, the client's own name is put there.
    private func passError(_ frame: UnsafeRawBufferPointer, _ link: UnsafeMutablePointer<Link>) {
        link.pointee.isErrorTold = true
        if link.pointee.session >= 0, sessions.at(link.pointee.session).pointee.detail?.deadlock != nil { return passDeadlock(frame, link) }
        guard link.pointee.session >= 0, let detail = sessions.at(link.pointee.session).pointee.detail,
            var message = try? DatabaseMessage(frame: frame), let place = message.message.firstRange(of: "\"pgbraid_")
        else { return passToClient(frame, link) }
        let digits = message.message[place.upperBound...].prefix { $0.isNumber }
        guard let number = UInt32(digits), let name = detail.statements.name(of: number) else { return passToClient(frame, link) }
        message.message.replaceSubrange(place.lowerBound..<digits.endIndex, with: "\"" + name)
        guard sessions.at(link.pointee.session).pointee.phase != .leaving else { return }
        output(ofSession: link.pointee.session).pointee.output.writeErrorResponse(message)
    }

    /// The error of a statement that was cancelled to end a deadlock.
    private func passDeadlock(_ frame: UnsafeRawBufferPointer, _ link: UnsafeMutablePointer<Link>) {
        let index = link.pointee.session
        guard sessions.at(index).pointee.phase != .leaving, let message = try? DatabaseMessage(frame: frame) else { return }
        output(ofSession: index).pointee.output.writeErrorResponse(told(message, index))
    }

    /// PostgreSQL skips to Sync after an error, so nothing up to there is answered. An error to a slipped-in message
    /// is the client's error when a message of the client follows it.
    private func skipToSync(_ link: UnsafeMutablePointer<Link>, firstIsPassed: Bool, _ frame: UnsafeRawBufferPointer) {
        var wasTold = firstIsPassed
        var skippedParse = false
        var changedNames: Int = 0
        let failed = link.pointee.expectations.first
        while let next = link.pointee.expectations.first, next != .passSync, next != .dropSync, next != .task, next != .passQuery {
            if next.isPassed && !wasTold {
                tellError(frame, link)
                wasTold = true
            }
            if next == .passParse || next == .dropParse || next == .dropClose { skippedParse = true }
            if next == .passDescribeStatement { link.pointee.describing.removeFirst() }
            if next == .passParse || next == .synthesizeParse || next == .synthesizeClose { changedNames += 1 }
            link.pointee.expectations.removeFirst()
        }
        if !wasTold { link.pointee.injectedFailed = true }
        let session = link.pointee.session
        if session >= 0 {
            sessions.at(session).pointee.isCopyingIn = false
            undoNameChanges(session, count: changedNames, firstFailed: failed == .passParse)
            if link.pointee.expectations.isEmpty {
                undoHeldParse(session)
                sessions.at(session).pointee.skipsUntilSync = true
            }
        }
        if skippedParse { forgetUnsureStatements(link) }
    }

    /// A Parse that failed or was skipped leaves the link without the statement the proxy had noted.
    private func forgetUnsureStatements(_ link: UnsafeMutablePointer<Link>) {
        link.pointee.prepared.removeAll()
        link.pointee.isPreparedUnsure = true
        link.pointee.unnamedStatement = 0
    }
}

extension Worker {
    /// A ParameterStatus: the client's when it answers the client's statement, the task's, or nobody's when the proxy
    /// replayed settings.
    func parameterChanged(_ index: Int32, _ frame: UnsafeRawBufferPointer, _ expectation: Expectation?) {
        let link = links.at(index)
        if expectation == .task {
            link.pointee.task?.received(frame, type: BackendMessageType.parameterStatus, from: index)
        } else if expectation?.isPassed == true {
            let session = link.pointee.session
            guard session >= 0, isStatusNew(session, frame) else { return }
            forward(frame, from: link)
        }
    }
}
