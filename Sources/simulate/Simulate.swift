// simulate: lives many worlds, one seed after the other, until one of them breaks a promise.
import ArgumentParser
import Dispatch
import Simulation

@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Deterministic simulation of proxies, clients and a model of PostgreSQL.")

    @Option(help: "The first seed.") var seed: UInt64 = 0
    @Option(help: "How many seeds.") var count = 1000
    @Flag(help: "Print everything that happens in the failing world, or in the only one.") var trace = false
    @Option(help: "Break the protocol: \(Flaw.allCases.map(\.rawValue).joined(separator: ", ")).") var flaw: String?
    @Flag(inversion: .prefixedNo, help: "A reader that sees half of a distributed commit is a failure.") var checkReads = false

    func run() throws {
        var chosen: Flaw?
        if let flaw {
            guard let known = Flaw(rawValue: flaw) else { throw ValidationError("there is no flaw \(flaw)") }
            chosen = known
        }
        var options = SimulationOptions(flaw: chosen, checksReads: checkReads, isTracing: trace && count == 1)
        print("seeds \(seed)..<\(seed + UInt64(count))")
        let shop = WorldShop()
        var total = Totals()
        let begin = DispatchTime.now().uptimeNanoseconds
        for number in seed..<seed + UInt64(count) {
            var report = World(seed: number, options: options, shop: shop).run()
            total.add(report)
            if report.violation != nil || options.isTracing {
                if trace, !options.isTracing {
                    options.isTracing = true
                    report = World(seed: number, options: options, shop: shop).run()
                }
                for line in report.trace { print(line) }
            }
            if let violation = report.violation {
                print("seed \(number) FAILS: \(violation)")
                print("again: simulate --seed \(number) --count 1 --trace")
                throw ExitCode(1)
            }
        }
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - begin) / 1e9
        total.print(seconds: seconds)
    }
}

/// Sums over many worlds.
struct Totals {
    var worlds = 0
    var events = 0
    var faults = [Int](repeating: 0, count: RunReport.faultNames.count)
    var steps = [Int](repeating: 0, count: RunReport.stepNames.count)
    var committed = 0, aborted = 0, unknown = 0, crossShard = 0, reads = 0, fracturedReads = 0
    /// Worlds by their number of faults: none, 1, 2...3, 4...7, and so on.
    var histogram = [Int](repeating: 0, count: 12)

    mutating func add(_ report: RunReport) {
        worlds += 1
        events += report.events
        for (index, count) in report.faults.enumerated() { faults[index] += count }
        for (index, count) in report.steps.enumerated() { steps[index] += count }
        committed += report.committed
        aborted += report.aborted
        unknown += report.unknown
        crossShard += report.crossShard
        reads += report.reads
        fracturedReads += report.fracturedReads
        let count = report.faults.reduce(0, +)
        histogram[min(histogram.count - 1, Int.bitWidth - count.leadingZeroBitCount)] += 1
    }

    func print(seconds: Double) {
        Swift.print("\(worlds) worlds kept every promise; \(Int(Double(worlds) / seconds)) worlds a second, \(events / max(1, worlds)) events a world")
        Swift.print("operations: \(committed) committed, \(aborted) aborted, \(unknown) unknown; \(crossShard) over several shards; \(reads) reads, \(fracturedReads) fractured")
        Swift.print("faults:", zip(RunReport.faultNames, faults).map { "\($0) \($1)" }.joined(separator: ", "))
        Swift.print("worlds by faults:", histogram.enumerated().map { place, count in "\(place == 0 ? 0 : 1 << (place - 1))+: \(count)" }.joined(separator: ", "))
        Swift.print("steps:", zip(RunReport.stepNames, steps).map { "\($0) \($1)" }.joined(separator: ", "))
    }
}
