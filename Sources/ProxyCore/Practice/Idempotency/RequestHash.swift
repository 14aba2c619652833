// RequestHash: tells one statement of a request from another: a hash of all that its answer is an answer to.
//
// It covers the text, the shard that a comment names, the types of parameters, the protocol (a simple Query's answer begins with its description), the user,
// and all settings of the session and the block but those that cannot matter: settings decide what names mean and how values are written, and those
// of applications what their policies and triggers do. Values and formats are compared apart (`RequestForm`).
import Primitives
import QueryPlanning
import WireProtocol

/// What one statement of a request asks.
struct RequestIdentity: Equatable {
    var hash: [UInt8] = []
    var form = RequestForm()
}

struct RequestHash {
    private var bytes: [UInt8] = []

    /// Every part begins with its length, so that no two lists of parts are the same bytes.
    private mutating func add(_ part: some Collection<UInt8>) {
        withUnsafeBytes(of: UInt64(part.count).bigEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: part)
    }

    private mutating func add(_ part: String?) {
        bytes.append(part == nil ? 0 : 1)
        add(Array((part ?? "").utf8))
    }

    private mutating func add(_ number: Int) { withUnsafeBytes(of: Int64(number).bigEndian) { bytes.append(contentsOf: $0) } }

    /// - Parameter settings: of the session, by value or by the statement that has set each.
    static func of(_ call: StatementCall, user: String, settings: [String?]) -> RequestIdentity {
        var hash = RequestHash()
        hash.add("2")
        hash.add(user)
        hash.add(settings.count)
        for setting in settings { hash.add(setting) }
        let orders = Self.orders(of: call.text)
        hash.add(orders.count)
        for order in orders { hash.add(order) }
        hash.add(essence(of: call.text))
        hash.add(call.declaredTypes.count)
        for type in call.declaredTypes { hash.add(Int(type)) }
        hash.add(Int(call.maximumRows))
        guard let frame = call.bind else { return RequestIdentity(hash: Digest.sha256(hash.bytes)) }
        return frame.withUnsafeBytes { bytes in
            guard let bind = try? BindMessage(bytes) else {
                hash.add(frame)
                return RequestIdentity(hash: Digest.sha256(hash.bytes))
            }
            hash.add(bind.parameterCount)
            return RequestIdentity(hash: Digest.sha256(hash.bytes), form: RequestForm(bind, types: call.declaredTypes))
        }
    }

    /// A text without what may be another in a retry: blanks around it, semicolons behind it, and the comment that names the key.
    static func essence(of text: [UInt8]) -> ArraySlice<UInt8> {
        var rest = text.drop(while: isBlank)
        if let body = comment(in: rest) { rest = rest[(body.endIndex + 2)...].drop(while: isBlank) }
        while let last = rest.last, isBlank(last) || last == UInt8(ascii: ";") { rest = rest.dropLast() }
        return rest
    }

    /// What the comment says beside the key: the shard that the statement is for.
    static func orders(of text: [UInt8]) -> [String] {
        guard let body = comment(in: text.drop(while: isBlank)) else { return [] }
        return body.split(separator: UInt8(ascii: ",")).map { String(decoding: $0.filter { !isBlank($0) }, as: UTF8.self) }
            .filter { !$0.hasPrefix(IdempotencyKey.directiveName + "=") }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// What stands between `pgbraid:` and the end of a comment in front.
    private static func comment(in text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard text.starts(with: Array("/*".utf8)) else { return nil }
        let mark = Array("pgbraid:".utf8)
        let rest = text.dropFirst(2).drop(while: isBlank)
        guard rest.starts(with: mark) else { return nil }
        let body = rest.dropFirst(mark.count)
        guard let end = body.indices.dropFirst().first(where: { body[$0 - 1] == UInt8(ascii: "*") && body[$0] == UInt8(ascii: "/") }) else { return nil }
        return body[..<(end - 1)]
    }
}

extension SessionDetail {
    /// The settings that may decide what a statement means, does and answers, each by its name and its value, or the statement that has set it.
    var settingsOfMeaning: [String?] {
        let local = transaction?.localSettings ?? SettingList()
        let names = Set((settings.entries + local.entries).map(\.name)).filter { !Self.isWithoutMeaning($0) }.sorted()
        return names.flatMap { name -> [String?] in
            let list = local.contains(name) ? local : settings
            let value = list.value(of: name) ?? list.statement(of: name)
            return [name, Self.styleNames.contains(name) ? value?.lowercased() : value]
        }
    }

    /// Settings that a retry may have otherwise: how long it waits, what it is called, and what is logged and counted of it.
    private static func isWithoutMeaning(_ name: String) -> Bool {
        if namesWithoutMeaning.contains(name) { return true }
        // Names of applications' own settings have a dot.
        return !name.utf8.contains(UInt8(ascii: ".")) && ["log_", "track_", "tcp_"].contains { name.hasPrefix($0) }
    }

    private static let namesWithoutMeaning: Set<String> = [
        "application_name", "statement_timeout", "lock_timeout", "deadlock_timeout", "transaction_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout",
        "client_min_messages", "client_connection_check_interval", "work_mem", "maintenance_work_mem", "hash_mem_multiplier", "synchronous_commit", IdempotencyKey.settingName,
    ]
}
