// DeliveryQueue: the events of one shard on their way to the broker: which may be published now, and what came of those that were.
//
// Events of one aggregate stand in a lane, in their order, and only the first is on its way: the next one is published when the broker has
// confirmed it. So no failure, of the broker or of a single event, lets a younger event be first; whoever publishes from this order, several at
// a time even, tells each aggregate's events for the first time in their order.
//
// An event that the broker refuses is tried again after a delay, then given up. What follows in its lane is forgotten meanwhile, so that it
// takes no room, and read again (`wantsRereading`) when the first is through. One that is given up keeps its lane until the shard has stored that.
//
// Events that cannot be marked at the moment, since others have locked their rows, are withheld: known, so that nothing publishes them again, and
// in nobody's way.

public struct DeliveryQueue {
    /// How many events are on their way, and how often a refused one is tried.
    public struct Limits: Sendable {
        public var inFlight = 1000
        public var attempts = 8
        public var delay = RetryDelay()
        /// Whether events wait while an older one of their aggregate has failed.
        public var failureBlocks = true

        public init() {}
    }

    /// So many events may wait for another attempt, or for the unlocking of their rows, without taking the room of others.
    static let sparedLimit = 10_000
    /// Nor does the memory of those that wait for another attempt, up to here.
    static let sparedBytesLimit = 64 << 20

    private let limits: Limits
    private var lanes: [String: DeliveryLane] = [:]
    /// Aggregates whose first event may be published, in order; those before `nextReady` are taken.
    private var ready: [String] = []
    private var nextReady = 0
    /// Aggregates whose first event waits for another attempt.
    private var delayed = DelayedLanes()
    private var flying: [Int64: String] = [:]
    /// Events of which one makes the broker close the channel: they are published one at a time.
    private var suspects: Set<Int64> = []
    /// All events that are here, and those that are confirmed and not marked yet.
    private var known: Set<Int64> = []
    /// Events that are given up, while that is not stored, with their aggregates.
    private var givenUp: [Int64: String] = [:]
    /// Memory that these take, in bytes.
    private var givenUpBytes = 0
    /// Confirmed events that are to be marked.
    public private(set) var confirmed: [EventMark] = []
    /// Refusals that are to be stored.
    public private(set) var refusals: [EventRefusal] = []
    /// Those of both that the shard could not take yet.
    private var withheld: (confirmed: [EventMark], refusals: [EventRefusal]) = ([], [])
    /// Events were left out that are to be read again from the first on.
    public private(set) var wantsRereading = false
    /// Memory that the events take that are neither confirmed nor forgotten, in bytes.
    public private(set) var heldBytes = 0

    public init(_ limits: Limits) { self.limits = limits }

    /// Events that take the room of others: those that are neither confirmed nor forgotten nor given up, and do not wait for another attempt.
    public var count: Int {
        let spared = min(delayed.count + givenUp.count + withheld.confirmed.count, Self.sparedLimit)
        return known.count - confirmed.count - spared
    }
    /// Memory that takes the room of others, in bytes: not that of events that are given up, or wait for another attempt.
    public var countedBytes: Int { heldBytes - min(delayed.bytes + givenUpBytes, Self.sparedBytesLimit) }
    /// When the first event may be tried again of those that wait for that; nil: none waits.
    public var nextWake: ContinuousClock.Instant? { delayed.nextWake }
    public var inFlight: Int { flying.count }
    public var isEmpty: Bool { known.isEmpty }
    /// How many events wait for the shard to take what became of them.
    public var withheldCount: Int { withheld.confirmed.count + withheld.refusals.count }

    // MARK: In

    /// Takes events in the order of their numbers; those that are here already are passed over.
    public mutating func add(_ events: [OutboxEvent]) {
        for event in events where !known.contains(event.sequence) {
            guard var lane = lanes.removeValue(forKey: event.aggregate) else {
                take(event)
                lanes[event.aggregate] = DeliveryLane(event)
                ready.append(event.aggregate)
                continue
            }
            if !lane.isCut {
                take(event)
                lane.append(event)
            }
            lanes[event.aggregate] = lane
        }
    }

    private mutating func take(_ event: OutboxEvent) {
        known.insert(event.sequence)
        heldBytes += event.bytes
    }

    /// The reading from the first event on has begun.
    public mutating func noteRereading() { wantsRereading = false }

    // MARK: Out

    /// The next event to publish, which then is on its way; nil: none at the moment. Those that no broker can be told are given up at their turn.
    public mutating func next(now: ContinuousClock.Instant) -> OutboxEvent? {
        ready += delayed.takeDue(now)
        while nextReady < ready.count, flying.count < (suspects.isEmpty ? limits.inFlight : 1) {
            guard let aggregate = takeReady(), let lane = lanes[aggregate] else { continue }
            let event = lane.first
            flying[event.sequence] = aggregate
            guard let flaw = event.flaw else { return event }
            refuse(event.sequence, reason: flaw, now: now)
        }
        return nil
    }

    private mutating func takeReady() -> String? {
        let aggregate = ready[nextReady]
        nextReady += 1
        if nextReady >= 1024, nextReady * 2 >= ready.count {
            ready.removeSubrange(..<nextReady)
            nextReady = 0
        }
        return aggregate
    }

    // MARK: Outcomes

    /// The broker has it. Events that are not on their way are passed over.
    public mutating func confirm(_ sequence: Int64) {
        guard let aggregate = land(sequence), var lane = lanes.removeValue(forKey: aggregate) else { return }
        confirmed.append(lane.first.mark)
        heldBytes -= lane.first.bytes
        if lane.isCut { wantsRereading = true }
        lane.removeFirst()
        guard !lane.isEmpty else { return }
        lanes[aggregate] = lane
        ready.append(aggregate)
    }

    /// The broker does not take this event.
    public mutating func refuse(_ sequence: Int64, reason: String, now: ContinuousClock.Instant) {
        guard let aggregate = land(sequence), var lane = lanes.removeValue(forKey: aggregate) else { return }
        cut(&lane)
        // The column may have any number.
        let attempts = min(max(lane.first.attempts, 0) + 1, Int(Int32.max))
        lane.first.attempts = attempts
        let isFinal = lane.first.flaw != nil || attempts >= limits.attempts
        refusals.append(EventRefusal(mark: lane.first.mark, attempts: attempts, reason: reason, isFinal: isFinal))
        if isFinal {
            givenUp[sequence] = aggregate
            givenUpBytes += lane.first.bytes
        } else {
            delayed.add(aggregate, until: now + limits.delay.duration(after: attempts), bytes: lane.first.bytes)
        }
        lanes[aggregate] = lane
    }

    /// The broker does not take this event now, and it is not the event's fault: it is tried again without end, after longer and longer delays.
    public mutating func postpone(_ sequence: Int64, now: ContinuousClock.Instant) {
        guard let aggregate = land(sequence), var lane = lanes.removeValue(forKey: aggregate) else { return }
        cut(&lane)
        lane.postponements += 1
        delayed.add(aggregate, until: now + limits.delay.duration(after: lane.postponements), bytes: lane.first.bytes)
        lanes[aggregate] = lane
    }

    /// The broker has refused one of those on their way, and it is not known which.
    public mutating func refuseOne(reason: String, now: ContinuousClock.Instant) {
        if flying.count == 1, let sequence = flying.keys.first { return refuse(sequence, reason: reason, now: now) }
        suspects.formUnion(flying.keys)
        lose()
    }

    /// It is not known what became of those on their way: they are published again.
    public mutating func lose() {
        let lost = flying.sorted { $0.key < $1.key }.map(\.value)
        flying = [:]
        ready = lost + ready[nextReady...]
        nextReady = 0
    }

    private mutating func land(_ sequence: Int64) -> String? {
        suspects.remove(sequence)
        return flying.removeValue(forKey: sequence)
    }

    /// Forgets what stands behind the first event of a lane.
    private mutating func cut(_ lane: inout DeliveryLane) {
        for event in lane.cut() {
            known.remove(event.sequence)
            heldBytes -= event.bytes
        }
    }

    // MARK: What the shard has taken

    /// What was confirmed, up to a number of events; they are known until `forgetConfirmed`.
    public func confirmed(atMost count: Int) -> [EventMark] { Array(confirmed.prefix(count)) }

    /// The first of the confirmed events are marked, but for those whose rows others have locked: they are withheld.
    public mutating func forgetConfirmed(_ count: Int, locked: Set<Int64> = []) {
        for mark in confirmed.prefix(count) {
            if locked.contains(mark.sequence) { withheld.confirmed.append(mark) } else { known.remove(mark.sequence) }
        }
        confirmed.removeFirst(count)
    }

    /// The first of the refusals is stored, or could not be and is withheld. One that is not the last of its event need not be stored: the next says it again.
    public mutating func forgetRefusal(isStored: Bool) {
        let refusal = refusals.removeFirst()
        guard refusal.isFinal else { return }
        guard isStored else { return withheld.refusals.append(refusal) }
        guard let aggregate = givenUp.removeValue(forKey: refusal.mark.sequence) else { return }
        known.remove(refusal.mark.sequence)
        let bytes = lanes.removeValue(forKey: aggregate)?.first.bytes ?? 0
        heldBytes -= bytes
        givenUpBytes -= bytes
        wantsRereading = true
    }

    /// What was withheld is to be marked and stored again.
    public mutating func retryWithheld() {
        confirmed = withheld.confirmed + confirmed
        refusals = withheld.refusals + refusals
        withheld = ([], [])
    }
}
