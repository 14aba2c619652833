// Planner: SQL text in, plans out. The only way into this module.
//
// Two doors. `lookUp` is the hot one: it scans the text once, hashes its shape with literals taken out and finds the
// plan of a pass-through statement without allocating. `plan` is the thorough one: libpg_query parses, the analyser
// decides, and what is safe to reuse enters the cache.
import Primitives
import ShardMap

/// What the meaning of a statement depends on beside its text.
public struct PlanningEnvironment: Sendable {
    public var catalog: Catalog
    /// Schemas in the order of search_path, pg_catalog included where PostgreSQL would search it, "$user" resolved.
    public var searchPath: [String]
    /// Tells environments apart in cache keys: equal numbers mean equal catalog, search_path and role.
    public var number: UInt32
    /// Temp tables of the session by name: these shadow everything and live on the home link.
    public var temporaryTables: [String]
    public var shardCount: Int

    public init(catalog: Catalog, searchPath: [String], number: UInt32, temporaryTables: [String], shardCount: Int) {
        self.catalog = catalog
        self.searchPath = searchPath
        self.number = number
        self.temporaryTables = temporaryTables
        self.shardCount = shardCount
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
