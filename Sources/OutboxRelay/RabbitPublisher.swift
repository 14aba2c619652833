// RabbitPublisher: publishes to RabbitMQ with publisher confirms, by librabbitmq.
//
// Messages are persistent and mandatory: a message that no queue takes comes back (basic.return, before its confirmation) and counts as refused.
// Sources: AMQP 0-9-1; RabbitMQ, "Consumer Acknowledgements and Publisher Confirms".
import CRabbitMQ
import Glibc

public final class RabbitPublisher: EventPublisher {
    /// How long the broker may take to answer at the beginning, and how often either side shows that it is there.
    static let patienceSeconds = 10
    static let heartbeatSeconds = 20
    static let silenceMilliseconds: UInt32 = 30_000
    /// A short string of AMQP has this many bytes.
    static let nameBytes = 255
    /// The most words of the broker that are read at a time.
    static let outcomesAtATime = 10_000

    /// Bytes of a message's header that its own names, and what is not the aggregate, take at most.
    static let otherHeaderBytes = 2048

    private let settings: RabbitSettings
    private let shard: Int
    private let connection: amqp_connection_state_t
    private var messages = OpenMessages()
    /// The broker has not confirmed the oldest message in time, which is told when what came meanwhile is.
    private var overdue: BrokerLost?

    /// Connects, logs in and asks for confirmations.
    /// - Throws: BrokerLost.
    public init(_ settings: RabbitSettings, shard: Int) throws(BrokerLost) {
        self.settings = settings
        self.shard = shard
        guard let connection = amqp_new_connection() else { throw BrokerLost(description: "there is no memory for a connection") }
        self.connection = connection
        try connect()
        try login()
    }

    deinit { amqp_destroy_connection(connection) }

    private func connect() throws(BrokerLost) {
        let socket = settings.authorityFile == nil ? amqp_tcp_socket_new(connection) : amqp_ssl_socket_new(connection)
        guard let socket else { throw BrokerLost(description: "there is no memory for a socket") }
        if let file = settings.authorityFile {
            guard amqp_ssl_socket_set_cacert(socket, file) == 0 else { throw BrokerLost(description: "\(file) cannot be read as a file of certificates") }
            amqp_ssl_socket_set_verify_peer(socket, 1)
            amqp_ssl_socket_set_verify_hostname(socket, 1)
        }
        var patience = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
        let status = amqp_socket_open_noblock(socket, settings.host, Int32(settings.port), &patience)
        guard status == 0 else { throw BrokerLost(description: "\(settings.host):\(settings.port): \(String(cString: amqp_error_string2(status)))") }
        crabbitmq_limit_silence(connection, Self.silenceMilliseconds)
        amqp_set_handshake_timeout(connection, &patience)
        amqp_set_rpc_timeout(connection, &patience)
    }

    private func login() throws(BrokerLost) {
        try check(crabbitmq_login(connection, settings.virtualHost, Int32(Self.heartbeatSeconds), settings.user, settings.password), "login")
        amqp_channel_open(connection, 1)
        try check(amqp_get_rpc_reply(connection), "opening a channel")
        amqp_confirm_select(connection, 1)
        try check(amqp_get_rpc_reply(connection), "asking for confirmations")
    }

    private func check(_ reply: amqp_rpc_reply_t, _ what: String) throws(BrokerLost) {
        var text = [CChar](repeating: 0, count: CRABBITMQ_TEXT_BYTES)
        crabbitmq_failure(reply, &text)
        if text[0] != 0 { throw BrokerLost(description: "\(what) failed: \(Self.text(text))") }
    }

    // MARK: EventPublisher

    public func publish(_ event: OutboxEvent) throws(BrokerLost) -> String? {
        let key = settings.routingKey.name(of: event, shard: shard)
        let identifier = event.messageID(shard: shard)
        for (what, name) in [("routing key", key), ("event id", identifier), ("event type", event.type)] where name.utf8.count > Self.nameBytes || name.utf8.contains(0) {
            return "the \(what) is longer than \(Self.nameBytes) bytes, or has a zero byte"
        }
        // The header of a message is one frame. librabbitmq notices only when half of the message is sent, behind which the connection is of no use.
        let room = Int(amqp_get_frame_max(connection)) - Self.otherHeaderBytes
        guard event.aggregate.utf8.count <= room else { return "the aggregate_id is longer than \(room) bytes, so that it fits no header" }
        let headers = ["aggregate_id", event.aggregate, "shard", "\(shard)", "sequence", "\(event.sequence)"]
        let status = headers.withPointers { headers in
            var data = event.data
            return data.withUTF8 {
                crabbitmq_publish(
                    connection, settings.exchange, key, identifier, event.type, settings.contentType, UInt64(clamping: event.createdAt), headers, 3, $0.baseAddress, $0.count)
            }
        }
        guard status == 0 else { throw BrokerLost(description: "sending failed: \(String(cString: amqp_error_string2(status)))") }
        messages.add(event.sequence, now: .now)
        return nil
    }

    public func outcomes(withinMilliseconds milliseconds: Int) throws(BrokerLost) -> [PublishOutcome] {
        if let overdue { throw overdue }
        var outcomes: [PublishOutcome] = []
        var news = crabbitmq_news()
        var patience = Int32(clamping: milliseconds)
        while outcomes.count < Self.outcomesAtATime {
            crabbitmq_next(connection, patience, &news)
            switch news.kind {
            case CRABBITMQ_CONFIRMED: messages.settle(news.delivery_tag, isMultiple: news.is_multiple != 0, isTaken: true, &outcomes)
            case CRABBITMQ_REFUSED: messages.settle(news.delivery_tag, isMultiple: news.is_multiple != 0, isTaken: false, &outcomes)
            case CRABBITMQ_RETURNED: try noteReturn(news)
            case CRABBITMQ_CHANNEL_CLOSED: return outcomes + [try channelClosed(news)]
            case CRABBITMQ_CONNECTION_CLOSED: throw BrokerLost(description: "the broker closes the connection: \(news.code) \(Self.text(of: news))")
            case CRABBITMQ_BROKEN: throw BrokerLost(description: "the connection broke: \(Self.text(of: news))")
            default:
                if news.status != 0 {
                    try checkPatience(outcomes)
                    return outcomes
                }
            }
            patience = 0
        }
        return outcomes
    }

    // MARK: What the broker says

    /// Everything that came is read, and the oldest message may have waited for its confirmation for too long, as under an alarm of memory or disk,
    /// or without a quorum. Others may be confirmed all the while.
    /// - Parameter outcomes: what came; it is not lost.
    /// - Throws: BrokerLost, if nothing came; else the next call throws it.
    private func checkPatience(_ outcomes: [PublishOutcome]) throws(BrokerLost) {
        guard let oldest = messages.oldest, oldest.duration(to: .now) > settings.patience else { return }
        let lost = BrokerLost(description: "the broker does not confirm: \(messages.count) messages wait, the oldest for more than \(settings.patience)")
        if outcomes.isEmpty { throw lost }
        overdue = lost
    }

    /// - Throws: BrokerLost for a message without its number: it is not known then which event no queue has.
    private func noteReturn(_ news: crabbitmq_news) throws(BrokerLost) {
        guard news.sequence != 0 else { throw BrokerLost(description: "a message came back without the header sequence that it was sent with") }
        messages.noteReturn(news.sequence, reason: "the broker has no queue for it: \(news.code) \(Self.text(of: news))")
    }

    /// A message that the broker finds wrong closes the channel; so does what is wrong with the exchange or the user's rights, which is no
    /// message's fault.
    private func channelClosed(_ news: crabbitmq_news) throws(BrokerLost) -> PublishOutcome {
        let reason = "the broker closes the channel: \(news.code) \(Self.text(of: news))"
        guard [Int32(AMQP_PRECONDITION_FAILED), Int32(AMQP_CONTENT_TOO_LARGE)].contains(news.code) else { throw BrokerLost(description: reason) }
        crabbitmq_accept_close(connection)
        amqp_channel_open(connection, 1)
        try check(amqp_get_rpc_reply(connection), "opening a channel")
        amqp_confirm_select(connection, 1)
        try check(amqp_get_rpc_reply(connection), "asking for confirmations")
        messages = OpenMessages()
        return .oneRefused(reason: reason)
    }

    private static func text(of news: crabbitmq_news) -> String { withUnsafeBytes(of: news.text) { text($0.bindMemory(to: CChar.self)) } }

    private static func text(_ characters: some Collection<CChar>) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
