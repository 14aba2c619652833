// World: one simulated life of a cluster: servers, proxies, clients and the network between them, scheduled by a seed.
//
// Every moment one event happens. For a while things go wrong; then the world heals, everything must come to an end, and
// what is left is compared with what the clients were told. The same seed is the same life, event for event.
import Logging
import Primitives
import ProxyCore

public final class World {
    let seed: UInt64
    let options: SimulationOptions
    let dice: Dice
    let climate: Climate
    let pool: BlockPool
    let reader: StatementReader
    let analyser: RememberingAnalyser
    let parts: WorldParts
    let logger: Logger
    let log = TraceLog()
    let ledger: Ledger
    var flaw: Flaw? { options.flaw }
    var now = Instant.origin
    var queue = TimerQueue<Event>()
    var connections: [Connection] = []
    private(set) var servers: [SimulatedServer] = []
    /// All workers of all proxies.
    private(set) var proxies: [SimulatedProxy] = []
    private(set) var processes: [ProxyProcess] = []
    private(set) var clients: [SimulatedClient] = []
    private(set) var isHealing = false
    var fingerprint = Fingerprint()
    var report = RunReport()
    /// The first promise that was broken.
    private(set) var violation: String?
    private(set) var traced: [String] = []
    private var isAtRest = false
    private var healedAt = Instant.origin
    var deadlockClock = DeadlockClock()

    public init(seed: UInt64, options: SimulationOptions, shop: WorldShop) {
        self.seed = seed
        self.options = options
        dice = Dice(seed: seed, isExact: options.drawing != .plain)
        var climate = Climate(dice, flaw: options.flaw)
        if options.drawing == .themed { climate.adoptTheme(seed: seed, options) }
        self.climate = climate
        reader = shop.reader
        analyser = shop.analyser
        pool = shop.pool
        var parts = shop.parts(climate)
        if options.strictReads == .offered { parts.settings.consistentReads = .strict }
        parts.settings.workerCount = options.workerCount
        self.parts = parts
        ledger = Ledger(userServers: parts.servers, modulus: Ledger.modulus(userCount: parts.servers.count))
        let log = log
        let level: Logger.Level = options.isTracing ? .info : .error
        logger = Logger(label: "simulation") { _ in TraceLogHandler(logLevel: level, trace: log) }
        ledger.world = self
        for number in 0..<climate.serverCount {
            let users = parts.servers.indices.filter { parts.servers[$0] == number }.map { $0 + 1 }
            servers.append(SimulatedServer(world: self, number: number, users: users, isSynchronous: climate.isSynchronous))
        }
        processes = (0..<climate.proxyCount).map { ProxyProcess(world: self, number: $0, workerCount: options.workerCount) }
        proxies = (0..<climate.proxyCount * options.workerCount).map { SimulatedProxy(world: self, number: $0) }
        clients = (0..<climate.clientCount).map { SimulatedClient(world: self, number: $0) }
        Workload(world: self).deal()
        trace { "\(self.climate)" }
    }

    /// Lives the whole life.
    public func run() -> RunReport {
        for process in processes { queue.add(.startProxy(process.number), at: now) }
        for client in clients { schedule(.client(client.number, turn: 0), after: dice.span(upTo: .milliseconds(100))) }
        schedule(.fault, after: dice.span(upTo: climate.faultInterval))
        schedule(.heal, after: climate.faultyTime)
        if climate.timesDeadlocks { schedule(.watchDeadlocks, after: Self.deadlockWatchInterval) }
        while violation == nil, !isAtRest, let deadline = queue.nextDeadline {
            now = max(now, deadline)
            guard let event = queue.takeDue(at: now) else { break }
            report.events += 1
            fingerprint.add(event.code)
            fingerprint.add(UInt64(bitPattern: now.nanoseconds))
            happen(event)
            ledger.checkAcknowledged()
            if !log.errors.isEmpty { violate("a proxy logged an error: \(log.errors[0])") }
            if options.isTracing { takeLog() } else if !log.lines.isEmpty { log.lines = [] }
        }
        if violation == nil, !isAtRest { violate("nothing happens any more") }
        report.seed = seed
        report.theme = climate.theme.map { $0.rawValue + 1 } ?? 0
        report.fingerprint = fingerprint.value
        report.violation = violation
        report.trace = traced
        report.duration = now - .origin
        ledger.fill(&report)
        for process in processes { process.kill() }
        return report
    }

    private func happen(_ event: Event) {
        switch event {
        case .deliver(let connection, let direction): deliver(connection, direction)
        case .connect(let connection): decideConnect(connection)
        case .tick(let proxy, let incarnation): proxies[proxy].tick(incarnation: incarnation)
        case .mail(let proxy, let incarnation): proxies[proxy].readMail(incarnation: incarnation)
        case .client(let client, let turn): clients[client].goOn(turn: turn)
        case .patience(let client, let turn): clients[client].losePatience(turn: turn)
        case .backend(let server, let number): servers[server].scheduled(number)
        case .flush(let server, let incarnation, let position): servers[server].flushed(upTo: position, incarnation: incarnation)
        case .replicate(let server, let incarnation, let position):
            servers[server].replicated(upTo: position, incarnation: incarnation)
        case .lockTimeout(let server, let number, let wait): servers[server].lockTimedOut(number, wait: wait)
        case .deadlockTimeout(let server, let number, let wait): servers[server].deadlockTimedOut(number, wait: wait)
        case .fault: causeFault()
        case .strike(let aimed): strike(aimed)
        case .startServer(let server): servers[server].start()
        case .startProxy(let process): processes[process].start()
        case .heal: heal()
        case .inspect: inspect()
        case .watchDeadlocks: watchDeadlocks()
        }
    }

    // MARK: The end

    /// Nothing goes wrong from now on; what is down comes back.
    private func heal() {
        guard !isHealing else { return }
        trace { "the world heals" }
        isHealing = true
        healedAt = now
        for server in servers { server.start() }
        for process in processes { process.start() }
        schedule(.inspect, after: .milliseconds(50))
    }

    /// A client has nothing left to do.
    func clientIsDone() {
        guard climate.healsWhenDone, !isHealing, clients.allSatisfy({ $0.isDone || $0.isWatching }) else { return }
        schedule(.heal, after: dice.span(upTo: .milliseconds(100)))
    }

    /// How long after healing everything may take. The longest wait of a proxy is half of it.
    private static let patience = Span.seconds(180)

    private func inspect() {
        if clients.allSatisfy(\.isDone), unrest() == nil {
            ledger.checkEnd()
            isAtRest = true
        } else if now - healedAt > Self.patience {
            violate("no rest \(Self.patience.seconds) s after healing: \(unrest() ?? unfinishedClients())")
        } else {
            schedule(.inspect, after: .milliseconds(200))
        }
    }

    private func unfinishedClients() -> String {
        clients.filter { !$0.isDone }.map { "client \($0.number) \($0.condition)" }.joined(separator: ", ")
    }

    // MARK: Tools

    /// The process of a worker.
    func process(of proxy: Int) -> ProxyProcess { processes[proxy / options.workerCount] }

    func schedule(_ event: Event, after span: Span) { queue.add(event, at: now + span) }

    func violate(_ what: String) {
        trace { "VIOLATION \(what)" }
        if violation == nil { violation = what }
    }

    func note(_ fault: Fault) { report.faults[fault.rawValue] += 1 }

    func trace(_ line: () -> String) {
        if options.isTracing { traced.append("\(Double(now.nanoseconds / 1000) / 1000) ms \(line())") }
    }

    private func takeLog() {
        for line in log.lines { trace { "log: \(line)" } }
        log.lines = []
    }
}
