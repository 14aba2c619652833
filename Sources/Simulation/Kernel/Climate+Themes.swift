// What each theme makes of a climate.
import Primitives

extension Climate {
    /// Draws the theme of a seed, and makes the climate one for it.
    mutating func adoptTheme(seed: UInt64, _ options: SimulationOptions) {
        let dice = Dice(seed: ~seed)
        if let theme = Theme.drawn(dice, isStrict: options.strictReads != .unused) {
            self.theme = theme
            adopt(theme, dice, isStrict: options.strictReads != .unused)
            clientCount += appetite.watchers + appetite.keepers
        }
    }

    private mutating func adopt(_ theme: Theme, _ dice: Dice, isStrict: Bool) {
        aim = dice.chance(80) ? .work : .anything
        stallsFlight = dice.chance(50)
        proxyCount = dice.one(of: [1, 1, 1, 2])
        switch theme {
        case .silentLinks: fallSilent(dice)
        case .lostServer: loseServer(dice)
        case .brokenBlocks: breakBlocks(dice)
        case .narrowWindows: narrowWindows(dice)
        case .lockKnots: knotLocks(dice)
        case .crowd: crowd(dice, isStrict: isStrict)
        }
    }

    /// Faults aimed at any of these steps, all through a world's life.
    private mutating func aim(_ count: Int, at steps: [ProtocolStep], _ faults: [Fault], _ dice: Dice) {
        let flight = Span(nanoseconds: latency.nanoseconds + flushTime.nanoseconds)
        ambushes += (0..<count).map { _ in
            Ambush(
                step: dice.one(of: steps), occurrence: dice.within(2...9), fault: dice.one(of: faults),
                delay: dice.one(of: [.zero, flight, .milliseconds(40)]), isRepeated: dice.chance(70), isBefore: dice.chance(50))
        }
    }

    private mutating func hurry(_ dice: Dice) {
        commitHaste = dice.one(of: [5, 20, 50, 200])
        decisionRetention = dice.one(of: [.milliseconds(100), .milliseconds(500), .seconds(600)])
        recoveryInterval = dice.one(of: [.milliseconds(100), .milliseconds(300), .seconds(1)])
        inDoubtTimeout = dice.one(of: [.seconds(1), .seconds(4)])
    }

    private mutating func fallSilent(_ dice: Dice) {
        hurry(dice)
        latency = dice.one(of: [.microseconds(200), .milliseconds(1), .milliseconds(4)])
        stallTime = dice.one(of: [.seconds(1), .seconds(4), .seconds(12)])
        faultInterval = dice.one(of: [.milliseconds(120), .milliseconds(500)])
        faults = [.stallConnection, .stallConnection, .stallConnection, .stallConnection, .cutConnection, dice.one(of: Fault.drawn)]
        aim(
            dice.within(2...6), at: [.prepare, .prepared, .decideAndCommit, .decideAndCommit, .decided, .commitPrepared, .commitPrepared, .rollbackPrepared],
            [.stallConnection, .stallConnection, .stallConnection, .cutConnection], dice)
        faultyTime = dice.one(of: [.seconds(1), .seconds(3), .seconds(8)])
        patience = dice.one(of: [2...6, 8...15])
        appetite.crossShard = 6...12
        appetite.reads = 0...3
        appetite.watchers = dice.within(1...2)
        appetite.watchTime = dice.one(of: [.milliseconds(5), .milliseconds(20), .milliseconds(60)])
    }

    private mutating func loseServer(_ dice: Dice) {
        hurry(dice)
        commitHaste = dice.one(of: [20, 50, 200, 200])
        victim = dice.below(serverCount)
        clientCount = dice.within(4...7)
        // The link that tells whether the server is there is idle.
        aim = dice.one(of: [.work, .anything, .anything, .anything])
        stallsFlight = true
        reconnectDelay = dice.one(of: [.milliseconds(1), .milliseconds(20), .milliseconds(100)])
        slowPieces = dice.one(of: [0, 2, 6])
        longestSlowPiece = dice.one(of: [.milliseconds(100), .milliseconds(300), .seconds(1)])
        faultyTime = dice.one(of: [.seconds(2), .seconds(4), .seconds(8)])
        if dice.chance(50) { takeDown(dice) } else { keepSilent(dice) }
        appetite.crossShard = 8...16
        appetite.scripts = 10
        appetite.reads = 0...3
        appetite.watchers = 1
        appetite.watchTime = dice.one(of: [.milliseconds(20), .milliseconds(60), .milliseconds(200)])
    }

    /// The server is down again and again, most of all when it is told to commit.
    private mutating func takeDown(_ dice: Dice) {
        latency = dice.one(of: [.microseconds(200), .milliseconds(1), .milliseconds(4), .milliseconds(30)])
        thinkTime = dice.one(of: [.milliseconds(5), .milliseconds(60), .milliseconds(200)])
        faultInterval = dice.one(of: [.milliseconds(200), .milliseconds(800), .seconds(3)])
        faults = [.cutConnection, .cutConnection, .stallConnection, .terminateBackend, .crashServer, dice.one(of: Fault.drawn)]
        downTime = dice.one(of: [.milliseconds(100), .seconds(1), .seconds(4)])
        stallTime = dice.one(of: [.milliseconds(500), .seconds(2), .seconds(6)])
        let losses: [Fault] = [.crashServer, .crashServer, .cutConnection, .stallConnection]
        ambushes.append(Ambush(step: .commitPrepared, occurrence: dice.within(2...5), fault: dice.one(of: losses), delay: .zero, isRepeated: true))
        aim(dice.below(4), at: [.prepared, .decideAndCommit, .decided, .commitPrepared, .retryCommitPrepared, .fence, .recoveryListPrepared], losses, dice)
    }

    /// Decisions do not come through, and recovery takes so long that more of them are made behind its back.
    private mutating func keepSilent(_ dice: Dice) {
        latency = dice.one(of: [.microseconds(200), .milliseconds(1)])
        thinkTime = dice.one(of: [.milliseconds(5), .milliseconds(20), .milliseconds(60)])
        faultInterval = dice.one(of: [.milliseconds(800), .seconds(3)])
        faults = [.cutConnection, .terminateBackend]
        stallTime = dice.one(of: [.milliseconds(300), .seconds(1)])
        ambushes = [(ProtocolStep.commitPrepared, 2), (.recoveryListPrepared, 3)].map { step, rarest in
            Ambush(step: step, occurrence: dice.within(1...rarest), fault: .stallConnection, delay: .zero, isRepeated: true)
        }
    }

    private mutating func breakBlocks(_ dice: Dice) {
        aim = .blocks
        latency = dice.one(of: [.microseconds(200), .milliseconds(1), .milliseconds(4)])
        flushTime = dice.one(of: [.milliseconds(2), .milliseconds(20)])
        thinkTime = dice.one(of: [.microseconds(500), .milliseconds(5)])
        faultInterval = dice.one(of: [.milliseconds(5), .milliseconds(20), .milliseconds(60)])
        faults = [.cutConnection, .cutConnection, .cutConnection, .terminateBackend]
        if dice.chance(30) { faults.append(dice.one(of: Fault.drawn)) }
        faultyTime = dice.one(of: [.seconds(1), .seconds(3)])
        appetite.crossShard = 4...8
        appetite.broadcasts = 10
        appetite.local = 8...16
        appetite.localBlocks = 90
        appetite.scripts = 5
        appetite.savepoints = 80
    }

    private mutating func narrowWindows(_ dice: Dice) {
        latency = dice.one(of: [.milliseconds(1), .milliseconds(4), .milliseconds(30)])
        snapshotWindowLimit = Span(nanoseconds: latency.nanoseconds / dice.one(of: [4, 2, 1]))
        thinkTime = dice.one(of: [.microseconds(500), .milliseconds(5)])
        if dice.chance(50) { distant = (dice.below(serverCount), dice.one(of: [3, 10])) }
        faultInterval = dice.one(of: [.milliseconds(500), .seconds(2), .seconds(100)])
        faultyTime = dice.one(of: [.seconds(1), .seconds(3)])
        appetite.crossShard = 8...14
        appetite.watchers = dice.within(1...3)
        appetite.watchTime = dice.one(of: [.milliseconds(1), .milliseconds(5), .milliseconds(20)])
    }

    private mutating func knotLocks(_ dice: Dice) {
        proxyCount = 1
        clientCount = dice.within(4...6)
        poolSize = 16
        losesTail = false
        latency = dice.one(of: [.microseconds(200), .milliseconds(1), .milliseconds(4)])
        thinkTime = dice.one(of: [.milliseconds(5), .milliseconds(60), .milliseconds(200)])
        (fragmentation, slowPieces, lostConnects, refusedConnects, violatedConstraints) = (0, 0, 0, 0, 0)
        faults = []
        ambushes = []
        faultyTime = .seconds(120)
        healsWhenDone = true
        patience = 40...50
        timesDeadlocks = true
        appetite.crossShard = 4...6
        appetite.isFocused = dice.chance(60)
        appetite.sorted = dice.one(of: [0, 50])
        appetite.lockers = dice.within(3...8)
        appetite.keepers = dice.within(1...2)
        appetite.reads = 0...2
    }

    private mutating func crowd(_ dice: Dice, isStrict: Bool) {
        proxyCount = 1
        serverCount = dice.one(of: [2, 3, 3, 3, 4])
        clientCount = dice.within(6...9)
        poolSize = 16
        latency = dice.one(of: [.microseconds(200), .milliseconds(1), .milliseconds(4)])
        thinkTime = dice.one(of: [.microseconds(200), .milliseconds(2)])
        flushTime = dice.one(of: [.microseconds(100), .milliseconds(2)])
        if dice.chance(70) { distant = (dice.below(serverCount), dice.one(of: [3, 10])) }
        snapshotWindowLimit = dice.one(of: [.milliseconds(50), .milliseconds(500)])
        (lostConnects, refusedConnects, violatedConstraints) = (0, 0, 0)
        slowPieces = dice.one(of: [0, 3, 8])
        longestSlowPiece = dice.one(of: [.milliseconds(20), .milliseconds(60)])
        if dice.chance(90) { (faults, ambushes) = ([], []) }
        // Commits are half prepared or half done for a while, so that several are at once.
        stallTime = dice.one(of: [.milliseconds(30), .milliseconds(100)])
        (aim, stallsFlight) = (.work, true)
        for step in [ProtocolStep.prepare, .commitPrepared] where dice.chance(80) {
            ambushes.append(Ambush(step: step, occurrence: dice.within(1...3), fault: .stallConnection, delay: .zero, isRepeated: true))
        }
        faultyTime = .seconds(8)
        healsWhenDone = true
        appetite.crossShard = isStrict ? 16...28 : 12...16
        appetite.broadcasts = 5
        appetite.triples = 15
        appetite.local = 8...20
        appetite.localBlocks = 20
        appetite.looks = 4...8
        appetite.pairs = dice.one(of: [0, 30, 60])
        appetite.sorted = 95
        appetite.scripts = 60
        appetite.savepoints = 5
        appetite.isFocused = dice.chance(20)
        appetite.watchers = isStrict ? dice.within(3...5) : dice.below(2)
        appetite.watchTime = dice.one(of: [.microseconds(100), .milliseconds(2)])
    }
}
