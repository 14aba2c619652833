// TableOfQuery: CREATE TABLE AS and SELECT INTO, as a table without rows on every shard and an INSERT ... SELECT into it.
//
// PostgreSQL itself makes the columns (WITH NO DATA). Where the rows go is then as with any table: by the key column, or everywhere.
import CPGQuery

/// A table that a query fills.
public struct TableOfQueryPlan: Sendable {
    /// Makes the table without rows, on every shard.
    public var definition: String
    /// Fills it; to be planned once the table is there.
    public var insertion: String
}

extension StatementClassifier {
    /// CREATE TABLE AS of an ordinary table with rows.
    func createFilledTable(
        _ statement: PgQuery__CreateTableAsStmt, _ into: PgQuery__IntoClause, _ reference: TableReference, _ entry: StatementFamily.Entry
    ) throws(Refusal) -> StatementPlan {
        try refuseProxySchema(reference.schema)
        if statement.if_not_exists != 0, reference.relation(in: context) != nil { return onAllShards(entry, changesCatalog: true) }
        guard Node(statement.query)?.selectStmt != nil, let query = try StatementTokens(context).queryOfTable else {
            throw Refusal(
                "0A000", "\(entry.command) of a prepared statement is not supported", hint: "Write the query itself.",
                position: context.position(reference.location))
        }
        let definition = context.slice(context.range.lowerBound..<query.upperBound) + " WITH NO DATA"
        return try filled(definition, query: context.slice(query), reference, entry)
    }

    /// SELECT INTO of an ordinary table.
    func selectInto(_ select: PgQuery__SelectStmt, _ into: PgQuery__IntoClause, _ target: TableReference) throws(Refusal) -> StatementPlan {
        let tokens = try StatementTokens(context)
        guard let clause = tokens.intoClause else { throw Refusal("0A000", "INTO cannot be found in the text of this SELECT") }
        try refuseProxySchema(target.schema)
        let query = context.slice(context.range.lowerBound..<clause.lowerBound) + context.slice(clause.upperBound..<context.range.upperBound)
        let isUnlogged = into.rel.map { text($0.pointee.relpersistence) == "u" } ?? false
        let name = (target.schema.map { SQLText.quoted($0) + "." } ?? "") + SQLText.quoted(target.name)
        let entry = StatementFamily.Entry(kind: PG_QUERY__NODE__NODE_SELECT_STMT, family: .createTableAs, command: "SELECT INTO")
        return try filled("CREATE \(isUnlogged ? "UNLOGGED " : "")TABLE \(name) AS \(query) WITH NO DATA", query: query, target, entry)
    }

    private func filled(
        _ definition: String, query: String, _ target: TableReference, _ entry: StatementFamily.Entry
    ) throws(Refusal) -> StatementPlan {
        if try StatementTokens(context).tokens.contains(where: { $0.kind == PG_QUERY__TOKEN__PARAM }) {
            throw Refusal("0A000", "parameters in \(entry.command) are not supported", hint: "Use CREATE TABLE and INSERT ... SELECT.")
        }
        let name = (target.schema.map { SQLText.quoted($0) + "." } ?? "") + SQLText.quoted(target.name)
        return StatementPlan(
            action: .fillTable(TableOfQueryPlan(definition: definition, insertion: "INSERT INTO \(name) \(query)")), effect: .writes,
            changesCatalog: true, commandName: "SELECT", reason: "a table on every shard, then INSERT ... SELECT")
    }
}

extension StatementTokens {
    /// The query of CREATE TABLE AS, without WITH [NO] DATA behind it.
    var queryOfTable: Range<Int>? {
        guard let first = firstOutside(PG_QUERY__TOKEN__AS).map({ $0 + 1 }) else { return nil }
        var end = tokens.count
        if end - first > 2, tokens[end - 1].kind == PG_QUERY__TOKEN__DATA_P, tokens[end - 2].kind == PG_QUERY__TOKEN__WITH { end -= 2 }
        guard first < end else { return nil }
        return tokens[first].range.lowerBound..<tokens[end - 1].range.upperBound
    }

    /// INTO and the table of SELECT INTO.
    var intoClause: Range<Int>? {
        guard let start = firstOutside(PG_QUERY__TOKEN__INTO) else { return nil }
        var index = start + 1
        let words = [PG_QUERY__TOKEN__UNLOGGED, PG_QUERY__TOKEN__TABLE]
        while tokens.indices.contains(index), words.contains(tokens[index].kind) { index += 1 }
        while tokens.indices.contains(index + 2), tokens[index + 1].kind == PG_QUERY__TOKEN__ASCII_46 { index += 2 }
        guard tokens.indices.contains(index) else { return nil }
        return tokens[start].range.lowerBound..<tokens[index].range.upperBound
    }
}
