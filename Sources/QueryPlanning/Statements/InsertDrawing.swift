// InsertDrawing: an INSERT whose rows hold what only one server may choose: the number a sequence gives, the time, a random
// value, as a default or as a value of its own. These are drawn first, on one shard, and written into the text.
//
// Only values whose text means the same in the column are drawn: a column's default, cast to the column's type, and of written
// values only plain calls whose type is the column's.
import CPGQuery

/// Builds a text with gaps for drawn values.
struct DrawBuilder {
    private(set) var pieces = [""]
    private var expressions: [String] = []

    mutating func add(_ text: String) { pieces[pieces.count - 1] += text }

    /// A gap for the value of `expression`, as a value of the type of this SQL name.
    mutating func draw(_ expression: String, as type: String) {
        expressions.append("(" + expression + ")")
        add("CAST(")
        pieces.append(" AS " + type + ")")
    }

    /// So many columns a query of PostgreSQL's may have.
    private static let widest = 1664

    /// nil if nothing is to be drawn.
    var plan: DrawPlan? {
        if expressions.isEmpty { return nil }
        let rows = stride(from: 0, to: expressions.count, by: Self.widest).map { start in
            "SELECT " + expressions[start..<min(start + Self.widest, expressions.count)].joined(separator: ", ")
        }
        return DrawPlan(query: rows.joined(separator: "; "), pieces: pieces)
    }
}

struct InsertDrawing {
    let classifier: StatementClassifier
    let target: InsertTarget
    let rows: [NodeList]
    /// Which effects make a value one to draw.
    let isDrawn: (ExpressionInspection, _ column: Int) -> Bool

    private var context: AnalysisContext { classifier.context }

    /// The plan of drawing all values that must be; nil if there is one that cannot be drawn, or none.
    func plan() throws(Refusal) -> DrawPlan? {
        guard target.source?.isPlainValues ?? true, target.statement.with_clause == nil, rows.allSatisfy({ $0.isReplaceable(in: target) })
        else { return nil }
        // Their parts would be lost with the list.
        if NodeList(target.statement.cols, target.statement.n_cols).nodes.contains(where: { ($0.resTarget?.pointee.n_indirection ?? 0) > 0 }) { return nil }
        try checkGenerated()
        let tokens = try StatementTokens(context)
        guard let layout = InsertLayout(tokens, target, rowCount: rows.count) else { return nil }
        let width = rows.first?.count ?? 0
        let given = Array(target.columns.prefix(width))
        var added: [Int] = []
        for column in target.relation.columns.indices where !given.contains(column) {
            guard let expression = defaultExpression(column) else { continue }
            if isDrawn(try inspection(expression), column) { added.append(column) }
            if added.last == column, !isWrittenExactly(column) { throw StatementPlanner.inexactText }
        }
        let names = (given + added).map { SQLText.quoted(target.relation.columns[$0].name) }.joined(separator: ", ")
        var builder = DrawBuilder()
        builder.add(layout.head + " (" + names + ")" + overriding(added + given.filter(isReplacedDefault)) + " VALUES ")
        for index in 0..<max(rows.count, 1) {
            builder.add(index == 0 ? "(" : ", (")
            guard try add(row: index, layout, given, &builder) else { return nil }
            for (position, column) in added.enumerated() {
                builder.add(given.isEmpty && position == 0 ? "" : ", ")
                draw(default: defaultExpression(column) ?? "NULL", column, &builder)
            }
            builder.add(")")
        }
        builder.add(layout.tail)
        return builder.plan
    }

    /// PostgreSQL takes only DEFAULT for a column GENERATED ALWAYS, which the rewritten statement would not show.
    private func checkGenerated() throws(Refusal) {
        guard target.statement.override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_NOT_SET else { return }
        for (position, column) in target.columns.enumerated() where target.relation.columns[column].generation == "a" {
            let values = rows.compactMap { position < $0.count ? $0[position] : nil }
            guard values.contains(where: { $0.setToDefault == nil }) else { continue }
            let name = target.relation.columns[column].name
            throw Refusal(
                "428C9", "cannot insert a non-DEFAULT value into column \"\(name)\"", detail: "Column \"\(name)\" is an identity column defined as GENERATED ALWAYS.",
                hint: "Use OVERRIDING SYSTEM VALUE to override.")
        }
    }

    /// - Returns: false if a value must be drawn and cannot.
    private func add(row: Int, _ layout: InsertLayout, _ given: [Int], _ builder: inout DrawBuilder) throws(Refusal) -> Bool {
        guard row < rows.count else { return true }
        for (position, column) in given.enumerated() {
            builder.add(position == 0 ? "" : ", ")
            guard let value = rows[row][position] else { return false }
            if value.setToDefault != nil || target.overridden.contains(column) {
                let expression = defaultExpression(column)
                if let expression, isDrawn(try inspection(expression), column) {
                    guard isWrittenExactly(column) else { throw StatementPlanner.inexactText }
                    draw(default: expression, column, &builder)
                } else {
                    builder.add("DEFAULT")
                }
                continue
            }
            guard isDrawn(classifier.inspection(of: value, in: target.relation.columns[column]), column) else {
                builder.add(layout.items[row][position])
                continue
            }
            guard isDrawable(value, for: target.relation.columns[column]) else { return false }
            guard isWrittenExactly(column) else { throw StatementPlanner.inexactText }
            builder.draw(drawnText(value, layout.items[row][position], column), as: typeName(column))
        }
        return true
    }

    /// What pg_get_expr prints lacks the cast of the assignment. A modifier of the type is left to the INSERT, since an explicit cast to
    /// varchar(n) cuts what an assignment refuses. An identity's number needs no privilege on the sequence, other than nextval.
    private func draw(default expression: String, _ column: Int, _ builder: inout DrawBuilder) {
        let type = typeName(column)
        let definition = target.relation.columns[column]
        if definition.isIdentity {
            let table = "\(SQLText.literal(tableName))::pg_catalog.regclass"
            return builder.draw("pgbraid.next_identity(\(table), \(SQLText.literal(definition.name)))", as: type)
        }
        builder.draw("CAST(\(expression) AS \(type))", as: type)
    }

    /// The session's settings do not change the column's values on their way through text.
    private func isWrittenExactly(_ column: Int) -> Bool {
        let styled = [TypeOID.timestamptz, TypeOID.timetz, TypeOID.float4, TypeOID.float8]
        return context.environment.writesExactText || !styled.contains(target.relation.columns[column].typeOID)
    }

    /// 'now' must become a time before it is drawn.
    private func drawnText(_ value: Node, _ text: String, _ column: Int) -> String {
        value.literal == nil ? text : "CAST(" + text + " AS " + typeName(column) + ")"
    }

    private func isReplacedDefault(_ column: Int) -> Bool {
        guard let position = target.columns.firstIndex(of: column) else { return false }
        return target.overridden.contains(column) || rows.contains { position < $0.count && $0[position]?.setToDefault != nil }
    }

    /// Identity columns that are GENERATED ALWAYS take a value only if the statement says so.
    private func overriding(_ columns: [Int]) -> String {
        if target.statement.override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_SYSTEM_VALUE { return " OVERRIDING SYSTEM VALUE" }
        return columns.contains { target.relation.columns[$0].generation == "a" } ? " OVERRIDING SYSTEM VALUE" : ""
    }

    /// A plain call or time word whose text the column reads as the same value.
    private func isDrawable(_ value: Node, for column: Column) -> Bool {
        let inspection = ExpressionInspection(value, context)
        if inspection.hasParameter || inspection.hasSubquery || inspection.hasColumn || inspection.returnsSet
            || !inspection.effects.isSubset(of: [.none, .transactionTime, .freshValue, .sequenceWrite]) { return false }
        if value.literal != nil { return true }
        guard let type = valueType(value) else { return false }
        return type == column.typeOID || Self.alike[type]?.contains(column.typeOID) ?? false
    }

    /// Types whose text is read as what assignment would make of the value.
    private static let alike: [UInt32: Set<UInt32>] = [20: [21, 23], 23: [20], 1184: [1114, 1082], 1114: [1082], 19: [25, 1043], 25: [1043]]

    private func valueType(_ value: Node) -> UInt32? {
        if let call = value.funcCall?.pointee {
            let names = NodeList(call.funcname, call.n_funcname).strings
            return FunctionCatalog.lookup(
                schema: names.count > 1 ? names[0] : nil, name: names.last ?? "", argumentCount: Int(call.n_args),
                catalog: context.environment.catalog, searchPath: context.environment.searchPath)?.returnTypeOID
        }
        switch value.sqlvalueFunction?.pointee.op {
        case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG: return TypeOID.name
        case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE: return 1082
        case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP, PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N:
            return 1184
        case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP, PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N: return 1114
        case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME, PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME_N: return 1266
        case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME, PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N: return 1083
        default: return nil
        }
    }

    /// The default as SQL: the column's own, its domain's, or the next number of its identity.
    private func defaultExpression(_ column: Int) -> String? {
        let definition = target.relation.columns[column]
        if definition.generation == "s" { return nil }
        if definition.isIdentity {
            return "pg_catalog.nextval(pg_catalog.pg_get_serial_sequence(\(SQLText.literal(tableName)), \(SQLText.literal(definition.name))))"
        }
        return definition.defaultExpression ?? context.environment.catalog.facts.types[definition.typeOID]?.defaultExpression
    }

    private var tableName: String { SQLText.quoted(target.relation.schema) + "." + SQLText.quoted(target.relation.name) }

    private func inspection(_ expression: String) throws(Refusal) -> ExpressionInspection {
        var inspection = ExpressionInspection(context)
        let tree = try ParseTree("SELECT " + expression)
        for statement in tree.statements { inspection.add(statement.node) }
        return inspection
    }

    /// The column's type, or what is under its domain, without a modifier.
    private func typeName(_ column: Int) -> String {
        let types = context.environment.catalog.facts.types
        guard var type = types[target.relation.columns[column].typeOID] else { return "pg_catalog.text" }
        while let base = types[type.baseTypeOID] { type = base }
        return SQLText.quoted(type.schema) + "." + SQLText.quoted(type.name)
    }
}

extension NodeList {
    /// Of a row of VALUES: what OVERRIDING USER VALUE leaves aside is nothing but numbers, NULL and DEFAULT, which can be left out
    /// without an error or a parameter's type being lost.
    func isReplaceable(in target: InsertTarget) -> Bool {
        zip(nodes, target.columns).allSatisfy { value, column in
            guard target.overridden.contains(column), value.setToDefault == nil else { return true }
            switch value.literal?.value {
            case .integer, .number, .null: return true
            default: return false
            }
        }
    }
}

/// The text of INSERT ... VALUES or DEFAULT VALUES in pieces: what stands before the column list, the values, what follows.
struct InsertLayout {
    var head: String
    /// The values' texts, row by row.
    var items: [[String]] = []
    var tail: String

    init?(_ tokens: StatementTokens, _ target: InsertTarget, rowCount: Int) {
        guard let keyword = tokens.firstOutside(PG_QUERY__TOKEN__VALUES), keyword > 2, let last = tokens.tokens.last else { return nil }
        let listEnd = [PG_QUERY__TOKEN__ASCII_40, PG_QUERY__TOKEN__OVERRIDING, PG_QUERY__TOKEN__DEFAULT, PG_QUERY__TOKEN__VALUES]
            .compactMap { tokens.firstOutside($0) }.min() ?? keyword
        guard listEnd > 2 else { return nil }
        head = tokens.text(0, listEnd)
        var position = keyword + 1
        for row in 0..<rowCount {
            guard let items = tokens.items(open: position), let close = tokens.closing(position) else { return nil }
            self.items.append(items)
            position = close + (row < rowCount - 1 ? 2 : 1)
        }
        tail = tokens.text(tokens.tokens[position - 1].range.upperBound..<last.range.upperBound)
    }
}
