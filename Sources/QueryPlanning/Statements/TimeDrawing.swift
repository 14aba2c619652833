// TimeDrawing: UPDATE, DELETE and SELECT over several shards that ask for the time of the transaction.
//
// To PostgreSQL that is one time, and here each shard would have its own. So it is drawn first, on one shard, and written into the
// text in place of now(), CURRENT_DATE and their kin. A column that had its name from such a call keeps it.
import CPGQuery

struct TimeDrawing {
    private let context: AnalysisContext
    private let tokens: StatementTokens
    private var replaced: [Replacement] = []
    /// Places behind columns that need a name, with the name.
    private var names: [(place: Int, name: String)] = []
    /// Something else tells the time, and stays.
    private(set) var leavesTime = false

    /// One call in the text.
    private struct Replacement {
        var range: Range<Int>
        var type: String
    }

    /// The plan that draws the time first; `plan` itself where there is nothing to draw.
    /// - Throws: where a reference table would get another time on each shard, or the time is not written exactly.
    static func plan(insteadOf plan: StatementPlan, _ node: Node, _ context: AnalysisContext) throws(Refusal) -> StatementPlan {
        guard context.environment.shardCount > 1 else { return plan }
        let isAlike: Bool
        switch plan.action {
        case .scatter(.catalog, _): return plan
        case .scatter: isAlike = false
        case .modify(_, _, let tag): isAlike = tag == .first
        case .modifyFetched(_, let plan): isAlike = plan.tag == .first
        default: return plan
        }
        if isAlike, TimeLiterals(node, context).stand(in: node) { throw differingTime }
        guard ExpressionInspection(node, context).effects.contains(.transactionTime) else { return plan }
        var drawing = try TimeDrawing(context)
        let draw = drawing.draw(node)
        if isAlike, draw == nil || drawing.leavesTime {
            throw differingTime
        }
        guard let draw else { return plan }
        guard context.environment.writesExactText else { throw StatementPlanner.inexactText }
        return StatementPlan(
            action: .refuse(Refusal("XX000", "the time was not drawn")), effect: plan.effect, pins: plan.pins, taintsLink: plan.taintsLink,
            commandName: plan.commandName, parameterCount: plan.parameterCount, drawing: draw, reason: "time drawn first")
    }

    private static let differingTime = Refusal(
        "0A000", "cannot change a reference table alike on all shards: the time is another on each of them",
        hint: "Give the time as a literal or a parameter; where a word like 'now' is meant as a text, cast it to text.")

    private init(_ context: AnalysisContext) throws(Refusal) {
        self.context = context
        tokens = try StatementTokens(context)
    }

    private mutating func draw(_ node: Node) -> DrawPlan? {
        var calls: [Node] = []
        var targets: [Message<PgQuery__ResTarget>] = []
        var isInFrom = false
        TreeWalk.nodes(under: node) { child in
            if Self.tellsTime(child, context) { calls.append(child) }
            if let target = child.resTarget { targets.append(target) }
            // A literal cannot stand in FROM by itself.
            if let function = child.rangeFunction, Self.isCalled(function, context) { isInFrom = true }
            return .descend
        }
        if isInFrom { return nil }
        // Of (a, b) = (SELECT ...) the tree has the query once for each column.
        var places: Set<Int> = []
        for call in calls {
            guard let found = replacement(call) else {
                leavesTime = true
                continue
            }
            if places.insert(found.range.lowerBound).inserted { replaced.append(found) }
        }
        if replaced.isEmpty { return nil }
        for target in targets where nonEmptyText(target.pointee.name) == nil {
            guard let value = Node(target.pointee.val), let (name, location) = Self.ownName(value, context) else { continue }
            guard let place = end(ofItemAt: location) else { return nil }
            if !names.contains(where: { $0.place == place }) { names.append((place, name)) }
        }
        return build()
    }

    private static func tellsTime(_ node: Node, _ context: AnalysisContext) -> Bool {
        if let call = node.funcCall { return context.facts(of: call)?.effect == .transactionTime }
        guard let value = node.sqlvalueFunction?.pointee.op.rawValue else { return false }
        return (PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE.rawValue
            ... PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N.rawValue).contains(value)
    }

    private static func isCalled(_ function: Message<PgQuery__RangeFunction>, _ context: AnalysisContext) -> Bool {
        NodeList(function.pointee.functions, function.pointee.n_functions).nodes.contains { item in
            let first = item.listNode.flatMap { NodeList($0.pointee.items, $0.pointee.n_items)[0] } ?? item
            return tellsTime(first, context)
        }
    }

    /// The name a column has from the call it consists of, casts apart (FigureColname in PostgreSQL's parse_target.c).
    private static func ownName(_ value: Node, _ context: AnalysisContext) -> (name: String, location: Int)? {
        if let cast = value.typeCast { return Node(cast.pointee.arg).flatMap { ownName($0, context) } }
        guard tellsTime(value, context) else { return nil }
        if let call = value.funcCall?.pointee {
            guard call.n_args == 0 else { return nil }
            return NodeList(call.funcname, call.n_funcname).strings.last.map { ($0, Int(call.location)) }
        }
        guard let call = value.sqlvalueFunction?.pointee else { return nil }
        return (word(call.op), Int(call.location))
    }

    private static func word(_ operation: PgQuery__SQLValueFunctionOp) -> String {
        switch operation {
        case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE: "current_date"
        case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME, PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME_N: "current_time"
        case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME, PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N: "localtime"
        case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP, PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N: "localtimestamp"
        default: "current_timestamp"
        }
    }

    private static let types = [
        "current_date": "date", "current_time": "timetz", "localtime": "time", "localtimestamp": "timestamp", "current_timestamp": "timestamptz",
    ]

    private static let functions: Set<String> = ["now", "transaction_timestamp", "statement_timestamp"]

    /// Where the call stands, and what type it has; nil for calls with arguments, such as age(x).
    private func replacement(_ node: Node) -> Replacement? {
        if let call = node.funcCall?.pointee {
            // A function of one's own that uses the time may have any type.
            guard let name = NodeList(call.funcname, call.n_funcname).strings.last, Self.functions.contains(name), call.n_args == 0,
                let first = token(at: Int(call.location))
            else { return nil }
            var open = first
            while tokens.tokens.indices.contains(open), tokens.tokens[open].kind != PG_QUERY__TOKEN__ASCII_40 { open += 1 }
            guard open < tokens.tokens.count, let close = tokens.closing(open) else { return nil }
            return Replacement(range: span(first, close), type: "pg_catalog.timestamptz")
        }
        guard let call = node.sqlvalueFunction?.pointee, let first = token(at: Int(call.location)) else { return nil }
        let type = Self.types[Self.word(call.op)] ?? "timestamptz"
        guard call.typmod >= 0, let close = tokens.closing(first + 1) else {
            return Replacement(range: span(first, first), type: "pg_catalog.\(type)")
        }
        return Replacement(range: span(first, close), type: "pg_catalog.\(type)(\(call.typmod))")
    }

    private func token(at location: Int) -> Int? { tokens.tokens.firstIndex { $0.range.lowerBound == location } }

    private func span(_ first: Int, _ last: Int) -> Range<Int> {
        tokens.tokens[first].range.lowerBound..<tokens.tokens[last].range.upperBound
    }

    private static let clauses: Set<UInt32> = Set([
        PG_QUERY__TOKEN__ASCII_44, PG_QUERY__TOKEN__ASCII_41, PG_QUERY__TOKEN__ASCII_59, PG_QUERY__TOKEN__FROM, PG_QUERY__TOKEN__WHERE,
        PG_QUERY__TOKEN__GROUP_P, PG_QUERY__TOKEN__HAVING, PG_QUERY__TOKEN__WINDOW, PG_QUERY__TOKEN__UNION, PG_QUERY__TOKEN__INTERSECT,
        PG_QUERY__TOKEN__EXCEPT, PG_QUERY__TOKEN__ORDER, PG_QUERY__TOKEN__LIMIT, PG_QUERY__TOKEN__OFFSET, PG_QUERY__TOKEN__FETCH,
        PG_QUERY__TOKEN__FOR,
    ].map(\.rawValue))

    /// Where the column ends that begins with the call at `location`, casts in front of it apart.
    private func end(ofItemAt location: Int) -> Int? {
        guard var position = token(at: location) else { return nil }
        // CAST ( now() AS date ): what is in the way is closed first.
        var depth = 0
        var back = position
        while back > 0, tokens.tokens[back - 1].kind == PG_QUERY__TOKEN__ASCII_40, back > 1 {
            let before = tokens.tokens[back - 2].kind
            if before == PG_QUERY__TOKEN__CAST {
                depth += 1
                back -= 2
            } else if Self.clauses.contains(before.rawValue) || before == PG_QUERY__TOKEN__SELECT || before == PG_QUERY__TOKEN__ASCII_40 {
                return nil
            } else {
                break
            }
        }
        while position < tokens.tokens.count {
            let kind = tokens.tokens[position].kind
            if kind == PG_QUERY__TOKEN__ASCII_40 {
                guard let close = tokens.closing(position) else { return nil }
                position = close + 1
                continue
            }
            if depth > 0, kind == PG_QUERY__TOKEN__ASCII_41 {
                depth -= 1
            } else if Self.clauses.contains(kind.rawValue) {
                break
            }
            position += 1
        }
        return position > 0 ? tokens.tokens[position - 1].range.upperBound : nil
    }

    private func build() -> DrawPlan? {
        guard let first = tokens.tokens.first, let last = tokens.tokens.last else { return nil }
        var builder = DrawBuilder()
        var position = first.range.lowerBound
        let edits = replaced.map { (at: $0.range.lowerBound, order: 1, replacement: Optional($0), name: "") }
            + names.map { (at: $0.place, order: 0, replacement: nil, name: $0.name) }
        for edit in edits.sorted(by: { ($0.at, $0.order) < ($1.at, $1.order) }) {
            builder.add(tokens.text(position..<edit.at))
            position = edit.at
            if let replacement = edit.replacement {
                builder.draw(tokens.text(replacement.range), as: replacement.type)
                position = replacement.range.upperBound
            } else {
                builder.add(" AS " + SQLText.quoted(edit.name))
            }
        }
        builder.add(tokens.text(position..<last.range.upperBound))
        return builder.plan
    }
}
