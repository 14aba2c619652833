// Who waits for ever and who only waits.
import DistributedCommit
import Testing

private func session(_ number: Int32) -> Waiter { .session(worker: 0, index: number, generation: 1) }

private func lock(_ waiter: Int32, for blockers: Int32..., mark: String = "") -> Wait {
    Wait(waiter: session(waiter), kind: .lock(shard: 0), blockers: blockers.map(session), mark: mark)
}

private func link(_ waiter: Int32, heldBy holders: Int32...) -> Wait {
    Wait(waiter: session(waiter), kind: .link(shard: 0), blockers: holders.map(session), mark: "")
}

private func cycle(_ waits: Wait...) -> [Waiter]? { WaitGraph(waits).cycle?.map(\.waiter) }

@Suite("The wait graph")
struct WaitGraphTests {
    @Test("two that wait for each other are a cycle, one that waits for another is none")
    func two() {
        #expect(cycle(lock(1, for: 2), lock(2, for: 1)) == [session(1), session(2)])
        #expect(cycle(lock(1, for: 2)) == nil)
        #expect(cycle() == nil)
    }

    @Test("three in a circle; who waits behind them is not part of it")
    func three() {
        #expect(cycle(lock(0, for: 5), lock(5, for: 6), lock(6, for: 7), lock(7, for: 5)) == [session(5), session(6), session(7)])
    }

    @Test("a lock needs all of its blockers, so one of them in a cycle is enough")
    func allBlockers() {
        #expect(cycle(lock(1, for: 8, 2), lock(2, for: 9, 1)) == [session(1), session(2)])
    }

    @Test("a link needs one of its holders, so one that goes on is enough")
    func oneHolder() {
        #expect(cycle(link(1, heldBy: 2, 3), lock(2, for: 1), lock(3, for: 4)) == nil)
        #expect(cycle(link(1, heldBy: 2, 3), lock(2, for: 1), lock(3, for: 1)) == [session(1), session(2)])
        #expect(cycle(link(1, heldBy: 2), link(2, heldBy: 1)) == [session(1), session(2)])
    }

    @Test("a link with no holder known is being opened")
    func noHolder() {
        #expect(cycle(link(1), lock(2, for: 1)) == nil)
    }

    @Test("several waits of one session: any of them may be the fatal one")
    func severalWaits() {
        #expect(cycle(lock(1, for: 3), lock(1, for: 2), lock(2, for: 1)) == [session(1), session(2)])
    }

    @Test("foreign backends take part")
    func foreign() {
        let foreign = Waiter.backend(shard: 2, process: 77)
        let waits = [
            Wait(waiter: session(1), kind: .lock(shard: 2), blockers: [foreign], mark: ""),
            Wait(waiter: foreign, kind: .lock(shard: 2), blockers: [session(1)], mark: ""),
        ]
        #expect(WaitGraph(waits).cycle?.count == 2)
        #expect(WaitGraph([waits[0]]).cycle == nil)
    }

    @Test("a cycle is believed when it is seen again, with the same waits")
    func confirmation() {
        var confirmation = DeadlockConfirmation()
        let first = WaitGraph([lock(1, for: 2, mark: "a"), lock(2, for: 1, mark: "b")])
        let other = WaitGraph([lock(1, for: 2, mark: "a"), lock(2, for: 1, mark: "c")])
        #expect(confirmation.confirmed(first) == nil)
        #expect(confirmation.awaitsSecondLook)
        #expect(confirmation.confirmed(other) == nil)
        #expect(confirmation.confirmed(WaitGraph([])) == nil)
        #expect(!confirmation.awaitsSecondLook)
        #expect(confirmation.confirmed(other) == nil)
        #expect(confirmation.confirmed(other)?.count == 2)
    }

    @Test("what other workers hold counts when it was put together after it was asked for")
    func roundsOfTheSharedTable() {
        let table = SharedSessionTable()
        let old = table.round
        table.put([], worker: 1, round: old)
        let round = table.newRound()
        #expect(table.isComplete(round, exceptOf: 0, workerCount: 1))
        #expect(!table.isComplete(round, exceptOf: 0, workerCount: 2))
        // What was begun before it was asked for is put down late.
        table.put([], worker: 1, round: old)
        #expect(!table.isComplete(round, exceptOf: 0, workerCount: 2))
        table.put([], worker: 1, round: table.round)
        #expect(table.isComplete(round, exceptOf: 0, workerCount: 2))
        #expect(!table.isComplete(round, exceptOf: 0, workerCount: 3))
        // A worker that has ended is waited for in no round.
        table.leave(2)
        table.leave(0)
        #expect(table.isComplete(table.newRound(), exceptOf: 1, workerCount: 3))
    }
}
