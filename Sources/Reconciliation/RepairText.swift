// RepairText: SQL that would make right what a comparison has found. It is written for people to read; nothing here runs it.

enum RepairText {
    /// Brings one row of a table to what the source says.
    /// - Parameters:
    ///   - table: as SQL text; nil: only words.
    ///   - columns: of the queries, which must be the table's; the first `keyCount` tell its rows apart.
    static func row(_ candidate: Candidate, table: String?, columns: [String], keyCount: Int, shard: Int? = nil) -> String {
        let (source, target) = (candidate.source?.values, candidate.target?.values)
        let key = Array(columns.prefix(keyCount))
        let condition = SQL.condition(key, Array((source ?? target ?? []).prefix(keyCount)))
        guard let table else { return comment("\(candidate.kind.rawValue): \(condition)") }
        switch candidate.kind {
        case .missing:
            return "INSERT INTO \(table) (\(columns.map { SQL.name($0) }.joined(separator: ", "))) VALUES (\((source ?? []).map { SQL.literal($0) }.joined(separator: ", ")));"
        case .extra: return "DELETE FROM \(table) WHERE \(condition);"
        case .changed:
            let changes = zip(columns, zip(source ?? [], target ?? [])).dropFirst(keyCount).filter { $0.1.0 != $0.1.1 }
            return "UPDATE \(table) SET \(changes.map { "\(SQL.name($0.0)) = \(SQL.literal($0.1.0))" }.joined(separator: ", ")) WHERE \(condition);"
        case .duplicate: return comment("\(candidate.sourceCopies) rows in the source, \(candidate.targetCopies) in the target of \(table): \(condition)")
        }
    }

    /// A child whose parent is not there: whether the parent is missing or the child is one too many, only people know.
    static func orphan(table: String, key: [String], values: [String?]) -> String {
        comment("restore the parent, or: DELETE FROM \(table) WHERE \(SQL.condition(key, values));")
    }

    /// Brings a row to the shard of its key, unless that has it already: then nothing is changed, since the INSERT fails.
    static func misplaced(_ table: ClusterTable, shard: Int, values: [String: String?]) -> String {
        let identity = table.identity.map { values[$0] ?? nil }
        let inserted = table.insertable
        return """
            BEGIN;
            /* pgbraid: shard=\(shard) */ DELETE FROM \(table.sqlName) WHERE \(SQL.condition(table.identity, identity));
            INSERT INTO \(table.sqlName) (\(inserted.map { SQL.name($0) }.joined(separator: ", ")))\(table.hasOwnNumbers ? " OVERRIDING SYSTEM VALUE" : "") \
            VALUES (\(inserted.map { SQL.literal(values[$0] ?? nil) }.joined(separator: ", ")));
            COMMIT;
            """
    }

    /// Every line of a text as a comment, so that nothing in it can be run.
    static func comment(_ text: String) -> String {
        text.split(omittingEmptySubsequences: false) { $0.isNewline }.map { "-- \($0)" }.joined(separator: "\n")
    }
}
