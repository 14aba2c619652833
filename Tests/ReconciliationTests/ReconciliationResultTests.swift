// ReconciliationResult: repairs are made only for who wants them, and not without end.
import Testing

@testable import Reconciliation

@Suite struct ReconciliationResultTests {
    /// A result of some inconsistencies, whose repairs have ten bytes each, and how many of these were asked for.
    private func made(_ count: Int, _ limits: ReconciliationLimits, keepsRepairs: Bool) -> (ReconciliationResult, asked: Int) {
        var result = ReconciliationResult(name: "accounts", entityType: "account")
        var room = DetailRoom(limits, keepsRepairs: keepsRepairs)
        var asked = 0
        func repair() -> String {
            asked += 1
            return "SELECT 11;"
        }
        for number in 0..<count { result.add(Inconsistency(kind: "missing", key: ["id": "\(number)"]), repair: repair(), &room) }
        return (result, asked)
    }

    @Test func nobodyIsAskedForRepairsThatAreNotWanted() {
        let (result, asked) = made(5, ReconciliationLimits(), keepsRepairs: false)
        #expect(result.inconsistencyCount == 5 && result.inconsistencies.count == 5 && result.repair == [] && asked == 0)
    }

    @Test func whatIsNotRepairedIsTold() {
        var limits = ReconciliationLimits()
        limits.repairBytes = 35
        var (cut, _) = made(5, limits, keepsRepairs: true)
        cut.tellMissingRepairs()
        #expect(cut.repair == Array(repeating: "SELECT 11;", count: 3) + ["-- accounts: 2 further inconsistencies have no repair here, there are too many"])
        var (whole, _) = made(3, limits, keepsRepairs: true)
        whole.tellMissingRepairs()
        #expect(whole.repair == Array(repeating: "SELECT 11;", count: 3))
    }
}
