// ReceivedFrames: what a client has sent behind a frame, as far as it has arrived.
//
// Most batches arrive whole. A statement that is seen to be its batch's only one can go without what others need up to Sync; where that is
// not seen, because the rest is still under way, the answers are the same.
import Primitives
import WireProtocol

extension UnsafeRawBufferPointer {
    /// What of these bytes stands behind `part`, which is a part of them.
    func following(_ part: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard let base = baseAddress, let start = part.baseAddress else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(rebasing: self[(start - base + part.count)...])
    }

    /// A Sync stands here.
    var startsWithSync: Bool { first == FrontendMessageType.sync }

    /// Execute and Sync stand here, with or without Describe before them: nothing else belongs to the batch.
    var executesAndSyncs: Bool {
        var rest = self
        if rest.first == FrontendMessageType.describe { rest = rest.behindFrame }
        return rest.first == FrontendMessageType.execute && rest.behindFrame.startsWithSync
    }

    /// What stands behind the frame that begins here; nothing while that has not arrived.
    private var behindFrame: UnsafeRawBufferPointer {
        guard count >= FrameHeader.bytes else { return UnsafeRawBufferPointer(rebasing: self[count...]) }
        let length = Int(integer(at: 1, as: Int32.self)) + 1
        guard length >= FrameHeader.bytes, length <= count else { return UnsafeRawBufferPointer(rebasing: self[count...]) }
        return UnsafeRawBufferPointer(rebasing: self[length...])
    }
}
