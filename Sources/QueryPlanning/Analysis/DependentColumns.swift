// DependentColumns: columns that a grouped level shows without grouping by them. PostgreSQL accepts them where the primary key of
// their table is grouped by; over rows that were fetched it knows no primary key, so that they must be grouped by too.
//
// Source: PostgreSQL manual, SELECT, GROUP BY clause; check_functional_grouping in src/backend/catalog/pg_constraint.c.
import CPGQuery

/// Tells which columns of a level depend on its groups.
struct DependentColumns {
    let level: BoundLevel
    let binder: Binder
    private let grouped: Set<Variable>

    init(_ level: BoundLevel, _ binder: Binder) {
        self.level = level
        self.binder = binder
        grouped = level.hasPlainGroups ? Set(level.grouping.flatMap(\.expressions).compactMap(\.variable)) : []
    }

    /// Whether a column has one value in each group because the primary key of its table is grouped by, and is not grouped by itself.
    func contains(_ variable: Variable) -> Bool {
        let entry = binder.entries[variable.entry]
        guard !grouped.contains(variable), entry.level == level.id, case .table(let relation) = entry.source, !relation.primaryKey.isEmpty else {
            return false
        }
        return relation.primaryKey.allSatisfy { grouped.contains(Variable(entry: entry.id, column: $0)) }
    }

    /// Those that the level's clauses use outside of aggregates, each once.
    func used(in select: PgQuery__SelectStmt, _ context: AnalysisContext) -> [Variable] {
        guard !grouped.isEmpty else { return [] }
        var found = level.targets.filter { $0.expression == nil }.compactMap(\.variable)
        let clauses = NodeList(select.target_list, select.n_target_list).nodes + NodeList(select.sort_clause, select.n_sort_clause).nodes
            + NodeList(select.window_clause, select.n_window_clause).nodes + NodeList(select.distinct_clause, select.n_distinct_clause).nodes
            + [Node(select.having_clause)].compactMap { $0 }
        for clause in clauses { add(clause, to: &found, context) }
        var seen: Set<Variable> = []
        return found.filter { contains($0) && seen.insert($0).inserted }
    }

    private func add(_ node: Node, to found: inout [Variable], _ context: AnalysisContext) {
        var variables: [Variable] = []
        var subqueries: [Node] = []
        TreeWalk.nodes(under: node) { node in
            if let call = node.funcCall, call.pointee.over == nil, context.isAggregate(call) { return .skip }
            if node.subLink != nil { subqueries.append(node) }
            if let variable = binder.variable(node) { variables.append(variable) }
            return .descend
        }
        // Aggregates of a subquery are not the level's.
        for subquery in subqueries {
            TreeWalk.nodes(under: subquery) { node in
                if let variable = binder.variable(node) { variables.append(variable) }
                return .descend
            }
        }
        found += variables
    }
}

extension AnalysisContext {
    /// Whether values of a type can surely be grouped by.
    func hasEquality(_ oid: UInt32) -> Bool {
        let base = baseOID(oid)
        if let element = elementOID(of: base) { return hasEquality(element) }
        guard base >= TypeOID.firstUserDefined else { return !Self.typesWithoutEquality.contains(base) }
        return "er".contains(environment.catalog.facts.types[base]?.kind ?? " ")
    }

    /// PostgreSQL's types without an operator class to group by (pg_opclass): json, xml, geometric types, jsonpath, refcursor, gtsvector and
    /// snapshots.
    private static let typesWithoutEquality: Set<UInt32> = [114, 142, 600, 601, 602, 603, 604, 628, 718, 1790, 2970, 3642, 4072, 5038]
}
