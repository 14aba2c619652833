// ProxyServer: the running proxy: threads with an event loop each, the listening sockets, the operator's signals.
//
// The thread that calls `run` does nothing but wait for signals and for its loops; it answers SIGTERM and SIGINT by
// asking every loop to finish (a second one: at once) and SIGHUP by reading the configuration again.
import DistributedCommit
import Glibc
import Logging
import Primitives
import ProxyCore

/// A proxy with all its threads.
public final class ProxyServer {
    private let settings: ProxySettings
    private let signals: Signals
    private let logger: Logger
    private let readConfiguration: () throws -> ProxySettings
    private let mailboxes: [Mailbox]
    /// For work in the background.
    public let ownConnections: OwnConnections
    /// For whoever tells others about it.
    public let phase = ServingPhaseRecord()
    private let report: LoopReport
    private let listening: ListeningSockets
    private let tls: TLSContexts
    private var threads: [Thread] = []
    private var stopCount = 0

    /// Binds the addresses and loads the certificates.
    /// - Parameters:
    ///   - signals: made at the start of the process.
    ///   - readConfiguration: called on SIGHUP; what it throws is logged, and the old settings stay.
    /// - Throws: SystemError, ResolveError or TLSError.
    public init(
        settings: ProxySettings, signals: Signals, logger: Logger,
        readConfiguration: @escaping () throws -> ProxySettings
    ) throws {
        self.settings = settings
        self.signals = signals
        self.logger = logger
        self.readConfiguration = readConfiguration
        let files = System.raiseFileLimit()
        if files < settings.maximumClients + 1000 {
            logger.warning(
                "the limit of open files is below max_clients",
                metadata: ["files": "\(files)", "max_clients": "\(settings.maximumClients)"])
        }
        tls = try TLSContexts(settings)
        report = try LoopReport()
        mailboxes = try (0..<settings.workerCount).map { _ in try Mailbox() }
        ownConnections = OwnConnections(mailboxes)
        listening = try ListeningSockets(settings.listen, workerCount: settings.workerCount)
    }

    /// Serves until told to stop.
    /// - Parameter whenReady: called once, when clients are let in.
    public func run(whenReady: () -> Void) throws {
        defer { listening.remove() }
        try startThreads()
        var isReady = false
        while true {
            let counts = report.read()
            if !isReady && counts.ready == threads.count {
                isReady = true
                phase.enter(.serving)
                logger.info(
                    "listening",
                    metadata: [
                        "addresses": "\(listening.addresses.joined(separator: ","))", "workers": "\(threads.count)",
                        "shards": "\(settings.shards.count)",
                    ])
                whenReady()
            }
            if counts.ended == threads.count { break }
            if counts.failure != nil, stopCount == 0 { answer(.stop) }
            for request in counts.requests { answer(request) }
            waitForNews()
            while let request = signals.next() { answer(request) }
        }
        for thread in threads { thread.join() }
        logger.info("stopped")
        if let failure = report.read().failure { throw failure }
    }

    private func startThreads() throws {
        let resolver = Resolver()
        let gate = SharedSnapshotGate()
        let sessionTable = SharedSessionTable()
        let keyTraffic = SharedKeyTraffic()
        for number in 0..<settings.workerCount {
            let environment = LoopEnvironment(
                number: number, settings: settings, listeners: listening.byWorker[number], tls: tls,
                resolver: resolver, mailbox: mailboxes[number], allMailboxes: mailboxes, report: report,
                gate: gate, sessionTable: sessionTable, keyTraffic: keyTraffic, logger: logger)
            let report = report
            let logger = logger
            let thread = try Thread.start(name: "worker \(number)", stackBytes: Thread.workerStackBytes) {
                do throws(SystemError) {
                    try EventLoop(environment: environment).run()
                } catch {
                    logger.critical("a worker cannot start", metadata: ["error": "\(error)"])
                }
                report.ended()
            }
            threads.append(thread)
        }
    }

    private func waitForNews() {
        var files = [
            pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: report.bell, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&files, nfds_t(files.count), -1)
    }

    private func answer(_ request: OperatorRequest) {
        switch request {
        case .stop:
            stopCount += 1
            phase.enter(.draining)
            logger.info(stopCount == 1 ? "stopping" : "stopping at once")
            for mailbox in mailboxes { mailbox.put(.shutDown(atOnce: stopCount > 1)) }
        case .reload:
            reload()
        }
    }

    private func reload() {
        do {
            let settings = try readConfiguration()
            guard settings.shards == self.settings.shards else {
                return logger.error("the configuration was not changed: shards cannot change while the proxy runs")
            }
            guard settings.clusterName == self.settings.clusterName else {
                return logger.error("the configuration was not changed: the cluster's name cannot change while the proxy runs")
            }
            guard settings.consistentReads != .strict || self.settings.workerCount == 1 else {
                return logger.error("the configuration was not changed: consistent_reads = \"strict\" needs one worker")
            }
            if settings.listen != self.settings.listen || settings.workerCount != self.settings.workerCount {
                logger.warning("listen and workers take effect at the next start")
            }
            if settings.httpListen != self.settings.httpListen || settings.httpToken != self.settings.httpToken {
                logger.warning("section http takes effect at the next start")
            }
            let tls = try TLSContexts(settings)
            for mailbox in mailboxes { mailbox.put(.reload(settings, tls)) }
            logger.info("configuration read again")
        } catch {
            logger.error("the configuration was not changed", metadata: ["error": "\(error)"])
        }
    }
}
