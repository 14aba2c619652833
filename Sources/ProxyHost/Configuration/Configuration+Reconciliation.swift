// The entries [[reconciliation]]: named comparisons.
import Primitives
import ProxyCore

extension Configuration {
    static func readReconciliations(_ entries: [ConfigurationSection], _ settings: inout ProxySettings, directory: String) {
        for entry in entries {
            guard let comparison = readReconciliation(entry, directory: directory) else { continue }
            if settings.reconciliations.contains(where: { $0.name == comparison.name }) {
                entry.mistake("name", "comparison \"\(comparison.name)\" stands twice")
            } else {
                settings.reconciliations.append(comparison)
            }
        }
    }

    private static func readReconciliation(_ entry: ConfigurationSection, directory: String) -> ReconciliationSettings? {
        let given: ReconciliationSettings.Check? = entry.choice("check")
        let check = given ?? .queries
        let name = entry.string("name") ?? (ReconciliationSettings.Check.builtIn.contains(check) ? check.rawValue : nil)
        guard let name else {
            if !entry.has("name") { entry.missing("name", hint: "SELECT pgbraid.reconcile(...) calls it by this name") }
            return nil
        }
        var comparison = ReconciliationSettings(name: name, entityType: entry.string("entity_type"), check: check)
        var interval = Span.zero
        entry.duration("interval", into: &interval)
        comparison.interval = interval > .zero ? interval : nil
        if check != .preparedTransactions, check != .outbox { entry.duration("recheck_after", into: &comparison.recheckAfter) }
        switch check {
        case .queries: readQueries(entry, &comparison, directory: directory)
        case .childrenWithoutParents: readChildren(entry, &comparison)
        case .misplacedRows, .referenceTables: break
        case .preparedTransactions: entry.duration("older_than", into: &comparison.olderThan)
        case .outbox:
            entry.duration("older_than", into: &comparison.olderThan)
            entry.string("table", into: &comparison.table)
        }
        entry.finish()
        return comparison
    }

    private static func readQueries(_ entry: ConfigurationSection, _ comparison: inout ReconciliationSettings, directory: String) {
        comparison.source = ReconciliationSettings.Side(query: needed("source", entry), database: readDatabase(entry, "source_database", directory))
        comparison.target = ReconciliationSettings.Side(query: needed("target", entry), database: readDatabase(entry, "target_database", directory))
        comparison.key = entry.strings("key") ?? []
        if comparison.key.isEmpty, !entry.has("key") { entry.missing("key", hint: "the columns that tell rows apart, in both queries") }
        comparison.repairTable = entry.string("repair_table")
        let tolerances = entry.section("tolerances")
        for column in tolerances.keys {
            guard let text = tolerances.string(column) else { continue }
            if let amount = Double(text), amount >= 0, amount.isFinite {
                comparison.tolerances[column] = text
            } else if let span = Quantities.duration(text) {
                comparison.tolerances[column] = "\(span.seconds)"
            } else {
                tolerances.mistake(column, "is no tolerance", hint: "write a number or a length of time in quotes: \"0.01\", \"5s\"")
            }
        }
    }

    private static func needed(_ key: String, _ entry: ConfigurationSection) -> String {
        if let text = entry.string(key) { return text }
        if !entry.has(key) { entry.missing(key, hint: "the query of one side") }
        return ""
    }

    private static func readDatabase(_ entry: ConfigurationSection, _ key: String, _ directory: String) -> ReconciliationSettings.Database? {
        let section = entry.section(key)
        guard entry.has(key) else { return nil }
        var database = ReconciliationSettings.Database(host: section.string("host") ?? "")
        if !section.has("host") { section.missing("host", hint: "a name, an address, or the directory of a unix socket") }
        section.integer("port", into: &database.port, in: 1...65_535)
        section.string("dbname", into: &database.database)
        section.string("user", into: &database.user)
        database.password = section.secret("password", directory: directory)
        database.tlsMode = section.choice("tls") ?? .disable
        database.tlsRootCertificateFile = section.file("tls_root_certificate", directory: directory)
        checkTLS(section, host: database.host, database.tlsMode)
        section.finish()
        return database
    }

    /// Two tables and the columns that belong together become two queries.
    private static func readChildren(_ entry: ConfigurationSection, _ comparison: inout ReconciliationSettings) {
        var sides: [(table: String, columns: [String])] = []
        for role in ["child", "parent"] {
            let table = entry.string("\(role)_table")
            let columns = entry.strings("\(role)_columns") ?? []
            if !entry.has("\(role)_table") { entry.missing("\(role)_table") }
            if !entry.has("\(role)_columns") { entry.missing("\(role)_columns") }
            sides.append((table ?? "", columns))
        }
        if sides[0].columns.count != sides[1].columns.count {
            return entry.mistake("parent_columns", "are \(sides[1].columns.count), the child has \(sides[0].columns.count)")
        }
        comparison.repairTable = sides[0].table
        comparison.key = sides[0].columns
        let quoted = sides.map { $0.columns.map(QuotedText.identifier) }
        let isReferring = quoted[0].map { "\($0) IS NOT NULL" }.joined(separator: " AND ")
        comparison.source.query = "SELECT \(quoted[0].joined(separator: ", ")) FROM \(sides[0].table) WHERE \(isReferring)"
        let renamed = zip(quoted[1], quoted[0]).map { "\($0) AS \($1)" }.joined(separator: ", ")
        comparison.target.query = "SELECT \(renamed) FROM \(sides[1].table)"
    }
}
