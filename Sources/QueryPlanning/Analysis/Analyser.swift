// Analyser: the thorough door. Parses a text with PostgreSQL's own grammar and plans each of its statements.
import CPGQuery
import Primitives

/// Plans every statement of a text; keeps nothing between calls.
package struct Analyser: StatementAnalyser {
    /// Plans what is no query: utility statements, INSERT, COPY, DDL, SET ...
    typealias Classifier = (Node, AnalysisContext) throws(Refusal) -> StatementPlan
    private let classify: Classifier

    init(classify: @escaping Classifier) { self.classify = classify }

    package func analyse(
        text: String, parameterTypes: [UInt32], environment: PlanningEnvironment, acrossShards: Bool
    ) throws(Refusal) -> [PlannedStatement] {
        let tree = try ParseTree(text)
        var environment = environment
        let directives = try Directives(text)
        if directives.shard != nil { try check(tree) }
        if !directives.isEmpty, tree.statements.count != 1 { throw Directives.severalStatements }
        if let shard = directives.shard { environment.addressedShard = shard }
        var planned: [PlannedStatement] = []
        for statement in tree.statements {
            let context = AnalysisContext(
                environment: environment, text: text, range: statement.range, parameterTypes: parameterTypes, acrossShards: acrossShards)
            let plan = plan(statement.node, context)
            let keyed = directives.idempotencyKey.map { plan.changed(idempotencyKey: $0) } ?? plan
            planned.append(PlannedStatement(plan: keyed, range: statement.range))
        }
        if planned.isEmpty {
            let empty = StatementPlan(action: .empty, effect: .reads, commandName: "")
            planned.append(PlannedStatement(plan: empty, range: 0..<text.utf8.count))
        }
        return planned
    }

    /// - Throws: where a directive would not reach what is carried out: of several statements, or of one that is planned another time.
    private func check(_ tree: ParseTree) throws(Refusal) {
        let families: [StatementFamily] = [.query, .insert, .copy, .explain]
        guard tree.statements.count == 1, let family = StatementFamily.of(tree.statements[0].node.kind)?.family, families.contains(family) else {
            throw Refusal(
                "0A000", "a comment with an order to the proxy is for a query, INSERT, UPDATE, DELETE, COPY or EXPLAIN alone", hint: "SET pgbraid.shard holds for all statements.")
        }
    }

    /// - Throws: for a name that Swift would take for another one's.
    private func checkNames(_ context: AnalysisContext) throws(Refusal) {
        guard context.statementText.utf8.contains(where: { $0 >= 0x80 }), let tokens = TokenList(context) else { return }
        for token in tokens.tokens where token.kind == PG_QUERY__TOKEN__IDENT || token.kind == PG_QUERY__TOKEN__UIDENT {
            let name = context.slice(token.range)
            if !name.hasOneForm { throw .ambiguousName(name, position: context.position(token.range.lowerBound)) }
        }
    }

    /// One statement's plan; a refusal is a plan too, so that the statements before it run.
    private func plan(_ node: Node, _ context: AnalysisContext) -> StatementPlan {
        let plan = planOf(node, context)
        let runsTriggers = plan.effect != .reads && TableReference.all(in: node).contains {
            $0.relation(in: context).map { mayRunTriggers($0, context.environment.catalog) } ?? false
        }
        let seen = runsTriggers ? plan.runningTriggers() : plan
        let use = OutcomeUse(node, context)
        return use == .none ? seen : seen.changed(outcomeUse: use)
    }

    /// Writes to a view, a parent or a table that others refer to may reach tables that the statement does not name.
    private func mayRunTriggers(_ relation: Relation, _ catalog: Catalog) -> Bool {
        if relation.hasTriggers { return true }
        let reachesOthers = relation.kind == "v" || relation.hasChildren || !relation.referencingTables.isEmpty
        return reachesOthers && catalog.relations.contains(where: \.hasTriggers)
    }

    private func planOf(_ node: Node, _ context: AnalysisContext) -> StatementPlan {
        do throws(Refusal) {
            try checkNames(context)
            try ParameterNumbers.check(node, context)
            if let command = try IdempotencyKeyCommand(node) { return command.plan(node) }
            switch node.kind {
            case PG_QUERY__NODE__NODE_SELECT_STMT, PG_QUERY__NODE__NODE_UPDATE_STMT, PG_QUERY__NODE__NODE_DELETE_STMT,
                PG_QUERY__NODE__NODE_MERGE_STMT:
                return try TimeDrawing.plan(insteadOf: try StatementPlanner.plan(node, context), node, context)
            default: return try classify(node, context)
            }
        } catch {
            let command = node.kind == PG_QUERY__NODE__NODE_COPY_STMT ? "COPY" : ""
            return StatementPlan(
                action: .refuse(error), effect: .reads, commandName: command, reason: "refused: \(error.message)")
        }
    }
}
