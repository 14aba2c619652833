// DivertingExecution: base of executions that run a statement for themselves, and read its answer before the client does.
import Primitives
import QueryPlanning
import WireProtocol

class DivertingExecution: Execution {
    /// Where answers go now instead of to the client.
    private var diversion: PortalBuffer?
    /// Where the client has its answers diverted to.
    private var clientsDiversion: PortalBuffer?

    final var record: UnsafeMutablePointer<Session> { worker.sessions.at(session) }

    /// Answers go to the returned buffer, bounded by `limits.merge`, until `endDiversion`.
    /// - Parameter reservedBytes: what else counts against the limit.
    final func divert(reservedBytes: Int = 0) -> PortalBuffer {
        let buffer = PortalBuffer(pool: worker.streams.pool.reference, reservedBytes: reservedBytes)
        diversion = buffer
        clientsDiversion = record.pointee.isDiverted ? record.pointee.detail?.diversion : nil
        record.pointee.detail?.diversion = buffer
        record.pointee.isDiverted = true
        return buffer
    }

    /// Answers go to the client again. Does nothing when they do already.
    final func endDiversion() {
        guard diversion != nil else { return }
        diversion = nil
        record.pointee.detail?.diversion = clientsDiversion
        record.pointee.isDiverted = clientsDiversion != nil
        clientsDiversion = nil
    }

    final func tellClient(_ frames: UnsafeRawBufferPointer) {
        guard record.pointee.phase != .leaving else { return }
        worker.output(ofSession: session).pointee.output.append(frames)
    }

    /// The Bind frame of a statement without parameters.
    static func bindOfNothing(resultFormats: [FormatCode]) -> [UInt8] {
        let pool = BlockPool()
        var queue = ByteQueue(pool: pool.reference)
        defer { queue.free() }
        queue.writeBind(resultFormats: resultFormats)
        return Array(queue.readable)
    }
}
