// RelaySettings: everything that pgbraid-relay is told, with what holds otherwise. `RelayConfiguration` reads them from a file.
import DatabaseClient

public struct RelaySettings: Sendable {
    /// The broker that events go to.
    public enum Broker: Sendable {
        case rabbit(RabbitSettings)
        case kafka(KafkaSettings)

        /// A new connection to it.
        public func publisher(shard: Int) throws(BrokerLost) -> any EventPublisher {
            switch self {
            case .rabbit(let settings): try RabbitPublisher(settings, shard: shard)
            case .kafka(let settings): try KafkaPublisher(settings, shard: shard)
            }
        }
    }

    /// The proxy, as a client sees it.
    public var proxy = ConnectionParameters(
        address: .host("127.0.0.1", port: 6432), user: "postgres", database: "postgres", settings: [("application_name", "pgbraid-relay")])
    public var broker = Broker.rabbit(RabbitSettings())

    /// The outbox table, as SQL writes it: `outbox_events`, `"Shop".events`.
    public var table = "outbox_events"
    /// The shards to relay; nil: all.
    public var shards: [Int]?
    /// The channel on which clients may notify of new events.
    public var channel = "outbox_events"
    /// How long to wait before looking for new events again, when there were none.
    public var pollInterval = Duration.milliseconds(100)
    /// The most events that are read, or marked, by one statement. Twice as many are held for a shard.
    public var batch = 1000
    /// Larger events have failed, in bytes of data, type, aggregate and id together. RabbitMQ takes 16 MiB unless it is told otherwise, Kafka 1 MB.
    public var maximumEventBytes = 16 << 20
    /// How long a relay has a shard for itself after it has last said so.
    public var lease = Duration.seconds(10)
    /// How long sent events are kept; nil: for ever.
    public var retention: Duration? = .seconds(7 * 86_400)
    /// How long one statement may take, and RabbitMQ to confirm an event, before the connection is given up.
    public var patience = Duration.seconds(30)
    /// How often the figures of each shard are logged.
    public var reportInterval = Duration.seconds(60)
    /// A writer that holds events up for longer is warned of.
    public var writerWarning = Duration.seconds(60)
    public var delivery = DeliveryQueue.Limits()

    public init() {}
}
