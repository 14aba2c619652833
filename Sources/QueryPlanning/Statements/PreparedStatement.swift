// PreparedStatement: PREPARE, EXECUTE and DEALLOCATE of SQL. The body and the arguments are kept as text: they are planned
// when they are executed.
import CPGQuery

extension StatementClassifier {
    func prepare(_ node: Node) throws(Refusal) -> StatementPlan {
        let tokens = try StatementTokens(context)
        guard let statement = node.prepareStmt?.pointee, let keyword = tokens.firstOutside(PG_QUERY__TOKEN__AS),
            let last = tokens.tokens.last, keyword + 1 < tokens.tokens.count
        else { throw Refusal("XX000", "PREPARE could not be read") }
        let types = NodeList(statement.argtypes, statement.n_argtypes)
        let body = tokens.text(tokens.tokens[keyword + 1].range.lowerBound..<last.range.upperBound)
        let command = PreparedCommand.prepare(
            name: text(statement.name), typeNames: types.isEmpty ? [] : tokens.items(open: 2) ?? [], body: body)
        return StatementPlan(action: .prepared(command), effect: .reads, commandName: "PREPARE")
    }


    func execute(_ node: Node) throws(Refusal) -> StatementPlan {
        guard let statement = node.executeStmt?.pointee else { throw Refusal("XX000", "not an EXECUTE statement") }
        let tokens = try StatementTokens(context)
        let arguments = statement.n_params == 0 ? [] : tokens.items(open: 2)
        guard let arguments, arguments.count == Int(statement.n_params) else {
            throw Refusal("XX000", "the arguments of EXECUTE could not be read")
        }
        let values = zip(arguments, NodeList(statement.params, statement.n_params)).map { argument($1, text: $0) }
        return StatementPlan(
            action: .prepared(.execute(name: text(statement.name), arguments: values)), effect: .unknown, commandName: "EXECUTE")
    }

    private func argument(_ node: Node?, text: String) -> ExecuteArgument {
        guard let cast = node?.typeCast?.pointee else { return ExecuteArgument(text: text, literal: node.flatMap(argumentLiteral), castOID: nil) }
        guard let name = cast.type_name?.pointee, name.n_typmods == 0, let type = typeOID(name), let inner = Node(cast.arg) else {
            return ExecuteArgument(text: text, literal: nil, castOID: nil)
        }
        return ExecuteArgument(text: text, literal: argumentLiteral(inner), castOID: type)
    }

    /// A literal; a number may have plus signs before it.
    private func argumentLiteral(_ node: Node) -> Literal? {
        if let literal = node.literal { return literal.value }
        guard let sign = node.operatorExpression?.pointee, sign.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP, Node(sign.lexpr) == nil,
            NodeList(sign.name, sign.n_name).strings == ["+"], context.environment.catalog.facts.operators["+"] == nil,
            let operand = Node(sign.rexpr), let literal = operand.literal
        else { return nil }
        switch literal.value {
        case .integer, .number: return literal.value
        default: return nil
        }
    }

    func deallocate(_ node: Node) -> StatementPlan {
        let name = node.deallocateStmt.flatMap { nonEmptyText($0.pointee.name) }
        return StatementPlan(
            action: .prepared(.deallocate(name: name)), effect: .reads, commandName: name == nil ? "DEALLOCATE ALL" : "DEALLOCATE")
    }
}
