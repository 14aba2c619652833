// Messages of a client that have no body: Flush, Sync, Terminate.
import Primitives

extension ByteQueue {
    @inlinable public mutating func writeFlush() { writeEmptyFrame(FrontendMessageType.flush) }
    @inlinable public mutating func writeSync() { writeEmptyFrame(FrontendMessageType.sync) }
    @inlinable public mutating func writeTerminate() { writeEmptyFrame(FrontendMessageType.terminate) }
}
