// The protocol against a hostile world, and the same world against protocols that are wrong.
import Testing

@testable import DistributedCommit

@Suite struct CommitSimulation {
    static let seeds: Range<UInt64> = 0..<2_000

    @Test func everyTransactionCommitsEverywhereOrNowhereWhateverFails() throws {
        var answers: [String: Int] = [:]
        for seed in Self.seeds {
            let world = try SimulatedWorld(seed: seed)
            if let violation = world.run() {
                Issue.record("seed \(seed): \(violation)")
                return
            }
            for transaction in world.transactions {
                switch transaction.answer {
                case .committed(let warnings): answers[warnings.isEmpty ? "committed" : "warned", default: 0] += 1
                case .failed: answers["failed", default: 0] += 1
                case .unknown: answers["unknown", default: 0] += 1
                case nil: answers["none", default: 0] += 1
                }
            }
        }
        // The worlds are neither so calm nor so hostile that a kind of ending is never seen.
        for ending in ["committed", "warned", "failed", "unknown", "none"] {
            #expect(answers[ending, default: 0] > 10, "\(ending)")
        }
    }

    @Test func aSeedReplaysExactly() throws {
        let first = try SimulatedWorld(seed: 7, isTracing: true)
        let second = try SimulatedWorld(seed: 7, isTracing: true)
        #expect(first.run() == second.run())
        #expect(first.traced == second.traced)
    }

    @Test(arguments: SimulatedFlaw.allCases)
    func aBrokenProtocolIsCaught(flaw: SimulatedFlaw) throws {
        let caught = try Self.seeds.first { try SimulatedWorld(seed: $0, flaw: flaw).run() != nil }
        #expect(caught != nil)
    }
}
