// LockKeeper: the link of the proxy's own that holds, on one shard, the advisory locks which show that this worker lives and plans.
//
// Its loss tells that a shard is down. A server that hangs closes nothing, so every few seconds it is asked
// for a sign of life, which is who its roles are (LoginFacts).
import Primitives
import WireProtocol

/// Keeps one admin link with the worker's advisory locks.
final class LockKeeper: LinkTask {
    private enum State {
        /// A link is being opened, or waits for the lock that shows the worker lives. The shard is reached then. -> awaitingPlanningLock
        case awaitingInstanceLock
        /// A transaction that is prepared may hold it until recovery ends it. The shard is up then. -> holding
        case awaitingPlanningLock
        /// -> awaitingPlanningLock when it is asked to yield
        case holding
    }

    /// How often the shard is asked who its roles are. It has the time limit of a connection attempt to answer.
    static let lookInterval = Span.seconds(3)
    /// How long clients that log in wait for a shard to say who the roles are.
    static let loginPatience = Span.seconds(1)

    private unowned let worker: Worker
    private let shard: ShardIndex
    private var state = State.awaitingInstanceLock
    private var link: Int32 = -1
    private var whenReached: (() -> Void)?
    /// It has had both locks, and since then hears of every request to pause.
    private var hasHeld = false
    private var hasFailed = false
    /// The roles it is just asking about (LoginFacts); nil: it is not.
    private var askedRoles: [String]?
    private var askedAt = Instant.origin
    /// When it first asked for its locks.
    private var beganAt = Instant.origin
    private var loginRows: [[String?]] = []
    /// `Cluster.loginRequests` when it asked, and when the last answer was asked for.
    private var loginRequest = 0
    private var answeredRequest = 0
    /// Its answer was late a second ago. The proxy itself may have been stopped meanwhile, and the answer lie unread.
    private var isLate = false

    init(worker: Worker, shard: ShardIndex) {
        self.worker = worker
        self.shard = shard
    }

    /// No table's rows can move while this is true.
    var holdsPlanningLock: Bool { state == .holding }

    /// - Parameters:
    ///   - text: takes the lock that shows the worker lives.
    ///   - whenReached: that lock is held.
    func hold(_ text: String, whenReached: @escaping () -> Void) {
        self.whenReached = whenReached
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
            beganAt = worker.now
            record.pointee.expectations.append(.task)
            send(InternalSchema.noIdleTimeout + ";" + text)
        }
    }

    /// Lets a transaction that waits for the planning lock go on; the lock is taken again behind it.
    func yieldPlanningLock() {
        guard state == .holding else { return }
        state = .awaitingPlanningLock
        send(PlanningLock.yield)
    }

    /// Called every second: asks who the roles are, or gives the shard up when there was no answer.
    func lookForLife() {
        if !hasHeld { return lookForLocks() }
        if owesLogins, worker.hasLoginsWaiting, worker.now - worker.cluster.loginsRequestedAt > Self.loginPatience {
            settleLogins()
        }
        let silence = worker.now - askedAt
        guard askedRoles != nil else {
            if silence >= Self.lookInterval { askLogins() }
            return
        }
        guard silence > worker.settings.connectTimeout else { return }
        if isLate { return worker.giveUpSilentShard(shard) }
        isLate = true
    }

    /// A shard that comes up and does not give the locks in time is tried again.
    private func lookForLocks() {
        guard link >= 0, worker.now - beganAt > Worker.adminPatience else { return }
        if isLate { return worker.breakLink(link, reason: "the proxy's locks are not had in time") }
        isLate = true
    }

    /// There is always one expectation more than questions, so that the link is watched by this task for all of its life.
    private func send(_ text: String) {
        worker.outputEndingUnnamed(ofLink: link).pointee.output.writeQuery(text)
        worker.streams.markDirty(worker.links.at(link).pointee.stream.index)
    }

    func received(_ frame: UnsafeRawBufferPointer, type: UInt8, from link: Int32) {
        if askedRoles != nil { return receivedLogins(frame, type: type) }
        if type == BackendMessageType.errorResponse { hasFailed = true }
        guard type == BackendMessageType.readyForQuery else { return }
        worker.links.at(link).pointee.expectations.append(.task)
        if hasFailed { return worker.breakLink(link, reason: "the proxy's locks cannot be had") }
        switch state {
        case .awaitingInstanceLock:
            state = .awaitingPlanningLock
            send(PlanningLock.hold)
            whenReached?()
            whenReached = nil
        case .awaitingPlanningLock:
            state = .holding
            hasHeld = true
            worker.planningLockTaken(shard)
            askLogins()
        case .holding: break
        }
    }

    // MARK: Who the roles are

    /// A change of roles was told of that the shard's last answer may not show.
    var owesLogins: Bool { hasHeld && answeredRequest < worker.cluster.loginRequests }

    /// Clients that log in do not wait for a shard that is slow: its links, which may be another role's by now, are used no more instead.
    private func settleLogins() {
        answeredRequest = worker.cluster.loginRequests
        for pool in worker.pools where pool.index != worker.adminPool.index { worker.retireLinks(of: pool, on: shard.int, except: -1) }
        worker.resumeLogins()
    }

    /// Asks who the roles are that clients have, now or as soon as it can.
    func askLogins() {
        guard state == .holding, askedRoles == nil else { return }
        askedRoles = worker.poolNumbers.keys.sorted()
        askedAt = worker.now
        isLate = false
        loginRequest = worker.cluster.loginRequests
        loginRows = []
        send(LoginFacts.question(askedRoles ?? []))
    }

    /// It is asked while both locks are held, so that its answer comes before those to what was asked since.
    private func receivedLogins(_ frame: UnsafeRawBufferPointer, type: UInt8) {
        switch type {
        case BackendMessageType.dataRow: if let message = try? DataRowMessage(frame) { loginRows.append(message.texts) }
        case BackendMessageType.errorResponse: loginRows = []
        case BackendMessageType.readyForQuery:
            worker.links.at(link).pointee.expectations.append(.task)
            let roles = askedRoles ?? []
            askedRoles = nil
            answeredRequest = max(answeredRequest, loginRequest)
            worker.takeLoginFacts(shard, roles: roles, loginRows)
            if owesLogins { askLogins() }
            worker.resumeLogins()
        default: break
        }
    }

    /// A transaction that has moved rows wants the planning lock, or a worker has run DDL.
    func notified(_ message: NotificationResponseMessage) {
        guard hasHeld else { return }
        if message.channel.text == PlanningLock.channel { return worker.pausePlanning() }
        if message.payload.text != worker.cluster.instance { worker.catalogChanged() }
    }

    func lost(_ link: Int32, reason: String) { worker.lockKeeperLost(shard, retryAfter: worker.settings.reconnectDelay) }
}

extension Worker {
    /// The shard has not answered the keeper of its lock: nobody waits any more for what the proxy itself has asked there, first of all
    /// not for the catalog, which the next shard is asked for.
    func giveUpSilentShard(_ shard: ShardIndex) {
        let own = (0..<links.highWater).filter { index in
            let link = links.at(index)
            return link.pointee.isOpen && link.pointee.pool == adminPool.index && link.pointee.shard == shard
        }
        for index in own where links.at(index).pointee.task is LockKeeper { breakLink(index, reason: "no sign of life") }
        for index in own where links.at(index).pointee.shard == shard { breakLink(index, reason: "the shard gives no sign of life") }
        failAdminWork(shard, unreachable(shard, "it gives no sign of life"))
    }
}
