// DelayedLanes: the aggregates whose first event waits for another attempt, each up to a time.
struct DelayedLanes {
    private var lanes: [(aggregate: String, until: ContinuousClock.Instant, bytes: Int)] = []
    /// When the first of them may be tried again; nil: none waits.
    private(set) var nextWake: ContinuousClock.Instant?
    /// Memory that their events take, in bytes.
    private(set) var bytes = 0

    var count: Int { lanes.count }

    /// - Parameter bytes: memory that the event takes.
    mutating func add(_ aggregate: String, until: ContinuousClock.Instant, bytes: Int) {
        lanes.append((aggregate, until, bytes))
        nextWake = min(nextWake ?? until, until)
        self.bytes += bytes
    }

    /// Those whose time has come.
    mutating func takeDue(_ now: ContinuousClock.Instant) -> [String] {
        guard let nextWake, nextWake <= now else { return [] }
        let due = lanes.filter { $0.until <= now }
        lanes.removeAll { $0.until <= now }
        self.nextWake = lanes.map(\.until).min()
        for lane in due { bytes -= lane.bytes }
        return due.map(\.aggregate)
    }
}
