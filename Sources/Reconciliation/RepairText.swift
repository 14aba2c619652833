// RepairText: SQL that would make right what a comparison has found. It is written for people to read; nothing here runs it.
//
// What has been changed since it was seen is not touched: each statement names all values that were compared.
import Primitives

enum RepairText {
    /// The table that rows are repaired in.
    struct Table {
        /// As SQL text.
        var name: String
        /// All its columns; nil: those that are compared.
        var columns: [String]?
        /// Columns that a statement may give values; nil: all that are compared.
        var insertable: [String]?
        /// Why it is not known what a statement would do.
        var doubt: String?
        /// As in ClusterTable.
        var hasOwnNumbers = false
        var hasCascade = false
        /// In front of each statement.
        var prefix = ""
    }

    /// Brings one row of a table to what the source says.
    /// - Parameters:
    ///   - table: nil: only words.
    ///   - columns: of the queries, which must be the table's; the first `keyCount` tell its rows apart.
    static func row(_ candidate: Candidate, table: Table?, columns: [String], keyCount: Int) -> String {
        // As the target writes it, if it has the row.
        let values = (candidate.target ?? candidate.source)?.values ?? []
        let key = SQL.condition(Array(columns.prefix(keyCount)), Array(values.prefix(keyCount)))
        guard let table else { return comment("\(candidate.kind.rawValue): \(key)") }
        let text = statement(candidate, table, columns, keyCount, key)
        return table.reservation(about: columns).map { comment("\($0): \(text)") } ?? text
    }

    private static func statement(_ candidate: Candidate, _ table: Table, _ columns: [String], _ keyCount: Int, _ key: String) -> String {
        let (source, target) = (candidate.source?.values ?? [], candidate.target?.values ?? [])
        let seen = ([key] + zip(columns, target).dropFirst(keyCount).map { unchanged($0, $1) }).joined(separator: " AND ")
        let isGiven = { (column: String) in table.insertable?.contains(column) ?? true }
        switch candidate.kind {
        case .missing:
            let given = zip(columns, source).filter { isGiven($0.0) }
            return insert(table, given.map { $0.0 }, given.map { $0.1 })
        case .extra: return destructive(table, "DELETE FROM \(table.name) WHERE \(seen);")
        case .changed:
            let changes = zip(columns, zip(source, target)).dropFirst(keyCount).filter { !isSame($0.1.0, $0.1.1) && isGiven($0.0) }
            if changes.isEmpty { return comment("only generated columns of \(table.name) differ: \(key)") }
            let list = changes.map { "\(SQL.name($0.0)) = \(SQL.literal($0.1.0))" }.joined(separator: ", ")
            return destructive(table, "UPDATE \(table.name) SET \(list) WHERE \(seen);")
        case .duplicate: return comment("\(candidate.sourceCopies) rows in the source, \(candidate.targetCopies) in the target of \(table.name): \(key)")
        }
    }

    /// Of the same bytes: texts that only Swift takes for equal are changes.
    private static func isSame(_ left: String?, _ right: String?) -> Bool {
        guard let left, let right else { return left == nil && right == nil }
        return left.isExactly(right)
    }

    /// A column has the value that was seen.
    private static func unchanged(_ column: String, _ value: String?) -> String { "\(SQL.name(column)) IS NOT DISTINCT FROM \(SQL.literal(value))" }

    private static func insert(_ table: Table, _ columns: [String], _ values: [String?]) -> String {
        "\(table.prefix)INSERT INTO \(table.name) (\(columns.map { SQL.name($0) }.joined(separator: ", ")))\(table.hasOwnNumbers ? " OVERRIDING SYSTEM VALUE" : "") "
            + "VALUES (\(values.map { SQL.literal($0) }.joined(separator: ", ")));"
    }

    /// What would take rows of other tables with it is for people to decide.
    private static func destructive(_ table: Table, _ statement: String) -> String {
        table.hasCascade ? comment("foreign keys with an action refer to \(table.name), rows of other tables would be changed by: \(table.prefix)\(statement)") : table.prefix + statement
    }

    /// A child whose parent is not there: whether the parent is missing or the child is one too many, only people know.
    static func orphan(table: String, key: [String], values: [String?]) -> String {
        comment("restore the parent, or: DELETE FROM \(table) WHERE \(SQL.condition(key, values));")
    }

    /// Brings a row to the shard of its key. Unless it is there still, as it was seen, and once, the first statement fails (it divides by zero), and where
    /// the shard of its key has one already, the second does: then the transaction ends with nothing changed.
    static func misplaced(_ table: ClusterTable, shard: Int, values: [String: String?]) -> String {
        let identity = SQL.condition(table.identity, table.identity.map { values[$0] ?? nil })
        let seen = ([identity] + table.columns.filter { !table.identity.contains($0) }.map { unchanged($0, values[$0] ?? nil) }).joined(separator: " AND ")
        let moved = "WITH moved AS (DELETE FROM \(table.sqlName) WHERE \(seen) RETURNING 1) SELECT 1 / CASE WHEN count(*) = 1 THEN 1 ELSE 0 END AS moved FROM moved;"
        let script = """
            BEGIN;
            \(SQL.addressed(shard, moved))
            \(insert(Table(name: table.sqlName, hasOwnNumbers: table.hasOwnNumbers), table.insertable, table.insertable.map { values[$0] ?? nil }))
            COMMIT;
            """
        return table.hasCascade ? comment("foreign keys with an action refer to \(table.sqlName), rows of other tables would be changed by:\n\(script)") : script
    }

    /// Every line of a text as a comment, so that nothing in it can be run.
    static func comment(_ text: String) -> String {
        text.split(omittingEmptySubsequences: false) { $0.isNewline }.map { "-- \($0)" }.joined(separator: "\n")
    }
}
