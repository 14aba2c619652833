// ExplainStatement: EXPLAIN of what one shard answers goes there untouched; of what several do, the proxy says what it would do itself
// and has each shard explain its part.
import CPGQuery

extension StatementClassifier {
    func explain(_ node: Node) throws(Refusal) -> StatementPlan {
        guard let statement = node.explainStmt?.pointee, let query = Node(statement.query),
            case let tokens = try StatementTokens(context), let range = tokens.explained(optionCount: statement.n_options),
            let lastOption = tokens.tokens.last(where: { $0.range.upperBound <= range.lowerBound })
        else { throw Refusal("XX000", "not an EXPLAIN statement") }
        if query.executeStmt != nil {
            throw Refusal("0A000", "EXPLAIN EXECUTE is not supported", hint: "Explain the prepared statement's text.")
        }
        let options = ExplainOptions(NodeList(statement.options, statement.n_options))
        try options.check(query)
        let inner = inner(range, isExplained: !options.runs && query.selectStmt != nil)
        let plan = try TimeDrawing.plan(insteadOf: try inner.plan(query), query, inner.context)
        let before = context.slice(context.range.lowerBound..<range.lowerBound)
        if var drawing = plan.drawing, options.runs || query.insertStmt == nil {
            // What the statement does is known once the values are; only then can it be told.
            drawing.pieces[0] = before + drawing.pieces[0]
            return explaining(plan, plan.action, options, drawing: drawing)
        }
        if let route = Self.routeOfOneShard(plan) { return explaining(plan, .passThrough(route), options) }
        try options.check(plan)
        let explained = ExplainPlan(
            statement: Self.explained(plan), range: range, command: tokens.text(tokens.tokens[0].range.lowerBound..<lastOption.range.upperBound), runs: options.runs,
            isJSON: options.format == "json", showsTime: options.showsTime)
        return explaining(plan, .explain(explained), options)
    }

    private func explaining(
        _ plan: StatementPlan, _ action: Action, _ options: ExplainOptions, drawing: DrawPlan? = nil
    ) -> StatementPlan {
        StatementPlan(
            action: action, effect: options.runs ? plan.effect : .reads, pins: plan.pins, taintsLink: options.runs && plan.taintsLink,
            commandName: "EXPLAIN", parameterCount: plan.parameterCount, drawing: drawing, reason: plan.reason)
    }

    /// Where the statement passes through, of a cursor its query.
    private static func routeOfOneShard(_ plan: StatementPlan) -> Route? {
        if plan.drawing != nil { return nil }
        switch plan.action {
        case .passThrough(let route): return route
        case .scatter(.catalog, _): return .catalog
        case .cursor(.declare(let declaration)):
            if case .oneShard(let route) = declaration.query { return route }
            return nil
        default: return nil
        }
    }

    /// The plan to tell of: of a cursor its query's.
    private static func explained(_ plan: StatementPlan) -> StatementPlan {
        if case .cursor(.declare(let declaration)) = plan.action, case .severalShards(let query, _) = declaration.query { return query }
        return plan
    }
}

/// What is told of a statement over several shards.
public struct ExplainPlan: Sendable {
    /// The plan of the statement that is explained; with a `drawing` the values it needs are yet to be drawn.
    public var statement: StatementPlan
    /// The statement's place in the text, in bytes.
    public var range: Range<Int>
    /// EXPLAIN with the client's options, to stand before each shard's statement.
    public var command: String
    /// ANALYZE: the statement is carried out.
    public var runs: Bool
    /// FORMAT JSON; else TEXT.
    public var isJSON: Bool
    /// How long it took belongs to the output.
    public var showsTime: Bool

    /// Its parts have texts of their own, in which parameters without types could have others than in the whole.
    public var needsTypes: Bool {
        switch statement.action {
        case .scatter(_, let plan): plan.finisher != nil
        case .modifyFetched, .modifyReplayed: true
        case .insertFetched(let plan): plan.movesRows
        default: false
        }
    }
}

/// The options of EXPLAIN as far as they matter here; shards read them all.
private struct ExplainOptions {
    private(set) var runs = false
    private(set) var format = "text"
    private var summary: Bool?

    var showsTime: Bool { runs && summary ?? true }

    init(_ options: NodeList) {
        for option in options.nodes.compactMap(\.defElem) {
            switch text(option.pointee.defname) {
            case "analyze": runs = DefinitionOption.isTrue(option)
            case "format": format = DefinitionOption.string(option)?.lowercased() ?? "text"
            case "summary": summary = DefinitionOption.isTrue(option)
            default: break
            }
        }
    }

    /// Nobody would see whether the copies were changed alike.
    private static let writesCopies = Refusal(
        "0A000", "EXPLAIN ANALYZE of a write of a reference table is not supported", hint: "EXPLAIN it without ANALYZE.")

    /// - Throws: for a table that would be made without anybody taking note of it.
    func check(_ query: Node) throws(Refusal) {
        guard runs, query.createTableAsStmt != nil else { return }
        throw Refusal(
            "0A000", "EXPLAIN ANALYZE of CREATE TABLE AS is not supported", hint: "EXPLAIN ANALYZE the query, or EXPLAIN it without ANALYZE.")
    }

    /// - Throws: for what cannot be explained over several shards.
    func check(_ plan: StatementPlan) throws(Refusal) {
        if format == "xml" || format == "yaml" {
            throw Refusal(
                "0A000", "EXPLAIN of a statement over several shards is written as TEXT or JSON only", hint: "Use FORMAT JSON.")
        }
        switch plan.action {
        case .modifyReplayed where runs, .modify(_, _, .first) where runs: throw Self.writesCopies
        default: break
        }
        switch plan.action {
        case .scatter, .modify, .modifyReplayed, .insertRows, .cursor(.declare): return
        case .insertFetched, .modifyFetched:
            guard runs else { return }
            throw Refusal(
                "0A000", "EXPLAIN ANALYZE of a statement that fetches rows before it writes is not supported",
                hint: "EXPLAIN it without ANALYZE.")
        case .refuse where plan.drawing != nil: return
        default:
            throw Refusal(
                "0A000", "EXPLAIN of this statement over several shards is not supported", detail: plan.reason.isEmpty ? nil : plan.reason)
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
