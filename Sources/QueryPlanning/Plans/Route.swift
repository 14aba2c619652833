// Route: which shards a statement needs, as far as that is known before it is executed: by conditions on sharding keys, whose values
// are read from literals or parameters then (RouteResolver).
import Primitives
import ShardMap

/// Which shards a statement needs.
public enum Route: Sendable, Equatable {
    /// Any one shard has the answer (reference tables, no table). Prefer a shard the transaction already uses.
    case any
    /// The catalog shard, the lowest: system catalogs, type look-ups.
    case catalog
    /// Every shard.
    case all
    /// The shards of the keys: the intersection over all conditions (empty: any one shard).
    case keys([KeyCondition])
    /// Keys that are not known to be equal when the plan is made (`a.k = $1 AND b.k = $2`): of each group the intersection
    /// over its conditions, and of the groups the union (empty: any one shard).
    case keyGroups([[KeyCondition]])
    /// The session's home link: temp tables and whatever else is bound to one server session.
    case home
    /// The one shard on which the block has written: currval and lastval tell of its server session. Refused without one.
    case participant
    /// The one shard that the transaction writes, or else any that it uses: rows of local tables.
    case writer
    /// The shard of this number, which the client has named.
    case shard(ShardIndex)
}

/// "The key is one of these": one conjunct (`key = x`, `key IN (x, y)`, `key = ANY ($1)`).
public struct KeyCondition: Sendable, Equatable {
    /// How the key is placed, with its type.
    public var placement: KeyPlacement
    /// The values, or the one parameter that holds an array of them.
    public var operands: [KeyOperand]
    /// `operands` is one parameter whose value is an array of keys.
    public var isArrayParameter: Bool
    /// The key of a row that is to be written: NULL and unreadable values are errors, not conditions that no row meets.
    public var isStored: Bool
    /// NULL is the shards' own error, of the row that is to have it: the column is NOT NULL.
    public var leavesNullToShards: Bool
    /// n of a varchar(n) that the key is stored in: blanks beyond it are cut before the key is placed.
    public var limit: CharacterLimit?
    /// The column that it is a condition on, for reports; conditions are alike whatever it is.
    public var column: KeyColumn

    public init(
        placement: KeyPlacement, operands: [KeyOperand], isArrayParameter: Bool = false, isStored: Bool = false,
        leavesNullToShards: Bool = false, limit: CharacterLimit? = nil, column: KeyColumn = .unknown
    ) {
        self.placement = placement
        self.operands = operands
        self.isArrayParameter = isArrayParameter
        self.isStored = isStored
        self.leavesNullToShards = leavesNullToShards
        self.limit = limit
        self.column = column
    }
}

/// A sharding key's column by name. What is planned does not depend on it, so all are equal.
public struct KeyColumn: Sendable, Equatable {
    /// With its schema where that is not `public`.
    public var table: String
    public var column: String

    public static let unknown = KeyColumn(table: "", column: "")

    public static func == (left: KeyColumn, right: KeyColumn) -> Bool { true }
}

extension KeyColumn {
    init(_ relation: Relation, column: Int) {
        table = relation.schema == "public" ? relation.name : "\(relation.schema).\(relation.name)"
        self.column = relation.columns[column].name
    }
}

/// Where the value of a sharding key comes from.
public enum KeyOperand: Sendable, Equatable {
    /// A value known when the plan was made.
    case constant(KeyValue)
    /// The literal at this byte offset of the planned text: a number or string token as it stands there, with a unary minus
    /// folded in (libpg_query's location of the A_Const). It is read when the plan is executed, as the key type's input
    /// function would read it, so that one plan serves every text of the same shape. An analyser that returns it promises
    /// that nothing else of the plan depends on the literal's value.
    case literal(offset: Int)
    /// Parameter `$n`, n from 1.
    case parameter(Int)
    /// NULL: no row can match, any one shard will do.
    case null
}
