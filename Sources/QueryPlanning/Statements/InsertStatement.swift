// InsertStatement: INSERT, by where the rows of its table are.
//
//   sharded table     to the shard of the row's key; several rows to the shards of theirs (`InsertRows`)
//   local table       on the shard that the transaction writes (`InsertLocal`)
//   reference table   on all shards, when every value is the same everywhere (`InsertReference`)
//   temporary table   on the home link
import CPGQuery
import ShardMap

/// An INSERT with its table resolved.
struct InsertTarget {
    var statement: PgQuery__InsertStmt
    var reference: TableReference
    var relation: Relation
    /// Positions in `relation.columns` of the values, in their order.
    var columns: [Int]
    /// Whether the statement names its columns.
    var hasColumnList: Bool

    /// The SELECT or VALUES that yields the rows; nil for DEFAULT VALUES.
    var source: Message<PgQuery__SelectStmt>? { Node(statement.select_stmt)?.selectStmt }

    var hasReturning: Bool { statement.n_returning_list > 0 }

    /// The identity columns whose values OVERRIDING USER VALUE leaves aside: they get the next number instead.
    var overridden: Set<Int> {
        guard statement.override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_USER_VALUE else { return [] }
        return Set(columns.filter { relation.columns[$0].isIdentity })
    }

    /// One of them is the sharding key, or must be the same on every shard.
    var overridesPlacedValues: Bool {
        switch relation.placement {
        case .sharded(let key, _): overridden.contains(key)
        case .reference: !overridden.isEmpty
        case .local, .system, .unusable: false
        }
    }
}

extension StatementClassifier {
    static let insertEntry = StatementFamily.Entry(kind: PG_QUERY__NODE__NODE_INSERT_STMT, family: .insert, command: "INSERT")

    func insert(_ node: Node) throws(Refusal) -> StatementPlan {
        guard let statement = node.insertStmt?.pointee, let table = statement.relation else {
            throw Refusal("XX000", "not an INSERT statement")
        }
        let reference = TableReference(table)
        if reference.isTemporary(in: context) { return try insertTemporary(node, statement) }
        let target = try insertTarget(statement, reference)
        try checkOverridden(target)
        switch target.relation.placement {
        case .sharded(let index, let placement):
            return try insertSharded(node, target, ShardedKey(column: index, placement: placement, relation: target.relation))
        case .local: return try insertLocal(node, target)
        case .reference:
            do throws(Refusal) {
                try refuseWith(target)
                return try insertReference(node, target)
            } catch {
                guard error.sqlState == "0A000", !target.relation.hasTriggers, let plan = try? fetchedReferenceInsert(node, target) else { throw error }
                return plan
            }
        case .system:
            throw Refusal(
                "42501", "permission denied for table \(target.relation.name)",
                hint: "System catalogs cannot be written through the proxy.", position: context.position(reference.location))
        case .unusable(let reason):
            throw Refusal(
                "0A000", "table \"\(target.relation.name)\" cannot be written: \(reason)", position: context.position(reference.location))
        }
    }

    private func insertTarget(
        _ statement: PgQuery__InsertStmt, _ reference: TableReference
    ) throws(Refusal) -> InsertTarget {
        guard let relation = reference.relation(in: context) else {
            throw Refusal(
                "42P01", "relation \"\(reference.displayName)\" does not exist", position: context.position(reference.location))
        }
        if relation.kind == "v", relation.placement != .system {
            throw Refusal(
                "0A000", "INSERT into view \"\(relation.name)\" is not supported", hint: "Insert into the table of the view.",
                position: context.position(reference.location))
        }
        let list = NodeList(statement.cols, statement.n_cols).nodes.compactMap(\.resTarget)
        var columns = list.isEmpty ? Array(relation.columns.indices) : []
        for item in list {
            let name = text(item.pointee.name)
            guard let index = relation.columns.firstIndex(where: { $0.name == name }) else {
                throw Refusal(
                    "42703", "column \"\(name)\" of relation \"\(relation.name)\" does not exist",
                    position: context.position(Int(item.pointee.location)))
            }
            if columns.contains(index) {
                // Two parts of one composite column are PostgreSQL's to sort out, unless it is the key.
                guard item.pointee.n_indirection > 0 else {
                    throw Refusal(
                        "42701", "column \"\(name)\" specified more than once", position: context.position(Int(item.pointee.location)))
                }
            }
            columns.append(index)
        }
        return InsertTarget(
            statement: statement, reference: reference, relation: relation, columns: columns, hasColumnList: !list.isEmpty)
    }

    /// Numbers that must be drawn take the place of values written in VALUES. What else stands there PostgreSQL would still read.
    private func checkOverridden(_ target: InsertTarget) throws(Refusal) {
        guard target.overridesPlacedValues, context.environment.shardCount > 1, let source = target.source else { return }
        if source.isPlainValues, try valueRows(source, target).allSatisfy({ $0.isReplaceable(in: target) }) { return }
        throw Refusal(
            "0A000", "OVERRIDING USER VALUE is not supported for these values of \"\(target.relation.name)\"",
            detail: "The numbers that take their place are drawn before the rows are sent to the shards.",
            hint: "Leave the identity column out of the INSERT.", position: context.position(target.reference.location))
    }

    /// WITH in front of INSERT: its queries would have to agree with the rows' shards.
    func refuseWith(_ target: InsertTarget) throws(Refusal) {
        guard let with = target.statement.with_clause else { return }
        throw Refusal(
            "0A000", "WITH in front of INSERT into \"\(target.relation.name)\" is not supported",
            hint: "Put the query into the INSERT, or run it first and insert its rows.",
            position: context.position(Int(with.pointee.location)))
    }

    /// The rows of a temporary table come from values, temporary tables or reference tables.
    private func insertTemporary(_ node: Node, _ statement: PgQuery__InsertStmt) throws(Refusal) -> StatementPlan {
        let tables = TableReference.all(in: node)
        for table in tables {
            guard let relation = table.relation(in: context), relation.placement != .reference else { continue }
            throw Refusal(
                "0A000", "rows of \"\(relation.name)\" cannot be copied into a temporary table by one statement",
                hint: "Read them first, then insert them.", position: context.position(table.location))
        }
        var inspection = ExpressionInspection(context)
        inspection.add(node)
        return StatementPlan(
            action: .passThrough(.home), effect: .writes, pins: .temporaryTable, taintsLink: inspection.taintsLink,
            commandName: "INSERT", parameterCount: ParameterNumbers.highest(in: node), reason: "temporary: home link")
    }
}
