// LockKeeper: the link of the proxy's own that holds, on one shard, the advisory locks which show that this worker lives and plans.
import Primitives
import WireProtocol

/// Keeps one admin link with the worker's advisory locks.
final class LockKeeper: LinkTask {
    private enum State {
        /// A link is being opened, or waits for the lock that shows the worker lives. -> awaitingPlanningLock
        case awaitingInstanceLock
        /// -> holding
        case awaitingPlanningLock
        /// -> awaitingPlanningLock when it is asked to yield
        case holding
    }

    private unowned let worker: Worker
    private let shard: ShardIndex
    private var state = State.awaitingInstanceLock
    private var link: Int32 = -1
    private var whenHeld: (() -> Void)?
    private var hasFailed = false

    init(worker: Worker, shard: ShardIndex) {
        self.worker = worker
        self.shard = shard
    }

    /// No table's rows can move while this is true.
    var holdsPlanningLock: Bool { state == .holding }

    /// - Parameters:
    ///   - text: takes the lock that shows the worker lives.
    ///   - whenHeld: both locks are held for the first time.
    func hold(_ text: String, whenHeld: @escaping () -> Void) {
        self.whenHeld = whenHeld
        worker.runAdmin(shard, "SELECT 1") { [self] answer in
            guard answer.isSuccess else { return worker.lockKeeperLost(shard, retryAfter: worker.settings.reconnectDelay) }
            let pool = worker.adminPool.shards + shard.int
            let link = pool.pointee.idle.first
            guard link >= 0 else { return worker.lockKeeperLost(shard, retryAfter: .milliseconds(10)) }
            let record = worker.links.at(link)
            pool.pointee.idle.remove(record.pointee.place)
            record.pointee.state = .leased
            record.pointee.session = -1
            record.pointee.task = self
            self.link = link
            record.pointee.expectations.append(.task)
            send(text)
        }
    }

    /// Lets a transaction that waits for the planning lock go on; the lock is taken again behind it.
    func yieldPlanningLock() {
        guard state == .holding else { return }
        state = .awaitingPlanningLock
        send(PlanningLock.yield)
    }

    /// There is always one expectation more than questions, so that the link is watched by this task for all of its life.
    private func send(_ text: String) {
        worker.outputEndingUnnamed(ofLink: link).pointee.output.writeQuery(text)
        worker.streams.markDirty(worker.links.at(link).pointee.stream.index)
    }

    func received(_ frame: UnsafeRawBufferPointer, type: UInt8, from link: Int32) {
        if type == BackendMessageType.errorResponse { hasFailed = true }
        guard type == BackendMessageType.readyForQuery else { return }
        worker.links.at(link).pointee.expectations.append(.task)
        if hasFailed { return worker.breakLink(link, reason: "the proxy's locks cannot be had") }
        switch state {
        case .awaitingInstanceLock:
            state = .awaitingPlanningLock
            send(PlanningLock.hold)
        case .awaitingPlanningLock:
            state = .holding
            whenHeld?()
            whenHeld = nil
            worker.planningLockTaken(shard)
        case .holding: break
        }
    }

    /// A transaction that has moved rows wants the planning lock, or a worker has run DDL.
    func notified(_ message: NotificationResponseMessage) {
        guard whenHeld == nil else { return }
        if message.channel.text == PlanningLock.channel { return worker.pausePlanning() }
        if message.payload.text != worker.cluster.instance { worker.catalogChanged() }
    }

    func lost(_ link: Int32, reason: String) { worker.lockKeeperLost(shard, retryAfter: worker.settings.reconnectDelay) }
}
