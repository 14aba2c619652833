// KeyChange: UPDATE that sets the sharding key, so that rows may belong to another shard afterwards.
//
// Where constants say that old and new key lie on one shard, the statement goes there as it is. Otherwise the rows move: DELETE
// returns what each row will be, its SET expressions evaluated by PostgreSQL on the old shard, and INSERT stores that on the shards of
// the new keys, all in one transaction. To the table that is another thing than UPDATE where triggers, foreign keys to it, row-level
// security or children could tell, so that is refused.
import CPGQuery
import ShardMap

struct KeyChange {
    let planner: StatementPlanner
    let modification: BoundModification
    let relation: Relation
    let key: ShardedKey
    /// What the key is set to; nil for `(a, key) = ...` and DEFAULT.
    let value: Node?
    private var context: AnalysisContext { planner.context }

    /// The key's value after assignment, as a condition on the shards; nil where it is not a constant.
    func newKey() throws(Refusal) -> KeyCondition? {
        guard let value, value.literal != nil || planner.binder.constantTerm(value) != nil else { return nil }
        let isNotNull = key.definition.isNotNull
        do throws(Refusal) {
            let operand = try StatementClassifier(context: context).storedKey(value, key, isExact: context.acrossShards)
            return key.condition([operand], context, leavesNullToShards: isNotNull)
        } catch where error.sqlState == "0A000" {
            return nil
        } catch where error.sqlState == "23502" && isNotNull {
            return key.condition([.null], context, leavesNullToShards: true)
        }
    }

    /// The rows that are deleted, and how they are inserted again.
    func move() throws(Refusal) -> FetchedInsertPlan {
        try checkMovable()
        guard let tokens = TokenList(context), let set = tokens.firstOutside(PG_QUERY__TOKEN__SET), tokens.count > 2,
            tokens.kind(0) == PG_QUERY__TOKEN__UPDATE
        else { throw SelectRewriting.notUnderstood }
        let condition = tokens.firstOutside(PG_QUERY__TOKEN__WHERE)
        let returning = tokens.firstOutside(PG_QUERY__TOKEN__RETURNING) ?? tokens.count
        guard set > 1, set < condition ?? returning, condition ?? 0 < returning else { throw SelectRewriting.notUnderstood }
        let values = try assignedValues(tokens, set + 1..<(condition ?? returning))
        let target = context.slice(tokens.bytes(1..<set))
        let columns = relation.columns.indices.filter { relation.columns[$0].generation != "s" }
        let outputs = columns.map { index in
            let name = SQLText.quoted(relation.columns[index].name)
            return values[index].map { "(\($0.text))" } ?? "\(SQLText.quoted(modification.target.name)).\(name)"
        }
        let filter = condition.map { "(" + context.slice(tokens.bytes($0 + 1..<returning)) + ") AND " } ?? ""
        let names = columns.map { SQLText.quoted(relation.columns[$0].name) }.joined(separator: ", ")
        let isAlways = columns.contains { relation.columns[$0].generation == "a" }
        let rest = returning < tokens.count ? context.slice(tokens.bytes(returning..<tokens.count)) : ""
        // It is repeated with each part of the rows, without the client's values.
        if rest.contains("$") { throw refusal("RETURNING has parameters") }
        let untyped = columns.indices.filter { values[columns[$0]].map { isUntyped($0.node) } ?? true }
        return FetchedInsertPlan(
            query: "DELETE FROM \(target) WHERE \(filter)\(columnGuard) RETURNING \(outputs.joined(separator: ", "))",
            textBefore: "INSERT INTO \(insertTarget) (\(names))" + (isAlways ? " OVERRIDING SYSTEM VALUE" : ""), textAfter: rest,
            untypedColumns: Set(untyped), columnCount: columns.count, namesColumns: true, hasReturning: !rest.isEmpty,
            updatesOnConflict: false, movesRows: true)
    }

    /// Computes nothing. PostgreSQL reads it once it has the table's lock, and fails where the table has not as many
    /// columns as those that move.
    private var columnGuard: String {
        let nulls = Array(repeating: "NULL", count: relation.columns.count).joined(separator: ", ")
        let type = "\(SQLText.quoted(relation.schema)).\(SQLText.quoted(relation.name))"
        return "CASE WHEN true THEN true ELSE (ROW(\(nulls))::\(type)) IS NULL END"
    }

    private var insertTarget: String {
        "\(SQLText.quoted(relation.schema)).\(SQLText.quoted(relation.name)) AS \(SQLText.quoted(modification.target.name))"
    }

    private func refusal(_ reason: String) -> Refusal {
        Refusal(
            "0A000", "changing the sharding key \"\(key.name)\" would move rows to other shards: \(reason)",
            hint: "DELETE the row and INSERT it with the new key, in one transaction.")
    }

    private func checkMovable() throws(Refusal) {
        if relation.kind != "r" || relation.hasChildren { throw refusal("the table has partitions or children") }
        if relation.hasTriggers { throw refusal("its triggers would not see an UPDATE") }
        if !relation.referencingTables.isEmpty { throw refusal("foreign keys of other tables refer to the rows") }
        if relation.hasRowSecurity { throw refusal("the table has row-level security") }
        if modification.level.entries.count > 1 { throw refusal("the UPDATE has a FROM clause") }
        if !planner.binder.commonTableNames.isEmpty { throw refusal("the UPDATE has a WITH clause") }
        if modification.level.usesSystemColumns || planner.binder.usesWholeRows { throw refusal("it uses whole rows or system columns") }
    }

    private struct Assigned {
        let text: String
        let node: Node
    }

    /// For each column of the table that is set the expression; nil for the others.
    private func assignedValues(_ tokens: TokenList, _ range: Range<Int>) throws(Refusal) -> [Assigned?] {
        var values: [Assigned?] = Array(repeating: nil, count: relation.columns.count)
        let items = tokens.items(range)
        guard items.count == modification.assignments.count else { throw refusal("several columns are set at once") }
        for (item, assignment) in zip(items, modification.assignments) {
            guard let node = assignment.value, node.setToDefault == nil, item.count > 2,
                tokens.kind(item.lowerBound + 1) == PG_QUERY__TOKEN__ASCII_61
            else { throw refusal("a column is set to DEFAULT, or only in part") }
            guard let column = relation.columns.firstIndex(where: { $0.name == assignment.column }) else {
                throw Refusal(
                    "42703", "column \"\(assignment.column)\" of relation \"\(relation.name)\" does not exist",
                    position: context.characterPosition(ofByte: tokens.bytes(item).lowerBound))
            }
            guard values[column] == nil else {
                throw Refusal("42601", "multiple assignments to same column \"\(assignment.column)\"")
            }
            if relation.columns[column].generation == "a" { throw refusal("a column is GENERATED ALWAYS") }
            if relation.columns[column].generation == "s" { throw refusal("a generated column is set") }
            if DateWords.typeOIDs.contains(relation.columns[column].typeOID), case .string(let word)? = node.literal?.value, DateWords.isIn(word) {
                throw refusal("the time is given by a word")
            }
            values[column] = Assigned(text: context.slice(tokens.bytes(item.lowerBound + 2..<item.upperBound)), node: node)
        }
        return values
    }

    /// A constant without a type of its own; the column's type reads it. A parameter has its column's type already.
    private func isUntyped(_ node: Node) -> Bool {
        switch node.literal?.value {
        case .string, .null: true
        default: false
        }
    }
}

extension StatementPlanner {
    /// The plan of an UPDATE that sets its table's sharding key to something else.
    func planKeyChange(
        _ change: KeyChange, _ query: BoundQuery, _ confinement: Confinement, _ usage: StatementUsage
    ) throws(Refusal) -> StatementPlan {
        if !context.acrossShards, let newKey = try change.newKey(),
            let route = confinement.merged(.bound([newKey])).route
        {
            return plan(.passThrough(route), "UPDATE", usage, effect: .writes, reason: "one shard: \(describe(route))")
        }
        try checkBinding()
        let move = try change.move()
        if let type = change.relation.columns.first(where: { !context.environment.writesExactText && !isPlain($0) }) {
            var refusal = Self.inexactText
            refusal.detail = "Column \"\(type.name)\" is such a value."
            throw refusal
        }
        let tree = try ParseTree(move.query)
        guard let node = tree.statements.first?.node else { throw SelectRewriting.notUnderstood }
        // What cannot be deleted so cannot be moved.
        if case .refuse(let refusal) = try StatementPlanner.plan(node, context.replacingText(move.query)).action { throw refusal }
        return plan(.insertFetched(move), "UPDATE", usage, effect: .writes, reason: "rows move to the shards of their new keys")
    }

    private func isPlain(_ column: Column) -> Bool { (try? checkExactText([SQLType(column)])) != nil }
}
