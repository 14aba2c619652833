// CursorStatement: DECLARE, FETCH, MOVE and CLOSE. A cursor lives on the link of the one shard its query needs; the rows of a
// query over several shards are put together by the proxy, which then is where the cursor lives.
import CPGQuery
import ResultMerging

extension StatementClassifier {
    func declareCursor(_ node: Node) throws(Refusal) -> StatementPlan {
        guard let statement = node.declareCursorStmt?.pointee, let query = Node(statement.query),
            let range = try StatementTokens(context).declared
        else { throw Refusal("XX000", "not a DECLARE statement") }
        let options = CursorOptions(rawValue: statement.options)
        let inner = inner(range)
        let plan = try TimeDrawing.plan(insteadOf: try inner.planQuery(query), query, inner.context)
        if let drawing = plan.drawing { return declareDrawn(drawing, plan, from: range.lowerBound) }
        let source: CursorQuery
        switch plan.action {
        case .passThrough(let route): source = .oneShard(route)
        case .scatter:
            try options.check(query)
            source = .severalShards(plan, range: range)
        default:
            throw Refusal(
                "0A000", "a cursor cannot lock rows of reference tables",
                hint: "Lock them with a SELECT of their own, and declare the cursor without FOR UPDATE or FOR SHARE.")
        }
        let isHeld = options.contains(.hold)
        let declaration = CursorDeclaration(
            name: text(statement.portalname), isHeld: isHeld, isBinary: options.contains(.binary), scrolling: options.scrolling, query: source)
        var pins = plan.pins
        if isHeld, case .oneShard = source { pins.insert(.holdCursor) }
        return StatementPlan(
            action: .cursor(.declare(declaration)), effect: plan.effect, pins: pins, taintsLink: plan.taintsLink,
            commandName: "DECLARE CURSOR", parameterCount: plan.parameterCount, reason: plan.reason)
    }

    /// The query's time is drawn first; then the whole statement is planned anew.
    private func declareDrawn(_ drawing: DrawPlan, _ plan: StatementPlan, from start: Int) -> StatementPlan {
        var drawing = drawing
        drawing.pieces[0] = context.slice(context.range.lowerBound..<start) + drawing.pieces[0]
        return StatementPlan(
            action: plan.action, effect: plan.effect, pins: plan.pins, taintsLink: plan.taintsLink, commandName: "DECLARE CURSOR",
            parameterCount: plan.parameterCount, drawing: drawing, reason: plan.reason)
    }

    func fetch(_ node: Node) throws(Refusal) -> StatementPlan {
        guard let statement = node.fetchStmt?.pointee else { throw Refusal("XX000", "not a FETCH statement") }
        let direction: CursorMovement.Direction =
            switch statement.direction {
            case PG_QUERY__FETCH_DIRECTION__FETCH_BACKWARD: .backward
            case PG_QUERY__FETCH_DIRECTION__FETCH_ABSOLUTE: .absolute
            case PG_QUERY__FETCH_DIRECTION__FETCH_RELATIVE: .relative
            default: .forward
            }
        let movement = CursorMovement(direction, statement.how_many)
        let name = text(statement.portalname)
        let isMove = statement.ismove != 0
        return StatementPlan(
            action: .cursor(isMove ? .move(name: name, movement) : .fetch(name: name, movement)), effect: .unknown,
            commandName: isMove ? "MOVE" : "FETCH")
    }

    func closeCursor(_ node: Node) -> StatementPlan {
        guard let name = node.closePortalStmt.flatMap({ nonEmptyText($0.pointee.portalname) }) else {
            return StatementPlan(action: .cursor(.closeAll), effect: .reads, commandName: "CLOSE CURSOR ALL")
        }
        return StatementPlan(action: .cursor(.close(name: name)), effect: .reads, commandName: "CLOSE CURSOR")
    }
}

/// The options of DECLARE (CURSOR_OPT_... in PostgreSQL's parsenodes.h).
private struct CursorOptions: OptionSet {
    let rawValue: Int32

    static let binary = CursorOptions(rawValue: 0x01)
    static let scroll = CursorOptions(rawValue: 0x02)
    static let noScroll = CursorOptions(rawValue: 0x04)
    static let insensitive = CursorOptions(rawValue: 0x08)
    static let asensitive = CursorOptions(rawValue: 0x10)
    static let hold = CursorOptions(rawValue: 0x20)

    var scrolling: CursorScrolling { contains(.scroll) ? .scroll : contains(.noScroll) ? .noScroll : .unsaid }

    /// What PostgreSQL would not allow (transformDeclareCursorStmt in its analyze.c).
    func check(_ query: Node) throws(Refusal) {
        if contains([.scroll, .noScroll]) { throw Refusal("42P11", "cannot specify both SCROLL and NO SCROLL") }
        if contains([.insensitive, .asensitive]) { throw Refusal("42P11", "cannot specify both INSENSITIVE and ASENSITIVE") }
        guard let select = query.selectStmt?.pointee,
            let locking = NodeList(select.locking_clause, select.n_locking_clause).nodes.compactMap(\.lockingClause).first
        else { return }
        let strength = Self.name(of: locking.pointee.strength)
        if contains(.hold) {
            throw Refusal("0A000", "DECLARE CURSOR WITH HOLD ... \(strength) is not supported", detail: "Holdable cursors must be READ ONLY.")
        }
        if contains(.scroll) {
            throw Refusal("0A000", "DECLARE SCROLL CURSOR ... \(strength) is not supported", detail: "Scrollable cursors must be READ ONLY.")
        }
        if contains(.insensitive) {
            throw Refusal("42P11", "DECLARE INSENSITIVE CURSOR ... \(strength) is not valid", detail: "Insensitive cursors must be READ ONLY.")
        }
    }

    private static func name(of strength: PgQuery__LockClauseStrength) -> String {
        switch strength {
        case PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORKEYSHARE: "FOR KEY SHARE"
        case PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORSHARE: "FOR SHARE"
        case PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORNOKEYUPDATE: "FOR NO KEY UPDATE"
        default: "FOR UPDATE"
        }
    }
}
