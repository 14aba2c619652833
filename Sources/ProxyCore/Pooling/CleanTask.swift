// CleanTask: what the next session must not find on a link is removed before it goes there.
import DistributedCommit
import Primitives
import WireProtocol

/// Makes a link fit for the next session: ROLLBACK and DISCARD ALL where something is open, and the advisory lock that
/// shows this instance lives as long as the link can decide a transaction.
final class CleanTask: LinkTask {
    private unowned let worker: Worker
    private let link: Int32
    private var outstanding = 0
    private var failed = false

    init(worker: Worker, link: Int32) {
        self.worker = worker
        self.link = link
    }

    func holdInstanceLock() {
        guard let instance = try? InstanceIdentifier(worker.cluster.instance) else { return }
        worker.links.at(link).pointee.task = self
        worker.links.at(link).pointee.askedSince = worker.now
        ask(InternalSchema.instanceLock(instance))
    }

    func ask(_ text: String) {
        outstanding += 1
        worker.outputEndingUnnamed(ofLink: link).pointee.output.writeQuery(text)
        worker.links.at(link).pointee.expectations.append(.task)
        worker.streams.markDirty(worker.links.at(link).pointee.stream.index)
    }

    func received(_ frame: UnsafeRawBufferPointer, type: UInt8, from index: Int32) {
        if type == BackendMessageType.errorResponse { failed = true }
        guard type == BackendMessageType.readyForQuery else { return }
        outstanding -= 1
        guard outstanding == 0 else { return }
        let record = worker.links.at(link)
        if failed || record.pointee.status != TransactionStatus.idle.rawValue {
            return worker.breakLink(link, reason: "it could not be cleaned")
        }
        if record.pointee.hasUnknownSettings {
            record.pointee.hasUnknownSettings = false
            record.pointee.settings = 0
        }
        if record.pointee.isTainted {
            record.pointee.isTainted = false
            record.pointee.settings = 0
            record.pointee.prepared.removeAll()
        }
        worker.release(link)
    }

    func lost(_ link: Int32, reason: String) {}
}
