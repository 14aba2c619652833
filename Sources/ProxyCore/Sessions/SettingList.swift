// SettingList and SettingsTable: session settings that follow a client from link to link.
//
// SET runs on a link first, which checks it; then the statement itself is kept, by setting name, and replayed on any
// link that has other settings in force. Equal lists share a number, so that comparing costs nothing.
import Primitives
import QueryPlanning

/// The settings of one session: for each name the statement that makes it so, in the order they were last set.
struct SettingList: Hashable {
    private(set) var entries: [Entry] = []

    struct Entry: Hashable {
        var name: String
        var statement: String
        /// What set_config set it to; nil: the statement is a SET, whose text tells.
        var configured: String?

        /// By bytes, as PostgreSQL stores values.
        static func == (one: Entry, other: Entry) -> Bool {
            one.name.isExactly(other.name) && one.statement.isExactly(other.statement) && (one.configured == nil) == (other.configured == nil)
                && (one.configured ?? "").isExactly(other.configured ?? "")
        }

        func hash(into hasher: inout Hasher) {
            name.hashExactly(into: &hasher)
            statement.hashExactly(into: &hasher)
        }

        /// The same for a block alone.
        var localStatement: String {
            if let configured { return SettingAssignment(name: name, value: configured, isLocal: true).statement }
            return "SET LOCAL " + statement.dropFirst("SET ".count)
        }
    }

    var isEmpty: Bool { entries.isEmpty }

    /// Of a link whose settings nobody knows: all are reset, and so are the role and the user.
    static let unknown = {
        var list = SettingList()
        for name in ["session_authorization", "role"] { list.set(name, statement: "") }
        return list
    }()

    /// The statements for settings by which PostgreSQL reads literals, in the order of their names.
    var reading: [String] {
        if entries.isEmpty { return [] }
        return entries.filter { Self.readers.contains($0.name) }.sorted { $0.name < $1.name }.map(\.statement)
    }

    private static let readers: Set<String> = [
        "timezone", "datestyle", "intervalstyle", "timezone_abbreviations", "lc_monetary", "standard_conforming_strings", "backslash_quote",
        "xmloption", "array_nulls", "transform_null_equals",
    ]

    mutating func set(_ name: String, statement: String) {
        let statement = name == "datestyle" ? withEarlierDateStyle(statement) : statement
        reset(name)
        entries.append(Entry(name: name, statement: statement))
    }

    mutating func set(_ entry: Entry) {
        reset(entry.name)
        entries.append(entry)
    }

    /// A setting of the startup packet, whose value is the whole text: SET would take a list in quotes for one name.
    mutating func set(startup name: String, value: String) {
        if Self.lists.contains(name) { return set(SettingAssignment(name: name, value: value, isLocal: false)) }
        set(name, statement: "SET \(StartupOptions.settingName(name)) TO \(quoteLiteral(value))")
    }

    private static let lists: Set<String> = ["search_path", "temp_tablespaces", "local_preload_libraries"]

    mutating func set(_ assignment: SettingAssignment) {
        guard let value = assignment.value, assignment.name != "datestyle" else {
            let value = assignment.value.map(quoteLiteral) ?? "DEFAULT"
            return set(assignment.name, statement: "SET \(StartupOptions.settingName(assignment.name)) TO \(value)")
        }
        reset(assignment.name)
        entries.append(Entry(name: assignment.name, statement: assignment.statement, configured: value))
    }

    /// The role goes with SET SESSION AUTHORIZATION, as PostgreSQL has it.
    mutating func reset(_ name: String) {
        entries.removeAll { $0.name == name || name == "session_authorization" && $0.name == "role" }
    }

    /// SET SESSION CHARACTERISTICS sets these variables.
    mutating func setDefaults(of modes: String) {
        switch IsolationLevel(modes: modes) {
        case .readCommitted?: set(default: "isolation", "'read committed'")
        case .repeatableRead?: set(default: "isolation", "'repeatable read'")
        case .serializable?: set(default: "isolation", "serializable")
        case nil: break
        }
        if modes.contains("READ ONLY") { set(default: "read_only", "on") }
        if modes.contains("READ WRITE") { set(default: "read_only", "off") }
        if modes.contains("DEFERRABLE") { set(default: "deferrable", modes.contains("NOT DEFERRABLE") ? "off" : "on") }
    }

    private mutating func set(default name: String, _ value: String) {
        set("default_transaction_" + name, statement: "SET default_transaction_\(name) TO \(value)")
    }

    /// DateStyle is two things in one: a value that names only the style, or only the order of day and month, leaves the other as it was.
    private func withEarlierDateStyle(_ statement: String) -> String {
        guard let value = SettingText.value(of: statement).flatMap(DateStyle.init) else { return statement }
        let earlier = self.value(of: "datestyle").flatMap(DateStyle.init)
        let parts = [value.style ?? earlier?.style, value.order ?? earlier?.order].compactMap { $0 }
        return parts.isEmpty ? statement : "SET datestyle TO '\(parts.joined(separator: ", "))'"
    }

    /// RESET ALL leaves the role and what RESET does not touch.
    mutating func resetAll() { entries.removeAll { $0.name != "role" && $0.name != "session_authorization" } }

    mutating func removeAll() { entries = [] }

    /// The value a SET statement of the proxy's own or the client's gives the setting, as far as the text tells.
    func value(of name: String) -> String? {
        entries.first { $0.name == name }.flatMap { $0.configured ?? SettingText.value(of: $0.statement) }
    }

    /// The statement that makes the setting what it is, if the session has set it.
    func statement(of name: String) -> String? { entries.first { $0.name == name }?.statement }

    func contains(_ name: String) -> Bool { entries.contains { $0.name == name } }
}

/// Settings lists by number; 0 is the empty list. Bounded by how many different lists sessions and links have at a time:
/// others are swept out now and then, and their numbers used again.
final class SettingsTable {
    private static let leastSweep = 4096
    private var freeNumbers: [UInt32] = []
    private var sweepAbove = leastSweep
    private var lists: [SettingList] = [SettingList()]
    private var numbers: [SettingList: UInt32] = [SettingList(): 0]

    func number(of list: SettingList) -> UInt32 {
        if let number = numbers[list] { return number }
        let number: UInt32
        if let free = freeNumbers.popLast() {
            number = free
            lists[Int(number)] = list
        } else {
            number = UInt32(lists.count)
            lists.append(list)
        }
        numbers[list] = number
        return number
    }

    /// The number of a list that has one.
    func known(_ list: SettingList) -> UInt32? { numbers[list] }

    /// Whoever takes a role from now on does not share links with those who took one by this name before: it may be another
    /// role, made anew, and PostgreSQL looks the name up when it is set.
    func renewRoles() {
        for list in numbers.keys where list.contains("role") || list.contains("session_authorization") { numbers[list] = nil }
    }

    var isDueForSweep: Bool { numbers.count > sweepAbove }

    /// Forgets all lists but those of the numbers `used`.
    func sweep(used: Set<UInt32>) {
        for number in 1..<UInt32(lists.count) where !used.contains(number) && !lists[Int(number)].isEmpty {
            if numbers[lists[Int(number)]] == number { numbers[lists[Int(number)]] = nil }
            lists[Int(number)] = SettingList()
            freeNumbers.append(number)
        }
        sweepAbove = max(Self.leastSweep, 2 * numbers.count)
    }

    func list(_ number: UInt32) -> SettingList { lists[Int(number)] }

    /// The scripts that turn a link with settings `old` into one with settings `new`, each a Query of its own: PostgreSQL reads one in the
    /// encoding that is in force when it arrives.
    func scripts(from old: UInt32, to new: UInt32) -> [String] {
        var statements: [String] = []
        let oldList = list(old)
        if oldList.contains("session_authorization") { statements.append("RESET SESSION AUTHORIZATION") }
        if oldList.contains("role") { statements.append("RESET ROLE") }
        if old != 0 { statements.append("RESET ALL") }
        let own = list(new).entries.map(\.statement)
        let scripts = oldList.contains("client_encoding") && !own.isEmpty ? [statements, own] : [statements + own]
        return scripts.map { "/* pgbraid settings */ " + $0.joinedAsScript }
    }
}

extension [String] {
    /// Statements that clients have sent, as one text. What follows a comment to the end of the line must not be part of it.
    var joinedAsScript: String { map { $0.contains("--") ? $0 + "\n" : $0 }.joined(separator: ";") }
}
