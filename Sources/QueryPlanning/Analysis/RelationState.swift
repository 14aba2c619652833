// RelationState: the states of the pushdown procedure. A relation is a table, a join, a query level or a query.
//
//   replicated    the same rows on every shard
//   partitioned   the shards' rows together are its rows, each on one shard; some of its columns hold the placement key
//   other         anything else; the reason is what the client reads
import ShardMap

/// What running a relation on each shard gives.
enum RelationState {
    case replicated
    case partitioned(Partition)
    case other(String)

    var partition: Partition? {
        if case .partitioned(let partition) = self { return partition }
        return nil
    }
}

/// How a partitioned relation lies on the shards.
struct Partition {
    /// The colocation group; nil where no key says on which shard a row is.
    var placement: KeyPlacement?
    /// Columns that are not NULL and equal the placement key on every row. Inside a level these are variables of its
    /// entries and of outer levels (then the relation is *bound*: for one row outside, all of it is on that row's
    /// shard); of a finished query its output columns are `keyColumns`.
    var keys: [Variable]
    /// Output positions in K; only of finished queries.
    var keyColumns: [Int] = []
    /// Outer columns of which one must be a key of a partitioned relation outside, for each list: the relation was grouped
    /// or cut off for one outer row at a time and is exact only there.
    var required: [[Variable]] = []
    /// A table's name for messages.
    var tableName: String

    func isColocated(with other: Partition) -> Bool {
        guard let placement, let otherPlacement = other.placement else { return false }
        return placement.isColocated(with: otherPlacement)
    }
}

extension KeyPlacement {
    /// Whether equal keys of both lie on the same shard.
    func isColocated(with other: KeyPlacement) -> Bool {
        method == other.method && keyType.family == other.keyType.family
    }
}

/// What a relation needs to be answered by one shard alone (rule 13).
struct Confinement {
    /// For each occurrence of sharded data the conditions on its key (all hold); equal ones once.
    private(set) var groups: [[KeyCondition]] = []
    /// The first table that is not bound to constants.
    var unbound: String?
    var hasSharded = false

    init(groups: [[KeyCondition]] = [], unbound: String? = nil, hasSharded: Bool = false) {
        self.groups = groups
        self.unbound = unbound
        self.hasSharded = hasSharded
    }

    static let none = Confinement()

    static func bound(_ conditions: [KeyCondition]) -> Confinement { Confinement(groups: [conditions], hasSharded: true) }
    static func unbound(_ table: String) -> Confinement { Confinement(unbound: table, hasSharded: true) }

    func merged(_ other: Confinement) -> Confinement {
        var result = self
        for group in other.groups where !result.groups.contains(group) { result.groups.append(group) }
        result.unbound = unbound ?? other.unbound
        result.hasSharded = hasSharded || other.hasSharded
        return result
    }

    /// The shards that hold all the rows, when every occurrence is bound.
    var route: Route? {
        guard hasSharded, unbound == nil else { return nil }
        return groups.count == 1 ? .keys(groups[0]) : .keyGroups(groups)
    }
}

/// State and confinement of one relation.
struct Placed {
    var state: RelationState
    var confinement: Confinement
}
