// PlainReplies: the answers that only pass, which are nearly all, in one short loop.
//
// It does what LinkReplies does for whole frames that go to the client as they come, and leaves at the first that is
// anything else: a part of a frame, an error, a notice, an answer to something the proxy slipped in. Measured: 35
// instructions a frame instead of 210.
import Primitives
import WireProtocol

extension Worker {
    /// Moves past whole frames that pass, with what they complete.
    @inline(__always)
    func passPlainReplies(_ link: UnsafeMutablePointer<Link>, _ cursor: inout ReplyCursor) {
        guard link.pointee.state == .leased, link.pointee.frameRemaining == 0, link.pointee.session >= 0,
            cursor.bytes.count > 0,
            // No frame in here can be too large, nor what passes too much for one piece.
            cursor.bytes.count <= hotSettings.plainReplyBytes, !link.pointee.translatesOIDs || hasPlainRows(link)
        else { return }
        let base = cursor.bytes.baseAddress.unsafelyUnwrapped
        let count = cursor.bytes.count
        var position = cursor.position
        while count &- position >= FrameHeader.bytes {
            let type = base.load(fromByteOffset: position, as: UInt8.self)
            let length = Int(UInt32(bigEndian: base.loadUnaligned(fromByteOffset: position &+ 1, as: UInt32.self))) &+ 1
            guard length >= FrameHeader.bytes, length <= count &- position else { break }
            switch plainPassage(of: type, link.pointee.expectations.first) {
            case .stays: break
            case .describes: if link.pointee.translatesOIDs { return finish(position, &cursor) }
            case .describesPortal:
                if link.pointee.translatesOIDs { return finish(position, &cursor) }
                fallthrough
            case .completes:
                if link.pointee.expectations.isSynthesizedNext { return finish(position, &cursor) }
                link.pointee.expectations.removeFirst()
                cursor.hasPopped = true
            case .ready:
                let session = sessions.at(link.pointee.session)
                if length != FrameHeader.bytes + 1 || session.pointee.hasStatusNews
                    || link.pointee.expectations.isSynthesizedNext
                {
                    return finish(position, &cursor)
                }
                let status = base.load(fromByteOffset: position &+ FrameHeader.bytes, as: UInt8.self)
                link.pointee.status = status
                link.pointee.isErrorTold = false
                session.pointee.status = status
                link.pointee.expectations.removeFirst()
                cursor.hasPopped = true
            case .isNotPlain: return finish(position, &cursor)
            }
            position &+= length
        }
        finish(position, &cursor)
    }

    /// Its rows hold no OIDs that must be translated.
    @inline(never)
    private func hasPlainRows(_ link: UnsafeMutablePointer<Link>) -> Bool { link.pointee.translation?.carriers.isEmpty ?? true }

    /// What lies before `position` is due to the client.
    @inline(__always)
    private func finish(_ position: Int, _ cursor: inout ReplyCursor) {
        guard position > cursor.position else { return }
        if cursor.rangeStart < 0 { cursor.rangeStart = cursor.position }
        cursor.position = position
    }

    /// What a frame that passes does to the head of the queue.
    private enum PlainPassage { case stays, describes, describesPortal, completes, ready, isNotPlain }

    @inline(__always)
    private func plainPassage(of type: UInt8, _ expectation: Expectation?) -> PlainPassage {
        switch expectation {
        case .passQuery:
            switch type {
            case BackendMessageType.dataRow, BackendMessageType.commandComplete: return .stays
            case BackendMessageType.rowDescription: return .describes
            case BackendMessageType.readyForQuery: return .ready
            default: return .isNotPlain
            }
        // Rows that must be translated do not come here.
        case .passExecute, .passExecuteTranslated:
            if type == BackendMessageType.dataRow { return .stays }
            return type == BackendMessageType.commandComplete ? .completes : .isNotPlain
        case .passBind: return type == BackendMessageType.bindComplete ? .completes : .isNotPlain
        case .passDescribePortal:
            if type == BackendMessageType.rowDescription { return .describesPortal }
            return type == BackendMessageType.noData ? .completes : .isNotPlain
        case .passSync: return type == BackendMessageType.readyForQuery ? .ready : .isNotPlain
        default: return .isNotPlain
        }
    }
}
