// Worker: a deterministic function (state, event, time) -> state and effects.
//
// One worker per thread owns its sessions, links and pools outright. The host calls the methods below and then
// sends what waits in dirty streams and carries out `effects`. Nothing here reads a clock, a socket or entropy.
// The parts: Sessions/ (clients), Links/ (shards), Pooling/ (who gets which link), Executions/ (what takes more than
// passing bytes), Transactions/ (blocks and commit), Services/ (the proxy's own work).
import DistributedCommit
import Logging
import Primitives
import QueryPlanning
import WireProtocol

/// The proxy's conversation state for one thread.
public final class Worker {
    // What every query needs comes first: fields that are used together share cache lines.
    public let streams: StreamTable
    /// The time of the present event.
    var now: Instant
    var sessions: Slab<Session>
    var links: Slab<Link>
    let planner: Planner
    let statements: StatementTable
    let cluster: Cluster
    var pools: [Pool] = []
    var hotSettings: HotSettings
    /// `adminQueue` is not empty.
    var hasAdminWork = false
    var isShuttingDown = false
    /// It has no clients any more, and its event loop ends.
    var hasFinished = false
    var timers = TimerQueue<Timer>()
    var statistics: Statistics
    /// What the host must do next, in order; the host takes and clears it after each call.
    public var effects: [Effect] = []
    /// The link whose answers passed last.
    var lastPassedLink: Int32 = -1

    public let number: Int

    var settings: ProxySettings {
        didSet {
            hotSettings = HotSettings(settings)
            statistics.sampleInterval = settings.capacity.keySampleInterval
        }
    }
    let random: any RandomSource
    let logger: Logger
    /// Takes what is said to clients that have left. No socket belongs to it, so that the stream of a client that left can
    /// be another client's while the work it left behind is still being ended.
    let sink: StreamID
    /// Those of clients by role.
    var poolNumbers: [String: Int32] = [:]
    var adminPoolNumber: Int32?
    let settingsTable = SettingsTable()
    let environments = EnvironmentTable()
    var recovery: RecoveryDriver?
    /// The proxy's own statements that wait for an admin link, by shard.
    var adminQueue: [[AdminTask]] {
        didSet { hasAdminWork = adminQueue.contains { !$0.isEmpty } }
    }
    var keepers: [LockKeeper?]
    var lastOpeningAttempt: [Instant]
    var nextRecoveryAt = Instant.origin
    var catalogWaiters: [(Int32, UInt32)] = []
    /// Verifiers made from plain passwords.
    var verifiers: [UserSettings: ScramVerifier] = [:]
    /// Makes up salts for unknown users.
    let mockSecret: [UInt8]
    /// Keeps this and the other workers' multi-shard commits and snapshots apart.
    let gate: SharedSnapshotGate
    /// Which server processes belong to the sessions of all workers.
    let sessionTable: SharedSessionTable
    /// Which keys the clients of all workers ask for.
    let keyTraffic: SharedKeyTraffic
    /// The next Bind's key is to be looked at.
    var isKeySampleDue = false
    var deadlockWatch: DeadlockWatch?
    /// Whose windows are open or asked for, by the ticket's serial. Looked up, never iterated.
    var gateVisitors: [UInt64: any GateVisitor] = [:]
    var lastGateSerial: UInt64 = 0
    var cancellers: [UInt32: Canceller] = [:]
    /// Spreads statements that any shard can answer.
    var nextAnyShard = 0
    /// Watches distributed commits in simulations.
    package var probe: (any ProtocolProbe)?
    /// How many more times housekeeping has free memory given back.
    var memoryReleases = 0

    /// - Parameters:
    ///   - gate: the one gate of all workers of the proxy.
    ///   - sessionTable: the one table of all workers of the proxy.
    ///   - keyTraffic: the one count of all workers of the proxy.
    public convenience init(
        number: Int, settings: ProxySettings, streams: StreamTable, random: any RandomSource, logger: Logger, now: Instant,
        gate: SharedSnapshotGate = SharedSnapshotGate(), sessionTable: SharedSessionTable = SharedSessionTable(),
        keyTraffic: SharedKeyTraffic = SharedKeyTraffic()
    ) {
        self.init(
            number: number, settings: settings, streams: streams, random: random, logger: logger, now: now, gate: gate,
            sessionTable: sessionTable, keyTraffic: keyTraffic, planner: Planner(limits: settings.limits))
    }

    /// A worker that plans with this planner, which nobody else uses.
    package init(
        number: Int, settings: ProxySettings, streams: StreamTable, random: any RandomSource, logger: Logger, now: Instant,
        gate: SharedSnapshotGate, sessionTable: SharedSessionTable, keyTraffic: SharedKeyTraffic = SharedKeyTraffic(), planner: Planner
    ) {
        self.gate = gate
        self.sessionTable = sessionTable
        self.keyTraffic = keyTraffic
        statistics = Statistics(sampleInterval: settings.capacity.keySampleInterval)
        self.number = number
        self.settings = settings
        hotSettings = HotSettings(settings)
        self.streams = streams
        self.random = random
        self.logger = logger
        self.now = now
        sessions = Slab(capacity: settings.limits.sessions)
        links = Slab(capacity: 65_536)
        sink = streams.open(.session)
        self.planner = planner
        statements = StatementTable(
            keepCount: settings.limits.cachedPlans, keepBytes: settings.limits.cachedPlans * 1024)
        cluster = Cluster(shardCount: settings.shards.count, name: settings.clusterName, rules: settings.rules)
        adminQueue = Array(repeating: [], count: settings.shards.count)
        keepers = Array(repeating: nil, count: settings.shards.count)
        lastOpeningAttempt = Array(repeating: now + Span.seconds(-10), count: settings.shards.count)
        mockSecret = random.bytes(32)
        effects.reserveCapacity(1024)
        publishClosedShards()
    }

    deinit {
        sessions.free()
        links.free()
        statistics.free()
    }

    var shardCount: Int { settings.shards.count }

    /// The earliest moment at which `tick` has something to do.
    public var nextDeadline: Instant? { timers.nextDeadline }

    /// Called once before anything else: connects to the shards, installs the schema, reads the catalog.
    public func start(now: Instant) {
        self.now = now
        timers.add(.housekeeping, at: now + Self.housekeepingInterval)
        deadlockWatch = DeadlockWatch(worker: self)
        timers.add(.deadlockScan, at: now + DeadlockWatch.scanInterval)
        beginStartup()
    }

    /// True once clients may be let in.
    public var isReady: Bool { cluster.isReady }

    /// A client connected; its stream was opened by the host with role `.session`.
    public func accepted(_ stream: StreamID, facts: AcceptFacts, now: Instant) {
        self.now = now
        openSession(stream, facts: facts)
    }

    /// Bytes came in on the stream; returns how many were consumed from the front. The host keeps the rest and offers
    /// it again with the next bytes, or after `.resume`.
    public func received(_ stream: UInt32, bytes: UnsafeRawBufferPointer, now: Instant) -> Int {
        self.now = now
        let record = streams.at(stream)
        // Of a stream that is about to close nothing more is heard.
        guard record.pointee.owner >= 0 || record.pointee.role == .canceller else { return bytes.count }
        switch record.pointee.role {
        case .session: return sessionReceived(record.pointee.owner, bytes)
        case .link: return linkReceived(record.pointee.owner, bytes)
        case .canceller, .free: return cancellerReceived(stream, bytes)
        }
    }

    public func connected(_ stream: StreamID, now: Instant) {
        self.now = now
        guard let record = streams.find(stream) else { return }
        if record.pointee.role == .link { linkConnected(record.pointee.owner) } else { cancellerConnected(stream) }
    }

    public func connectFailed(_ stream: StreamID, reason: String, now: Instant) {
        closed(stream, reason: reason, now: now)
    }

    /// The peer closed or the stream broke; the record is freed by the host after this call.
    public func closed(_ stream: StreamID, reason: String, now: Instant) {
        self.now = now
        guard let record = streams.find(stream), record.pointee.owner >= 0 || record.pointee.role == .canceller else { return }
        let owner = record.pointee.owner
        record.pointee.owner = -1
        switch record.pointee.role {
        case .session: sessionStreamClosed(owner)
        case .link: linkLost(owner, reason: reason)
        case .canceller: cancellerClosed(stream)
        case .free: break
        }
    }

    /// Little waits in the output of a stream with `wantsDrained` set (the host clears the flag).
    public func drained(_ stream: UInt32, now: Instant) {
        self.now = now
        let record = streams.at(stream)
        guard record.pointee.owner >= 0 else { return }
        switch record.pointee.role {
        case .session: sessionDrained(record.pointee.owner)
        case .link: linkDrained(record.pointee.owner)
        case .canceller, .free: break
        }
    }

    public func tlsEstablished(_ stream: StreamID, facts: TLSFacts, now: Instant) {
        self.now = now
        guard let record = streams.find(stream), record.pointee.owner >= 0 else { return }
        if record.pointee.role == .link {
            linkSecured(record.pointee.owner, facts)
        } else {
            sessions.at(record.pointee.owner).pointee.detail?.tls = facts
            sessions.at(record.pointee.owner).pointee.detail?.awaitsTLS = false
        }
    }

    /// Time has passed `nextDeadline`.
    public func tick(now: Instant) {
        self.now = now
        while let timer = timers.takeDue(at: now) { fire(timer) }
    }

    /// Another worker says something.
    public func deliver(_ message: WorkerMessage, now: Instant) {
        self.now = now
        switch message {
        case .cancel(let process, let secret): cancelSession(CancelKey(processID: process, secretKey: secret))
        case .gateEntered(let ticket): admit(ticket)
        case .deadlockVictim(let victim, let lastActive, let detail): endDeadlock(victim, lastActive: lastActive, detail: detail)
        case .catalogChanged: catalogChanged()
        }
    }

    /// New settings (SIGHUP or RELOAD). Shards cannot be added or removed while running.
    public func reload(_ settings: ProxySettings, now: Instant) {
        self.now = now
        applyReload(settings)
    }

    /// Let no new client in, finish open transactions up to the limit, then `.finished`.
    public func shutDown(now: Instant) {
        self.now = now
        beginShutdown()
    }
}
