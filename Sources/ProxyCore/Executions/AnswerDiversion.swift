// AnswerDiversion: what a child execution would tell the client goes into a buffer instead, and to the client later or never.
import Primitives
import WireProtocol

final class AnswerDiversion {
    private unowned let worker: Worker
    private let session: Int32
    private var buffer: PortalBuffer?
    /// Where the client has its answers diverted to.
    private var clientsDiversion: PortalBuffer?

    init(worker: Worker, session: Int32) {
        self.worker = worker
        self.session = session
    }

    private var record: UnsafeMutablePointer<Session> { worker.sessions.at(session) }

    func begin() {
        let buffer = PortalBuffer(pool: worker.streams.pool.reference)
        self.buffer = buffer
        clientsDiversion = record.pointee.isDiverted ? record.pointee.detail?.diversion : nil
        record.pointee.detail?.diversion = buffer
        record.pointee.isDiverted = true
    }

    /// Answers go to the client again. Does nothing when they do already.
    func end() {
        guard let buffer, record.pointee.detail?.diversion === buffer else { return }
        record.pointee.detail?.diversion = clientsDiversion
        record.pointee.isDiverted = clientsDiversion != nil
        clientsDiversion = nil
    }

    /// Gives the client what was held, or forgets it.
    func settle(isTold: Bool) {
        guard let held = buffer else { return }
        buffer = nil
        guard isTold, record.pointee.phase != .leaving else { return }
        worker.output(ofSession: session).pointee.output.append(held.stream.pointee.output.readable)
    }
}
