// RelayTurn: what a relay knows of a shard while it has it: how far events may be read, how far they were, and those on their way.
import DatabaseClient

struct RelayTurn {
    /// The least time between two looks at an outbox that is busy.
    private static let lookInterval = Duration.milliseconds(5)
    /// How long confirmed events may wait for others to be marked with.
    private static let markInterval = Duration.milliseconds(20)
    /// Events that somebody has set back are looked for after this time.
    private static let rereadInterval = Duration.seconds(30)

    private let settings: RelaySettings
    var queue: DeliveryQueue
    private(set) var horizon = WriterHorizon()
    /// All events up to this one were read.
    private var cursor: Int64 = 0
    /// Which events had failed when reading began at the first.
    private var blocks: String?
    private var lastLook: ContinuousClock.Instant?
    private var lastMark = ContinuousClock.now
    private var lastClaim: ContinuousClock.Instant?
    private var lastReread = ContinuousClock.now
    private var lastDelete = ContinuousClock.now
    private(set) var sent = 0
    /// How often it has been woken.
    var rung = 0

    init(_ settings: RelaySettings) {
        self.settings = settings
        queue = DeliveryQueue(settings.delivery)
    }

    var isClaimDue: Bool { lastClaim.map { $0.duration(to: .now) >= settings.lease / 3 } ?? true }

    mutating func noteClaim(_ now: ContinuousClock.Instant) { lastClaim = now }

    /// Nothing is on its way, and nothing may be read before another look, or before others have been tried again.
    var isIdle: Bool { queue.inFlight == 0 && queue.confirmed.isEmpty && (cursor >= horizon.sequence || queue.count > settings.batch) }

    /// How long the oldest transaction that events wait for has been known; nil: none is waited for.
    func writerAge(_ now: ContinuousClock.Instant) -> Duration? {
        horizon.isWaiting ? horizon.oldestWriter.map { $0.since.duration(to: now) } : nil
    }

    // MARK: From the shard

    /// Reads events while there is room, and looks whether more may be read.
    mutating func load(_ store: OutboxStore) throws {
        guard queue.count <= settings.batch else { return }
        if cursor >= horizon.sequence { try look(store) }
        if queue.wantsRereading || queue.isEmpty && lastReread.duration(to: .now) > Self.rereadInterval { reread() }
        guard cursor < horizon.sequence else { return }
        let found = try store.events(after: cursor, through: horizon.sequence, limit: settings.batch)
        if let blocks = found.blocks, blocks != self.blocks, cursor != 0 {
            // Events that were passed over for one that had failed may be free now, and come before these.
            return reread()
        }
        if found.blocks != nil { blocks = found.blocks }
        queue.add(found.events)
        cursor = found.events.count < settings.batch ? horizon.sequence : found.events.last?.sequence ?? horizon.sequence
    }

    private mutating func reread() {
        queue.noteRereading()
        cursor = 0
        lastReread = .now
    }

    private mutating func look(_ store: OutboxStore) throws {
        let now = ContinuousClock.now
        if let lastLook, lastLook.duration(to: now) < Self.lookInterval { return }
        lastLook = now
        let newest = try store.newest()
        guard horizon.isWaiting || (newest ?? 0) > horizon.sequence else { return }
        let writers = try store.writers()
        // Behind a standby that was promoted, what was read may not be there any more.
        if horizon.look(newest: newest, writers: writers.identifiers, serverStart: writers.serverStart, now: now) { reread() }
    }

    // MARK: To the shard

    /// Marks what is confirmed, and stores what is refused.
    /// - Parameter marksAll: also few events that are confirmed just now.
    mutating func store(_ store: OutboxStore, marksAll: Bool) throws {
        for refusal in queue.refusals { try store.store(refusal) }
        queue.forgetRefusals()
        let isDue = marksAll || queue.confirmed.count >= settings.batch / 2 || queue.inFlight == 0 || lastMark.duration(to: .now) >= Self.markInterval
        while isDue, !queue.confirmed.isEmpty {
            let sequences = queue.confirmed(atMost: settings.batch)
            try store.markSent(sequences)
            queue.forgetConfirmed(sequences.count)
            sent += sequences.count
            lastMark = .now
        }
        try delete(store)
    }

    /// Deletes old events, a batch at a time; each second while there are more.
    private mutating func delete(_ store: OutboxStore) throws {
        guard let retention = settings.retention, lastDelete.duration(to: .now) >= .seconds(1) else { return }
        lastDelete = .now
        if try !store.deleteSent(olderThan: retention, atMost: settings.batch) { lastDelete = .now + settings.lease }
    }

    // MARK: The broker

    /// Publishes what may be.
    mutating func publish(_ publisher: any EventPublisher) throws(BrokerLost) {
        while let event = queue.next(now: .now) {
            if let reason = try publisher.publish(event) { queue.refuse(event.sequence, reason: reason, now: .now) }
        }
    }

    mutating func take(_ outcomes: [PublishOutcome]) {
        for outcome in outcomes {
            switch outcome {
            case .confirmed(let sequence): queue.confirm(sequence)
            case .refused(let sequence, let reason): queue.refuse(sequence, reason: reason, now: .now)
            case .oneRefused(let reason): queue.refuseOne(reason: reason, now: .now)
            }
        }
    }
}
