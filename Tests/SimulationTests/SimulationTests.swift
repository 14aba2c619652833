// Whole proxies against a hostile world, and the same world against protocols that are wrong.
import Simulation
import Testing

@Suite struct SimulationTests {
    static let seeds: Range<UInt64> = 0..<200
    /// Seeds whose worlds once broke a promise, drawn as they were then.
    static let regressions: [(seed: UInt64, drawing: WorldDrawing)] = plain.map { ($0, .plain) } + themed.map { ($0, .themed) }
    private static let plain: [UInt64] = [505, 1991, 3945, 11797, 12727, 313157, 329518, 798940, 1311054, 80_189_946]
    private static let themed: [UInt64] = [2368, 10_000_883, 10_007_030, 10_126_646, 10_370_941, 63_047_595]
    static let strictRegressions: [UInt64] = [184, 252, 3469]

    @Test func everyPromiseIsKeptWhateverFails() {
        let shop = WorldShop()
        var total = RunReport()
        for (seed, drawing) in Self.seeds.map({ ($0, .themed) }) + Self.regressions {
            let report = World(seed: seed, options: SimulationOptions(checksReads: true, drawing: drawing), shop: shop).run()
            if let violation = report.violation {
                Issue.record("seed \(seed): \(violation); again: simulate --seed \(seed) --count 1 --trace --check-reads --drawing \(drawing)")
                return
            }
            #expect(report.crossShard >= 4)
            for (place, count) in report.steps.enumerated() { total.steps[place] += count }
            total.committed += report.committed
            total.aborted += report.aborted
            total.unknown += report.unknown
        }
        // The worlds are neither so calm nor so hostile that a kind of ending, or a usual step, is never seen.
        #expect(total.committed > 100)
        #expect(total.aborted > 10)
        #expect(total.unknown > 10)
        let usual = ["decideAndCommit", "rollbackPrepared", "resolveDecision", "retryCommitPrepared", "recoveryCommitPrepared", "recoveryRollbackPrepared"]
        for step in usual {
            let place = RunReport.stepNames.firstIndex(of: step)
            #expect(place.map { total.steps[$0] } ?? 0 > 0, "\(step)")
        }
    }

    @Test func strictReadsFitOneOrder() {
        let shop = WorldShop()
        for seed in Array(0..<80 as Range<UInt64>) + Self.strictRegressions {
            let options = SimulationOptions(checksReads: true, strictReads: .offered)
            let violation = World(seed: seed, options: options, shop: shop).run().violation
            #expect(violation == nil, "seed \(seed); again: simulate --seed \(seed) --count 1 --trace --check-reads --strict-reads offered")
        }
    }

    @Test func workersOfAProxyKeepThemTogether() {
        let shop = WorldShop()
        for seed in 0..<100 as Range<UInt64> {
            let options = SimulationOptions(checksReads: true, workerCount: 2)
            let violation = World(seed: seed, options: options, shop: shop).run().violation
            #expect(violation == nil, "seed \(seed); again: simulate --seed \(seed) --count 1 --trace --check-reads --workers 2")
        }
    }

    /// Proxies that only keep single reads whole do not pass for strict ones.
    @Test func aWrongOrderIsCaught() {
        let shop = WorldShop()
        let options = SimulationOptions(checksReads: true, strictReads: .missing)
        let caught = (0..<1_000 as Range<UInt64>).first { World(seed: $0, options: options, shop: shop).run().violation != nil }
        #expect(caught != nil)
    }

    @Test(arguments: [7, 64, 349] as [UInt64])
    func aSeedReplaysExactly(seed: UInt64) {
        let options = SimulationOptions(checksReads: false, isTracing: true)
        let first = World(seed: seed, options: options, shop: WorldShop()).run()
        let second = World(seed: seed, options: options, shop: WorldShop()).run()
        #expect(first.fingerprint == second.fingerprint)
        #expect(first.trace == second.trace)
        // Watching changes nothing, and neither do the worlds lived before.
        let shop = WorldShop()
        for other in 0..<20 as Range<UInt64> { _ = World(seed: other, options: SimulationOptions(checksReads: false), shop: shop).run() }
        let unwatched = World(seed: seed, options: SimulationOptions(checksReads: false), shop: shop).run()
        #expect(first.fingerprint == unwatched.fingerprint)
    }

    @Test(arguments: Flaw.allCases)
    func aBrokenProtocolIsCaught(flaw: Flaw) {
        let shop = WorldShop()
        let options = SimulationOptions(
            flaw: flaw, checksReads: flaw == .skipsGate || flaw == .splitsGate, workerCount: flaw == .splitsGate ? 2 : 1)
        let caught = (0..<1_000 as Range<UInt64>).first { World(seed: $0, options: options, shop: shop).run().violation != nil }
        #expect(caught != nil)
    }
}
