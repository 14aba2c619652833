// Cancelling: CancelRequest from clients, and to shards.
//
// A request to a shard travels on a connection of its own; the shard closes it once the signal is sent. Until then the
// link is not given to anyone else, and nothing more is read of its session's client: the next statement would be hit.
import Primitives
import WireProtocol

/// One CancelRequest on its way to a shard.
struct Canceller {
    var stream: StreamID
    var link: Int32
    var generation: UInt32
    var key: CancelKey
}

extension Worker {
    /// Cancel requests under way for one link; further ones add nothing.
    static let cancelsPerLink = 4

    /// A client shows the key of its session and asks to stop what runs there.
    func cancelSession(_ key: CancelKey) {
        guard Int(key.processID >> 20) == number else { return }
        let index = (key.processID & 0xF_FFFF) - 1
        guard index >= 0, index < sessions.highWater else { return }
        let session = sessions.at(index)
        guard session.pointee.detail != nil, session.pointee.phase == .ready, session.pointee.cancelSecret == key.secretKey else { return }
        statistics.cancels &+= 1
        cancelWork(of: index)
    }

    /// Asks the shard to stop what the link runs.
    func sendCancel(toLink index: Int32) {
        let link = links.at(index)
        guard link.pointee.state == .leased, !link.pointee.expectations.isEmpty,
            link.pointee.cancelsUnderWay < Self.cancelsPerLink
        else { return }
        // BEGIN is not to be what it hits: the link would be lost.
        if link.pointee.expectations.first == .dropQuery || link.pointee.expectations.first == .join {
            link.pointee.isCancelDelayed = true
            return
        }
        let stream = streams.open(.canceller)
        link.pointee.cancelsUnderWay += 1
        cancellers[stream.index] = Canceller(
            stream: stream, link: index, generation: link.pointee.generation, key: link.pointee.cancelKey)
        effects.append(.connect(stream, link.pointee.shard))
        timers.add(.cancel(stream), at: now + settings.connectTimeout)
        guard link.pointee.session >= 0 else { return }
        streams.at(sessions.at(link.pointee.session).pointee.stream.index).pointee.awaitsCancel = true
    }

    /// A shard may still be about to cancel what one of the session's links runs.
    func hasCancelUnderWay(_ session: UnsafeMutablePointer<Session>) -> Bool {
        func isUnderWay(_ link: Int32) -> Bool { link >= 0 && links.at(link).pointee.cancelsUnderWay > 0 }
        if isUnderWay(session.pointee.link) { return true }
        guard let detail = session.pointee.detail else { return false }
        return detail.pinnedLinks.contains { isUnderWay($0.link) }
            || detail.transaction?.participants.contains { isUnderWay($0.link) } == true
    }

    /// The Query that was slipped in is answered: what follows it may be cancelled.
    func sendDelayedCancel(toLink index: Int32) {
        links.at(index).pointee.isCancelDelayed = false
        sendCancel(toLink: index)
    }

    /// The shard neither took nor closed the request's connection. The cancel may still hit, so nobody is to have the
    /// link again.
    func cancelTimedOut(_ stream: StreamID) {
        guard let canceller = cancellers[stream.index], canceller.stream == stream else { return }
        if links.at(canceller.link).pointee.generation == canceller.generation { links.at(canceller.link).pointee.isRetiring = true }
        effects.append(.abort(stream))
        cancellerClosed(stream)
    }

    func cancellerConnected(_ stream: StreamID) {
        guard let canceller = cancellers[stream.index] else { return }
        streams.at(stream.index).pointee.output.writeCancelRequest(canceller.key)
        streams.markDirty(stream.index)
    }

    func cancellerReceived(_ stream: UInt32, _ bytes: UnsafeRawBufferPointer) -> Int { bytes.count }

    /// The shard has taken the request, or could not be reached.
    func cancellerClosed(_ stream: StreamID) {
        guard let canceller = cancellers.removeValue(forKey: stream.index) else { return }
        let link = links.at(canceller.link)
        guard link.pointee.generation == canceller.generation else { return }
        link.pointee.cancelsUnderWay -= 1
        guard link.pointee.cancelsUnderWay == 0 else { return }
        guard link.pointee.isReleasePending else {
            if link.pointee.session >= 0 { unpause(link.pointee.session) }
            (link.pointee.task as? MultiShardExecution)?.cancelLanded()
            return
        }
        link.pointee.isReleasePending = false
        release(canceller.link)
    }
}
