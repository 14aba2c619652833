// OutboxRelay: tells what transactions have put into the outbox tables of all shards to a broker: at least once, in order for each aggregate. It is a
// client of the proxy like others. Several may run: each shard is relayed by one of them at a time.
import DatabaseClient
import Foundation
import Logging
import Primitives
import WireProtocol

public final class OutboxRelay: Sendable {
    private let settings: RelaySettings
    private let shards: [Int]
    private let logger: Logger
    private let wakeup = Wakeup()
    private let running = DispatchGroup()
    /// Tells this relay from others.
    private let holder: String

    /// Shards of which it is not known yet whether the table has there what it needs, and why. They are looked at again when they are claimed.
    public let unchecked: [(shard: Int, reason: String)]

    /// Looks whether the table has what it needs, on all shards that answer.
    /// - Throws: RelayMistake; ConnectionLost, DatabaseMessage where the proxy does not let the relay in.
    public init(_ settings: RelaySettings, logger: Logger) throws {
        let connection = try DatabaseConnection(settings.proxy, nonce: Nonce.random())
        defer { connection.terminate() }
        connection.deadline = .now + settings.patience
        let count = try OutboxTable.shardCount(connection)
        if let missing = settings.shards?.first(where: { $0 >= count }) {
            throw RelayMistake(message: "shard \(missing) does not exist", hint: "the cluster has shards 0 to \(count - 1)")
        }
        self.settings = settings
        self.logger = logger
        let shards = settings.shards ?? Array(0..<count)
        self.shards = shards
        var unchecked: [(shard: Int, reason: String)] = []
        for shard in shards {
            connection.deadline = .now + settings.patience
            do { try OutboxTable.check(settings.table, connection, shard: shard) } catch let error as DatabaseMessage {
                unchecked.append((shard, Self.text(of: error)))
            }
        }
        self.unchecked = unchecked
        holder = "\(ProcessInfo.processInfo.hostName.prefix(200))/\(getpid())/\(UUID().uuidString.prefix(8))"
    }

    /// Whether an error of `init` comes from the configuration or the table, so that waiting is of no use: RelayMistake, a login that is refused (class
    /// 28), a database that does not exist (3D).
    public static func isMistake(_ error: any Error) -> Bool {
        if error is RelayMistake { return true }
        return (error as? DatabaseMessage).map { ["28", "3D"].contains(String($0.sqlState.classCode)) } ?? false
    }

    /// An error for people: of what the database says, the SQLSTATE and the message.
    public static func text(of error: any Error) -> String { (error as? DatabaseMessage).map { "\($0.sqlState) \($0.message)" } ?? "\(error)" }

    /// Begins; the work goes on on other threads.
    public func start() {
        logger.info("relaying", metadata: ["table": "\(settings.table)", "shards": "\(shards.map(String.init).joined(separator: ","))", "holder": "\(holder)"])
        for (shard, reason) in unchecked { logger.warning("the shard does not answer", metadata: ["shard": "\(shard)", "error": "\(reason)"]) }
        for shard in shards {
            onThread("shard \(shard)") { [self] in ShardRelay(settings, shard: shard, holder: holder, wakeup: wakeup, logger: logger).run() }
        }
        onThread("listening") { [self] in listen() }
    }

    /// Lets what is on its way end, and returns when all shards are left.
    public func stop() {
        wakeup.end()
        running.wait()
    }

    private func onThread(_ name: String, _ body: @escaping @Sendable () -> Void) {
        running.enter()
        let thread = Thread { [running] in
            body()
            running.leave()
        }
        thread.name = name
        thread.start()
    }

    /// Wakes all when somebody notifies. Without it events are found a little later, so a failure is no more than told.
    private func listen() {
        var failures = 0
        while !wakeup.isEnded {
            do {
                let connection = try DatabaseConnection(settings.proxy, nonce: Nonce.random())
                connection.deadline = .now + settings.patience
                try connection.execute("LISTEN \(settings.channel.quotedIdentifier)")
                connection.deadline = nil
                failures = 0
                while !wakeup.isEnded {
                    if try connection.awaitNotification(milliseconds: Self.listenMilliseconds) {
                        _ = connection.takeNotifications()
                        wakeup.ring()
                    }
                }
                connection.terminate()
            } catch {
                failures += 1
                logger.warning("notifications are not heard", metadata: ["error": "\(Self.text(of: error))"])
                wakeup.pause(settings.delivery.delay.duration(after: failures))
            }
        }
    }

    /// How soon the end of the process is noticed.
    private static let listenMilliseconds: Int32 = 200
}

extension String {
    var quotedIdentifier: String { QuotedText.identifier(self) }
}
