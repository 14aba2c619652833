// Transcripts of recovery rounds. The cluster has three shards, s0 to s2; the proxy that recovers is i9.
import Primitives
import Testing

@testable import DistributedCommit

/// Feeds a round and returns what each event made it ask for.
struct RecoveryTranscript {
    static let hash = TransactionHash(high: 0, low: 1)
    var round: RecoveryRound

    init(
        _ scope: RecoveryScope = .routine, inFlight: Set<TransactionHash> = [], opensInDoubt: Bool = false,
        watchedFor: Span = .zero, maximumTransactions: Int = 10, unknownShards: Set<String> = [], databases: [String] = ["db", "db", "db"]
    ) throws {
        round = RecoveryRound(
            context: RecoveryContext(
                cluster: try ClusterIdentifier("c"), instance: try InstanceIdentifier("i9"),
                shards: try ["s0", "s1", "s2"].map { unknownShards.contains($0) ? nil : try ShardIdentifier($0) }, databases: databases, scope: scope,
                ownInFlight: inFlight, inDoubtTimeout: .seconds(60), watchedFor: watchedFor, livingPatience: .seconds(1),
                decisionRetention: .seconds(600),
                opensInDoubt: opensInDoubt, maximumTransactions: maximumTransactions))
    }

    mutating func on(_ inputs: RecoveryInput...) -> [RecoveryAction] { on(inputs) }

    private mutating func on(_ inputs: [RecoveryInput]) -> [RecoveryAction] {
        var actions: [RecoveryAction] = []
        for input in inputs { round.handle(input, into: &actions) }
        return actions
    }

    /// Both listings of all shards; nil: the shard does not answer. Returns what follows.
    mutating func list(
        _ prepared: [[PreparedTransaction]?], decisions: [[DecisionRecord]] = [[], [], []], present: [String] = [],
        isReplicated: Bool = true
    ) throws -> [RecoveryAction] {
        let keys = try present.map { try InstanceIdentifier($0).lockKey }
        _ = on(.start)
        _ = on(
            prepared.indices.map { index in
                prepared[index] == nil
                    ? .listingFailed(ShardIndex(index))
                    : .decisionsListed(
                        ShardIndex(index), .init(decisions: decisions[index], presentInstances: keys))
            })
        return on(
            prepared.enumerated().compactMap { index, transactions in
                transactions.map {
                    .preparedListed(ShardIndex(index), .init(transactions: $0, isReplicated: isReplicated))
                }
            })
    }

    static func gid(_ participant: Int, decider: String = "s0", low: UInt64 = 1, instance: String = "i1") -> String {
        "pgbraid:c:\(instance):\(decider):\(TransactionHash(high: 0, low: low)):s\(participant)"
    }

    static func prepared(_ gid: String, age: Span = .seconds(61), database: String = "db") -> PreparedTransaction {
        PreparedTransaction(gid: gid, owner: "joe", database: database, age: age)
    }

    static func row(_ outcome: Decision, instance: String = "i1", age: Span = .seconds(601)) throws -> DecisionRecord {
        DecisionRecord(hash: hash, outcome: outcome, instance: try InstanceIdentifier(instance), age: age)
    }

    static func summary(
        committed: Int = 0, rolledBack: Int = 0, remaining: Int = 0, unreached: ShardSet = ShardSet(),
        awaitsCoordinators: Bool = false, mayOpen: Bool = false
    ) -> RecoveryAction {
        var summary = RecoverySummary()
        summary.committed = committed
        summary.rolledBack = rolledBack
        summary.remaining = remaining
        summary.unreached = unreached
        summary.awaitsCoordinators = awaitsCoordinators
        summary.mayOpen = mayOpen
        return .finished(summary)
    }
}

@Suite struct RecoveryTranscripts {
    typealias Transcript = RecoveryTranscript
    let s0 = ShardIndex(0), s1 = ShardIndex(1), s2 = ShardIndex(2)
    let hash = RecoveryTranscript.hash
    let g1 = RecoveryTranscript.gid(1), g2 = RecoveryTranscript.gid(2)

    @Test func decisionsAreListedOnAllShardsBeforeAnythingPreparedIs() throws {
        var round = try Transcript()
        let nothing = DecisionListing(decisions: [], presentInstances: [])
        #expect(round.on(.start) == [.listDecisions(s0), .listDecisions(s1), .listDecisions(s2)])
        #expect(round.on(.decisionsListed(s0, nothing), .listingFailed(s2)) == [])
        #expect(round.on(.decisionsListed(s1, nothing)) == [.listPrepared(s0), .listPrepared(s1)])
    }

    @Test func aCommitRowCommitsEveryParticipantUnderItsOwner() throws {
        var round = try Transcript()
        #expect(
            try round.list([[], [Transcript.prepared(g1)], [Transcript.prepared(g2)]])
                == [.fenceAndRead(decider: s0, hash, try InstanceIdentifier("i1"))])
        #expect(
            round.on(.decisionRead(decider: s0, hash, .commit))
                == [.commitPrepared(s1, gid: g1, owner: "joe"), .commitPrepared(s2, gid: g2, owner: "joe")])
        #expect(round.on(.finishAnswered(s2, gid: g2, .notFound(sameHistory: true))) == [])
        #expect(round.on(.finishAnswered(s1, gid: g1, .done)) == [Transcript.summary(committed: 2)])
    }

    @Test func anAbortRowRollsBack() throws {
        var round = try Transcript()
        _ = try round.list([[], [Transcript.prepared(g1)], []])
        #expect(
            round.on(.decisionRead(decider: s0, hash, .abort)) == [.rollbackPrepared(s1, gid: g1, owner: "joe")])
        #expect(round.on(.finishAnswered(s1, gid: g1, .done)) == [Transcript.summary(rolledBack: 1)])
    }

    @Test func aDeciderThatIsCommittingNowIsAskedInTheNextRound() throws {
        var round = try Transcript()
        _ = try round.list([[], [Transcript.prepared(g1)], []])
        #expect(
            round.on(.decisionRead(decider: s0, hash, .waiting))
                == [.show(s1, gid: g1, .deciderCommitting), Transcript.summary(remaining: 1)])
    }

    @Test func youngTransactionsOfLivingCoordinatorsAreLeftAloneAndThoseOfDeadOnesNot() throws {
        var round = try Transcript()
        let young = Transcript.prepared(g1, age: .seconds(1))
        #expect(try round.list([[], [young], []], present: ["i1"]) == [Transcript.summary()])
        round = try Transcript()
        #expect(
            try round.list([[], [young], []], present: ["i2"])
                == [.fenceAndRead(decider: s0, hash, try InstanceIdentifier("i1"))])
    }

    @Test func ownTransactionsInFlightAreLeftAloneHoweverOld() throws {
        var round = try Transcript(inFlight: [hash])
        #expect(try round.list([[], [Transcript.prepared(g1)], []]) == [Transcript.summary()])
    }

    @Test func whatIsNotOursIsShownAndNeverTouched() throws {
        var round = try Transcript()
        let otherCluster = "pgbraid:x:i1:s0:00000000000000000000000000000001:s1"
        let elsewhere = Transcript.gid(1, decider: "s9")
        let actions = try round.list([
            [Transcript.prepared("mine"), Transcript.prepared(otherCluster)],
            [Transcript.prepared(g2), Transcript.prepared(elsewhere), Transcript.prepared(g1, database: "other")], [],
        ])
        #expect(
            actions == [
                .show(s0, gid: "mine", .foreign), .show(s0, gid: otherCluster, .foreign),
                .show(s1, gid: g2, .wrongShard), .show(s1, gid: elsewhere, .unknownDecider),
                .show(s1, gid: g1, .otherDatabase), Transcript.summary(remaining: 3),
            ])
    }

    @Test func eachShardHasADatabaseOfItsOwn() throws {
        var round = try Transcript(databases: ["a", "b", "c"])
        #expect(
            try round.list([[], [Transcript.prepared(g1, database: "b")], [Transcript.prepared(g2, database: "a")]])
                == [.show(s2, gid: g2, .otherDatabase), .fenceAndRead(decider: s0, hash, try InstanceIdentifier("i1"))])
    }

    @Test func aDeciderThatMayBeAShardNotYetReachedKeepsTheShardClosed() throws {
        let inDoubt = [nil, [Transcript.prepared(g1)], []] as [[PreparedTransaction]?]
        var round = try Transcript(.reopening(s1), unknownShards: ["s0"])
        #expect(
            try round.list(inDoubt) == [
                .show(s1, gid: g1, .deciderUnreachable), Transcript.summary(remaining: 1, unreached: ShardSet(s0)),
            ])
        // Another shard has nothing to do with it; and a decider that is none of the shards is no reason to wait.
        round = try Transcript(.reopening(s2), unknownShards: ["s0"])
        #expect(try round.list(inDoubt).last == Transcript.summary(remaining: 1, unreached: ShardSet(s0), mayOpen: true))
        round = try Transcript(.reopening(s1))
        let elsewhere = Transcript.prepared(Transcript.gid(1, decider: "s9"))
        #expect(try round.list([nil, [elsewhere], []]).last == Transcript.summary(remaining: 1, unreached: ShardSet(s0), mayOpen: true))
    }

    @Test func anErrorWhileFinishingIsShownAndTheRestGoesOn() throws {
        var round = try Transcript()
        _ = try round.list([[], [Transcript.prepared(g1)], [Transcript.prepared(g2)]])
        _ = round.on(.decisionRead(decider: s0, hash, .commit))
        #expect(
            round.on(.finishAnswered(s1, gid: g1, .failed(sqlState: "42501")))
                == [.show(s1, gid: g1, .failed(.commit, sqlState: "42501"))])
        #expect(
            round.on(.finishAnswered(s2, gid: g2, .failed(sqlState: "55000")))
                == [.show(s2, gid: g2, .unfinished(.commit)), Transcript.summary(remaining: 2)])
    }

    @Test func aRoundTakesOnOnlySoMuch() throws {
        var round = try Transcript(maximumTransactions: 1)
        let second = Transcript.gid(1, low: 2)
        let actions = try round.list([[], [Transcript.prepared(second), Transcript.prepared(g1)], []])
        #expect(
            actions == [
                .show(s1, gid: second, .postponed),
                .fenceAndRead(decider: s0, hash, try InstanceIdentifier("i1")),
            ])
    }
}

@Suite struct DecisionRowTranscripts {
    typealias Transcript = RecoveryTranscript
    let s0 = ShardIndex(0)
    let hash = RecoveryTranscript.hash
    let deletion = RecoveryAction.deleteDecision(ShardIndex(0), RecoveryTranscript.hash, .commit)

    func deletions(
        _ row: DecisionRecord, prepared: [[PreparedTransaction]?] = [[], [], []], present: [String] = [],
        isReplicated: Bool = true, inFlight: Set<TransactionHash> = []
    ) throws -> [RecoveryAction] {
        var round = try Transcript(inFlight: inFlight)
        return try round.list(prepared, decisions: [[row], [], []], present: present, isReplicated: isReplicated)
            .filter { if case .deleteDecision = $0 { true } else { false } }
    }

    @Test func aCommitRowGoesWhenNobodyCanNeedItAnyMore() throws {
        #expect(try deletions(Transcript.row(.commit)) == [deletion])
    }

    @Test func aCommitRowStaysWhileAnyShardMayHoldAParticipant() throws {
        let young = Transcript.prepared(Transcript.gid(1), age: .zero)
        #expect(try deletions(Transcript.row(.commit), prepared: [[], [young], []]) == [])
        #expect(try deletions(Transcript.row(.commit), prepared: [[], [], nil]) == [])
        #expect(try deletions(Transcript.row(.commit), isReplicated: false) == [])
    }

    @Test func aCommitRowStaysWhileItsCoordinatorMayLookForIt() throws {
        #expect(try deletions(Transcript.row(.commit), present: ["i1"]) == [])
        #expect(try deletions(Transcript.row(.commit, age: .seconds(600))) == [])
        #expect(try deletions(Transcript.row(.commit, instance: "i9"), inFlight: [hash]) == [])
        #expect(try deletions(Transcript.row(.commit, instance: "i9"), present: ["i9"]) == [deletion])
    }

    @Test func anAbortRowStaysWhileALinkOfItsCoordinatorIsThere() throws {
        let abort = RecoveryAction.deleteDecision(s0, hash, .abort)
        #expect(try deletions(Transcript.row(.abort), present: ["i1"]) == [])
        #expect(try deletions(Transcript.row(.abort, age: .zero), present: ["i2"]) == [abort])
    }
}

@Suite struct ReopeningTranscripts {
    typealias Transcript = RecoveryTranscript
    let s0 = ShardIndex(0), s1 = ShardIndex(1), s2 = ShardIndex(2)
    let hash = RecoveryTranscript.hash
    let g1 = RecoveryTranscript.gid(1)

    /// A transaction of a living coordinator, prepared on s1 and decided on s0.
    func listed(
        _ round: inout Transcript, s0: [PreparedTransaction]? = [], age: Span = .seconds(1), present: [String] = ["i1"]
    ) throws -> [RecoveryAction] {
        try round.list([s0, [Transcript.prepared(g1, age: age)], []], present: present)
    }

    @Test(arguments: [0, 1])
    func allOnTheShardAndAllDecidedThereAreFinished(shard: Int) throws {
        var round = try Transcript(.reopening(ShardIndex(shard)))
        #expect(try listed(&round) == [.fenceAndRead(decider: s0, hash, try InstanceIdentifier("i1"))])
        _ = round.on(.decisionRead(decider: s0, hash, .abort))
        #expect(
            round.on(.finishAnswered(s1, gid: g1, .done)) == [Transcript.summary(rolledBack: 1, mayOpen: true)])
    }

    @Test(arguments: [0, 1])
    func aLivingCoordinatorIsGivenTimeWhileTheShardStaysClosed(shard: Int) throws {
        let fenced = [RecoveryAction.fenceAndRead(decider: s0, hash, try InstanceIdentifier("i1"))]
        var round = try Transcript(.reopening(ShardIndex(shard)))
        #expect(try listed(&round, age: .milliseconds(999)) == [Transcript.summary(awaitsCoordinators: true)])
        // Its instance is gone, or it is this one's and not in flight any more.
        round = try Transcript(.reopening(ShardIndex(shard)))
        #expect(try listed(&round, age: .milliseconds(999), present: ["i2"]) == fenced)
        round = try Transcript(.reopening(ShardIndex(shard)))
        let own = Transcript.gid(1, instance: "i9")
        #expect(
            try round.list([[], [Transcript.prepared(own, age: .zero)], []], present: ["i9"])
                == [.fenceAndRead(decider: s0, hash, try InstanceIdentifier("i9"))])
    }

    @Test(arguments: [0, 1])
    func whatWasPreparedInSightIsLeftToALivingCoordinatorAsOnAnOpenShard(shard: Int) throws {
        var round = try Transcript(.reopening(ShardIndex(shard)), watchedFor: .seconds(61))
        #expect(try listed(&round, age: .seconds(60)) == [Transcript.summary(mayOpen: true)])
        let fenced = [RecoveryAction.fenceAndRead(decider: s0, hash, try InstanceIdentifier("i1"))]
        round = try Transcript(.reopening(ShardIndex(shard)), watchedFor: .seconds(62))
        #expect(try listed(&round, age: .seconds(61)) == fenced)
        round = try Transcript(.reopening(ShardIndex(shard)), watchedFor: .seconds(61))
        #expect(try listed(&round, age: .seconds(60), present: []) == fenced)
    }

    @Test func aShardThatHasNothingToDoWithItOpens() throws {
        var round = try Transcript(.reopening(s2))
        #expect(try listed(&round) == [Transcript.summary(mayOpen: true)])
    }

    @Test func aDecisionThatCannotBeCarriedOutKeepsTheShardClosed() throws {
        var round = try Transcript(.reopening(s0))
        _ = try listed(&round)
        _ = round.on(.decisionRead(decider: s0, hash, .commit))
        #expect(
            round.on(.finishAnswered(s1, gid: g1, .unreachable))
                == [.show(s1, gid: g1, .unfinished(.commit)), Transcript.summary(remaining: 1)])
    }

    @Test func anUnreachableDeciderKeepsTheShardClosedUnlessAtomicReadsAreGivenUp() throws {
        var round = try Transcript(.reopening(s1))
        #expect(
            try listed(&round, s0: nil) == [
                .show(s1, gid: g1, .deciderUnreachable), Transcript.summary(remaining: 1, unreached: ShardSet(s0)),
            ])
        round = try Transcript(.reopening(s1), opensInDoubt: true)
        #expect(
            try listed(&round, s0: nil) == [
                .show(s1, gid: g1, .deciderUnreachable),
                Transcript.summary(remaining: 1, unreached: ShardSet(s0), mayOpen: true),
            ])
    }

    @Test func aCoordinatorAtWorkKeepsTheShardClosed() throws {
        var round = try Transcript(.reopening(s1), inFlight: [hash])
        #expect(try listed(&round) == [Transcript.summary()])
    }

    @Test func aShardThatCannotBeListedStaysClosed() throws {
        var round = try Transcript(.reopening(s0))
        #expect(try round.list([nil, [], []]) == [Transcript.summary(unreached: ShardSet(s0))])
    }
}

@Suite struct ShardFenceTests {
    func summary(unreached: ShardSet = ShardSet(), mayOpen: Bool = true) -> RecoverySummary {
        var summary = RecoverySummary()
        summary.unreached = unreached
        summary.mayOpen = mayOpen
        return summary
    }

    @Test func everyShardIsClosedUntilARoundOpensIt() {
        var fences = ShardFences(shardCount: 2)
        let begun = fences.roundBegins()
        #expect(fences.open(ShardIndex(0), after: summary(mayOpen: false), begun: begun) == false)
        #expect(fences.open(ShardIndex(0), after: summary(), begun: begun) == true)
        #expect(!fences.isClosed(ShardIndex(0)) && fences.isClosed(ShardIndex(1)))
    }

    @Test func aRoundThatBeganBeforeTheShardWasClosedDoesNotOpenIt() {
        var fences = ShardFences(shardCount: 1)
        let begun = fences.roundBegins()
        fences.close(ShardIndex(0))
        #expect(fences.open(ShardIndex(0), after: summary(), begun: begun) == false)
        let next = fences.roundBegins()
        #expect(fences.open(ShardIndex(0), after: summary(), begun: next) == true)
    }

    @Test func twoRoundsBlindForEachOthersShardDoNotBothOpen() {
        var fences = ShardFences(shardCount: 2)
        let begun = fences.roundBegins()
        let blindForOne = summary(unreached: ShardSet(ShardIndex(1)))
        let blindForZero = summary(unreached: ShardSet(ShardIndex(0)))
        #expect(fences.open(ShardIndex(0), after: blindForOne, begun: begun) == true)
        #expect(fences.open(ShardIndex(1), after: blindForZero, begun: begun) == false)
    }
}
