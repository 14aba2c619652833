// OutcomeUse: whether a statement asks pgbraid.outcome what became of a request. Such a question is no part of a request, and runs each time. So nothing else
// may be in it: what a statement does beside the question would be done again by every retry.
import CPGQuery

/// What a statement has to do with pgbraid.outcome.
public enum OutcomeUse: Sendable, Equatable {
    /// Nothing.
    case none
    /// It is one SELECT of nothing but what the function answers with.
    case alone
    /// It does something else, too, or may do so.
    case mixed

    init(_ node: Node, _ context: AnalysisContext) {
        let text = context.statementText
        guard text.utf8.count >= Self.longText || text.lowercased().contains(Self.name) else {
            self = .none
            return
        }
        var isFound = false
        TreeWalk.nodes(under: node) { child in
            isFound = isFound || Self.isCall(child, context)
            return isFound ? .stop : .descend
        }
        self = !isFound ? .none : Self.isQuestion(node, context) ? .alone : .mixed
    }

    private static let name = "outcome"
    /// Above it, in bytes, the tree is looked at alone.
    private static let longText = 10_000

    /// Whether it is a call of the function. Without a schema the first of the search path that has such a function counts.
    private static func isCall(_ node: Node, _ context: AnalysisContext) -> Bool {
        guard let call = node.funcCall else { return false }
        let names = NodeList(call.pointee.funcname, call.pointee.n_funcname).strings
        guard names.last == name else { return false }
        if names.count > 1 { return names[names.count - 2] == ProxyTables.schema }
        let functions = context.environment.catalog.facts.functions[name] ?? []
        return context.environment.searchPath.first { schema in functions.contains { $0.schema == schema } } == ProxyTables.schema
    }

    /// SELECT of columns, constants and the call, from the call or from nothing.
    private static func isQuestion(_ node: Node, _ context: AnalysisContext) -> Bool {
        guard let select = node.selectStmt?.pointee else { return false }
        let sources = NodeList(select.from_clause, select.n_from_clause).nodes
        var rest = select
        rest.n_from_clause = 0
        guard StatementPlanner.isTargetListOnly(rest), sources.count <= 1, sources.allSatisfy({ isSource($0, context) }) else { return false }
        return NodeList(select.target_list, select.n_target_list).nodes.allSatisfy { target in
            guard let value = target.resTarget.flatMap({ Node($0.pointee.val) }) else { return false }
            if value.columnRef != nil || value.literal != nil { return true }
            let called = value.indirection.flatMap { Node($0.pointee.arg) } ?? value
            return isPlainCall(called, context)
        }
    }

    private static func isSource(_ node: Node, _ context: AnalysisContext) -> Bool {
        guard let function = node.rangeFunction?.pointee else { return false }
        let calls = NodeList(function.functions, function.n_functions).nodes
        guard calls.count == 1, let call = calls[0].listNode.flatMap({ NodeList($0.pointee.items, $0.pointee.n_items)[0] }) else { return false }
        return isPlainCall(call, context)
    }

    private static func isPlainCall(_ node: Node, _ context: AnalysisContext) -> Bool {
        guard isCall(node, context), let call = node.funcCall else { return false }
        return NodeList(call.pointee.args, call.pointee.n_args).nodes.allSatisfy(isValue)
    }

    /// A constant or a parameter, also as text.
    private static func isValue(_ node: Node) -> Bool {
        guard let cast = node.typeCast?.pointee else { return node.literal != nil || node.paramRef != nil }
        guard let type = cast.type_name?.pointee, let inner = Node(cast.arg), inner.typeCast == nil else { return false }
        let names = NodeList(type.names, type.n_names).strings
        return (names == ["text"] || names == ["pg_catalog", "text"] || names == ["pg_catalog", "varchar"]) && isValue(inner)
    }
}
