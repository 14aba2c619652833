// Planner: SQL text in, plans out. The only way into this module.
//
// Two doors. `lookUp` is the hot one: it scans the text once, hashes its shape with literals taken out and finds the
// plan of a pass-through statement without allocating; `target` then reads the keys. `plan` is the thorough one:
// libpg_query parses, the analyser decides, and the answer is kept: by shape when it passes through to one shard whatever
// the literals are, by exact text otherwise.
import Primitives
import ShardMap

/// What the meaning of a statement depends on beside its text.
public struct PlanningEnvironment: Sendable {
    public var catalog: Catalog
    /// Schemas in the order of search_path, pg_catalog included where PostgreSQL would search it, "$user" resolved; pg_temp where it is
    /// named.
    public var searchPath: [String]
    /// Tells environments apart in cache keys: equal numbers mean that all else here is equal, and the
    /// role, too.
    public var number: UInt32
    /// Temp tables of the session by name: these shadow everything that does not stand before pg_temp in the search path, and live on
    /// the home link.
    public var temporaryTables: [String]
    public var shardCount: Int
    /// client_encoding is the server's encoding, so that text keys hash as they come. Where it is not, keys outside ASCII
    /// are not read.
    public var usesServerEncoding: Bool
    /// What a shard writes as text is read as the same value again: DateStyle is ISO (others write time zones by ambiguous
    /// abbreviations) and extra_float_digits at least 1. Where it is not, no values are fetched to be read again.
    public var writesExactText: Bool
    /// The shard that `SET pgbraid.shard` or a comment has named: statements see and change its rows alone.
    public var addressedShard: Int?

    public init(
        catalog: Catalog, searchPath: [String], number: UInt32, temporaryTables: [String], shardCount: Int,
        usesServerEncoding: Bool = true, writesExactText: Bool = true, addressedShard: Int? = nil
    ) {
        self.catalog = catalog
        self.searchPath = searchPath
        self.number = number
        self.temporaryTables = temporaryTables
        self.shardCount = shardCount
        self.usesServerEncoding = usesServerEncoding
        self.writesExactText = writesExactText
        self.addressedShard = addressedShard
    }

    /// Whether the name means one of the session's temp tables.
    func isTemporary(schema: String?, name: String) -> Bool {
        guard temporaryTables.contains(name) else { return false }
        guard schema == nil else { return schema == SearchPath.temporary }
        guard let place = searchPath.firstIndex(of: SearchPath.temporary) else { return true }
        return catalog.relation(schema: nil, name: name, searchPath: Array(searchPath[..<place])) == nil
    }
}

/// One statement of a script with its plan.
public struct PlannedStatement: Sendable {
    public var plan: StatementPlan
    /// Byte range of the statement in the text, without the separating semicolon.
    public var range: Range<Int>

    public init(plan: StatementPlan, range: Range<Int>) {
        self.plan = plan
        self.range = range
    }
}

/// Makes the plans of a text that no cache knows.
package protocol StatementAnalyser {
    /// Plans every statement of a text whose size and depth have been checked.
    /// - Parameter acrossShards: a pass-through plan was made before, but its keys turned out to lie on several shards; plan
    ///   for that.
    /// - Throws: what the grammar or the planner refuses, syntax errors included.
    func analyse(
        text: String, parameterTypes: [UInt32], environment: PlanningEnvironment, acrossShards: Bool
    ) throws(Refusal) -> [PlannedStatement]
}

/// Counts of a planner since its birth.
public struct PlannerStatistics: Sendable, Equatable {
    public var shapes: CacheStatistics
    public var texts: CacheStatistics
    /// Texts that were parsed and analysed.
    public var analyses: UInt64
}

/// Plans statements and remembers plans. One planner belongs to one worker thread.
public final class Planner {
    let scanner = ShapeScanner()
    let shapes: ShapeCache
    let templates = TextTemplates()
    private let texts: TextPlanCache
    private let textKeys = TextKeyBuffer()
    private let analyser: any StatementAnalyser
    private let limits: Limits
    private var maker = HotPlanMaker()
    private var analyses: UInt64 = 0
    private var hasAnalysedLongText = false
    /// The C library keeps to itself what a text longer than this took while it was planned.
    private static let longTextBytes = 256 << 10

    public convenience init(limits: Limits) { self.init(limits: limits, analyser: Analyser()) }

    package init(limits: Limits = Limits(), analyser: any StatementAnalyser) {
        self.limits = limits
        self.analyser = analyser
        shapes = ShapeCache(capacity: limits.cachedPlans, byteLimit: limits.cachedPlans * 1024)
        texts = TextPlanCache(capacity: limits.cachedPlans, byteLimit: limits.cachedPlans * 1024)
    }

    deinit {
        scanner.free()
        shapes.free()
        templates.free()
        texts.free()
        textKeys.free()
    }

    public var statistics: PlannerStatistics {
        PlannerStatistics(shapes: shapes.statistics, texts: texts.statistics, analyses: analyses)
    }

    /// Whether a long text was planned since this was asked last: much memory is free now, but still with the process.
    public func takeLongTextMark() -> Bool {
        defer { hasAnalysedLongText = false }
        return hasAnalysedLongText
    }

    /// The placement method a hot plan refers to by number.
    func method(_ number: UInt16) -> PlacementMethod { maker.methods[Int(number)] }

    /// The column a hot plan refers to by number.
    func column(_ number: UInt16) -> KeyColumn { maker.columns[Int(number)] }

    /// The hot plan of a prepared statement whose keys are parameters, to be kept beside its plan and used for each Bind.
    /// - Returns: nil if the plan does more than pass through to one shard, or takes a key from anything but a parameter.
    public func hotPlan(of plan: StatementPlan, environment: PlanningEnvironment) -> HotPlan? {
        maker.hotPlan(of: plan, literalStarts: [], readsText: environment.usesServerEncoding)
    }

    /// Forgets all plans of an environment that is gone.
    public func forget(environment: UInt32) {
        shapes.remove(environment: environment)
        texts.remove(environment: environment)
    }

    /// The plans of all statements of a text, from a cache or made anew.
    /// - Parameters:
    ///   - text: the text of a Query or Parse message, without the zero byte.
    ///   - parameterTypes: the types Parse declares; 0 or missing: open.
    /// - Throws: syntax errors, 54001 for texts too long or too deep, 22021 for texts that are not UTF-8.
    public func plan(
        text: UnsafeRawBufferPointer, parameterTypes: [UInt32] = [], environment: PlanningEnvironment
    ) throws(Refusal) -> [PlannedStatement] {
        if let keyed = KeyedText(text) { return try plan(keyed, parameterTypes: parameterTypes, environment: environment) }
        if let known = texts.find(textKeys.key(text, environment.number, parameterTypes, acrossShards: false)) {
            return known
        }
        let shape = ShapeRecord(scanner, text: text, environment: environment.number, parameterTypes: parameterTypes)
        if let known = shape.flatMap(knownPlan) { return [known] }
        let statements = try analyse(text, parameterTypes, environment, acrossShards: false)
        if let shape, let hotPlan = hotPlan(statements, shape, text, parameterTypes, environment) {
            let cached = CachedShape(plan: statements[0].plan, literalStarts: shape.literalStarts)
            shape.key.withUnsafeBytes { key in
                shapes.insert(key, environment: environment.number, hotPlan: hotPlan, shape: cached)
            }
        } else {
            keep(statements, text, parameterTypes, environment, acrossShards: false)
        }
        return statements
    }

    /// The plans for a text whose pass-through route turned out to name several shards.
    /// - Throws: as `plan`.
    public func planAcrossShards(
        text: UnsafeRawBufferPointer, parameterTypes: [UInt32] = [], environment: PlanningEnvironment
    ) throws(Refusal) -> [PlannedStatement] {
        if let known = texts.find(textKeys.key(text, environment.number, parameterTypes, acrossShards: true)) {
            return known
        }
        let statements = try analyse(text, parameterTypes, environment, acrossShards: true)
        keep(statements, text, parameterTypes, environment, acrossShards: true)
        return statements
    }

    /// The plan of one statement that will not come again.
    public func planOnce(
        text: [UInt8], parameterTypes: [UInt32], environment: PlanningEnvironment, acrossShards: Bool
    ) throws(Refusal) -> StatementPlan {
        let planned = try text.withBytes { (text) throws(Refusal) in
            try analyse(text, parameterTypes, environment, acrossShards: acrossShards)
        }
        return planned.first?.plan ?? StatementPlan(action: .empty, effect: .reads, commandName: "")
    }

    private func keep(
        _ statements: [PlannedStatement], _ text: UnsafeRawBufferPointer, _ parameterTypes: [UInt32],
        _ environment: PlanningEnvironment, acrossShards: Bool
    ) {
        // With a key it comes no more than twice.
        if statements.contains(where: { $0.plan.namesKey }) { return }
        let key = textKeys.key(text, environment.number, parameterTypes, acrossShards: acrossShards)
        texts.insert(key, environment: environment.number, plans: statements)
    }

    /// The plan of a shape that is known, for the text that was scanned.
    private func knownPlan(_ shape: ShapeRecord) -> PlannedStatement? {
        shape.key.withUnsafeBytes { key in
            guard let address = key.baseAddress, let hotPlan = shapes.find(address, count: key.count),
                let cached = shapes.shape(hotPlan.pointee)
            else { return nil }
            let plan = cached.plan.moved(from: cached.literalStarts, to: shape.literalStarts)
            return PlannedStatement(plan: plan, range: 0..<shape.statementEnd)
        }
    }

    private func analyse(
        _ text: UnsafeRawBufferPointer, _ parameterTypes: [UInt32], _ environment: PlanningEnvironment,
        acrossShards: Bool
    ) throws(Refusal) -> [PlannedStatement] {
        guard text.count <= limits.statementBytes else {
            throw Refusal(
                "54001", "statement is too long",
                hint: "A statement may have \(limits.statementBytes) bytes; use COPY or several statements.")
        }
        try StatementGuard.check(text, depthLimit: limits.statementDepth, tokenLimit: limits.statementTokens)
        guard let string = String(validating: text, as: UTF8.self), !text.contains(0) else {
            throw Refusal("22021", "invalid byte sequence for encoding \"UTF8\"")
        }
        analyses += 1
        if text.count > Self.longTextBytes { hasAnalysedLongText = true }
        return try analyser.analyse(
            text: string, parameterTypes: parameterTypes, environment: environment, acrossShards: acrossShards)
    }

    private func hotPlan(
        of plan: StatementPlan, _ shape: ShapeRecord, _ environment: PlanningEnvironment
    ) -> HotPlan? {
        maker.hotPlan(of: plan, literalStarts: shape.literalStarts, readsText: environment.usesServerEncoding)
    }

    /// The hot plan of a shape whose first text has been planned, if two variants of the text show that no literal taken
    /// out of the shape had a say in the plan.
    private func hotPlan(
        _ statements: [PlannedStatement], _ shape: ShapeRecord, _ text: UnsafeRawBufferPointer,
        _ parameterTypes: [UInt32],
        _ environment: PlanningEnvironment
    ) -> HotPlan? {
        guard statements.count == 1,
            let plan = hotPlan(of: statements[0].plan, shape, environment)
        else { return nil }
        if shape.literals.isEmpty { return plan }
        let variants = LiteralVariants(text: Array(text), literals: shape.literals)
        for variant in [variants.allEqual(), variants.allDifferent()] {
            let other: HotPlan? = variant.withUnsafeBytes { variant in
                let other = ShapeRecord(
                    scanner, text: variant, environment: environment.number, parameterTypes: parameterTypes)
                guard let other, other.key == shape.key,
                    let statements = try? analyse(variant, parameterTypes, environment, acrossShards: false),
                    statements.count == 1
                else { return nil }
                return hotPlan(of: statements[0].plan, other, environment)
            }
            guard other == plan else { return nil }
        }
        return plan
    }
}
