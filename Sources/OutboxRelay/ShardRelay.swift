// ShardRelay: relays one shard's events, as long as nobody else does. It runs on a thread of its own and waits for the database and the broker
// there. Whatever breaks, it begins again with what the shard says: events that were published and not marked by then are published twice.
//
//   claim -> look how far events may be read -> read -> publish -> mark what is confirmed -> ...
//
// Nothing here relies on being the only one: `DeliveryQueue` says why.
import DatabaseClient
import Logging
import WireProtocol

final class ShardRelay {
    /// How long to wait for the broker while there is something on its way, in milliseconds.
    private static let outcomePatience = 5
    /// What is on its way at the end is waited for so long.
    private static let farewell = Duration.seconds(5)

    private let settings: RelaySettings
    private let shard: Int
    private let holder: String
    private let wakeup: Wakeup
    private var logger: Logger

    private var publisher: (any EventPublisher)?
    private var brokerFailures = 0
    /// How often it has begun again without having got through, and what is wrong: with the database, the broker, an event, the figures.
    private var failures = 0
    private var databaseTrouble: String?
    private var brokerTrouble: String?
    private var eventTrouble: String?
    private var figuresTrouble: String?
    private var nextConnect = ContinuousClock.now
    private var status = ShardStatus()
    private var reported = (sent: 0, at: ContinuousClock.now)
    private var lastReport = ContinuousClock.now
    private var hasWarned = false

    init(_ settings: RelaySettings, shard: Int, holder: String, wakeup: Wakeup, logger: Logger) {
        self.settings = settings
        self.shard = shard
        self.holder = holder
        self.wakeup = wakeup
        self.logger = logger
        self.logger[metadataKey: "shard"] = "\(shard)"
    }

    /// Relays until the end.
    func run() {
        while !wakeup.isEnded {
            do {
                let store = try OutboxStore(settings, shard: shard)
                while !wakeup.isEnded {
                    if try isOurs(store) {
                        logger.info("the shard is ours")
                        try store.checkTable()
                        try relay(store)
                    } else {
                        (failures, databaseTrouble) = (0, nil)
                    }
                    wakeup.pause(settings.lease / 3)
                }
            } catch {
                failures += 1
                databaseTrouble = "begins again: \(OutboxRelay.text(of: error))"
                logger.warning("the shard is tried again", metadata: ["error": "\(OutboxRelay.text(of: error))", "failures": "\(failures)"])
                wakeup.pause(settings.delivery.delay.duration(after: failures))
            }
        }
    }

    /// Claims the shard, and tells what kept it from being relayed before.
    private func isOurs(_ store: OutboxStore) throws -> Bool {
        var status = ShardStatus()
        status.trouble = databaseTrouble
        do { return try store.claim(holder, for: settings.lease, status) } catch let error as DatabaseMessage {
            // What is wrong with the table says more.
            try store.checkTable()
            throw error
        }
    }

    /// Until somebody else has the shard's events, or the end.
    private func relay(_ store: OutboxStore) throws {
        status = ShardStatus()
        (brokerTrouble, eventTrouble, figuresTrouble) = (nil, nil, nil)
        reported = (0, .now)
        // Its answers are about events of this turn: the next one publishes them again, and has not asked for these.
        defer { publisher = nil }
        var turn = RelayTurn(settings)
        while !wakeup.isEnded {
            if turn.isClaimDue {
                guard try claim(store, &turn) else { return logger.info("another relay has the shard") }
            }
            log(turn.queue.refusals)
            try turn.store(store, marksAll: false)
            try turn.load(store)
            if turn.takeOther() { publisher = nil }
            guard serveBroker(&turn) else {
                noteRound(turn)
                wakeup.pause(min(settings.pollInterval, settings.lease / 3))
                continue
            }
            noteRound(turn)
            if turn.isIdle, try !awaitWork(store, &turn) { return logger.info("another relay has the shard") }
        }
        try leave(store, &turn)
    }

    /// Waits for news, or until it is time to look by itself. The lease is renewed meanwhile.
    /// - Returns: whether the shard is still ours.
    private func awaitWork(_ store: OutboxStore, _ turn: inout RelayTurn) throws -> Bool {
        let limit = ContinuousClock.now + turn.idleTime
        repeat {
            let rung = wakeup.wait(after: turn.rung, atMost: min(max(.zero, ContinuousClock.now.duration(to: limit)), settings.lease / 3))
            if rung > turn.rung {
                turn.rung = rung
                return true
            }
            if turn.isClaimDue, try !claim(store, &turn) { return false }
        } while !wakeup.isEnded && ContinuousClock.now < limit
        return true
    }

    /// What broke before has been got through once something was marked, or all that may be was read.
    private func noteRound(_ turn: RelayTurn) {
        if turn.sent > 0 || turn.isIdle { (failures, databaseTrouble) = (0, nil) }
    }

    /// What is on its way is waited for and marked; then others may have the shard.
    private func leave(_ store: OutboxStore, _ turn: inout RelayTurn) throws {
        let limit = ContinuousClock.now + Self.farewell
        while turn.queue.inFlight > 0, publisher != nil, .now < limit { _ = serveBroker(&turn, publishes: false) }
        try turn.store(store, marksAll: true)
        try store.release(holder)
        logger.info("the shard is left", metadata: ["sent": "\(turn.sent)"])
    }

    // MARK: The broker

    /// Publishes what may be, and takes what the broker says.
    /// - Returns: whether there is a broker.
    private func serveBroker(_ turn: inout RelayTurn, publishes: Bool = true) -> Bool {
        do {
            guard let publisher = try connected() else { return false }
            if publishes { try turn.publish(publisher) }
            let outcomes = try publisher.outcomes(withinMilliseconds: turn.queue.inFlight > 0 ? Self.outcomePatience : 0)
            turn.take(outcomes)
            note(outcomes)
            return true
        } catch {
            brokerFailures += 1
            brokerTrouble = "broker: \(error)"
            logger.warning("the broker is lost", metadata: ["error": "\(error)", "failures": "\(brokerFailures)"])
            publisher = nil
            nextConnect = .now + settings.delivery.delay.duration(after: brokerFailures)
            turn.queue.lose()
            return false
        }
    }

    private func note(_ outcomes: [PublishOutcome]) {
        var (isConfirmed, reason) = (false, String?.none)
        for outcome in outcomes {
            switch outcome {
            case .confirmed: isConfirmed = true
            case .postponed(_, let why): reason = why
            case .refused, .oneRefused: break
            }
        }
        if !outcomes.isEmpty { brokerFailures = 0 }
        if isConfirmed { (brokerTrouble, eventTrouble) = (nil, nil) }
        guard let reason else { return }
        if brokerTrouble == nil { logger.warning("the broker puts events off", metadata: ["reason": "\(reason)"]) }
        brokerTrouble = "broker: \(reason)"
    }

    private func connected() throws(BrokerLost) -> (any EventPublisher)? {
        if publisher == nil, nextConnect <= .now {
            publisher = try settings.broker.publisher(shard: shard)
            logger.info("the broker is there")
        }
        return publisher
    }

    // MARK: Figures

    private func claim(_ store: OutboxStore, _ turn: inout RelayTurn) throws -> Bool {
        let now = ContinuousClock.now
        try count(store)
        status.writerSeconds = turn.writerAge(now)?.seconds ?? 0
        status.rate = Double(turn.sent - reported.sent) / max(reported.at.duration(to: now).seconds, 0.001)
        status.sent = turn.sent
        reported = (turn.sent, now)
        warnOfWriter(turn, now)
        report(now)
        turn.noteClaim(now)
        let troubles = [databaseTrouble, brokerTrouble, turn.trouble, eventTrouble, figuresTrouble].compactMap { $0 }
        status.trouble = troubles.isEmpty ? nil : troubles.joined(separator: "; ")
        return try store.claim(holder, for: settings.lease, status)
    }

    /// What cannot be counted in time keeps its last figures: they are no reason to relay nothing.
    private func count(_ store: OutboxStore) throws {
        do {
            let figures = try store.figures()
            (status.pending, status.failed, status.oldestSeconds, figuresTrouble) = (figures.pending, figures.failed, figures.oldestSeconds, nil)
        } catch let error as DatabaseMessage {
            figuresTrouble = "the events were not counted: \(error.message)"
        }
    }

    private func log(_ refusals: [EventRefusal]) {
        for refusal in refusals {
            if refusal.isFinal { eventTrouble = "failed: \(refusal.reason)" }
            logger.warning(
                refusal.isFinal ? "an event has failed" : "an event is refused",
                metadata: ["sequence": "\(refusal.mark.sequence)", "attempts": "\(refusal.attempts)", "reason": "\(refusal.reason)"])
        }
    }

    private func warnOfWriter(_ turn: RelayTurn, _ now: ContinuousClock.Instant) {
        guard let age = turn.writerAge(now), age > settings.writerWarning else { return hasWarned = false }
        if hasWarned { return }
        hasWarned = true
        logger.warning(
            "a transaction that has written to the outbox is open for long: younger events wait for it",
            metadata: ["seconds": "\(Int(age.seconds))", "virtualtransaction": "\(turn.horizon.oldestWriter?.identifier ?? "")"])
    }

    private func report(_ now: ContinuousClock.Instant) {
        guard lastReport.duration(to: now) >= settings.reportInterval else { return }
        lastReport = now
        logger.info(
            "relayed",
            metadata: [
                "sent": "\(status.sent)", "per_second": "\(Int(status.rate))", "pending": "\(status.pending)", "failed": "\(status.failed)",
                "oldest_seconds": "\(Int(status.oldestSeconds))", "writer_seconds": "\(Int(status.writerSeconds))",
            ])
    }
}
