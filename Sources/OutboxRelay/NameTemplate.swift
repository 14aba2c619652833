// NameTemplate: a routing key or topic that depends on the event: "outbox.{event_type}".

/// Text with the placeholders {event_type}, {aggregate_id} and {shard}.
public struct NameTemplate: Sendable, Equatable {
    enum Part: Equatable {
        case text(String)
        case eventType, aggregate, shard
    }

    let parts: [Part]

    /// nil for a text with another placeholder, or a bracket without its fellow.
    public init?(_ text: String) {
        var parts: [Part] = []
        var rest = Substring(text)
        while let open = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
            guard rest[open] == "{", let close = rest[open...].firstIndex(of: "}") else { return nil }
            parts.append(.text(String(rest[..<open])))
            switch rest[rest.index(after: open)..<close] {
            case "event_type": parts.append(.eventType)
            case "aggregate_id": parts.append(.aggregate)
            case "shard": parts.append(.shard)
            default: return nil
            }
            rest = rest[rest.index(after: close)...]
        }
        parts.append(.text(String(rest)))
        self.parts = parts.filter { $0 != .text("") }
    }

    /// Whether two events of a shard may have other names.
    public var dependsOnEvent: Bool { parts.contains { $0 == .eventType || $0 == .aggregate } }

    public func name(of event: OutboxEvent, shard: Int) -> String {
        parts.reduce(into: "") { name, part in
            switch part {
            case .text(let text): name += text
            case .eventType: name += event.type
            case .aggregate: name += event.aggregate
            case .shard: name += "\(shard)"
            }
        }
    }
}
