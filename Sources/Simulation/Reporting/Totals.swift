// Totals: what came of many worlds. Everything is a count, so that runs add up in any order.

/// Sums over worlds.
package struct Totals: Sendable {
    package var sums = NamedCounts(["worlds", "events", "simulatedMilliseconds", "processorMilliseconds", "reads", "fracturedReads"])
    /// How operations that change something ended.
    package var outcomes = NamedCounts(["committed", "aborted", "unknown"])
    package var faults = NamedCounts(RunReport.faultNames)
    /// Worlds by their number of faults, in powers of two, and by their number of transactions over several shards.
    package var worldsByFaults = NamedCounts(["0"] + (0..<12).map { "\(1 << $0)+" })
    package var worldsByCrossShard = NamedCounts((0...16).map { "\($0)" })
    package var worldsByTheme = NamedCounts(RunReport.themeNames)
    package var eventsByTheme = NamedCounts(RunReport.themeNames)
    package var steps = NamedCounts(RunReport.stepNames)
    /// Faults that struck at a step they were aimed at.
    package var strikes = NamedCounts(RunReport.stepNames.flatMap { step in RunReport.faultNames.map { "\(step)/\($0)" } })
    package var errors = NamedCounts([])

    /// Names of the parts in a report.
    package static let parts: [(name: String, path: WritableKeyPath<Totals, NamedCounts> & Sendable)] = [
        ("sums", \.sums), ("outcomes", \.outcomes), ("worldsByFaults", \.worldsByFaults),
        ("worldsByCrossShard", \.worldsByCrossShard), ("faults", \.faults), ("worldsByTheme", \.worldsByTheme),
        ("eventsByTheme", \.eventsByTheme), ("steps", \.steps), ("strikes", \.strikes), ("errors", \.errors),
    ]

    package init() {}

    package mutating func add(_ report: RunReport) {
        sums.add([1, report.events, Int(report.duration.nanoseconds / 1_000_000), 0, report.reads, report.fracturedReads])
        outcomes.add([report.committed, report.aborted, report.unknown])
        faults.add(report.faults)
        steps.add(report.steps)
        strikes.add(report.strikes)
        for (name, count) in report.errors.sorted(by: { $0.key < $1.key }) { errors.add(name, count) }
        let count = report.faults.reduce(0, +)
        worldsByFaults.add(worldsByFaults.names[min(worldsByFaults.names.count - 1, Int.bitWidth - count.leadingZeroBitCount)])
        worldsByCrossShard.add("\(report.crossShard)")
        worldsByTheme.add(RunReport.themeNames[report.theme])
        eventsByTheme.add(RunReport.themeNames[report.theme], report.events)
    }

    package mutating func add(_ other: Totals) {
        for part in Self.parts { self[keyPath: part.path].add(other[keyPath: part.path]) }
    }

    /// Steps that were taken less often than this are named.
    package static let fewSteps = 1000

    /// The report for people.
    package var text: String {
        let worlds = max(1, sums["worlds"])
        let rate = sums["processorMilliseconds"] > 0 ? sums["worlds"] * 1000 / sums["processorMilliseconds"] : 0
        let crossShard = zip(worldsByCrossShard.names, worldsByCrossShard.counts).reduce(0) { $0 + (Int($1.0) ?? 0) * $1.1 }
        let least = zip(worldsByCrossShard.names, worldsByCrossShard.counts).first { $0.1 > 0 }?.0 ?? "0"
        let rare = zip(steps.names, steps.counts).filter { $0.1 < Self.fewSteps }.map(\.0)
        return """
            \(sums["worlds"]) worlds, \(rate) a second of one core's time, \(sums["events"] / worlds) events and \(sums["simulatedMilliseconds"] / worlds) ms of their own time each
            operations: \(outcomes.text)
            transactions over several shards whose commit was asked for: \(crossShard), at least \(least) a world
            worlds by these: \(worldsByCrossShard.text)
            worlds by theme: \(worldsByTheme.text)
            events by theme: \(eventsByTheme.text)
            reads over several shards: \(sums["reads"]), half of a transaction seen by \(sums["fracturedReads"])
            faults: \(faults.text)
            worlds by faults: \(worldsByFaults.text)
            steps: \(steps.text)
            steps taken less than \(Self.fewSteps) times: \(rare.isEmpty ? "none" : rare.joined(separator: ", "))
            errors told to clients: \(errors.text)
            """
    }
}
