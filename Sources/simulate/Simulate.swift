// simulate: lives many worlds, one seed after the other, and tells which of them broke a promise.
import ArgumentParser
import Dispatch
import Simulation

@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Deterministic simulation of proxies, clients and a model of PostgreSQL.")

    @Option(help: "The first seed.") var seed: UInt64 = 0
    @Option(help: "How many seeds.") var count: UInt64 = 1000
    @Option(help: "How many threads.") var jobs = 1
    @Option(help: "A file to add to. Seeds that are in it are left out, and failures do not end the run.") var report: String?
    @Flag(help: "Print everything that happens in the failing world, or in the only one.") var trace = false
    @Option(help: "Break the protocol: \(Flaw.allCases.map(\.rawValue).joined(separator: ", ")).") var flaw: String?
    @Flag(inversion: .prefixedNo, help: "A reader that sees half of a distributed commit is a failure.") var checkReads = false

    @Option(help: "How seeds become worlds: themed, or plain as before there were themes.") var drawing = "themed"

    @Option(help: "Clients look for one order of all transactions: offered (by the proxies), missing (they keep only single reads whole).")
    var strictReads: String?

    @Option(help: "How many workers each proxy has.") var workers = 1

    func run() throws {
        var strict = StrictReads.unused
        if let strictReads {
            guard let known = ["offered": StrictReads.offered, "missing": .missing][strictReads] else {
                throw ValidationError("--strict-reads is offered or missing")
            }
            strict = known
        }
        guard (1...64).contains(workers) else { throw ValidationError("--workers is from 1 to 64") }
        guard let drawing = WorldDrawing(rawValue: drawing) else { throw ValidationError("--drawing is themed or plain") }
        var chosen: Flaw?
        if let flaw {
            guard let known = Flaw(rawValue: flaw) else { throw ValidationError("there is no flaw \(flaw)") }
            chosen = known
        }
        let options = SimulationOptions(flaw: chosen, checksReads: checkReads, strictReads: strict, drawing: drawing, workerCount: workers)
        print("seeds \(seed)..<\(seed + count)")
        if trace, count == 1 { return try show(seed, options) }
        let begin = DispatchTime.now().uptimeNanoseconds
        let campaign = Campaign(seeds: seed..<seed + count, options: options, path: report)
        guard campaign.run(threadCount: max(1, jobs)) else { throw ValidationError("cannot write \(report ?? "")") }
        let journal = campaign.journal
        print(journal.totals.text)
        print("this run took \((DispatchTime.now().uptimeNanoseconds - begin) / 1_000_000) ms")
        guard let first = journal.failures.min(by: { $0.seed < $1.seed }) else { return print("every promise was kept") }
        print("\(journal.failures.count) worlds FAIL, the first: seed \(first.seed): \(first.violation)")
        print("again: simulate --seed \(first.seed) --count 1 --trace\(again)")
        if trace { try show(first.seed, options) }
        throw ExitCode(1)
    }

    /// The options that make the worlds what they are.
    private var again: String {
        (checkReads ? " --check-reads" : "") + (drawing == "themed" ? "" : " --drawing \(drawing)") + (strictReads.map { " --strict-reads \($0)" } ?? "")
            + (workers == 1 ? "" : " --workers \(workers)") + (flaw.map { " --flaw \($0)" } ?? "")
    }

    /// Prints the whole life of one world.
    private func show(_ seed: UInt64, _ options: SimulationOptions) throws {
        var options = options
        options.isTracing = true
        let life = World(seed: seed, options: options, shop: WorldShop()).run()
        for line in life.trace { print(line) }
        guard let violation = life.violation else { return print("seed \(seed) kept every promise") }
        print("seed \(seed) FAILS: \(violation)")
        throw ExitCode(1)
    }
}
