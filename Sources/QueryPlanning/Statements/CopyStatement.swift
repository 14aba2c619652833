// CopyStatement: COPY of tables and queries, from STDIN and to STDOUT.
import CPGQuery
import ShardMap

extension StatementClassifier {
    static let copyEntry = StatementFamily.Entry(kind: PG_QUERY__NODE__NODE_COPY_STMT, family: .copy, command: "COPY")

    func copy(_ node: Node) throws(Refusal) -> StatementPlan {
        guard let statement = node.copyStmt?.pointee else { throw Refusal("XX000", "not a COPY statement") }
        if statement.is_program != 0 || nonEmptyText(statement.filename) != nil {
            throw Refusal(
                "0A000", "COPY with a file or program of the server is not supported: each shard has its own files",
                hint: "Use COPY ... FROM STDIN or TO STDOUT, or psql's \\copy.")
        }
        if let query = Node(statement.query) { return try copyQuery(query, statement) }
        guard let table = statement.relation else { throw Refusal("XX000", "COPY names no table") }
        let reference = TableReference(table)
        if reference.isTemporary(in: context) {
            return StatementPlan(
                action: .passThrough(.home), effect: statement.is_from != 0 ? .writes : .reads, pins: .temporaryTable,
                isCopyIn: statement.is_from != 0, commandName: "COPY", reason: "temporary: home link")
        }
        guard let relation = reference.relation(in: context) else {
            throw Refusal(
                "42P01", "relation \"\(reference.displayName)\" does not exist")
        }
        return statement.is_from != 0
            ? try copyFrom(statement, reference, relation) : try copyTo(statement, reference, relation)
    }

    private func copyTo(
        _ statement: PgQuery__CopyStmt, _ reference: TableReference, _ relation: Relation
    ) throws(Refusal) -> StatementPlan {
        let action: Action
        switch relation.placement {
        case .sharded, .local:
            action = .copyOut(.all, text: context.statementText, options: try CopyOptionReader(statement, context).options)
        case .reference: action = .passThrough(.any)
        case .system: action = .passThrough(.catalog)
        case .unusable where relation.kind != "r" && relation.kind != "p": action = .passThrough(.any)
        case .unusable(let reason): throw unusable(relation, reason, reference)
        }
        var query: String?
        if CopyOptionReader.format(statement) == .binary, relation.placement != .system {
            let columns = try copiedColumns(statement, relation).map { SQLText.quoted(relation.columns[$0].name) }
            let table = "\(SQLText.quoted(relation.schema)).\(SQLText.quoted(relation.name))"
            query = "SELECT \(columns.joined(separator: ", ")) FROM \(table)"
        }
        return StatementPlan(action: action, effect: .reads, binaryCopyQuery: query, commandName: "COPY", reason: "table")
    }

    /// COPY (query) TO STDOUT: on one shard, or on each when its rows need no merging. COPY (INSERT ... RETURNING ...) too.
    private func copyQuery(_ query: Node, _ statement: PgQuery__CopyStmt) throws(Refusal) -> StatementPlan {
        let range = try StatementTokens(context).copied
        let inner = try inner(range).plan(query)
        let action: Action
        switch inner.action {
        case .passThrough(let route): action = .passThrough(route)
        case .scatter(let route, let plan) where plan.isConcatenation:
            action = .copyOut(route, text: context.statementText, options: try CopyOptionReader(statement, context).options)
        case .scatter: action = .copyQuery(try copyQueryPlan(range, statement))
        case .refuse where inner.drawing != nil && inner.effect == .reads: action = .copyQuery(try copyQueryPlan(range, statement))
        case .refuse(let refusal): throw refusal
        default:
            throw Refusal(
                "0A000", "COPY of a statement that changes rows on several shards is not supported",
                hint: "Bind it to one sharding key, or run it without COPY.")
        }
        // Rows that the proxy itself copies come from a query that tells their types.
        let isWritten = if case .copyQuery = action { true } else { false }
        let query = isWritten || CopyOptionReader.format(statement) != .binary ? nil : range.map { context.slice($0) }
        return StatementPlan(
            action: action, effect: inner.effect, pins: inner.pins, taintsLink: inner.taintsLink, binaryCopyQuery: query, commandName: "COPY",
            parameterCount: inner.parameterCount, reason: inner.reason)
    }

    private func copyQueryPlan(_ range: Range<Int>?, _ statement: PgQuery__CopyStmt) throws(Refusal) -> CopyQueryPlan {
        guard let range else { throw Refusal("0A000", "the query of this COPY cannot be found in its text") }
        return CopyQueryPlan(
            query: context.slice(range), charactersBefore: context.characterPosition(ofByte: range.lowerBound) - 1,
            textBefore: context.slice(context.range.lowerBound..<range.lowerBound),
            textAfter: context.slice(range.upperBound..<context.range.upperBound),
            isBinary: CopyOptionReader.format(statement) == .binary)
    }

    private func copyFrom(
        _ statement: PgQuery__CopyStmt, _ reference: TableReference, _ relation: Relation
    ) throws(Refusal) -> StatementPlan {
        let columns = try copiedColumns(statement, relation)
        let options = try CopyOptionReader(statement, context)
        var key: (placement: KeyPlacement, column: Int, limit: CharacterLimit?)?
        switch relation.placement {
        case .sharded(let index, let placement):
            let stored = ShardedKey(column: index, placement: placement, relation: relation)
            guard let position = columns.firstIndex(of: index) else { throw missingKey(stored) }
            try options.checkKey(stored, context)
            key = (placement, position, context.limit(of: stored))
        case .local:
            // One shard has all of it, and defaults are what they are there.
            return StatementPlan(
                action: .passThrough(.writer), effect: .writes, isCopyIn: true, commandName: "COPY", reason: "local table: the shard that the transaction writes")
        case .reference: break
        case .system:
            throw Refusal("42501", "permission denied for table \(relation.name)", position: context.position(reference.location))
        case .unusable(let reason): throw unusable(relation, reason, reference)
        }
        let isReference = relation.placement == .reference
        try checkCopyDefaults(relation, columns, isReference: isReference)
        try checkCopyFilter(statement, isReference: isReference)
        let plan = CopyInPlan(
            shardText: try copyText(statement, relation, columns), options: options.options, key: key,
            columns: columns.map { relation.columns[$0].name }, tableName: relation.name)
        return StatementPlan(
            action: .copyIn(.all, plan), effect: .writes, isCopyIn: true, commandName: "COPY",
            reason: isReference ? "reference table: every row to all shards" : "rows by key")
    }

    /// The columns a row of the data has: those listed, else all but generated ones.
    private func copiedColumns(_ statement: PgQuery__CopyStmt, _ relation: Relation) throws(Refusal) -> [Int] {
        let names = NodeList(statement.attlist, statement.n_attlist).strings
        if names.isEmpty { return relation.columns.indices.filter { relation.columns[$0].generation != "s" } }
        var columns: [Int] = []
        for name in names {
            guard let index = relation.columns.firstIndex(where: { $0.name == name }) else {
                throw Refusal("42703", "column \"\(name)\" of relation \"\(relation.name)\" does not exist")
            }
            columns.append(index)
        }
        return columns
    }

    /// Columns that are left out get their defaults on each shard by itself.
    private func checkCopyDefaults(_ relation: Relation, _ columns: [Int], isReference: Bool) throws(Refusal) {
        var inspection = ExpressionInspection(context)
        for index in relation.columns.indices where !columns.contains(index) {
            try inspection.addDefault(of: relation.columns[index])
        }
        let isSafe = isReference
            ? inspection.isSteady && !relation.hasTriggers
            : inspection.effects.isDisjoint(with: [.transactionTime, .unknown, .catalogRead])
        guard !isSafe else { return }
        throw Refusal(
            "0A000", "COPY into \"\(relation.name)\" would leave columns to defaults or triggers that differ from shard to shard",
            hint: "Name all columns in COPY and give their values in the data.")
    }

    /// WHERE is evaluated on each shard by itself.
    private func checkCopyFilter(_ statement: PgQuery__CopyStmt, isReference: Bool) throws(Refusal) {
        guard context.environment.shardCount > 1, let filter = Node(statement.where_clause) else { return }
        var inspection = ExpressionInspection(filter, context)
        TreeWalk.nodes(under: filter) { node in
            if case .string(let word)? = node.literal?.value, DateWords.isIn(word) { inspection.noteEffect(.transactionTime) }
            return .descend
        }
        let isSafe = isReference ? inspection.isSteady : inspection.effects.allSatisfy { $0 == .none }
        guard !isSafe || inspection.mayReadTables || inspection.hasSubquery else { return }
        throw Refusal(
            "0A000", "COPY with a WHERE that may differ from shard to shard is not supported",
            hint: "Compare with constants, or copy into another table and use INSERT ... SELECT.")
    }

    /// The statement with its column list written out: the shards' columns may have another order.
    private func copyText(_ statement: PgQuery__CopyStmt, _ relation: Relation, _ columns: [Int]) throws(Refusal) -> String {
        let tokens = try StatementTokens(context)
        guard statement.n_attlist == 0, let location = statement.relation?.pointee.location,
            var index = tokens.tokens.firstIndex(where: { $0.range.lowerBound == Int(location) }),
            let first = tokens.tokens.first, let last = tokens.tokens.last
        else { return context.statementText }
        while index + 2 < tokens.tokens.count, tokens.tokens[index + 1].kind == PG_QUERY__TOKEN__ASCII_46 { index += 2 }
        let end = tokens.tokens[index].range.upperBound
        let list = columns.map { SQLText.quoted(relation.columns[$0].name) }.joined(separator: ", ")
        return tokens.text(first.range.lowerBound..<end) + " (" + list + ")" + tokens.text(end..<last.range.upperBound)
    }

    private func unusable(_ relation: Relation, _ reason: String, _ reference: TableReference) -> Refusal {
        Refusal("0A000", "table \"\(relation.name)\" cannot be used: \(reason)", position: context.position(reference.location))
    }
}

extension ScatterPlan {
    /// The shards' rows, one after the other, are the answer.
    var isConcatenation: Bool {
        merge.sortKeys.isEmpty && merge.distinctColumns.isEmpty && merge.aggregate == nil && limit == nil && offset == nil
            && finisher == nil
    }
}
