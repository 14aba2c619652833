// SimulatedProxy: one worker of a proxy process: a real Worker, and around it what the event loop is in a real process.
//
// It keeps EventLoop's promises to the worker: bytes the worker leaves are offered again with the next or after
// `.resume`; effects are carried out in order after each call; a link's last words are kept while it is paused.
import DistributedCommit
import Logging
import Primitives
import ProxyCore
import QueryPlanning

final class SimulatedProxy {
    unowned let world: World
    let number: Int
    /// Which of its process's workers it is.
    private let place: Int
    private(set) var incarnation = 0
    private(set) var worker: Worker?
    private var streams: StreamTable?
    /// The connection of each stream, by the stream's index; -1: none.
    private var connections: [Int] = []
    /// Links whose peer has closed while the worker wanted no bytes of them.
    private var pendingEnds: [(StreamReference, String)] = []
    private var resumed: [StreamID] = []
    private var nextTick: Instant?
    private var isBusy = false
    /// What its process's other workers have told it, and it has not read.
    private var mail: [WorkerMessage] = []

    init(world: World, number: Int) {
        self.world = world
        self.number = number
        place = number % world.options.workerCount
    }

    var isAlive: Bool { worker != nil }

    func start(in process: ProxyProcess) {
        guard worker == nil else { return }
        incarnation += 1
        let streams = StreamTable(pool: world.pool)
        let worker = Worker(
            number: place, settings: world.parts.settings, streams: streams,
            random: SeededRandomSource(seed: world.dice.source.next()), logger: world.logger, now: world.now,
            gate: process.gate, sessionTable: process.sessionTable,
            planner: Planner(limits: world.parts.settings.limits, analyser: world.analyser))
        self.streams = streams
        self.worker = worker
        connections = []
        nextTick = nil
        worker.probe = ProtocolWatch(world: world, proxy: number)
        world.trace { "proxy \(self.number) starts" }
        call { $0.start(now: $1) }
    }

    /// The process dies: nothing of it is left but what it has sent.
    func kill() {
        guard worker != nil else { return }
        world.trace { "proxy \(self.number) dies" }
        for connection in world.connections where connection.isAlive {
            if case .proxy(number, _, _) = connection.near { world.close(connection, by: .toFar, isAbrupt: true) }
            if case .proxy(number, _, _) = connection.far, connection.state == .open {
                world.close(connection, by: .toNear, isAbrupt: true)
            }
        }
        worker = nil
        streams = nil
        pendingEnds = []
        resumed = []
        mail = []
    }

    // MARK: What comes in

    /// A client connected.
    func accept(_ connection: Connection) {
        guard let streams else { return }
        let stream = streams.open(.session)
        connection.far = .proxy(number, incarnation: incarnation, StreamReference(index: stream.index, generation: stream.generation))
        attach(connection, stream)
        let facts = AcceptFacts(isUnixSocket: false, address: "client", offersTLS: false)
        call { $0.accepted(stream, facts: facts, now: $1) }
    }

    private func attach(_ connection: Connection, _ stream: StreamID) {
        while connections.count <= Int(stream.index) { connections.append(-1) }
        connections[Int(stream.index)] = connection.number
    }

    func received(_ bytes: UnsafeRawBufferPointer, incarnation: Int, _ reference: StreamReference) {
        guard let (id, record) = find(incarnation, reference), !record.pointee.isClosing else { return }
        record.pointee.input.append(bytes)
        offer(id)
    }

    /// Offers a stream's waiting input to the worker.
    private func offer(_ id: StreamID) {
        guard let record = streams?.find(id), !record.pointee.isReadPaused, !record.pointee.isClosing, !record.pointee.input.isEmpty
        else { return }
        call { worker, now in
            let consumed = worker.received(id.index, bytes: record.pointee.input.readable, now: now)
            record.pointee.input.consume(consumed)
        }
    }

    func peerClosed(incarnation: Int, _ reference: StreamReference, _ reason: String) {
        guard let (id, record) = find(incarnation, reference) else { return }
        if record.pointee.isReadPaused, record.pointee.role == .link, !record.pointee.input.isEmpty {
            return pendingEnds.append((reference, reason))
        }
        call { worker, now in
            if !record.pointee.isClosing { worker.closed(id, reason: reason, now: now) }
        }
        release(id)
        flush()
    }

    func connectDecided(incarnation: Int, _ reference: StreamReference, isRefused: Bool) {
        guard let (id, _) = find(incarnation, reference) else { return }
        if isRefused {
            call { $0.connectFailed(id, reason: "connection refused", now: $1) }
            release(id)
            flush()
        } else {
            call { $0.connected(id, now: $1) }
        }
    }

    func tick(incarnation: Int) {
        // An earlier deadline came up after this event was made, and another event was made for it.
        guard incarnation == self.incarnation, isAlive, nextTick == world.now else { return }
        nextTick = nil
        call { $0.tick(now: $1) }
    }

    /// Another worker of the process says something. A sleeping thread wakes in its own time.
    func post(_ message: WorkerMessage) {
        guard isAlive else { return }
        mail.append(message)
        world.schedule(.mail(proxy: number, incarnation: incarnation), after: world.dice.span(upTo: world.climate.wakingTime))
    }

    /// Reads what has been there longest.
    func readMail(incarnation: Int) {
        guard incarnation == self.incarnation, !mail.isEmpty else { return }
        let message = mail.removeFirst()
        call { $0.deliver(message, now: $1) }
    }

    private func find(_ incarnation: Int, _ reference: StreamReference) -> (StreamID, UnsafeMutablePointer<Stream>)? {
        guard incarnation == self.incarnation, let streams else { return nil }
        let id = StreamID(index: reference.index, generation: reference.generation)
        return streams.find(id).map { (id, $0) }
    }

    // MARK: What goes out

    /// Calls the worker and carries out what follows.
    private func call(_ body: (Worker, Instant) -> Void) {
        guard let worker else { return }
        body(worker, world.now)
        flush()
    }

    /// Carries out effects and sends output until neither is left.
    private func flush() {
        guard let worker, let streams, !isBusy else { return }
        isBusy = true
        while !worker.effects.isEmpty || !streams.dirtyLinks.isEmpty || !streams.dirtyClients.isEmpty || !resumed.isEmpty {
            let effects = worker.effects
            worker.effects.removeAll(keepingCapacity: true)
            for effect in effects { carryOut(effect) }
            let again = resumed
            resumed = []
            for id in again {
                offer(id)
                endIfPending(id)
            }
            while let index = streams.dirtyLinks.next() { send(index) }
            while let index = streams.dirtyClients.next() { send(index) }
        }
        isBusy = false
        scheduleTick(worker)
    }

    private func carryOut(_ effect: Effect) {
        switch effect {
        case .connect(let id, let shard):
            let near = Party.proxy(number, incarnation: incarnation, StreamReference(index: id.index, generation: id.generation))
            attach(world.open(near, to: .server(shard.int)), id)
        case .close(let id): close(id, isAbrupt: false)
        case .abort(let id): close(id, isAbrupt: true)
        case .resume(let id):
            streams?.find(id)?.pointee.isReadPaused = false
            resumed.append(id)
        case .tellWorkers(let message): world.process(of: number).tell(message, from: number)
        case .finished, .releaseMemory: break
        case .startServerTLS, .startClientTLS, .reloadConfiguration, .requestShutdown:
            world.violate("proxy \(number) asks for \(effect)")
        }
    }

    private func close(_ id: StreamID, isAbrupt: Bool) {
        guard let record = streams?.find(id) else { return }
        record.pointee.isClosing = true
        // What is held is lost, as it may be when a real connection ends.
        if !isAbrupt, !record.pointee.isHeld { transfer(id.index) }
        if let connection = connection(of: id.index) { world.close(connection, by: direction(connection), isAbrupt: isAbrupt) }
        release(id)
    }

    private func release(_ id: StreamID) {
        guard let streams, streams.find(id) != nil else { return }
        streams.free(id)
        connections[Int(id.index)] = -1
    }

    private func connection(of index: UInt32) -> Connection? {
        guard Int(index) < connections.count, connections[Int(index)] >= 0 else { return nil }
        return world.connections[connections[Int(index)]]
    }

    /// The way a connection takes this process's bytes: links are its own, sessions their clients'.
    private func direction(_ connection: Connection) -> Direction {
        if case .server = connection.far { .toFar } else { .toNear }
    }

    private func send(_ index: UInt32) {
        guard let record = streams?.at(index), record.pointee.isDirty else { return }
        record.pointee.isDirty = false
        if record.pointee.isHeld { return }
        transfer(index)
        guard record.pointee.wantsDrained, record.pointee.output.isEmpty, record.pointee.role != .free else { return }
        record.pointee.wantsDrained = false
        worker?.drained(index, now: world.now)
    }

    /// Gives a stream's output to the network, once its connection stands.
    private func transfer(_ index: UInt32) {
        guard let record = streams?.at(index), !record.pointee.output.isEmpty, let connection = connection(of: index),
            connection.state == .open
        else { return }
        world.send(record.pointee.output.readable, on: connection, direction(connection))
        record.pointee.output.consume(record.pointee.output.count)
    }

    private func endIfPending(_ id: StreamID) {
        guard let place = pendingEnds.firstIndex(where: { $0.0.index == id.index && $0.0.generation == id.generation }),
            let record = streams?.find(id), record.pointee.input.isEmpty || !record.pointee.isReadPaused
        else { return }
        let (_, reason) = pendingEnds.remove(at: place)
        if !record.pointee.isClosing { worker?.closed(id, reason: reason, now: world.now) }
        release(id)
    }

    private func scheduleTick(_ worker: Worker) {
        guard let deadline = worker.nextDeadline else { return }
        if let nextTick, nextTick <= deadline { return }
        let moment = max(deadline, world.now)
        nextTick = moment
        world.queue.add(.tick(proxy: number, incarnation: incarnation), at: moment)
    }
}

extension SimulatedProxy {
    /// The proxy keeps its clients from the server.
    func isClosed(_ server: Int) -> Bool { worker?.isClosed(ShardIndex(server)) ?? true }
}
