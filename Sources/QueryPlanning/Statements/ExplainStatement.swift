// ExplainStatement: EXPLAIN of what one shard answers goes there untouched.
import CPGQuery

extension StatementClassifier {
    func explain(_ node: Node) throws(Refusal) -> StatementPlan {
        guard let statement = node.explainStmt?.pointee, let query = Node(statement.query) else {
            throw Refusal("XX000", "not an EXPLAIN statement")
        }
        if query.executeStmt != nil {
            throw Refusal("0A000", "EXPLAIN EXECUTE is not supported", hint: "Explain the prepared statement's text.")
        }
        let inner = try inner(StatementTokens(context).explained(optionCount: statement.n_options)).plan(query)
        guard case .passThrough(let route) = inner.action else {
            throw Refusal(
                "0A000", "EXPLAIN of a statement for several shards is not supported",
                detail: inner.reason.isEmpty ? nil : inner.reason, hint: "Bind the statement to one sharding key.")
        }
        let runs = Self.isAnalyze(NodeList(statement.options, statement.n_options))
        return StatementPlan(
            action: .passThrough(route), effect: runs ? inner.effect : .reads, pins: inner.pins, taintsLink: runs && inner.taintsLink,
            commandName: "EXPLAIN", parameterCount: inner.parameterCount, reason: inner.reason)
    }

    private static func isAnalyze(_ options: NodeList) -> Bool {
        options.nodes.compactMap(\.defElem).contains { option in
            text(option.pointee.defname) == "analyze" && DefinitionOption.isTrue(option)
        }
    }
}

/// Options of the form `name`, `name value` (DefElem).
enum DefinitionOption {
    /// A boolean option's value; an option without a value is on (`defGetBoolean`).
    static func isTrue(_ option: Message<PgQuery__DefElem>) -> Bool {
        guard let argument = Node(option.pointee.arg) else { return true }
        if let number = argument.integerNode { return number.pointee.ival != 0 }
        if let value = argument.booleanNode { return value.pointee.boolval != 0 }
        return SettingValues.boolean(argument.string ?? "") != false
    }

    /// A text option's value.
    static func string(_ option: Message<PgQuery__DefElem>) -> String? { Node(option.pointee.arg)?.string }
}
