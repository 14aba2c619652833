// Climate: what is frequent and what is slow in one world. Every seed draws its own, so that rare meetings of events
// (a standby that lags through two crashes, a coordinator that sleeps through two recoveries) become common in some
// worlds ("swarm testing": Groce et al., ISSTA 2012).
import Primitives

/// The temper of one simulated world.
struct Climate {
    /// What can be slow.
    enum Part: Int, CaseIterable { case links, admin, rounds, replication, coordinator }

    /// The kinds of fault.
    enum Fault: Int, CaseIterable { case breakLink, crashShard, killProcess, interruptWait, cancel, comeBack }

    let isSynchronous: Bool
    /// One in so many steps.
    let fault: Int
    let round: Int
    let timer: Int
    /// One in so many prepared transactions looks old enough to be decided.
    let age: Int
    private var slownesses: [Int]
    private var faults: [Fault]

    /// - Parameter flaw: one that shows only when a standby lags through two crashes gets such a world.
    init(_ random: SeededRandomSource, flaw: SimulatedFlaw?) {
        func draw<Value>(_ values: [Value]) -> Value { values[Int(random.next() % UInt64(values.count))] }
        let mustLag = flaw == .believesUnreplicatedRows
        isSynchronous = draw([false, true]) || mustLag
        fault = draw([8, 14, 25])
        round = draw([6, 12, 30])
        timer = draw([25, 100])
        age = draw([1, 3])
        slownesses = Part.allCases.map { _ in draw([0, 0, 0, 3, 6]) }
        if mustLag { slownesses[Part.replication.rawValue] = 5 }
        faults = Fault.allCases.flatMap { Array(repeating: $0, count: draw([0, 1, 1, 5])) }
        if mustLag { faults = [.crashShard, .comeBack, .comeBack] }
    }

    /// Two to the power of this is how many times less often it moves.
    func slowness(_ part: Part) -> Int { slownesses[part.rawValue] }

    func chooseFault(_ random: SeededRandomSource) -> Fault? {
        faults.isEmpty ? nil : faults[Int(random.next() % UInt64(faults.count))]
    }
}

extension SimulatedSession {
    var part: Climate.Part {
        switch recipient {
        case .link: .links
        case .retry, .resolve, .nobody: .admin
        case .round: .rounds
        }
    }
}
