// GatherJoins: which tables of a level are fetched joined: those that inner joins or WHERE tie by their sharding keys. Every row
// of the level has then rows of one shard from them, so that each shard can join its own.
import CPGQuery

struct GatherJoins {
    private let planner: StatementPlanner
    /// Tables to fetch together, two or more each.
    private(set) var groups: [[RangeEntry]] = []

    init(_ query: BoundQuery, _ level: BoundLevel, _ planner: StatementPlanner) {
        self.planner = planner
        // The joined part is a FROM item of its own, which `*` would show and an alias around it hide.
        guard level.targets.allSatisfy({ $0.expression != nil }), !hasJoinAlias(query) else { return }
        add(level.from, level.filter)
    }

    private func hasJoinAlias(_ query: BoundQuery) -> Bool {
        guard let select = query.node?.pointee else { return true }
        return !NodeList(select.from_clause, select.n_from_clause).nodes.allSatisfy { item in
            TreeWalk.nodes(under: item) { node in
                guard let join = node.joinExpr else { return .descend }
                return join.pointee.alias == nil && join.pointee.join_using_alias == nil ? .descend : .stop
            }
        }
    }

    /// - Parameter conjuncts: what holds for every row that comes of the tree.
    private mutating func add(_ tree: JoinTree, _ conjuncts: [Predicate]) {
        switch tree {
        case .entry: return
        case .inner:
            let (members, own) = planner.analysis.flattened(tree)
            addTied(members, Facts(conjuncts + own))
            for member in members { add(member, conjuncts + own) }
        case .outer(.left, let preserved, let nullable, _, _), .outer(.right, let nullable, let preserved, _, _):
            add(preserved, conjuncts)
            add(nullable, [])
        case .outer(.full, let left, let right, _, _):
            add(left, [])
            add(right, [])
        }
    }

    private mutating func addTied(_ members: [JoinTree], _ facts: Facts) {
        var tables: [(entry: RangeEntry, partition: Partition)] = members.compactMap { member in
            guard case .entry(let entry) = member, case .table(let relation) = entry.source,
                case .sharded(let column, let placement) = relation.placement
            else { return nil }
            let key = Variable(entry: entry.id, column: column)
            return (entry, Partition(placement: placement, keys: [key], tableName: entry.name))
        }
        while let first = tables.first {
            let tied = tables.filter { $0.entry === first.entry || planner.analysis.isTied(first.partition, $0.partition, facts) }
            if tied.count > 1 { groups.append(tied.map(\.entry)) }
            tables.removeAll { table in tied.contains { $0.entry === table.entry } }
        }
    }
}
