// Messages of a server that have no body.
import Primitives

extension ByteQueue {
    @inlinable public mutating func writeParseComplete() { writeEmptyFrame(BackendMessageType.parseComplete) }
    @inlinable public mutating func writeBindComplete() { writeEmptyFrame(BackendMessageType.bindComplete) }
    @inlinable public mutating func writeCloseComplete() { writeEmptyFrame(BackendMessageType.closeComplete) }
    @inlinable public mutating func writeNoData() { writeEmptyFrame(BackendMessageType.noData) }
    @inlinable public mutating func writePortalSuspended() { writeEmptyFrame(BackendMessageType.portalSuspended) }
    @inlinable public mutating func writeEmptyQueryResponse() {
        writeEmptyFrame(BackendMessageType.emptyQueryResponse)
    }
}
