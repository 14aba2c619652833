// RelayConfiguration: the relay's settings from a file (docs/outbox.md lists the keys).
import DatabaseClient
import Foundation
import Primitives

public enum RelayConfiguration {
    /// - Throws: ConfigurationMistakes with everything that is wrong; CocoaError for a file that cannot be read.
    public static func read(_ path: String) throws -> RelaySettings {
        try parse(String(contentsOfFile: path, encoding: .utf8))
    }

    static func parse(_ text: String) throws(ConfigurationMistakes) -> RelaySettings {
        var settings = RelaySettings()
        let root = try SettingsReader(text: text)
        readProxy(root.section("proxy"), &settings)
        readOutbox(root.section("outbox"), &settings)
        switch (root.has("rabbitmq"), root.has("kafka")) {
        case (true, false): settings.broker = .rabbit(rabbit(root.section("rabbitmq"), patience: settings.patience))
        case (false, true): settings.broker = .kafka(kafka(root.section("kafka")))
        default: root.mistake("rabbitmq", "there must be one section [rabbitmq] or [kafka]")
        }
        if root.has("rabbitmq") != root.has("kafka") { root.finish() }
        guard root.mistakes.isEmpty else { throw ConfigurationMistakes(mistakes: root.mistakes) }
        return settings
    }

    private static func readProxy(_ section: SettingsReader, _ settings: inout RelaySettings) {
        let host = section.string("host") ?? "127.0.0.1"
        settings.proxy.address = .host(host, port: section.integer("port", in: 1...65_535) ?? 6432)
        settings.proxy.user = section.string("user") ?? settings.proxy.user
        settings.proxy.database = section.string("database") ?? settings.proxy.database
        settings.proxy.password = secret("password", section)
        let mode = section.choice("tls", TLSMode.allCases.map(\.rawValue)).flatMap { TLSMode(rawValue: $0) } ?? .disable
        settings.proxy.encryption = Encryption(mode, rootCertificateFile: section.string("tls_root_certificate"))
        if section.has("tls_root_certificate"), !mode.isVerifying {
            section.mistake("tls_root_certificate", "is used with tls = \"verify-ca\" or \"verify-full\" only")
        }
        section.finish()
    }

    private static func readOutbox(_ section: SettingsReader, _ settings: inout RelaySettings) {
        settings.table = section.string("table") ?? settings.table
        settings.shards = section.integers("shards", from: 0)
        settings.channel = section.string("channel") ?? settings.channel
        settings.pollInterval = section.duration("poll_interval", from: .milliseconds(1)) ?? settings.pollInterval
        settings.batch = section.integer("batch", in: 1...50_000) ?? settings.batch
        settings.maximumEventBytes = section.integer("max_event_bytes", in: 1000...256 << 20) ?? settings.maximumEventBytes
        settings.lease = section.duration("lease", from: .seconds(1)) ?? settings.lease
        settings.patience = section.duration("patience", from: .seconds(1)) ?? settings.patience
        settings.reportInterval = section.duration("report_interval", from: .seconds(1)) ?? settings.reportInterval
        settings.writerWarning = section.duration("writer_warning", from: .seconds(1)) ?? settings.writerWarning
        if let retention = section.duration("retention", from: .zero) { settings.retention = retention == .zero ? nil : retention }
        settings.delivery.inFlight = section.integer("in_flight", in: 1...50_000) ?? settings.delivery.inFlight
        settings.delivery.attempts = section.integer("attempts", in: 1...1000) ?? settings.delivery.attempts
        settings.delivery.delay.first = section.duration("retry_first", from: .milliseconds(1)) ?? settings.delivery.delay.first
        settings.delivery.delay.longest = section.duration("retry_longest", from: .milliseconds(1)) ?? settings.delivery.delay.longest
        settings.delivery.failureBlocks = section.choice("after_failure", ["block", "go on"]) != "go on"
        section.finish()
    }

    private static func rabbit(_ section: SettingsReader, patience: Duration) -> RabbitSettings {
        var rabbit = RabbitSettings()
        rabbit.patience = patience
        rabbit.host = section.string("host") ?? rabbit.host
        rabbit.port = section.integer("port", in: 1...65_535) ?? rabbit.port
        rabbit.user = section.string("user") ?? rabbit.user
        rabbit.password = secret("password", section) ?? rabbit.password
        rabbit.virtualHost = section.string("virtual_host") ?? rabbit.virtualHost
        rabbit.exchange = section.string("exchange") ?? rabbit.exchange
        rabbit.routingKey = template("routing_key", section) ?? rabbit.routingKey
        rabbit.contentType = section.string("content_type") ?? rabbit.contentType
        rabbit.authorityFile = section.string("tls_ca_file")
        section.finish()
        return rabbit
    }

    private static func kafka(_ section: SettingsReader) -> KafkaSettings {
        var kafka = KafkaSettings()
        kafka.brokers = section.strings("brokers") ?? kafka.brokers
        kafka.topic = template("topic", section) ?? kafka.topic
        if section.has("settings") { kafka.settings = section.section("settings").texts() }
        for name in ["acks", "enable.idempotence", "bootstrap.servers"] where kafka.settings[name] != nil {
            section.mistake("settings", "\(name) is not for choice: events would be lost, or the brokers be others")
        }
        section.finish()
        return kafka
    }

    private static func template(_ key: String, _ section: SettingsReader) -> NameTemplate? {
        guard let text = section.string(key) else { return nil }
        let template = NameTemplate(text)
        if template == nil { section.mistake(key, "may have the placeholders {event_type}, {aggregate_id} and {shard}") }
        return template
    }

    /// A secret, or the first line of the file that has it.
    private static func secret(_ key: String, _ section: SettingsReader) -> String? {
        if let own = section.string(key) { return own }
        guard let path = section.string("\(key)_file") else { return nil }
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            section.mistake("\(key)_file", "cannot be read")
            return nil
        }
        return text.split(separator: "\n", omittingEmptySubsequences: false).first.map(String.init)
    }
}
