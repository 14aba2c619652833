// ExpressionPrinter: an expression of the tree as SQL text, with parts replaced. Only for what cannot be kept as the client
// wrote it: the target lists of partial aggregates and finishers.
//
// Every operator gets parentheses, so that no precedence has to be known; subqueries are cut from the client's text.
// A printed expression is parsed and compared with its tree before it is used.
import CPGQuery

struct ExpressionPrinter {
    /// Where subqueries are cut from; nil refuses them.
    let rewriting: SelectRewriting?
    /// The text that takes a node's place; nil for nodes that are printed.
    typealias Substitution = (Node) throws(Refusal) -> String?

    /// The expression as it stands, proved to mean the same.
    func print(_ node: Node) throws(Refusal) -> String {
        let text = try print(node) { _ throws(Refusal) in nil }
        try verify(text, node)
        return text
    }

    /// The expression with parts replaced; what surrounds them is proved as in `print(_:)`.
    func printReplacing(_ node: Node, _ substitute: @escaping Substitution) throws(Refusal) -> String {
        _ = try print(node)
        return try print(node, substitute)
    }

    private func verify(_ text: String, _ node: Node) throws(Refusal) {
        guard let tree = try? ParseTree("SELECT " + text), let select = tree.statements.first?.node.selectStmt,
            select.pointee.n_target_list == 1,
            let target = NodeList(select.pointee.target_list, 1)[0]?.resTarget, let value = Node(target.pointee.val),
            nonEmptyText(target.pointee.name) == nil, TreeComparison.isEqual(value, node)
        else { throw refusal("an expression") }
    }

    func refusal(_ what: String) -> Refusal {
        Refusal("0A000", "cannot run this statement over several shards: \(what) cannot be rewritten")
    }

    func print(_ node: Node?, _ substitute: Substitution) throws(Refusal) -> String {
        guard let node else { throw refusal("an absent expression") }
        if let replaced = try substitute(node) { return replaced }
        if let literal = node.literal { return Self.print(literal.value) }
        if let column = node.columnRef { return try printColumn(column) }
        if let parameter = node.paramRef { return "$\(parameter.pointee.number)" }
        if let call = node.funcCall { return try printCall(call, substitute) }
        if let expression = node.operatorExpression { return try printOperator(expression, substitute) }
        if let cast = node.typeCast {
            return "CAST(\(try print(Node(cast.pointee.arg), substitute)) AS \(try printType(cast.pointee.type_name)))"
        }
        if let bool = node.boolExpr { return try printBool(bool, substitute) }
        if let sublink = node.subLink { return try printSublink(sublink, substitute) }
        return try printStructure(node, substitute)
    }

    func list(_ list: NodeList, _ substitute: Substitution) throws(Refusal) -> String {
        var parts: [String] = []
        for node in list { parts.append(try print(node, substitute)) }
        return parts.joined(separator: ", ")
    }

    static func print(_ literal: Literal) -> String {
        switch literal {
        case .integer(let value): value < 0 ? "(\(value))" : "\(value)"
        case .number(let digits): digits.hasPrefix("-") ? "(\(digits))" : digits
        case .boolean(let value): value ? "true" : "false"
        case .string(let value): SQLText.literal(value)
        case .bitString(let value): (value.first.map(String.init) ?? "b") + "'" + value.dropFirst() + "'"
        case .null: "NULL"
        }
    }

    private func printColumn(_ column: Message<PgQuery__ColumnRef>) throws(Refusal) -> String {
        let fields = NodeList(column.pointee.fields, column.pointee.n_fields)
        let names = fields.strings
        guard names.count == fields.count else { throw refusal("a whole row") }
        return names.map(SQLText.quoted).joined(separator: ".")
    }

    private func printBool(_ bool: Message<PgQuery__BoolExpr>, _ substitute: Substitution) throws(Refusal) -> String {
        let arguments = NodeList(bool.pointee.args, bool.pointee.n_args)
        if bool.pointee.boolop == PG_QUERY__BOOL_EXPR_TYPE__NOT_EXPR { return "(NOT \(try list(arguments, substitute)))" }
        var parts: [String] = []
        for argument in arguments { parts.append(try print(argument, substitute)) }
        let word = bool.pointee.boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR ? " AND " : " OR "
        return "(" + parts.joined(separator: word) + ")"
    }

    /// Cut from the client's text; nothing inside is replaced.
    private func printSublink(_ sublink: Message<PgQuery__SubLink>, _ substitute: Substitution) throws(Refusal) -> String {
        guard let select = Node(sublink.pointee.subselect), let text = rewriting?.parenthesised(select, sublink) else {
            throw refusal("a subquery")
        }
        let operatorName = NodeList(sublink.pointee.oper_name, sublink.pointee.n_oper_name).strings
        switch sublink.pointee.sub_link_type {
        case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK: return "EXISTS " + text
        case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK: return "ARRAY " + text
        case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK: return text
        case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK:
            let left = try print(Node(sublink.pointee.testexpr), substitute)
            return operatorName.isEmpty ? "(\(left) IN \(text))" : "(\(left) \(try printOperatorName(operatorName)) ANY \(text))"
        case PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK:
            let left = try print(Node(sublink.pointee.testexpr), substitute)
            return "(\(left) \(try printOperatorName(operatorName)) ALL \(text))"
        default: throw refusal("a subquery")
        }
    }

    func printOperatorName(_ names: [String]) throws(Refusal) -> String {
        guard let name = names.last else { throw refusal("an operator") }
        if names.count == 1 { return name }
        return "OPERATOR(" + names.dropLast().map(SQLText.quoted).joined(separator: ".") + "." + name + ")"
    }
}
