// DeliveryQueue: the events of one shard on their way to the broker: which may be published now, and what came of those that were.
//
// Events of one aggregate stand in a lane, in their order, and only the first is on its way: the next one is published when the broker has
// confirmed it. So no failure, of the broker or of a single event, lets a younger event be first; whoever publishes from this order, several at
// a time even, tells each aggregate's events for the first time in their order.
//
// An event that the broker refuses is tried again after a delay, then given up. What follows in its lane is forgotten meanwhile, so that it
// takes no room, and read again (`wantsRereading`) when the first is through.

/// What the broker has said of an event.
public struct EventRefusal: Equatable, Sendable {
    public var sequence: Int64
    public var attempts: Int
    public var reason: String
    /// No further attempt is made.
    public var isFinal: Bool
}

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

    private struct Lane {
        var events: [OutboxEvent]
        var first = 0
        /// Events behind the first were forgotten, and none is taken.
        var isCut = false
    }

    private let limits: Limits
    private var lanes: [String: Lane] = [:]
    /// Aggregates whose first event may be published, in order; those before `nextReady` are taken.
    private var ready: [String] = []
    private var nextReady = 0
    /// Aggregates whose first event waits for another attempt.
    private var delayed: [(aggregate: String, until: ContinuousClock.Instant)] = []
    private var flying: [Int64: String] = [:]
    /// Events of which one makes the broker close the channel: they are published one at a time.
    private var suspects: Set<Int64> = []
    /// All events that are here, and those that are confirmed and not marked yet.
    private var known: Set<Int64> = []
    /// Confirmed events that are to be marked.
    public private(set) var confirmed: [Int64] = []
    /// Refusals that are to be stored.
    public private(set) var refusals: [EventRefusal] = []
    /// Events were left out that are to be read again from the first on.
    public private(set) var wantsRereading = false

    public init(_ limits: Limits) { self.limits = limits }

    /// Events that are not confirmed, forgotten or given up.
    public var count: Int { known.count - confirmed.count }
    public var inFlight: Int { flying.count }
    public var isEmpty: Bool { known.isEmpty }

    // MARK: In

    /// Takes events in the order of their numbers; those that are here already are passed over.
    public mutating func add(_ events: [OutboxEvent]) {
        for event in events where !known.contains(event.sequence) {
            guard var lane = lanes.removeValue(forKey: event.aggregate) else {
                known.insert(event.sequence)
                lanes[event.aggregate] = Lane(events: [event])
                ready.append(event.aggregate)
                continue
            }
            if !lane.isCut {
                known.insert(event.sequence)
                lane.events.append(event)
            }
            lanes[event.aggregate] = lane
        }
    }

    /// The reading from the first event on has begun.
    public mutating func noteRereading() { wantsRereading = false }

    // MARK: Out

    /// The next event to publish, which then is on its way; nil: none at the moment.
    public mutating func next(now: ContinuousClock.Instant) -> OutboxEvent? {
        wake(now)
        guard nextReady < ready.count, flying.count < (suspects.isEmpty ? limits.inFlight : 1) else { return nil }
        let aggregate = ready[nextReady]
        nextReady += 1
        if nextReady >= 1024, nextReady * 2 >= ready.count {
            ready.removeSubrange(..<nextReady)
            nextReady = 0
        }
        guard let lane = lanes[aggregate] else { return nil }
        let event = lane.events[lane.first]
        flying[event.sequence] = aggregate
        return event
    }

    private mutating func wake(_ now: ContinuousClock.Instant) {
        guard delayed.contains(where: { $0.until <= now }) else { return }
        ready += delayed.filter { $0.until <= now }.map(\.aggregate)
        delayed.removeAll { $0.until <= now }
    }

    // MARK: Outcomes

    /// The broker has it. Events that are not on their way are passed over.
    public mutating func confirm(_ sequence: Int64) {
        guard let aggregate = land(sequence) else { return }
        confirmed.append(sequence)
        advance(aggregate)
    }

    /// The broker does not take this event.
    public mutating func refuse(_ sequence: Int64, reason: String, now: ContinuousClock.Instant) {
        guard let aggregate = land(sequence), var lane = lanes[aggregate] else { return }
        cut(&lane)
        lane.events[0].attempts += 1
        let attempts = lane.events[0].attempts
        let isFinal = attempts >= limits.attempts
        refusals.append(EventRefusal(sequence: sequence, attempts: attempts, reason: reason, isFinal: isFinal))
        if isFinal {
            known.remove(sequence)
            lanes[aggregate] = nil
            wantsRereading = true
        } else {
            lanes[aggregate] = lane
            delayed.append((aggregate, now + limits.delay.duration(after: attempts)))
        }
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

    /// What was confirmed, up to a number of events; they are known until `forget`.
    public func confirmed(atMost count: Int) -> [Int64] { Array(confirmed.prefix(count)) }

    /// The first of the confirmed events are marked.
    public mutating func forgetConfirmed(_ count: Int) {
        known.subtract(confirmed.prefix(count))
        confirmed.removeFirst(count)
    }

    public mutating func forgetRefusals() { refusals = [] }

    private mutating func land(_ sequence: Int64) -> String? {
        suspects.remove(sequence)
        return flying.removeValue(forKey: sequence)
    }

    private mutating func advance(_ aggregate: String) {
        guard var lane = lanes.removeValue(forKey: aggregate) else { return }
        if lane.isCut { wantsRereading = true }
        lane.first += 1
        guard lane.first < lane.events.count else { return }
        lanes[aggregate] = lane
        ready.append(aggregate)
    }

    /// Forgets what stands behind the first event of a lane.
    private mutating func cut(_ lane: inout Lane) {
        known.subtract(lane.events[(lane.first + 1)...].map(\.sequence))
        lane = Lane(events: [lane.events[lane.first]], isCut: true)
    }
}
