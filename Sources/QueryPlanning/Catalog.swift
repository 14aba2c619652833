// Catalog: what the planner knows of tables, columns, types and functions. An immutable snapshot, read from the
// shards' catalogs by ProxyCore with the queries of CatalogQueries, replaced whole after DDL.
import ShardMap

/// One column of a relation.
public struct Column: Sendable {
    public var name: String
    /// attnum
    public var number: Int
    public var typeOID: UInt32
    public var typeModifier: Int32
    public var collationOID: UInt32
    public var isNotNull: Bool
    public var hasDefault: Bool
    /// attgenerated or attidentity: "", "s" (generated stored), "a" or "d" (identity always / by default).
    public var generation: String
    /// The default's expression as pg_get_expr prints it.
    public var defaultExpression: String?

    /// It is an identity column: GENERATED ALWAYS or BY DEFAULT.
    public var isIdentity: Bool { generation == "a" || generation == "d" }

    public init(
        name: String, number: Int, typeOID: UInt32, typeModifier: Int32 = -1, collationOID: UInt32 = 0, isNotNull: Bool = false,
        hasDefault: Bool = false, generation: String = "", defaultExpression: String? = nil
    ) {
        self.name = name
        self.number = number
        self.typeOID = typeOID
        self.typeModifier = typeModifier
        self.collationOID = collationOID
        self.isNotNull = isNotNull
        self.hasDefault = hasDefault
        self.generation = generation
        self.defaultExpression = defaultExpression
    }
}

/// How the key of one table is placed: all that is needed to find a key's shard.
public struct KeyPlacement: Sendable, Equatable {
    public var keyType: KeyType
    public var method: PlacementMethod

    public init(keyType: KeyType, method: PlacementMethod) {
        self.keyType = keyType
        self.method = method
    }
}

/// Where a relation's rows are.
public enum Placement: Sendable, Equatable {
    /// Spread over the shards by a key column (index into `columns`).
    case sharded(keyColumn: Int, KeyPlacement)
    /// Each row on the shard that its transaction wrote anyway: spread over the shards, and no column tells where a row is.
    case local
    /// The same rows on every shard.
    case reference
    /// System catalogs and information_schema: the catalog shard.
    case system
    /// Cannot be served; the reason is shown to who uses it.
    case unusable(String)

    /// Each row is on one shard, and the shards' rows together are the relation's.
    public var isPartitioned: Bool {
        switch self {
        case .sharded, .local: true
        case .reference, .system, .unusable: false
        }
    }
}

/// A table, view or other relation.
public struct Relation: Sendable {
    public var oid: UInt32
    public var schema: String
    public var name: String
    /// relkind: r p v m f S ...
    public var kind: Character
    public var columns: [Column]
    public var placement: Placement
    /// Column indexes of the primary key, in order.
    public var primaryKey: [Int]
    /// The view's query as pg_get_viewdef prints it.
    public var viewDefinition: String?
    public var hasRowTriggers: Bool
    public var hasRowSecurity: Bool
    /// Triggers FOR EACH STATEMENT, enabled ones.
    public var hasStatementTriggers = false
    /// Foreign keys, unique constraints and unique indexes on this relation.
    public var constraints: [RelationConstraint] = []
    /// It has partitions or inheritance children.
    public var hasChildren = false
    /// It is a partition or an inheritance child, placed as its topmost parent.
    public var isChild = false
    /// What create_distributed_table and its kin have stored of it.
    public var storedPlacement: StoredPlacement?
    /// Tables with a foreign key to this one.
    public var referencingTables: [UInt32] = []

    public init(
        oid: UInt32, schema: String, name: String, kind: Character, columns: [Column], placement: Placement, primaryKey: [Int] = [],
        viewDefinition: String? = nil, hasRowTriggers: Bool = false, hasRowSecurity: Bool = false
    ) {
        self.oid = oid
        self.schema = schema
        self.name = name
        self.kind = kind
        self.columns = columns
        self.placement = placement
        self.primaryKey = primaryKey
        self.viewDefinition = viewDefinition
        self.hasRowTriggers = hasRowTriggers
        self.hasRowSecurity = hasRowSecurity
    }
}

/// Everything known of the database's schema, immutable.
public final class Catalog: Sendable {
    public let relations: [Relation]
    /// What there is beside relations.
    public let facts: CatalogFacts
    private let byName: [String: [Int]]
    private let byOID: [UInt32: Int]

    public init(relations: [Relation], facts: CatalogFacts = CatalogFacts()) {
        self.relations = relations
        self.facts = facts
        var byName: [String: [Int]] = [:]
        var byOID: [UInt32: Int] = [:]
        for (index, relation) in relations.enumerated() {
            byName[relation.name, default: []].append(index)
            byOID[relation.oid] = index
        }
        self.byName = byName
        self.byOID = byOID
    }

    /// The relation a name means: the given schema's, or the first along the search path.
    public func relation(schema: String?, name: String, searchPath: [String]) -> Relation? {
        guard let candidates = byName[name] else { return nil }
        if let schema { return candidates.first { relations[$0].schema == schema }.map { relations[$0] } }
        for schema in searchPath {
            if let found = candidates.first(where: { relations[$0].schema == schema }) { return relations[found] }
        }
        return nil
    }

    /// The relation with this OID (the catalog shard's).
    public func relation(oid: UInt32) -> Relation? { byOID[oid].map { relations[$0] } }
}
