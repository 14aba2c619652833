// SimulatedWorld: shards, proxies and the network between them, scheduled by a seed.
//
// Every step one of the things that could happen next happens: a command is carried out, an answer arrives, the
// standby catches up, a timer fires, a link breaks with any part of its messages delivered, a shard crashes and
// comes back or fails over, a proxy dies, a recovery starts. Then the faults end, everything settles, and recovery
// must bring all to one outcome.
import Primitives

@testable import DistributedCommit

final class SimulatedWorld {
    let cluster: ClusterIdentifier
    let flaw: SimulatedFlaw?
    let random: SeededRandomSource
    let isTracing: Bool
    var shards: [SimulatedShard] = []
    var processes: [SimulatedProcess] = []
    var transactions: [SimulatedTransaction] = []
    var sessions: [SimulatedSession] = []
    /// Inputs that arrive some time later, and timers that may fire.
    var delayed: [(Int, CommitInput)] = []
    var timers: [(Int, CommitTimer)] = []
    var step = 0
    var isHealing = false
    var lastSummary: RecoverySummary?
    var violation: String?
    var traced: [String] = []

    let climate: Climate

    init(seed: UInt64, flaw: SimulatedFlaw? = nil, isTracing: Bool = false) throws {
        let random = SeededRandomSource(seed: seed)
        self.random = random
        climate = Climate(random, flaw: flaw)
        self.flaw = flaw
        self.isTracing = isTracing
        cluster = try ClusterIdentifier("c")
                for index in 0..<4 {
            shards.append(.init(identifier: try ShardIdentifier("s\(index)"), isSynchronous: climate.isSynchronous))
        }
        for index in 0..<3 {
            processes.append(.init(instance: try InstanceIdentifier("i\(index)"), shardCount: shards.count))
        }
        for _ in 0...below(2) { try begin(process: below(2)) }
    }

    /// Runs the whole life of this world; nil when every promise was kept.
    func run() -> String? {
        let faultySteps = 40 + below(160)
        while violation == nil, step < faultySteps { takeStep() }
        isHealing = true
        for index in shards.indices where !shards[index].isUp { comeBack(index) }
        while violation == nil, takeStep() {}
        if violation == nil { recoverEverything() }
        return violation
    }

    func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
    func chance(_ hits: Int, in cases: Int) -> Bool { !isHealing && below(cases) < hits }
    func chooseAge() -> Span { isHealing || below(climate.age) == 0 ? .seconds(3600) : .zero }

    func trace(_ line: @autoclosure () -> String) {
        if isTracing { traced.append("\(step) \(line())") }
    }

    func violate(_ what: String) {
        trace("VIOLATION \(what)")
        if violation == nil { violation = what }
    }

    // MARK: beginning

    private func begin(process: Int) throws {
        var places = Array(shards.indices)
        for index in places.indices { places.swapAt(index, index + below(places.count - index)) }
        var kinds: [CommitParticipant] = [.wrote(nil), .wrote(nil)]
        if below(2) == 0 { kinds.append(.wrote(below(3) == 0 ? .temporaryObjects : nil)) }
        if below(3) == 0 { kinds.insert(.read, at: below(kinds.count)) }
        let index = transactions.count
        let hash = TransactionHash(high: UInt64(index), low: random.next())
        let decider = try CommitProtocol.decider(among: kinds)
        let gids = try kinds.indices.map {
            try GlobalTransactionIdentifier(
                cluster: cluster, instance: processes[process].instance,
                decider: shards[places[decider]].identifier, hash: hash, participant: shards[places[$0]].identifier
            ).description
        }
        transactions.append(
            SimulatedTransaction(
                process: process, hash: hash, kinds: kinds, shards: Array(places.prefix(kinds.count)), gids: gids,
                coordinator: CommitCoordinator(participants: kinds)))
        for participant in kinds.indices {
            transactions[index].links.append(
                open(places[participant], process, .link(transaction: index, participant: participant), .work(index)))
        }
        delayed.append((index, .start))
    }

    @discardableResult
    func open(_ shard: Int, _ process: Int, _ recipient: Recipient, _ requests: Request...) -> SimulatedSession {
        let session = SimulatedSession(shard: shard, process: process, recipient: recipient, requests: requests)
        sessions.append(session)
        if !shards[shard].isUp {
            endBackend(session)
            session.replies = [.lost]
        }
        return session
    }

    // MARK: steps

    /// One thing happens; false when nothing can.
    @discardableResult
    func takeStep() -> Bool {
        step += 1
        sessions.removeAll { !$0.isServerAlive && (!$0.isClientAlive || $0.replies.isEmpty) }
        if !isHealing, chance(1, in: climate.fault) { causeFault() }
        if !isHealing, chance(1, in: climate.round) { startSomeRound() }
        if !isHealing, chance(1, in: climate.timer), !timers.isEmpty { fireTimer() }
        let happened = takeOrdinaryStep()
        checkInvariants()
        if happened || !isHealing { return true }
        guard !timers.isEmpty else { return false }
        fireTimer()
        return true
    }

    /// One thing of the ordinary course, by chance and by the speeds of this world; false when there is none.
    private func takeOrdinaryStep() -> Bool {
        var choices = ordinaryChoices()
        while !choices.isEmpty {
            let position = below(choices.count)
            if choices.count > 1, below(1 << climate.slowness(choices[position].part)) != 0 { continue }
            if choices.remove(at: position).happen() { return true }
        }
        return false
    }

    private func ordinaryChoices() -> [(part: Climate.Part, happen: () -> Bool)] {
        var choices: [(Climate.Part, () -> Bool)] = []
        for session in sessions {
            if session.isServerAlive, session.waitingFor == nil {
                if !session.requests.isEmpty {
                    choices.append((session.part, { self.processRequest(session) }))
                } else if !session.isClientAlive {
                    choices.append((session.part, { self.endBackend(session); return true }))
                }
            }
            if session.isClientAlive, !session.replies.isEmpty {
                choices.append((session.part, { self.receive(session.replies.removeFirst(), session); return true }))
            }
        }
        for shard in shards.indices where shards[shard].isUp && shards[shard].replicatedCount < shards[shard].log.count {
            choices.append((.replication, { self.replicateOne(shard); return true }))
        }
        for position in delayed.indices { choices.append((.coordinator, { self.feedDelayed(position) })) }
        return choices
    }

    private func feedDelayed(_ position: Int) -> Bool {
        let (index, input) = delayed.remove(at: position)
        feed(index, input)
        return true
    }

    private func fireTimer() {
        let (index, timer) = timers.remove(at: below(timers.count))
        feed(index, .timerFired(timer))
    }
}
