// TableDefinition: CREATE TABLE, CREATE TABLE AS, CREATE SEQUENCE, CREATE VIEW, CREATE INDEX, CREATE SCHEMA.
//
// They run on all shards, or on the home link when what they make is temporary.
import CPGQuery

extension StatementClassifier {
    /// CREATE TABLE and CREATE SEQUENCE.
    func createTable(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        if let sequence = node.createSeqStmt?.pointee.sequence {
            return try create(sequence, in: node, entry, sequences: SequenceChange())
        }
        guard let statement = node.createStmt?.pointee, let relation = statement.relation else {
            throw Refusal("XX000", "not a CREATE TABLE statement")
        }
        let isDropped = statement.oncommit == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP
        let plan = try create(relation, in: node, entry, sequences: sequenceChange(of: statement), isDroppedAtCommit: isDropped)
        if case .modify = plan.action { try checkNewTable(statement, TableReference(relation)) }
        return plan
    }

    /// Where a new relation of this name goes.
    private func create(
        _ target: Message<PgQuery__RangeVar>, in node: Node, _ entry: StatementFamily.Entry, sequences: SequenceChange?,
        isDroppedAtCommit: Bool = false
    ) throws(Refusal) -> StatementPlan {
        let reference = TableReference(target)
        if context.makesTemporary(target) {
            return makeOnHomeLink([reference.name], entry, isDroppedAtCommit: isDroppedAtCommit)
        }
        try refuseProxySchema(reference.schema)
        let others = TableReference.all(in: node).filter { $0 != reference }
        if let temporary = others.first(where: { $0.isTemporary(in: context) }) {
            throw Refusal(
                "0A000", "a permanent relation cannot be made from temporary table \"\(temporary.name)\"",
                hint: "Write its columns.", position: context.position(temporary.location))
        }
        return onAllShards(entry, changesCatalog: true, sequences: sequences)
    }

    /// Makes these temporary names.
    func makeOnHomeLink(_ names: [String], _ entry: StatementFamily.Entry, isDroppedAtCommit: Bool = false) -> StatementPlan {
        make(
            .passThrough(.home), .writes, entry, pins: .temporaryTable,
            temporary: TemporaryNames(created: names, untilCommit: isDroppedAtCommit ? names : []),
            reason: "temporary: home link")
    }

    /// - Throws: if the table's rows would have no place, or its constraints cannot be enforced.
    func checkNewTable(_ statement: PgQuery__CreateStmt, _ reference: TableReference) throws(Refusal) {
        if statement.if_not_exists != 0, reference.relation(in: context) != nil { return }
        let table = try shape(of: statement, reference)
        for element in NodeList(statement.table_elts, statement.n_table_elts).nodes {
            if let constraint = element.constraint.flatMap({ TableConstraint($0.pointee, column: nil, context) }) {
                try check(constraint, on: table)
            }
            if let column = element.columnDef { try checkConstraints(of: column.pointee, on: table) }
            if let like = element.tableLikeClause { try checkIndexes(like: like.pointee, on: table) }
        }
    }

    /// LIKE ... INCLUDING INDEXES makes the unique constraints of another table.
    private func checkIndexes(like: PgQuery__TableLikeClause, on table: TableShape) throws(Refusal) {
        // CREATE_TABLE_LIKE_INDEXES in src/include/nodes/parsenodes.h.
        guard like.options & (1 << 6) != 0, let source = like.relation.flatMap({ TableReference($0).relation(in: context) }) else { return }
        if table.placement == .local, let constraint = source.constraints.first(where: { $0.kind != .foreignKey }) {
            throw unenforceable("\"\(constraint.name)\"", on: table, table.reference.location)
        }
        guard let key = table.key else { return }
        for constraint in source.constraints where constraint.kind != .foreignKey {
            let names = constraint.columnNumbers.compactMap { number in source.columns.first { $0.number == number }?.name }
            if constraint.kind != .exclusion, names.contains(key.name) { continue }
            throw Refusal(
                "0A000", "\"\(constraint.name)\" of table \"\(source.name)\" cannot hold for sharded table \"\(table.reference.name)\": it does not contain the sharding key \"\(key.name)\"",
                detail: "Each shard enforces it on its own rows only.", hint: "Leave INCLUDING INDEXES out, and make indexes with the key.",
                position: context.position(table.reference.location))
        }
    }

    func checkConstraints(of column: PgQuery__ColumnDef, on table: TableShape) throws(Refusal) {
        for node in NodeList(column.constraints, column.n_constraints).nodes {
            guard let constraint = node.constraint.flatMap({ TableConstraint($0.pointee, column: text(column.colname), context) }) else {
                continue
            }
            try check(constraint, on: table)
        }
    }

    func createIndex(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        guard let statement = node.indexStmt?.pointee, let target = statement.relation else {
            throw Refusal("XX000", "not a CREATE INDEX statement")
        }
        let reference = TableReference(target)
        let names = TemporaryNames(created: nonEmptyText(statement.idxname).map { [$0] } ?? [])
        if let home = try onHomeLink([reference], entry, temporary: names) { return home }
        try refuseProxySchema(reference.schema)
        if let relation = reference.relation(in: context) { try checkUniqueIndex(statement, on: TableShape(relation, reference: reference)) }
        return statement.concurrent != 0
            ? shardByShard(entry, changesCatalog: statement.unique != 0)
            : onAllShards(entry, changesCatalog: statement.unique != 0)
    }

    /// - Throws: where rows of several shards could have the same values.
    private func checkUniqueIndex(_ statement: PgQuery__IndexStmt, on table: TableShape) throws(Refusal) {
        guard statement.unique != 0 else { return }
        if table.placement == .local { throw unenforceable("unique index", on: table, table.reference.location) }
        guard let key = table.key else { return }
        let elements = NodeList(statement.index_params, statement.n_index_params).nodes.compactMap(\.indexElem)
        // By another collation keys of several shards may be alike.
        let columns = elements.filter { context.equatesBytes($0.pointee) }.compactMap { nonEmptyText($0.pointee.name) }
        guard !columns.contains(key.name) else { return }
        let list = ([key.name] + columns).map(SQLText.identifier).joined(separator: ", ")
        throw Refusal(
            "0A000", "unique index on sharded table \"\(table.reference.name)\" must contain its sharding key \"\(key.name)\"",
            detail: "Each shard enforces it on its own rows only.",
            hint: "Write CREATE UNIQUE INDEX ... (\(list)).", position: context.position(table.reference.location))
    }

    /// A view is its query: made on all shards, planned when it is used. A temporary one, or one over temporary tables, can
    /// only show what the home link's shard has.
    func createView(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        guard let statement = node.viewStmt?.pointee, let view = statement.view, let query = Node(statement.query) else {
            throw Refusal("XX000", "not a CREATE VIEW statement")
        }
        let reference = TableReference(view)
        let tables = TableReference.all(in: query)
        let isTemporary = context.makesTemporary(view) || tables.contains { $0.isTemporary(in: context) }
        guard isTemporary else {
            try refuseProxySchema(reference.schema)
            return onAllShards(entry, changesCatalog: true)
        }
        for table in tables {
            if let relation = table.relation(in: context), relation.placement != .reference {
                throw Refusal(
                    "0A000", "a temporary view over \"\(relation.name)\" would show one shard's rows only",
                    hint: "Make the view permanent.", position: context.position(table.location))
            }
        }
        return makeOnHomeLink([reference.name], entry)
    }

    /// CREATE TABLE AS and CREATE MATERIALIZED VIEW (SELECT INTO is a SELECT to the grammar).
    func createTableAs(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        guard let statement = node.createTableAsStmt?.pointee, let query = Node(statement.query), let into = statement.into?.pointee,
            let target = into.rel
        else { throw Refusal("XX000", "not a CREATE TABLE AS statement") }
        if statement.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW {
            throw Refusal("0A000", "materialized views are not supported", hint: "Use a table and INSERT.")
        }
        let reference = TableReference(target)
        let isTemporary = context.makesTemporary(target)
        if into.skip_data != 0, !isTemporary {
            try refuseProxySchema(reference.schema)
            return onAllShards(entry, changesCatalog: true)
        }
        if isTemporary, query.selectStmt != nil, let plan = try? planQuery(query), plan.runsOnHomeLink {
            return makeOnHomeLink([reference.name], entry, isDroppedAtCommit: into.isDroppedAtCommit)
        }
        if !isTemporary { return try createFilledTable(statement, into, reference, entry) }
        throw Refusal(
            "0A000", "\(entry.command) is not supported for a temporary table with rows of the shards",
            hint: "Create an ordinary table.", position: context.position(reference.location))
    }

    /// CREATE SCHEMA with the tables and indexes written inside.
    func createSchema(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        guard let statement = node.createSchemaStmt?.pointee else { throw Refusal("XX000", "not a CREATE SCHEMA statement") }
        let schema = nonEmptyText(statement.schemaname)
        try refuseProxySchema(schema)
        var tables: [String: TableShape] = [:]
        for element in NodeList(statement.schema_elts, statement.n_schema_elts).nodes {
            guard let table = element.createStmt?.pointee, let relation = table.relation else { continue }
            var reference = TableReference(relation)
            reference.schema = reference.schema ?? schema
            try checkNewTable(table, reference)
            tables[reference.name] = try shape(of: table, reference)
        }
        // PostgreSQL makes tables before indexes, in whatever order they stand.
        for element in NodeList(statement.schema_elts, statement.n_schema_elts).nodes {
            guard let index = element.indexStmt?.pointee, let relation = index.relation, let table = tables[TableReference(relation).name] else { continue }
            try checkUniqueIndex(index, on: table)
        }
        return onAllShards(entry, changesCatalog: true, sequences: SequenceChange())
    }

    /// - Throws: for the schema that belongs to the proxy.
    func refuseProxySchema(_ schema: String?) throws(Refusal) {
        guard schema == "pgbraid" else { return }
        throw Refusal("42501", "permission denied for schema pgbraid", hint: "The schema belongs to the proxy.")
    }
}

extension StatementPlan {
    /// Its rows can be had on the home link: they are the same on every shard, or temporary.
    var runsOnHomeLink: Bool {
        guard case .passThrough(let route) = action else { return false }
        return route == .any || route == .home
    }
}

extension PgQuery__IntoClause {
    /// ON COMMIT DROP.
    var isDroppedAtCommit: Bool { on_commit == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP }
}
