// SimulatedClient: does its operations one after another over a connection to a proxy, and watches that every request
// gets exactly one answer. It connects anew when the connection is lost, cancels what takes too long, and in the end leaves.
import Primitives
import WireProtocol

final class SimulatedClient {
    /// What a client asks after an error instead of its next request.
    private enum Detour { case none, toSavepoint, toBegin }
    enum Condition: String { case away, connecting, loggingIn, idle, awaiting, done }

    unowned let world: World
    let number: Int
    /// What is left to do, by number in the ledger.
    var operations: [Int] = []
    private(set) var condition = Condition.away
    /// Grows with each connection and each request, so that events of earlier ones mean nothing.
    private var turn = 0
    private var connectionTurn = 0
    private var connection: Connection?
    private var proxy = 0
    /// Outlives the queue, whose memory goes back there.
    private let pool: BlockPool
    private var inbox: ByteQueue
    private var key = CancelKey(processID: 0, secretKey: 0)
    /// Attempts to connect since it was last logged in: each waits longer for the next.
    private var failedConnects = 0
    private var requestPosition = 0
    private var detour = Detour.none
    /// The present attempt has been back at its savepoint.
    private var wasAtSavepoint = false
    /// How often the present operation was tried.
    private var attempts = 0
    private static let attemptsPerOperation = 4
    /// How often an operation that is repeated began again.
    private var repetitions = 0
    private static let repetitionLimit = 200
    private var reply = Reply()
    /// When the present request was sent, and the first of its block.
    private var askedAt = Instant.origin
    private var blockAskedAt = Instant.origin
    private var blockTurn = 0

    init(world: World, number: Int) {
        self.world = world
        self.number = number
        pool = world.pool
        inbox = ByteQueue(pool: pool.reference)
    }

    deinit { inbox.free() }

    var isDone: Bool { condition == .done }

    /// It only repeats what it looks at until the others are done.
    var isWatching: Bool { operation?.isRepeated ?? false }

    private var operation: Operation? { operations.first.map { world.ledger.operations[$0] } }

    // MARK: Connecting

    /// The client's event: connect, or send what comes next.
    func goOn(turn: Int) {
        guard turn == self.turn else { return }
        switch condition {
        case .away: connect()
        case .idle: sendNext()
        case .connecting, .loggingIn: lose()
        case .awaiting, .done: break
        }
    }

    private func connect() {
        guard !operations.isEmpty else { return leave() }
        turn += 1
        connectionTurn = turn
        condition = .connecting
        proxy = world.dice.below(world.proxies.count)
        let far = Party.proxy(proxy, incarnation: 0, StreamReference(index: 0, generation: 0))
        connection = world.open(.client(number, turn: turn), to: far)
        // A connection that is not there, or not logged in, in time is given up.
        world.schedule(.client(number, turn: turn), after: .seconds(15))
    }

    func connectDecided(turn: Int, isRefused: Bool) {
        guard turn == connectionTurn, condition == .connecting else { return }
        if isRefused { return lose() }
        condition = .loggingIn
        var packet = ByteQueue(pool: world.pool.reference)
        packet.writeStartupMessage(
            StartupMessage(parameters: [.init(name: "user", value: ProxyParts.clientUser), .init(name: "database", value: ProxyParts.database)]))
        send(&packet)
    }

    private func send(_ bytes: inout ByteQueue) {
        if let connection { world.send(bytes.readable, on: connection, .toFar) }
        bytes.free()
    }

    /// The connection is gone: what was asked and not answered stays unknown if it was the deciding request.
    private func lose() {
        if let connection { world.close(connection, by: .toFar, isAbrupt: true) }
        connection = nil
        inbox.free()
        let wasAwaiting = condition == .awaiting
        let wasLoggedIn = wasAwaiting || condition == .idle
        condition = .away
        turn += 1
        if let operation, requestPosition > 0 || wasAwaiting, detour == .none {
            endOperation(wasAwaiting && operation.requests[requestPosition].isFinal ? .unknown : .aborted)
        }
        detour = .none
        wasAtSavepoint = false
        requestPosition = 0
        failedConnects = wasLoggedIn ? 0 : min(failedConnects + 1, 20)
        world.schedule(
            .client(number, turn: turn), after: world.dice.span(upTo: .milliseconds(120 + 120 * Int64(failedConnects))))
    }

    func peerClosed(turn: Int) {
        guard turn == connectionTurn, connection != nil else { return }
        lose()
    }

    /// A fault: the client goes away in the middle of whatever it is at.
    func disconnect() -> Bool {
        guard connection != nil, condition == .idle || condition == .awaiting else { return false }
        world.trace { "client \(self.number) disconnects" }
        lose()
        return true
    }

    private func leave() {
        if let connection {
            var bytes = ByteQueue(pool: world.pool.reference)
            bytes.writeTerminate()
            send(&bytes)
            world.close(connection, by: .toFar, isAbrupt: false)
        }
        connection = nil
        condition = .done
        turn += 1
        world.clientIsDone()
    }

    // MARK: Asking

    private func sendNext() {
        guard let operation else { return leave() }
        let request = request(of: operation)
        if request.isFinal { world.ledger.commitWasAsked(operations[0]) }
        condition = .awaiting
        turn += 1
        reply = Reply()
        askedAt = world.now
        if requestPosition == 0 {
            blockAskedAt = world.now
            blockTurn = turn
        }
        var bytes = ByteQueue(pool: world.pool.reference)
        request.write(into: &bytes)
        world.trace { "client \(self.number) op \(self.operations[0]) asks \(request.calls.map(\.text).joined(separator: "; "))" }
        send(&bytes)
        world.schedule(.patience(client: number, turn: turn), after: .seconds(Int64(world.dice.within(world.climate.patience))))
    }

    private func request(of operation: Operation) -> Request {
        switch detour {
        case .none: operation.requests[requestPosition]
        case .toSavepoint: .simple("ROLLBACK TO a")
        case .toBegin: .simple("ROLLBACK")
        }
    }

    /// The answer to the end of its transaction is still to come from this proxy.
    func awaitsDecision(of proxy: Int) -> Bool {
        guard condition == .awaiting, proxy == self.proxy, detour == .none, let operation else { return false }
        return operation.isCrossShard && operation.requests[requestPosition].isFinal
    }

    /// The answer takes long: cancel, and while things go wrong perhaps leave.
    func losePatience(turn: Int) {
        guard turn == self.turn, condition == .awaiting else { return }
        if !world.isHealing, world.dice.chance(20) {
            _ = disconnect()
        } else {
            _ = cancel()
            world.schedule(.patience(client: number, turn: turn), after: .seconds(3))
        }
    }

    /// Sends a cancel request over a connection of its own.
    func cancel() -> Bool {
        guard condition == .awaiting, world.proxies[proxy].isAlive else { return false }
        world.trace { "client \(self.number) cancels" }
        let connection = world.open(.nobody, to: .proxy(world.process(of: proxy).anyWorker(), incarnation: 0, StreamReference(index: 0, generation: 0)))
        var bytes = ByteQueue(pool: world.pool.reference)
        bytes.writeCancelRequest(key)
        connection.greeting = Array(bytes.readable)
        bytes.free()
        return true
    }

    // MARK: Answers

    func received(_ bytes: UnsafeRawBufferPointer, turn: Int) {
        guard turn == connectionTurn, connection != nil else { return }
        inbox.append(bytes)
        while connection != nil, case .frame(let header) = FrameScanner.frame(in: inbox.readable, at: 0, limit: 1 << 20) {
            let frame = Array(inbox.readable[..<header.length])
            inbox.consume(header.length)
            frame.withUnsafeBytes { take($0, type: header.type) }
        }
    }

    private func take(_ frame: UnsafeRawBufferPointer, type: UInt8) {
        switch (condition, type) {
        case (.loggingIn, BackendMessageType.backendKeyData): if let message = try? BackendKeyDataMessage(frame) { key = message.key }
        case (.loggingIn, BackendMessageType.readyForQuery):
            condition = .idle
            rest()
        case (.loggingIn, _), (.idle, BackendMessageType.noticeResponse), (_, BackendMessageType.parameterStatus): break
        case (.awaiting, BackendMessageType.readyForQuery): answered(status: frame[FrameHeader.bytes])
        case (.awaiting, _):
            if let mistake = reply.add(frame, type: type) { world.violate("client \(number): \(mistake)") }
        case (.idle, BackendMessageType.errorResponse):
            guard let message = try? DatabaseMessage(frame: frame), message.severity == .fatal else { return unasked(type) }
        default: unasked(type)
        }
    }

    private func unasked(_ type: UInt8) { world.violate("client \(number) was sent a message of type \(type) it did not ask for") }

    /// Thinks before it goes on, longer after each failure.
    private func rest() {
        turn += 1
        let patience = Span.milliseconds(300 * Int64(min(1 + attempts, 10)))
        let usual = isWatching ? world.climate.appetite.watchTime : world.climate.thinkTime
        let longest = reply.error == nil ? usual : max(usual, patience)
        var thinks = world.dice.span(upTo: longest)
        if detour == .none, let operation { thinks = max(thinks, operation.requests[requestPosition].pause) }
        world.schedule(.client(number, turn: turn), after: thinks)
    }

    private func answered(status: UInt8) {
        condition = .idle
        world.trace { "client \(self.number) is answered \(self.reply)" }
        defer { rest() }
        if let error = reply.error { world.report.errors[error.rawValue, default: 0] += 1 }
        guard let operation else { return }
        if detour != .none { return detourEnded(operation, status) }
        let request = operation.requests[requestPosition]
        if let mistake = reply.mistake(for: request) { world.violate("client \(number): \(mistake)") }
        look(at: operation)
        if reply.error != nil || request.isFinal { return conclude(operation, request, status) }
        requestPosition += 1
    }

    private func conclude(_ operation: Operation, _ request: Request, _ status: UInt8) {
        let outcome = reply.outcome(of: request, operation)
        if status != UInt8(ascii: "I") {
            if request.isFinal, outcome != .aborted { world.violate("client \(number) is in a transaction after its end") }
            let isBehindSavepoint = operation.savepoint.map { $0 < requestPosition } ?? false
            let goesBack = isBehindSavepoint && !request.isFinal && !wasAtSavepoint && world.dice.chance(60)
            detour = goesBack ? .toSavepoint : .toBegin
            return
        }
        endOperation(outcome)
    }

    /// ROLLBACK was answered: the operation is over. ROLLBACK TO was: it goes on behind its savepoint, unless that failed.
    private func detourEnded(_ operation: Operation, _ status: UInt8) {
        if detour == .toSavepoint {
            wasAtSavepoint = true
            let isBack = reply.error == nil
            if isBack != (status == UInt8(ascii: "T")) { world.violate("client \(number) has status \(status) after ROLLBACK TO") }
            detour = isBack ? .none : .toBegin
            if isBack { requestPosition = (operation.savepoint ?? 0) + 1 }
            return
        }
        detour = .none
        if status != UInt8(ascii: "I") { world.violate("client \(number) is in a transaction after ROLLBACK") }
        endOperation(.aborted)
    }

    /// A reader adds up what it sees, or remembers it.
    private func look(at operation: Operation) {
        guard operation.kind == .read, reply.error == nil else { return }
        let sights = reply.sights(of: operation.requests[requestPosition])
        if !sights.isEmpty {
            let isBlock = operation.requests[0].calls[0].text.hasPrefix("BEGIN")
            // Each attempt at a block has a snapshot of its own.
            let block = isBlock ? OrderWatch.Block(client: number, turn: blockTurn) : nil
            world.ledger.order.saw(sights, block: block, by: number, asked: isBlock ? blockAskedAt : askedAt, answered: world.now)
        }
        if let sum = reply.sum(of: operation.requests[requestPosition]) { world.ledger.saw(sum: sum, client: number) }
    }

    /// The present operation is to be tried again. One over several shards is until its commit was asked for once.
    private var isTriedAgain: Bool {
        guard let operation, operation.kind != .abandoned else { return false }
        return attempts < Self.attemptsPerOperation || operation.isCrossShard && !world.ledger.isCommitAsked(operations[0])
    }

    private func endOperation(_ outcome: Outcome) {
        guard let operation else { return }
        world.trace { "client \(self.number) op \(self.operations[0]) ends \(outcome)" }
        requestPosition = 0
        wasAtSavepoint = false
        attempts += 1
        world.ledger.ended(operations[0], outcome, proxy: proxy)
        // What surely did not happen may be tried again: should it have happened all the same, it then happens twice.
        if outcome == .aborted, isTriedAgain { return }
        let ended = operations.removeFirst()
        if operation.isRepeated, !world.isHealing, repetitions < Self.repetitionLimit {
            operations.append(ended)
            repetitions += 1
        }
        attempts = 0
    }
}
