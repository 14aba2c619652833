// DeliveryLane: the events of one aggregate that are here, in their order. Only the first is ever on its way.
struct DeliveryLane {
    /// So many events that are through are forgotten at a time, and not before they are as many as those that wait: so it costs little for each.
    private static let leastForgotten = 1024

    /// Those before `start` are through.
    private(set) var events: [OutboxEvent]
    private var start = 0
    /// Events behind the first were forgotten, and none is taken.
    private(set) var isCut = false
    /// How often the broker has put off the first one.
    var postponements = 0

    init(_ event: OutboxEvent) { events = [event] }

    var isEmpty: Bool { start == events.count }

    /// The lane must not be empty.
    var first: OutboxEvent {
        get { events[start] }
        set { events[start] = newValue }
    }

    mutating func append(_ event: OutboxEvent) { events.append(event) }

    /// The first is through.
    mutating func removeFirst() {
        events[start].data = ""
        start += 1
        postponements = 0
        guard start >= Self.leastForgotten, start * 2 >= events.count else { return }
        events.removeSubrange(..<start)
        start = 0
    }

    /// Forgets what stands behind the first.
    /// - Returns: what was forgotten.
    mutating func cut() -> ArraySlice<OutboxEvent> {
        let rest = events[(start + 1)...]
        events = [events[start]]
        start = 0
        isCut = true
        return rest
    }
}
