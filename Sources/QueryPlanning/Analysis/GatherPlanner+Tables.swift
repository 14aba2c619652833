// Tables and views that are fetched: the used columns of the rows that their level's own conditions leave, and tables that are
// joined by their sharding keys as one part.
import CPGQuery

/// A table or view that is fetched, and where it stands in FROM.
struct FetchedTable {
    let entry: RangeEntry
    /// The names of its columns, whatever FROM calls them.
    let columnNames: [String]
    /// Its name.
    let name: Range<Int>
    /// Its name with its alias.
    let whole: Range<Int>
    let hasAlias: Bool
    /// FROM gives its columns other names.
    let isRenaming: Bool

    var alias: String { SQLText.quoted(entry.name) }

    /// The columns to fetch.
    var used: [Int] { isRenaming ? Array(columnNames.indices) : entry.usedColumns }

    /// Its sharding key.
    var key: Int? {
        guard case .table(let relation) = entry.source, case .sharded(let column, _) = relation.placement else { return nil }
        return column
    }

    func reference(_ column: Int) -> String { "\(alias).\(SQLText.quoted(columnNames[column]))" }
}

extension GatherPlanner {
    /// The used columns of one table or view.
    func replaceTable(_ entry: RangeEntry, _ conditions: GatherConditions) throws(Refusal) {
        guard let table = fetchedTable(entry) else {
            throw planner.refusal("table \"\(entry.name)\" cannot be fetched in this form")
        }
        var rows = PartialRows()
        let conditions = own(conditions, [table])
        let columns = try columns(of: table, &rows)
        rows.addRowMark("1", .int4, context)
        let text = fetchText([table], rows, conditions)
        let number = try add(GatheredPart(text: text, columns: rows.ordered), entry.name)
        let shown = columns.map { "\($0.text) AS \($0.name)" }.joined(separator: ", ")
        var replacement = "(SELECT \(shown) FROM \(GatherLayout.name(number)) AS \(PartialRows.name))"
        if !table.hasAlias { replacement += " AS " + table.alias }
        editing.replace(table.name, with: replacement)
    }

    /// Tables joined by their sharding keys: the first brings the rows of the join, and each takes its own columns of them.
    func replaceJoin(_ tables: [FetchedTable], _ conditions: GatherConditions) throws(Refusal) {
        var rows = PartialRows()
        let conditions = own(conditions, tables)
        var columns: [[(text: String, name: String)]] = []
        for table in tables { columns.append(try self.columns(of: table, &rows, keyOf: tables[0])) }
        rows.addRowMark("1", .int4, context)
        let ties = tables.dropFirst().compactMap { table in tie(tables[0], table) }
        let text = fetchText(tables, rows, ties + conditions.filter { !ties.contains($0) })
        let number = try add(GatheredPart(text: text, columns: rows.ordered), tables.map(\.entry.name).joined(separator: " with "))
        // Names that no name of the client's can be taken for.
        let join = "pgbraid_join_\(number)"
        let names = rows.ordered.map { "\(join)_\($0.name)" }.joined(separator: ", ")
        for (index, table) in tables.enumerated() {
            let shown = columns[index].map { column in "\(join).\(join)_\(column.text.dropFirst(PartialRows.name.count + 1)) AS \(column.name)" }
            let item = "LATERAL (SELECT \(shown.joined(separator: ", "))) AS \(table.alias)"
            let source = "\(GatherLayout.name(number)) AS \(join) (\(names))"
            editing.replace(table.whole, with: index == 0 ? "(\(source) CROSS JOIN \(item))" : item)
        }
    }

    /// The conditions that are tried on the shards. Those that are true of the fetched rows need not be tried again: PostgreSQL
    /// would think that they leave out most rows.
    private func own(_ conditions: GatherConditions, _ tables: [FetchedTable]) -> [String] {
        conditions.about(tables).map { condition in
            if let conjunct = condition.conjunct, let range = tokens.range(ofExpression: conjunct, context) {
                editing.replace(tokens.bytes(range), with: "TRUE")
                release(conjunct)
            }
            return condition.text
        }
    }

    /// What is not in the finisher's text any more needs no columns.
    private func release(_ conjunct: Node) {
        TreeWalk.nodes(under: conjunct) { node in
            if let variable = planner.binder.variable(node) { planner.binder.entries[variable.entry].release(variable.column) }
            return .descend
        }
    }

    /// Adds a table's used columns to the rows; how the finisher writes each, and its name.
    /// - Parameter first: a table joined with it, whose key is also its own: PostgreSQL then sees that they are equal.
    private func columns(
        of table: FetchedTable, _ rows: inout PartialRows, keyOf first: FetchedTable? = nil
    ) throws(Refusal) -> [(text: String, name: String)] {
        var columns: [(text: String, name: String)] = []
        for column in table.used {
            guard table.columnNames.indices.contains(column), let type = table.entry.columns[column].type else { throw unknownType(table) }
            var reference = table.reference(column)
            if let first, let key = first.key, column == table.key, let other = first.entry.columns[key].type,
                (type.oid, type.collation) == (other.oid, other.collation)
            {
                reference = first.reference(key)
            }
            guard let text = rows.add(reference, type, isKey: false, context) else { throw unknownType(table) }
            columns.append((text, SQLText.quoted(table.columnNames[column])))
        }
        return columns
    }

    private func unknownType(_ table: FetchedTable) -> Refusal {
        planner.refusal("the type of a column of \"\(table.entry.name)\" is not known")
    }

    private func fetchText(_ tables: [FetchedTable], _ rows: PartialRows, _ conditions: [String]) -> String {
        let list = rows.ordered.map(\.expression).joined(separator: ", ")
        let items = tables.map { "\(context.slice($0.name)) AS \($0.alias)" }.joined(separator: ", ")
        let filter = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        return "SELECT \(list) FROM \(items)\(filter)"
    }

    /// The keys of two tables are equal.
    private func tie(_ one: FetchedTable, _ other: FetchedTable) -> String? {
        guard let firstKey = one.key, let secondKey = other.key else { return nil }
        return "(\(one.reference(firstKey)) = \(other.reference(secondKey)))"
    }

    // MARK: In the text

    /// The tables of a join in the order of the text; nil where one of them must be fetched in another way.
    func fetchedTables(_ entries: [RangeEntry]) -> [FetchedTable]? {
        let tables = entries.compactMap { fetchedTable($0) }.filter { !$0.isRenaming }
        guard tables.count == entries.count, Set(tables.map(\.alias)).count == tables.count else { return nil }
        return tables.sorted { $0.name.lowerBound < $1.name.lowerBound }
    }

    /// nil for forms with more than the name and an alias (`t*`, ONLY, TABLESAMPLE).
    func fetchedTable(_ entry: RangeEntry) -> FetchedTable? {
        guard let table = entry.node?.rangeVar, table.pointee.inh != 0, !entry.isSampled,
            let start = tokens.index(startingAt: Int(table.pointee.location))
        else { return nil }
        var end = start + 1
        while tokens.kind(end) == PG_QUERY__TOKEN__ASCII_46 { end += 2 }
        guard tokens.kind(end) != PG_QUERY__TOKEN__ASCII_42, tokens.kind(start - 1) != PG_QUERY__TOKEN__TABLE else { return nil }
        let hasAlias = table.pointee.alias != nil
        let aliasEnd = hasAlias ? end + (tokens.kind(end) == PG_QUERY__TOKEN__AS ? 2 : 1) : end
        let names: [String]
        switch entry.source {
        case .table(let relation): names = relation.columns.map(\.name)
        case .query(let view): names = view.columns.map(\.name)
        default: return nil
        }
        return FetchedTable(
            entry: entry, columnNames: names, name: tokens.bytes(start..<end), whole: tokens.bytes(start..<aliasEnd), hasAlias: hasAlias,
            isRenaming: (table.pointee.alias?.pointee.n_colnames ?? 0) > 0)
    }
}
