// Operators, calls and types as SQL text.
import CPGQuery

extension ExpressionPrinter {
    func printOperator(_ expression: Message<PgQuery__AExpr>, _ substitute: Substitution) throws(Refusal) -> String {
        let names = NodeList(expression.pointee.name, expression.pointee.n_name).strings
        let right = Node(expression.pointee.rexpr)
        let kind = expression.pointee.kind
        guard let leftNode = Node(expression.pointee.lexpr) else {
            return "(\(try printOperatorName(names)) \(try print(right, substitute)))"
        }
        let left = try print(leftNode, substitute)
        switch kind {
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP: return "(\(left) \(try printOperatorName(names)) \(try print(right, substitute)))"
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY: return "(\(left) \(try printOperatorName(names)) ANY (\(try print(right, substitute))))"
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL: return "(\(left) \(try printOperatorName(names)) ALL (\(try print(right, substitute))))"
        case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT: return "(\(left) IS DISTINCT FROM \(try print(right, substitute)))"
        case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT: return "(\(left) IS NOT DISTINCT FROM \(try print(right, substitute)))"
        case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF: return "NULLIF(\(left), \(try print(right, substitute)))"
        case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
            return "(\(left) \(names.last == "<>" ? "NOT IN" : "IN") (\(try items(right, substitute))))"
        case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE: return try like(left, names.last == "!~~" ? "NOT LIKE" : "LIKE", right, substitute)
        case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE: return try like(left, names.last == "!~~*" ? "NOT ILIKE" : "ILIKE", right, substitute)
        case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN: return try between(left, "BETWEEN", right, substitute)
        case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN: return try between(left, "NOT BETWEEN", right, substitute)
        case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM: return try between(left, "BETWEEN SYMMETRIC", right, substitute)
        case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM: return try between(left, "NOT BETWEEN SYMMETRIC", right, substitute)
        default: throw refusal("an operator")
        }
    }

    private func items(_ node: Node?, _ substitute: Substitution) throws(Refusal) -> String {
        guard let items = node?.listNode else { throw refusal("a list") }
        return try list(NodeList(items.pointee.items, items.pointee.n_items), substitute)
    }

    private func like(_ left: String, _ word: String, _ right: Node?, _ substitute: Substitution) throws(Refusal) -> String {
        if let call = right?.funcCall, FunctionNames.name(of: call) == "like_escape" {
            let arguments = NodeList(call.pointee.args, call.pointee.n_args)
            guard arguments.count == 2 else { throw refusal("LIKE") }
            return "(\(left) \(word) \(try print(arguments[0], substitute)) ESCAPE \(try print(arguments[1], substitute)))"
        }
        return "(\(left) \(word) \(try print(right, substitute)))"
    }

    private func between(_ left: String, _ word: String, _ right: Node?, _ substitute: Substitution) throws(Refusal) -> String {
        guard let bounds = right?.listNode, bounds.pointee.n_items == 2 else { throw refusal("BETWEEN") }
        let nodes = NodeList(bounds.pointee.items, 2)
        return "(\(left) \(word) \(try print(nodes[0], substitute)) AND \(try print(nodes[1], substitute)))"
    }

    // MARK: Calls

    func printCall(_ call: Message<PgQuery__FuncCall>, _ substitute: Substitution) throws(Refusal) -> String {
        if call.pointee.funcformat == PG_QUERY__COERCION_FORM__COERCE_SQL_SYNTAX { return try printSyntax(call, substitute) }
        let name = NodeList(call.pointee.funcname, call.pointee.n_funcname).strings.map(SQLText.quoted).joined(separator: ".")
        var inside = call.pointee.agg_star != 0 ? "*" : ""
        let arguments = NodeList(call.pointee.args, call.pointee.n_args)
        if call.pointee.func_variadic != 0 {
            var parts: [String] = []
            for (index, node) in arguments.enumerated() {
                parts.append((index == arguments.count - 1 ? "VARIADIC " : "") + (try print(node, substitute)))
            }
            inside += parts.joined(separator: ", ")
        } else {
            inside += try list(arguments, substitute)
        }
        if call.pointee.agg_distinct != 0 { inside = "DISTINCT " + inside }
        let order = try orderBy(NodeList(call.pointee.agg_order, call.pointee.n_agg_order), substitute)
        if call.pointee.agg_within_group == 0, !order.isEmpty { inside += " " + order }
        var text = "\(name)(\(inside))"
        if call.pointee.agg_within_group != 0 { text += " WITHIN GROUP (\(order))" }
        if let filter = Node(call.pointee.agg_filter) { text += " FILTER (WHERE \(try print(filter, substitute)))" }
        if let window = call.pointee.over { text += " OVER " + (try printWindow(window, substitute)) }
        return text
    }

    /// Functions with a syntax of their own: only those whose plain call is the same tree are left out.
    private func printSyntax(_ call: Message<PgQuery__FuncCall>, _ substitute: Substitution) throws(Refusal) -> String {
        let arguments = NodeList(call.pointee.args, call.pointee.n_args)
        switch FunctionNames.name(of: call) {
        case "extract" where arguments.count == 2:
            guard case .string(let field)? = arguments[0]?.literal?.value else { throw refusal("EXTRACT") }
            return "EXTRACT(\(SQLText.quoted(field)) FROM \(try print(arguments[1], substitute)))"
        case "timezone" where arguments.count == 2:
            return "(\(try print(arguments[1], substitute)) AT TIME ZONE \(try print(arguments[0], substitute)))"
        case "substring" where arguments.count == 3:
            let parts = try [print(arguments[0], substitute), print(arguments[1], substitute), print(arguments[2], substitute)]
            return "SUBSTRING(\(parts[0]) FROM \(parts[1]) FOR \(parts[2]))"
        case "substring" where arguments.count == 2:
            return "SUBSTRING(\(try print(arguments[0], substitute)) FROM \(try print(arguments[1], substitute)))"
        case "position" where arguments.count == 2:
            return "POSITION(\(try print(arguments[1], substitute)) IN \(try print(arguments[0], substitute)))"
        case "btrim": return "TRIM(BOTH FROM \(try list(arguments, substitute)))"
        case "ltrim": return "TRIM(LEADING FROM \(try list(arguments, substitute)))"
        case "rtrim": return "TRIM(TRAILING FROM \(try list(arguments, substitute)))"
        default: throw refusal("a function with a syntax of its own")
        }
    }

    func orderBy(_ list: NodeList, _ substitute: Substitution) throws(Refusal) -> String {
        var parts: [String] = []
        for sort in list.nodes.compactMap(\.sortBy) { parts.append(try printSort(sort, substitute)) }
        return parts.isEmpty ? "" : "ORDER BY " + parts.joined(separator: ", ")
    }

    private func printSort(_ sort: Message<PgQuery__SortBy>, _ substitute: Substitution) throws(Refusal) -> String {
        var text = try print(Node(sort.pointee.node), substitute)
        switch sort.pointee.sortby_dir {
        case PG_QUERY__SORT_BY_DIR__SORTBY_ASC: text += " ASC"
        case PG_QUERY__SORT_BY_DIR__SORTBY_DESC: text += " DESC"
        case PG_QUERY__SORT_BY_DIR__SORTBY_USING:
            text += " USING " + (try printOperatorName(NodeList(sort.pointee.use_op, sort.pointee.n_use_op).strings))
        default: break
        }
        switch sort.pointee.sortby_nulls {
        case PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST: text += " NULLS FIRST"
        case PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST: text += " NULLS LAST"
        default: break
        }
        return text
    }

    // MARK: Windows

    func printWindow(_ window: Message<PgQuery__WindowDef>, _ substitute: Substitution) throws(Refusal) -> String {
        if let name = nonEmptyText(window.pointee.name) { return SQLText.quoted(name) }
        return try printWindowBody(window, substitute)
    }

    func printWindowBody(_ window: Message<PgQuery__WindowDef>, _ substitute: Substitution) throws(Refusal) -> String {
        var parts: [String] = []
        if let base = nonEmptyText(window.pointee.refname) { parts.append(SQLText.quoted(base)) }
        let partition = NodeList(window.pointee.partition_clause, window.pointee.n_partition_clause)
        if !partition.isEmpty { parts.append("PARTITION BY " + (try list(partition, substitute))) }
        let order = try orderBy(NodeList(window.pointee.order_clause, window.pointee.n_order_clause), substitute)
        if !order.isEmpty { parts.append(order) }
        if let frame = try WindowFrame(window, self, substitute)?.text { parts.append(frame) }
        return "(" + parts.joined(separator: " ") + ")"
    }
}

/// A window's frame clause from its option bits.
///
/// Source: FRAMEOPTION_* in src/include/nodes/parsenodes.h.
struct WindowFrame {
    let text: String

    init?(_ window: Message<PgQuery__WindowDef>, _ printer: ExpressionPrinter, _ substitute: ExpressionPrinter.Substitution) throws(Refusal) {
        let options = Int(window.pointee.frame_options)
        guard options & 0x1 != 0 else { return nil }
        var text = options & 0x2 != 0 ? "RANGE " : options & 0x4 != 0 ? "ROWS " : "GROUPS "
        let start = try Self.bound(options, [0x20, 0x80, 0x200, 0x800, 0x2000], Node(window.pointee.start_offset), printer, substitute)
        let end = try Self.bound(options, [0x40, 0x100, 0x400, 0x1000, 0x4000], Node(window.pointee.end_offset), printer, substitute)
        text += options & 0x10 != 0 ? "BETWEEN \(start) AND \(end)" : start
        if options & 0x8000 != 0 { text += " EXCLUDE CURRENT ROW" }
        if options & 0x10000 != 0 { text += " EXCLUDE GROUP" }
        if options & 0x20000 != 0 { text += " EXCLUDE TIES" }
        self.text = text
    }

    /// - Parameter bits: unbounded preceding, unbounded following, current row, offset preceding, offset following.
    private static func bound(
        _ options: Int, _ bits: [Int], _ offset: Node?, _ printer: ExpressionPrinter, _ substitute: ExpressionPrinter.Substitution
    ) throws(Refusal) -> String {
        if options & bits[0] != 0 { return "UNBOUNDED PRECEDING" }
        if options & bits[1] != 0 { return "UNBOUNDED FOLLOWING" }
        if options & bits[2] != 0 { return "CURRENT ROW" }
        let value = try printer.print(offset, substitute)
        return value + (options & bits[3] != 0 ? " PRECEDING" : " FOLLOWING")
    }
}
