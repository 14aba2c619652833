// CursorStatement: DECLARE, FETCH, MOVE and CLOSE. A cursor lives on the link of the one shard its query needs.
import CPGQuery

extension StatementClassifier {
    /// CURSOR_OPT_HOLD of src/include/nodes/parsenodes.h.
    private static let holdOption: Int32 = 0x20

    func declareCursor(_ node: Node) throws(Refusal) -> StatementPlan {
        guard let statement = node.declareCursorStmt?.pointee, let query = Node(statement.query) else {
            throw Refusal("XX000", "not a DECLARE statement")
        }
        let inner = try inner(StatementTokens(context).declared).planQuery(query)
        guard case .passThrough(let route) = inner.action else {
            throw Refusal(
                "0A000", "cursors over several shards are not supported",
                hint: "Bind the query to one sharding key, or use the query itself: the proxy sends its rows as they come.")
        }
        let isHeld = statement.options & Self.holdOption != 0
        return StatementPlan(
            action: .cursor(.declare(name: text(statement.portalname), route, isHeld: isHeld)), effect: inner.effect,
            pins: isHeld ? inner.pins.union(.holdCursor) : inner.pins, taintsLink: inner.taintsLink, commandName: "DECLARE CURSOR",
            parameterCount: inner.parameterCount, reason: inner.reason)
    }

    func fetch(_ node: Node) -> StatementPlan {
        let name = node.fetchStmt.map { text($0.pointee.portalname) } ?? ""
        return StatementPlan(
            action: .cursor(.use(name: name)), effect: .unknown,
            commandName: node.fetchStmt?.pointee.ismove == 0 ? "FETCH" : "MOVE")
    }

    func closeCursor(_ node: Node) -> StatementPlan {
        guard let name = node.closePortalStmt.flatMap({ nonEmptyText($0.pointee.portalname) }) else {
            return StatementPlan(action: .cursor(.closeAll), effect: .reads, commandName: "CLOSE CURSOR ALL")
        }
        return StatementPlan(action: .cursor(.use(name: name)), effect: .reads, commandName: "CLOSE CURSOR")
    }
}
