// The snapshot gate: who may be open with whom, who goes first, and that nobody waits for ever.
import DistributedCommit
import Primitives
import Testing

/// A gate told in words: shards by number, windows by serial.
private final class Door {
    var gate = SnapshotGate()
    private let isStrict: Bool

    init(isStrict: Bool = false) { self.isStrict = isStrict }

    func commit(_ serial: UInt64, _ shards: Int...) -> Bool { enter(serial, .commit, shards) }
    func snapshot(_ serial: UInt64, _ shards: Int...) -> Bool { enter(serial, .snapshot, shards) }
    func leave(_ serial: UInt64) -> [UInt64] { gate.leave(GateTicket(worker: 0, serial: serial)).map(\.serial) }

    func mayTell(_ serial: UInt64, _ shard: Int) -> Bool {
        gate.mayTell(GateTicket(worker: 0, serial: serial), answerOf: ShardIndex(shard))
    }

    private func enter(_ serial: UInt64, _ kind: GateWindowKind, _ shards: [Int]) -> Bool {
        gate.enter(GateTicket(worker: 0, serial: serial), kind, ShardSet(shards.map { ShardIndex($0) }), isStrict: isStrict)
    }
}

@Suite("The snapshot gate")
struct SnapshotGateTests {
    @Test("windows of one kind are open together")
    func sameKind() {
        let door = Door()
        #expect(door.commit(1, 0, 1))
        #expect(door.commit(2, 0, 1))
        let other = Door()
        #expect(other.snapshot(1, 0, 1))
        #expect(other.snapshot(2, 1, 0))
    }

    @Test("a snapshot of two shards of a commit waits for it, and the other way round")
    func exclusion() {
        let door = Door()
        #expect(door.commit(1, 0, 1, 2))
        #expect(!door.snapshot(2, 1, 2))
        #expect(door.leave(1) == [2])
        #expect(!door.commit(3, 2, 1))
        #expect(door.leave(2) == [3])
    }

    @Test("one common shard is not enough to see half of anything")
    func oneCommonShard() {
        let door = Door()
        #expect(door.commit(1, 0, 1))
        #expect(door.snapshot(2, 1, 2))
        #expect(door.snapshot(3, 2, 3))
    }

    @Test("who comes after a waiting window of the other kind waits behind it")
    func noOvertaking() {
        let door = Door()
        #expect(door.commit(1, 0, 1))
        #expect(!door.snapshot(2, 0, 1))
        #expect(!door.commit(3, 0, 1))
        #expect(door.leave(1) == [2])
        #expect(door.leave(2) == [3])
    }

    @Test("when a window closes, all of the other kind go first")
    func otherKindFirst() {
        let door = Door()
        #expect(door.commit(1, 0, 1))
        #expect(!door.snapshot(2, 0, 1))
        #expect(!door.commit(3, 0, 1))
        #expect(!door.snapshot(4, 0, 1))
        #expect(!door.commit(5, 0, 1))
        #expect(door.leave(1) == [2, 4])
        #expect(door.leave(2) == [])
        #expect(door.leave(4) == [3, 5])
    }

    @Test("who was passed once is not passed again")
    func passedOnce() {
        let door = Door()
        #expect(door.snapshot(1, 0, 1))
        #expect(!door.commit(2, 0, 1, 2, 3))
        // Opens beside 1, since it has nothing to do with it.
        #expect(!door.snapshot(3, 2, 3))
        #expect(!door.snapshot(4, 2, 3))
        #expect(door.commit(5, 4, 5))
        // A commit ends: snapshots have their turn and pass 2.
        #expect(door.leave(5) == [3, 4])
        #expect(!door.snapshot(6, 2, 3))
        #expect(door.commit(7, 4, 5))
        #expect(door.leave(7) == [])
        #expect(door.leave(1) == [])
        #expect(door.leave(3) == [])
        #expect(door.leave(4) == [2])
        #expect(door.leave(2) == [6])
    }

    @Test("who gives up waiting lets those behind it go")
    func givingUp() {
        let door = Door()
        #expect(door.commit(1, 0, 1))
        #expect(!door.snapshot(2, 0, 1))
        #expect(!door.commit(3, 0, 1))
        #expect(door.leave(2) == [3])
        #expect(door.leave(9) == [])
        #expect(door.gate.openCount == 2 && door.gate.waitingCount == 0)
    }

    @Test("what keeps a window waiting is known")
    func blockers() {
        let door = Door()
        #expect(door.commit(1, 0, 1))
        #expect(door.commit(2, 2, 3))
        #expect(!door.snapshot(3, 0, 1))
        #expect(!door.commit(4, 0, 1))
        #expect(door.gate.blockers(of: GateTicket(worker: 0, serial: 3)).map(\.serial) == [1])
        #expect(door.gate.blockers(of: GateTicket(worker: 0, serial: 4)).map(\.serial) == [3])
    }

    @Test("strict: one common shard excludes, also two commits of several shards")
    func strict() {
        let door = Door(isStrict: true)
        #expect(door.commit(1, 0, 1))
        #expect(!door.snapshot(2, 1, 2))
        #expect(door.commit(3, 3, 4))
        #expect(!door.commit(4, 4, 5))
        #expect(door.leave(3) == [4])
        #expect(door.leave(1) == [2])
        let other = Door(isStrict: true)
        #expect(other.snapshot(1, 0, 1))
        #expect(other.snapshot(2, 1, 2))
    }

    @Test("strict: commits on one shard are ordered by it, and kept apart from snapshots")
    func strictOnOneShard() {
        let door = Door(isStrict: true)
        #expect(door.commit(1, 0, 1))
        #expect(door.commit(2, 0))
        #expect(door.commit(3, 0))
        #expect(!door.snapshot(4, 0, 2))
        #expect(door.leave(1) == [])
        #expect(door.leave(2) == [])
        #expect(door.leave(3) == [4])
        #expect(!door.commit(5, 2))
        #expect(door.leave(4) == [5])
    }

    @Test("strict: a commit does not pass one that came before it")
    func commitsInOrder() {
        let door = Door(isStrict: true)
        #expect(door.snapshot(1, 2, 3))
        #expect(!door.commit(2, 1, 2))
        #expect(door.snapshot(3, 4, 5))
        #expect(!door.commit(4, 0, 1))
        #expect(door.leave(3) == [])
        #expect(door.leave(1) == [2])
        #expect(door.leave(2) == [4])
    }

    @Test("an answer waits for the commits that are under way on its shard, not for later ones")
    func heldAnswers() {
        let door = Door(isStrict: true)
        #expect(door.mayTell(1, 0))
        #expect(door.commit(2, 0, 1))
        #expect(door.commit(3, 0))
        #expect(door.mayTell(4, 2))
        #expect(!door.mayTell(5, 0))
        #expect(!door.mayTell(6, 1))
        #expect(door.commit(7, 0))
        #expect(door.leave(2) == [6])
        #expect(door.leave(3) == [5])
        #expect(door.gate.heldCount == 0)
        #expect(!door.mayTell(8, 0))
        #expect(door.leave(7) == [8])
        #expect(door.snapshot(9, 0, 1))
        #expect(door.mayTell(10, 0))
    }

    @Test("random windows: never two that exclude each other, and everybody gets in", arguments: [false, true])
    func random(isStrict: Bool) {
        for seed in 1...200 as ClosedRange<UInt64> { run(seed: seed, isStrict: isStrict) }
    }

    private func run(seed: UInt64, isStrict: Bool) {
        let random = SeededRandomSource(seed: seed)
        var gate = SnapshotGate()
        var open: [(ticket: GateTicket, kind: GateWindowKind, shards: ShardSet)] = []
        var waiting = open
        var waits: [GateTicket: Int] = [:]
        func admit(_ tickets: [GateTicket]) {
            for ticket in tickets {
                guard let place = waiting.firstIndex(where: { $0.ticket == ticket }) else { continue }
                open.append(waiting.remove(at: place))
            }
        }
        for serial in 1...400 as ClosedRange<UInt64> {
            let ticket = GateTicket(worker: Int((random.next() % 2)), serial: serial)
            let kind: GateWindowKind = (random.next() % 2) == 0 ? .commit : .snapshot
            let shards = ShardSet((0..<5).filter { _ in (random.next() % 2) == 0 }.map { ShardIndex($0) })
            if gate.enter(ticket, kind, shards, isStrict: isStrict) { open.append((ticket, kind, shards)) } else { waiting.append((ticket, kind, shards)) }
            while !open.isEmpty, (random.next() % 3) > 0 || open.count > 6 {
                let leaving = open.remove(at: Int((random.next() % UInt64(open.count))))
                admit(gate.leave(leaving.ticket))
                for waiter in waiting { waits[waiter.ticket, default: 0] += 1 }
            }
            for (place, one) in open.enumerated() {
                for other in open[..<place] {
                    let common = one.shards.intersection(other.shards).count
                    if one.kind != other.kind { #expect(common < (isStrict ? 1 : 2), "seed \(seed)") }
                    if isStrict, one.kind == .commit, other.kind == .commit, one.shards.count > 1, other.shards.count > 1 {
                        #expect(common == 0, "seed \(seed)")
                    }
                }
            }
            #expect(gate.openCount == open.count && gate.waitingCount == waiting.count, "seed \(seed)")
        }
        // Seven windows may be open, and each waiter may be passed by one batch.
        #expect((waits.values.max() ?? 0) < 120, "seed \(seed): somebody waited for \(waits.values.max() ?? 0) others to leave")
        while !open.isEmpty { admit(gate.leave(open.removeLast().ticket)) }
        #expect(waiting.isEmpty, "seed \(seed)")
    }
}
