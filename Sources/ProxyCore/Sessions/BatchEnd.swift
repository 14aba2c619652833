// BatchEnd: what nearly every driver sends behind Bind, passed on as one piece.
//
// Describe and Execute of the unnamed portal, then Sync, are always the same 22 bytes. When they follow a Bind that was
// passed, and nothing in the session asks for more, the three frames need no look each. It leaves everything as
// `describe`, `execute` and `sync` would. Measured for pgbench -M prepared: 100 instructions instead of 800.
import Primitives
import WireProtocol

#if canImport(Glibc)
    import Glibc
#endif

extension Worker {
    /// Passes Describe, Execute and Sync at `position` on to the link of the unnamed portal; nil when something else stands
    /// there, or when there is more to do.
    /// - Returns: the bytes passed.
    @inline(__always)
    func passUsualBatchEnd(
        _ session: UnsafeMutablePointer<Session>, _ bytes: UnsafeRawBufferPointer, _ position: Int
    ) -> Int? {
        let link = session.pointee.unnamedPortalLink
        guard session.pointee.isPlain, session.pointee.link == link, session.pointee.activity == .passing,
            session.pointee.isLinkUnsynced, session.pointee.heldParse == 0, !session.pointee.skipsUntilSync,
            !session.pointee.isFailedHere, !session.pointee.hasPortals, bytes.count &- position >= UsualBatchEnd.count,
            case let end = bytes.baseAddress.unsafelyUnwrapped + position,
            memcmp(end, UsualBatchEnd.bytes.utf8Start, UsualBatchEnd.count) == 0
        else { return nil }
        session.pointee.skipsUntilSync = false
        session.pointee.isBatchOpen = false
        session.pointee.isLinkUnsynced = false
        session.pointee.hasBatchExecuted = false
        session.pointee.isFlushSent = false
        session.pointee.unnamedPortalLink = -1
        let record = links.at(link)
        streams.at(record.pointee.stream.index).pointee.output.append(
            UnsafeRawBufferPointer(start: end, count: UsualBatchEnd.count))
        streams.markDirty(record.pointee.stream.index)
        record.pointee.expectations.append(.passDescribePortal)
        // The rows follow their description at once.
        record.pointee.expectations.append(record.pointee.translatesOIDs ? .passExecuteTranslated : .passExecute)
        record.pointee.expectations.append(.passSync)
        return UsualBatchEnd.count
    }
}

private enum UsualBatchEnd {
    static let count = 22

    /// Describe the unnamed portal; execute it to the end; Sync.
    @inline(__always)
    static var bytes: StaticString { "D\0\0\0\u{06}P\0E\0\0\0\u{09}\0\0\0\0\0S\0\0\0\u{04}" }
}
