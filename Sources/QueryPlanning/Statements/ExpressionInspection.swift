// ExpressionInspection: what evaluating an expression depends on and does, by looking at everything in it.
import CPGQuery

struct ExpressionInspection {
    private(set) var effects: Set<FunctionEffect> = []
    private(set) var volatility = Volatility.immutable
    /// The tables that functions called read by names without a schema.
    private(set) var tableNames: Set<String> = []
    private(set) var hasSubquery = false
    /// `FunctionFacts.mayReadTables`
    private(set) var mayReadTables = false
    /// `FunctionFacts.mayChangeSettings`
    private(set) var mayChangeSettings = false
    private(set) var pins: PinReasons = []
    private(set) var hasParameter = false
    private(set) var hasColumn = false
    private(set) var hasAggregate = false
    private(set) var returnsSet = false
    /// It tells of the server or its database, which may be called otherwise on each shard.
    private(set) var namesServer = false
    /// DEFAULT stands in it.
    private(set) var hasDefaultKeyword = false
    private let context: AnalysisContext

    init(_ node: Node, _ context: AnalysisContext) {
        self.context = context
        add(node)
    }

    /// Inspects nothing yet.
    init(_ context: AnalysisContext) { self.context = context }

    /// The same value wherever and whenever it is evaluated within the settings of one session.
    var isSteady: Bool { effects.allSatisfy { $0 == .none } && volatility < .volatile && !hasSubquery && !namesServer }

    /// It may leave something on the server session.
    var taintsLink: Bool { mayChangeSettings || !effects.isDisjoint(with: [.unknown, .setting, .executesText, .largeObject, .administrative]) }

    /// The first effect that only the one server session has that evaluates it, or that only the lowest shard may have.
    var sessionEffect: FunctionEffect? {
        let ofSession: [FunctionEffect] = [
            .setting, .sequenceRead, .sessionAdvisoryLock, .advisoryUnlock, .administrative, .largeObject, .executesText,
        ]
        let ofLowestShard: [FunctionEffect] = context.environment.shardCount > 1 ? [.transactionAdvisoryLock, .notification] : []
        return (ofSession + ofLowestShard).first { effects.contains($0) }
    }

    mutating func add(_ node: Node) {
        TreeWalk.nodes(under: node) { child in
            note(child)
            guard let others = Self.argumentsBesideSequence(child) else { return .descend }
            for argument in others { add(argument) }
            return .skip
        }
    }

    /// Inspects all below a message that is no node of its own.
    mutating func add<T>(below message: Message<T>) {
        TreeWalk.nodes(below: message) { child in
            add(child)
            return .skip
        }
    }

    mutating func noteEffect(_ effect: FunctionEffect) { effects.insert(effect) }

    func typeFacts(_ oid: UInt32) -> CatalogType? { context.environment.catalog.facts.types[oid] }

    private mutating func note(_ node: Node) {
        if let call = node.funcCall { note(call) }
        if let value = node.sqlvalueFunction { note(value.pointee.op) }
        if let cast = node.typeCast { note(cast.pointee) }
        if node.subLink != nil { hasSubquery = true }
        if node.paramRef != nil { hasParameter = true }
        if node.columnRef != nil { hasColumn = true }
        if node.setToDefault != nil { hasDefaultKeyword = true }
        if let expression = node.operatorExpression { noteOperator(expression.pointee) }
    }

    private mutating func note(_ call: Message<PgQuery__FuncCall>) {
        guard let facts = context.facts(of: call) else {
            effects.insert(.unknown)
            return
        }
        effects.insert(facts.effect)
        volatility = max(volatility, facts.volatility)
        tableNames.formUnion(facts.tableNames)
        mayReadTables = mayReadTables || facts.mayReadTables
        mayChangeSettings = mayChangeSettings || facts.mayChangeSettings
        pins.formUnion(facts.pins)
        hasAggregate = hasAggregate || facts.kind == .aggregate || facts.kind == .window || call.pointee.over != nil
        returnsSet = returnsSet || facts.returnsSet
        namesServer = namesServer || Self.serverNames.contains(NodeList(call.pointee.funcname, call.pointee.n_funcname).strings.last ?? "")
    }

    static let serverNames: Set<String> = ["current_database", "current_catalog", "version"]

    /// Of nextval('name'::regclass) and its kin, the arguments that are no literal name of a sequence, which is looked up on
    /// the shard that draws; nil for everything else.
    private static func argumentsBesideSequence(_ node: Node) -> [Node]? {
        guard let call = node.funcCall?.pointee, let name = NodeList(call.funcname, call.n_funcname).strings.last,
            ["nextval", "currval", "setval"].contains(name), let sequence = NodeList(call.args, call.n_args).first ?? nil,
            (sequence.literal ?? sequence.typeCast.flatMap { Node($0.pointee.arg)?.literal }) != nil
        else { return nil }
        return Array(NodeList(call.args, call.n_args).nodes.dropFirst())
    }

    /// CURRENT_DATE to LOCALTIMESTAMP(n); the others name users and schemas.
    private mutating func note(_ value: PgQuery__SQLValueFunctionOp) {
        let isTime = (PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE.rawValue
            ... PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N.rawValue).contains(value.rawValue)
        volatility = max(volatility, .stable)
        if isTime { effects.insert(.transactionTime) }
        if value == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG { namesServer = true }
    }

    /// 'now'::timestamp is the time; 'name'::regclass is a shard's own OID.
    private mutating func note(_ cast: PgQuery__TypeCast) {
        let type = cast.type_name.flatMap { NodeList($0.pointee.names, $0.pointee.n_names).strings.last } ?? ""
        if DateWords.types.contains(type), case .string(let word)? = Node(cast.arg)?.literal?.value, DateWords.isIn(word) {
            effects.insert(.transactionTime)
        }
        if type.hasPrefix("reg") { effects.insert(.catalogRead) }
    }

    private mutating func noteOperator(_ expression: PgQuery__AExpr) {
        let names = NodeList(expression.name, expression.n_name).strings
        guard let name = names.last, let own = context.environment.catalog.facts.operators[name] else { return }
        if own.contains(where: { $0.volatility > .immutable }) { effects.insert(.unknown) }
    }
}

extension StatementClassifier {
    /// An expression that is stored in a column, whose type may give a literal a meaning.
    func inspection(of value: Node, in column: Column) -> ExpressionInspection {
        var inspection = ExpressionInspection(value, context)
        if DateWords.typeOIDs.contains(column.typeOID), case .string(let word)? = value.literal?.value, DateWords.isIn(word) {
            inspection.noteEffect(.transactionTime)
        }
        return inspection
    }
}
