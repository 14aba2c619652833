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
        return StatementPlan(
            action: .prepared(.execute(name: text(statement.name), arguments: arguments)), effect: .unknown, commandName: "EXECUTE")
    }

    func deallocate(_ node: Node) -> StatementPlan {
        let name = node.deallocateStmt.flatMap { nonEmptyText($0.pointee.name) }
        return StatementPlan(
            action: .prepared(.deallocate(name: name)), effect: .reads, commandName: name == nil ? "DEALLOCATE ALL" : "DEALLOCATE")
    }
}
