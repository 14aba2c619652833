// Climate: what is frequent and what is slow in one world. Every seed draws its own, so that rare meetings of events
// become common in some worlds ("swarm testing": Groce et al., ISSTA 2012).
import Primitives

/// What can go wrong.
public enum Fault: Int, CaseIterable, Sendable {
    case cutConnection, stallConnection, crashServer, failover, terminateBackend, crashProxy, disconnectClient, cancelClient
    // The network's own.
    case lostConnect, slowPiece
    // What the servers meet without anybody's doing.
    case lockWait, localDeadlock, interruptedReplication

    /// Those that a world's faults are drawn from.
    static let drawn: [Fault] = [
        .cutConnection, .stallConnection, .crashServer, .terminateBackend, .crashProxy, .disconnectClient, .cancelClient,
    ]
}

/// A fault that strikes what a step of the protocol concerns.
struct Strike {
    var fault: Fault
    var step: ProtocolStep
    var server: Int?
    var proxy: Int
}

/// A fault aimed at a step: the how-manieth of its kind, and how long afterwards at most.
struct Ambush {
    var step: ProtocolStep
    var occurrence: Int
    var fault: Fault
    var delay: Span
    /// It strikes every so-many-th time, not only at that one.
    var isRepeated = false
    /// It strikes before the step is taken, so that what the step sends meets a broken or silent connection. (A proxy is in the middle of
    /// its work then: it can only be killed behind the step.)
    var isBefore = false

    static let faults: [Fault] = [
        .crashServer, .crashProxy, .cutConnection, .cancelClient, .terminateBackend, .stallConnection, .disconnectClient,
    ]
}

/// What faults of connections and processes prefer.
enum Aim {
    case anything
    /// Connections with something on its way, processes with something to do.
    case work
    /// Clients' blocks, those of them at work most of all; nothing when there are none.
    case blocks
}

/// The temper of one world.
struct Climate {
    var serverCount: Int
    var proxyCount: Int
    var clientCount: Int
    var poolSize: Int
    /// Commits wait for a standby, and no failover loses what was acknowledged.
    var isSynchronous: Bool
    /// Crashed servers may come back without the last of their log.
    var losesTail: Bool
    var latency: Span
    var flushTime: Span
    var replicationTime: Span
    /// How long clients think between requests.
    var thinkTime: Span
    // In percent.
    var fragmentation: Int
    var slowPieces: Int
    var lostConnects: Int
    var refusedConnects: Int
    var interleaving: Int
    /// Of all transactions: a deferred constraint fails when they are prepared or committed.
    var violatedConstraints: Int
    /// Faults, the frequent ones several times, and the longest time between two.
    var faults: [Fault]
    var faultInterval: Span
    var ambushes: [Ambush]
    /// How long things may go wrong.
    var faultyTime: Span
    /// How long a crashed server or proxy stays away at most.
    var downTime: Span
    /// How long a stalled connection is silent at most.
    var stallTime: Span
    /// The faults are over soon after the last client is done, instead of going on with nobody there.
    var healsWhenDone: Bool
    // What only worlds with a theme change.
    var theme: Theme?
    /// Which connections and processes faults prefer.
    var aim = Aim.anything
    /// Most of the faults strike this server.
    var victim: Int?
    /// Messages to and from this server take so much longer than others.
    var distant: (server: Int, factor: Int64)?
    /// A stall holds what is in flight as well.
    var stallsFlight = false
    var longestSlowPiece = Span.seconds(3)
    /// The limits of a commit are this part of the real ones.
    var commitHaste: Int64 = 1
    var decisionRetention = Span.seconds(600)
    var recoveryInterval = Span.seconds(1)
    var inDoubtTimeout = Span.seconds(4)
    var reconnectDelay = Span.milliseconds(100)
    var snapshotWindowLimit = Span.milliseconds(50)
    /// How long a worker may take to read what another one has told it.
    var wakingTime = Span.milliseconds(1)
    /// Seconds until a client cancels what is not answered.
    var patience = 2...6
    /// Deadlocks over several servers must end in time: asked for where nothing fails.
    var timesDeadlocks = false
    var appetite = Appetite()

    /// - Parameter flaw: one that shows only when a certain thing fails gets worlds in which it often does.
    init(_ dice: Dice, flaw: Flaw?) {
        serverCount = dice.one(of: [2, 2, 2, 3, 3, 4])
        proxyCount = dice.one(of: [1, 1, 2])
        clientCount = dice.within(3...5)
        poolSize = dice.one(of: [2, 4, 8])
        isSynchronous = dice.chance(30)
        losesTail = !isSynchronous && dice.chance(12)
        latency = dice.one(of: [.microseconds(200), .milliseconds(1), .milliseconds(4), .milliseconds(30)])
        flushTime = dice.one(of: [.microseconds(100), .milliseconds(2), .milliseconds(20)])
        replicationTime = dice.one(of: [.milliseconds(1), .milliseconds(10), .milliseconds(800)])
        thinkTime = dice.one(of: [.microseconds(500), .milliseconds(5), .milliseconds(60)])
        fragmentation = dice.one(of: [0, 0, 5, 25])
        slowPieces = dice.one(of: [0, 0, 0, 1])
        lostConnects = dice.one(of: [0, 0, 0, 4])
        refusedConnects = dice.one(of: [0, 0, 0, 10])
        interleaving = dice.one(of: [0, 10, 50])
        violatedConstraints = dice.one(of: [0, 0, 10]) + (flaw == .believesAnyPrepare ? 10 : 0)
        faultInterval = dice.one(of: [.milliseconds(120), .milliseconds(500), .seconds(2), .seconds(100)])
        // Few worlds are so slow that every limit of a commit is reached.
        let isSlow = dice.chance(2)
        faultyTime = isSlow ? .seconds(60) : dice.one(of: [.milliseconds(400), .seconds(1), .seconds(3), .seconds(8)])
        downTime = isSlow ? .seconds(60) : dice.one(of: [.milliseconds(20), .milliseconds(300), .seconds(4)])
        stallTime = isSlow ? .seconds(60) : .seconds(6)
        healsWhenDone = dice.chance(94)
        let losesTail = losesTail
        let kinds = Fault.drawn + (losesTail ? [.failover, .failover] : [])
        faults = kinds.flatMap { Array(repeating: $0, count: dice.one(of: [0, 1, 1, 4])) }
        let drawn = (0..<dice.one(of: [0, 1, 1, 2, 4])).map { _ in
            Ambush(
                step: dice.one(of: dice.chance(60) ? ProtocolStep.ordinary : ProtocolStep.allCases),
                occurrence: 1 + dice.below(4), fault: dice.one(of: Ambush.faults + (losesTail ? [.failover, .failover] : [])),
                delay: dice.one(of: [.zero, .microseconds(300), .milliseconds(4), .milliseconds(40)]))
        }
        let delay = Span(nanoseconds: latency.nanoseconds + flushTime.nanoseconds)
        ambushes = drawn + (isSlow ? Self.longAbsences(dice, within: delay) : []) + Self.aimed(at: flaw, within: delay)
    }

    /// Deciders that are gone, and participants that are silent, for longer than a commit waits; then faults at what follows.
    private static func longAbsences(_ dice: Dice, within delay: Span) -> [Ambush] {
        [
            Ambush(step: .decideAndCommit, occurrence: 1 + dice.below(3), fault: .crashServer, delay: delay),
            Ambush(
                step: dice.one(of: [.prepare, .decideAndCommit, .commitPrepared, .rollbackPrepared]), occurrence: 1 + dice.below(3),
                fault: .stallConnection, delay: .zero),
        ] + (0..<2).map { _ in
            Ambush(step: dice.one(of: ProtocolStep.rare), occurrence: 1, fault: dice.one(of: Ambush.faults), delay: dice.one(of: [.zero, delay]))
        }
    }

    /// What brings a flaw out: a decider that is lost before its answer, a coordinator that is lost or late before its decision.
    private static func aimed(at flaw: Flaw?, within delay: Span) -> [Ambush] {
        switch flaw {
        case .guessesAbort, .guessesCommit:
            (1...3).map { Ambush(step: .decideAndCommit, occurrence: $0, fault: .crashServer, delay: delay) }
        case .recoversWithoutFencing, .ignoresInstanceLocks:
            (1...2).map { Ambush(step: .prepare, occurrence: $0, fault: .stallConnection, delay: .zero) }
                + (1...3).map { Ambush(step: .decideAndCommit, occurrence: $0, fault: .crashProxy, delay: .zero) }
        default: []
        }
    }
}
