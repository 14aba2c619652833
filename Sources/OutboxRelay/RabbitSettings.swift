// RabbitSettings: what a publisher is told of RabbitMQ.

/// Where the broker is, and where events go.
public struct RabbitSettings: Sendable {
    public var host = "127.0.0.1"
    public var port = 5672
    public var user = "guest"
    public var password = "guest"
    public var virtualHost = "/"
    /// "" is the default exchange, for which the routing key is the name of a queue.
    public var exchange = ""
    public var routingKey = NameTemplate("outbox_events")!
    public var contentType = "application/json"
    /// How long the broker may take to confirm a message.
    public var patience = Duration.seconds(30)
    /// Certificates of who may have signed the broker's; nil: no TLS.
    public var authorityFile: String?

    public init() {}
}
