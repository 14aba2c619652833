// SimulatedClient: does its operations one after another over a connection to a proxy, and watches that every request
// gets exactly one answer. It connects anew when the connection is lost, cancels what takes too long, and in the end leaves.
import Primitives
import WireProtocol

final class SimulatedClient {
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
    private var requestPosition = 0
    private var isRollingBack = false
    /// How often the present operation was tried.
    private var attempts = 0
    private static let attemptsPerOperation = 4
    private var reply = Reply()

    init(world: World, number: Int) {
        self.world = world
        self.number = number
        pool = world.pool
        inbox = ByteQueue(pool: pool.reference)
    }

    deinit { inbox.free() }

    var isDone: Bool { condition == .done }

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
        condition = .away
        turn += 1
        if let operation, requestPosition > 0 || wasAwaiting, !isRollingBack {
            endOperation(wasAwaiting && operation.requests[requestPosition].isFinal ? .unknown : .aborted)
        }
        isRollingBack = false
        requestPosition = 0
        world.schedule(.client(number, turn: turn), after: world.dice.span(upTo: .milliseconds(120)))
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
    }

    // MARK: Asking

    private func sendNext() {
        guard let operation else { return leave() }
        let request = isRollingBack ? Request.simple("ROLLBACK") : operation.requests[requestPosition]
        condition = .awaiting
        turn += 1
        reply = Reply()
        var bytes = ByteQueue(pool: world.pool.reference)
        request.write(into: &bytes)
        world.trace { "client \(self.number) op \(self.operations[0]) asks \(request.calls.map(\.text).joined(separator: "; "))" }
        send(&bytes)
        world.schedule(.patience(client: number, turn: turn), after: .seconds(2 + Int64(world.dice.below(5))))
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
        let connection = world.open(.nobody, to: .proxy(proxy, incarnation: 0, StreamReference(index: 0, generation: 0)))
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

    /// Thinks before it goes on, longer after a failure.
    private func rest() {
        turn += 1
        let longest = reply.error == nil ? world.climate.thinkTime : max(world.climate.thinkTime, .milliseconds(300))
        world.schedule(.client(number, turn: turn), after: world.dice.span(upTo: longest))
    }

    private func answered(status: UInt8) {
        condition = .idle
        world.trace { "client \(self.number) is answered \(self.reply)" }
        defer { rest() }
        guard let operation else { return }
        if isRollingBack {
            isRollingBack = false
            if status != UInt8(ascii: "I") { world.violate("client \(number) is in a transaction after ROLLBACK") }
            return endOperation(.aborted)
        }
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
            isRollingBack = true
            return
        }
        endOperation(outcome)
    }

    /// A reader adds up what it sees.
    private func look(at operation: Operation) {
        guard operation.kind == .read, reply.error == nil, let sum = reply.sum else { return }
        world.ledger.saw(sum: sum, client: number)
    }

    private func endOperation(_ outcome: Outcome) {
        world.trace { "client \(self.number) op \(self.operations[0]) ends \(outcome)" }
        requestPosition = 0
        attempts += 1
        world.ledger.ended(operations[0], outcome, proxy: proxy)
        // What surely did not happen may be tried again: should it have happened all the same, it then happens twice.
        if outcome == .aborted, attempts < Self.attemptsPerOperation { return }
        operations.removeFirst()
        attempts = 0
    }
}
