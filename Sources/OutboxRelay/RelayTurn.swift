// RelayTurn: what a relay knows of a shard while it has it: how far events may be read, how far they were, and those on their way.
import DatabaseClient
import WireProtocol

struct RelayTurn {
    /// The least time between two looks at an outbox that is busy.
    private static let lookInterval = Duration.milliseconds(5)
    /// How long confirmed events may wait for others to be marked with.
    private static let markInterval = Duration.milliseconds(20)
    /// Events that somebody has set back are looked for after this time.
    private static let rereadInterval = Duration.seconds(30)
    /// While there is nothing to read it is looked so often whether failed events have been mended.
    private static let blocksInterval = Duration.milliseconds(100)
    /// What others have locked is marked and stored after this time.
    private static let lockedInterval = Duration.seconds(1)
    /// As many bytes of events may be held for a shard, beside those that wait for another attempt, before no more are read.
    private static let heldBytesLimit = 2 * OutboxStore.batchBytes
    /// So many events may wait for the unlocking of their rows before no more are read.
    private static let withheldLimit = DeliveryQueue.sparedLimit

    private let settings: RelaySettings
    var queue: DeliveryQueue
    private(set) var horizon = WriterHorizon()
    /// All events up to this one were read.
    private var cursor: Int64 = 0
    /// Which events had failed when reading began at the first.
    private var blocks: String?
    /// The numbering that `horizon` and the events that were read belong to.
    private var numbering: String?
    /// What was known of the shard may hold no more: the writers are looked for before anything is read.
    private var mustLook = false
    private var isOther = false
    private var lastLook: ContinuousClock.Instant?
    private var lastBlocks = ContinuousClock.now
    private var lastLocked = ContinuousClock.now
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
    var isIdle: Bool {
        let mayRead = hasRoom && (cursor < horizon.sequence || queue.wantsRereading || mustLook)
        return queue.inFlight == 0 && queue.confirmed.isEmpty && queue.refusals.isEmpty && !mayRead
    }

    private var hasRoom: Bool { queue.count <= settings.batch && queue.countedBytes <= Self.heldBytesLimit && queue.withheldCount <= Self.withheldLimit }

    /// How long to wait for something to happen.
    var idleTime: Duration {
        var time = settings.pollInterval
        if let wake = queue.nextWake { time = min(time, max(.zero, ContinuousClock.now.duration(to: wake))) }
        return queue.withheldCount > 0 ? min(time, Self.lockedInterval) : time
    }

    /// What keeps events from being marked; nil: nothing.
    private(set) var trouble: String?

    /// How long the oldest transaction that events wait for has been known; nil: none is waited for.
    func writerAge(_ now: ContinuousClock.Instant) -> Duration? {
        horizon.isWaiting ? horizon.oldestWriter.map { $0.since.duration(to: now) } : nil
    }

    // MARK: From the shard

    /// Reads events while there is room, and looks whether more may be read.
    mutating func load(_ store: OutboxStore) throws {
        guard hasRoom else { return }
        if queue.wantsRereading || queue.count == 0 && lastReread.duration(to: .now) > Self.rereadInterval { reread() }
        if mustLook || cursor >= horizon.sequence { try look(store) }
        guard cursor < horizon.sequence else { return try lookForMended(store) }
        let page = try store.events(after: cursor, through: horizon.sequence, limit: settings.batch)
        if mustReread(page.condition) { return }
        queue.add(page.events)
        cursor = page.end
    }

    /// Whether events that were passed over for one that had failed may be free now. They come before those behind the cursor, so all is read again.
    /// Where the numbers have begun anew, nothing is known of those that were found: the look that follows sees to that.
    private mutating func mustReread(_ found: OutboxCondition) -> Bool {
        lastBlocks = .now
        guard found.numbering == numbering else {
            mustLook = true
            return true
        }
        if cursor != 0, found.blocks != blocks {
            reread()
            return true
        }
        blocks = found.blocks
        return false
    }

    private mutating func lookForMended(_ store: OutboxStore) throws {
        if lastBlocks.duration(to: .now) >= Self.blocksInterval { _ = mustReread(try store.condition()) }
    }

    private mutating func reread() {
        queue.noteRereading()
        cursor = 0
        mustLook = true
        lastReread = .now
    }

    private mutating func look(_ store: OutboxStore) throws {
        let now = ContinuousClock.now
        if !mustLook, let lastLook, lastLook.duration(to: now) < Self.lookInterval { return }
        lastLook = now
        let newest = try store.newest(above: horizon.sequence)
        guard mustLook || horizon.isWaiting || newest != nil else { return }
        let writers = try store.writers()
        mustLook = false
        numbering = writers.numbering
        let origin = "\(writers.serverStart) \(writers.numbering)"
        guard horizon.look(newest: newest, writers: writers.identifiers, origin: origin, now: now) else { return }
        // Behind a standby that was promoted, or where the numbers have begun anew, what was read may not be there any more, and its numbers be those
        // of other events.
        queue = DeliveryQueue(settings.delivery)
        blocks = nil
        isOther = true
        reread()
    }

    /// Whether the shard has become another server, or its numbers others, since this was asked last: what is on its way is of no interest then.
    mutating func takeOther() -> Bool {
        defer { isOther = false }
        return isOther
    }

    // MARK: To the shard

    /// Marks what is confirmed, and stores what is refused. What others have locked waits, and holds up nothing else.
    /// - Parameter marksAll: also few events that are confirmed just now.
    mutating func store(_ store: OutboxStore, marksAll: Bool) throws {
        if queue.withheldCount > 0, marksAll || lastLocked.duration(to: .now) >= Self.lockedInterval {
            lastLocked = .now
            queue.retryWithheld()
        }
        if queue.withheldCount == 0 { trouble = nil }
        while let refusal = queue.refusals.first {
            let isDone = try isStored(refusal, store)
            queue.forgetRefusal(isStored: isDone)
        }
        let isDue = marksAll || queue.confirmed.count >= settings.batch / 2 || queue.inFlight == 0 || lastMark.duration(to: .now) >= Self.markInterval
        while isDue, !queue.confirmed.isEmpty {
            let marks = queue.confirmed(atMost: settings.batch)
            let marked = try store.markSent(marks)
            queue.forgetConfirmed(marks.count, locked: marked.locked)
            if let locked = marked.locked.min() { trouble = "others have locked the rows of \(marked.locked.count) events that are sent and not marked, from \(locked) on" }
            sent += marked.count
            lastMark = .now
        }
        try delete(store)
    }

    /// An event that cannot be stored as failed holds up its aggregate, and nothing else.
    private mutating func isStored(_ refusal: EventRefusal, _ store: OutboxStore) throws -> Bool {
        do {
            if try store.store(refusal) { return true }
            trouble = "others have locked the row of event \(refusal.mark.sequence), which the broker refuses"
        } catch let error as DatabaseMessage where Self.rowFaults.contains(String(error.sqlState.classCode)) {
            trouble = "event \(refusal.mark.sequence) cannot be stored as refused: \(error.message)"
        }
        return false
    }

    /// Classes of errors that are about one row: it does not fit an index, a constraint or a type.
    private static let rowFaults: Set<String> = ["22", "23", "54"]

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
            case .postponed(let sequence, _): queue.postpone(sequence, now: .now)
            case .oneRefused(let reason): queue.refuseOne(reason: reason, now: .now)
            }
        }
    }
}
