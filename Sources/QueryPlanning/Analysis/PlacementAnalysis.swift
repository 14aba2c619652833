// PlacementAnalysis: is each shard's answer, concatenated, exact? The decision procedure of the planner, bottom-up over
// the bound statement (rules 1 to 13 of docs: replicated, partitioned by a key, or neither).
//
// It also answers the question asked before that one (rule 13): do constants confine every sharded table to one shard?
import ShardMap

/// Analyses one bound statement. Used once.
final class PlacementAnalysis {
    let binder: Binder
    let context: AnalysisContext
    /// Assumed states of the working tables of recursive queries.
    var workingTables: [Int: RelationState] = [:]
    private var finished: [ObjectIdentifier: Placed] = [:]
    /// Whether queries read tables.
    var tableReaders: [ObjectIdentifier: Bool] = [:]
    private var exports: [ObjectIdentifier: [Int: [ConstantSet]]] = [:]
    /// Queries that may still be looked at: WITH items can multiply each other.
    private var budget = 5_000

    init(_ binder: Binder) {
        self.binder = binder
        self.context = binder.context
    }

    /// State and confinement of a query as the relation it is for the level around it.
    /// - Parameter isExistence: only whether there are rows matters.
    func analyse(_ query: BoundQuery, _ facts: Facts, isExistence: Bool = false) -> Placed {
        let isReusable = !query.isCorrelated && workingTables.isEmpty && !isExistence
        if isReusable, let known = finished[ObjectIdentifier(query)] { return known }
        budget -= 1
        guard budget > 0 else {
            return Placed(state: .other("the statement is too complex"), confinement: .unbound("too many subqueries"))
        }
        let placed = analyseBody(query, facts, isExistence: isExistence)
        if isReusable { finished[ObjectIdentifier(query)] = placed }
        return placed
    }

    private func analyseBody(_ query: BoundQuery, _ facts: Facts, isExistence: Bool) -> Placed {
        switch query.body {
        case .select(let level):
            let input = analyseInput(level, facts)
            let state = outputState(level, input.state, query, isExistence: isExistence)
            return Placed(state: state, confinement: input.confinement)
        case .values(let level):
            let input = analyseInput(level, facts)
            return Placed(state: limited(project(input.state, [], level), query, nil, isExistence), confinement: input.confinement)
        case .setOperation(let kind, let isAll, let left, let right):
            var placed = analyseSetOperation(kind, isAll: isAll, analyse(left, facts), analyse(right, facts), left, right)
            for sublink in query.limitLevel?.sublinks ?? [] {
                let inner = analyse(sublink.query, facts)
                placed.confinement = placed.confinement.merged(inner.confinement)
                if case .replicated = inner.state, binder.isSelfContained(sublink) { continue }
                placed.state = .other("a subquery in LIMIT of a set operation")
            }
            return Placed(state: limited(placed.state, query, nil, isExistence), confinement: placed.confinement)
        case .recursive(let number, let isAll, let initial, let step):
            return analyseRecursion(number, isAll: isAll, initial, step, facts, query)
        case .modification(let modification):
            // What confines the statement itself is counted apart.
            return Placed(state: returned(modification, query), confinement: .none)
        }
    }

    // MARK: FROM and WHERE

    /// What a level's rows are before grouping, ordering and cutting off.
    func analyseInput(_ level: BoundLevel, _ outer: Facts) -> Placed {
        var facts = outer.adding(level.filter)
        addExports(level.from, to: &facts)
        var placed = analyse(level.from, level, facts, conjuncts: level.filter)
        for sublink in level.sublinks { placed = apply(sublink, to: placed, level, facts) }
        placed.state = checked(placed.state, level)
        return placed
    }

    /// What the table to change is confined to by the statement's own WHERE.
    func targetConfinement(_ modification: BoundModification) -> Confinement {
        var facts = Facts(modification.level.filter)
        addExports(modification.level.from, to: &facts)
        return analyse(.entry(modification.target), modification.level, facts).confinement
    }

    /// Rule 7: what the level's own expressions forbid.
    private func checked(_ state: RelationState, _ level: BoundLevel) -> RelationState {
        if level.usesSystemColumns, !context.isExplained { return .other("system columns differ from shard to shard") }
        for call in level.calls {
            switch context.knowledge(of: call.node) {
            case .stable, .transactionTime: continue
            case .volatile:
                if case .replicated = state { return .other("a volatile function in a part that every shard computes") }
            case .sessionBound, .catalogShard, .writing, .executesText, .unknown:
                let name = NodeList(call.node.pointee.funcname, call.node.pointee.n_funcname).strings.joined(separator: ".")
                return .other("function \(name) is not known to give each shard's share")
            }
        }
        return state
    }

    func analyse(_ tree: JoinTree, _ level: BoundLevel, _ facts: Facts, conjuncts: [Predicate] = []) -> Placed {
        switch tree {
        case .entry(let entry): return analyse(entry, facts)
        case .inner:
            let (members, own) = flattened(tree)
            let all = facts.adding(own)
            let placed = members.map { analyse($0, level, all) }
            return combineInner(placed, level, Facts(conjuncts + own))
        case .outer(.left, let left, let right, let on, _): return analysePreserving(left, right, on, level, facts)
        case .outer(.right, let left, let right, let on, _): return analysePreserving(right, left, on, level, facts)
        case .outer(.full, let left, let right, let on, let merged):
            return analyseFull(left, right, on, merged, level, facts)
        }
    }

    /// Members and conjuncts of nested inner joins as one list.
    func flattened(_ tree: JoinTree) -> (members: [JoinTree], conjuncts: [Predicate]) {
        guard case .inner(let members, let conjuncts) = tree else { return ([tree], []) }
        return members.reduce(into: ([], conjuncts)) { result, member in
            let inner = flattened(member)
            result.0 += inner.members
            result.1 += inner.conjuncts
        }
    }

    private func analyse(_ entry: RangeEntry, _ facts: Facts) -> Placed {
        switch entry.source {
        case .table(let relation): return analyse(relation, entry, facts)
        case .query(let query): return analyse(query, entry, facts)
        case .recursiveReference(let number):
            let state = workingTables[number] ?? .other("a recursive reference outside its query")
            return Placed(state: entered(state, entry), confinement: .none)
        case .function, .mergedColumns: return Placed(state: .replicated, confinement: .none)
        case .temporaryTable: return Placed(state: .other("a temporary table"), confinement: .none)
        }
    }

    /// Rule 1.
    private func analyse(_ relation: Relation, _ entry: RangeEntry, _ facts: Facts) -> Placed {
        switch relation.placement {
        case .sharded(let keyColumn, let placement):
            let key = Variable(entry: entry.id, column: keyColumn)
            let column = KeyColumn(relation, column: keyColumn)
            let conditions = facts.constants(of: key).compactMap { context.condition($0, placement, of: column) }
            let confinement = conditions.isEmpty ? Confinement.unbound(relation.name) : .bound(conditions)
            let partition = Partition(placement: placement, keys: [key], tableName: entry.name)
            return Placed(state: .partitioned(partition), confinement: confinement)
        case .local:
            let partition = Partition(placement: nil, keys: [], tableName: entry.name)
            return Placed(state: .partitioned(partition), confinement: .unbound(relation.name))
        case .reference:
            let state: RelationState = entry.isSampled ? .other("TABLESAMPLE of a reference table") : .replicated
            return Placed(state: state, confinement: .none)
        case .system: return Placed(state: .other("system catalogs are read on one shard"), confinement: .none)
        case .unusable(let reason): return Placed(state: .other(reason), confinement: .none)
        }
    }

    /// A subquery, view or WITH item: its output columns become the entry's.
    private func analyse(_ query: BoundQuery, _ entry: RangeEntry, _ facts: Facts) -> Placed {
        var placed = analyse(query, facts)
        if placed.confinement.unbound != nil, let partition = placed.state.partition, let placement = partition.placement {
            let conditions = partition.keyColumns.flatMap { facts.constants(of: Variable(entry: entry.id, column: $0)) }
                .compactMap { context.condition($0, placement) }
            if !conditions.isEmpty { placed.confinement = .bound(conditions) }
        }
        placed.state = entered(placed.state, entry)
        return placed
    }

    private func entered(_ state: RelationState, _ entry: RangeEntry) -> RelationState {
        guard var partition = state.partition else { return state }
        partition.keys += partition.keyColumns.map { Variable(entry: entry.id, column: $0) }
        partition.keyColumns = []
        return .partitioned(partition)
    }

    // MARK: Constants that subqueries hand out

    /// Adds what is known of the constants in the columns of subqueries whose rows are never replaced by NULLs.
    func addExports(_ tree: JoinTree, to facts: inout Facts) {
        switch tree {
        case .entry(let entry):
            guard case .query(let query) = entry.source else { return }
            for (column, sets) in exportedConstants(query).sorted(by: { $0.key < $1.key }) {
                for set in sets { facts.confine(Variable(entry: entry.id, column: column), to: set) }
            }
        case .inner(let members, let conjuncts):
            for predicate in conjuncts { facts.add(predicate) }
            for member in members { addExports(member, to: &facts) }
        case .outer(.left, let preserved, _, _, _), .outer(.right, _, let preserved, _, _):
            addExports(preserved, to: &facts)
        case .outer(.full, _, _, _, _): return
        }
    }

    func exportedConstants(_ query: BoundQuery) -> [Int: [ConstantSet]] {
        if let known = exports[ObjectIdentifier(query)] { return known }
        exports[ObjectIdentifier(query)] = [:]
        var facts = Facts()
        var assigned: [Variable] = []
        switch query.body {
        // Grouping sets make a column NULL that WHERE has confined.
        case .select(let level) where !level.hasPlainGroups: return [:]
        case .select(let level), .values(let level):
            for predicate in level.filter { facts.add(predicate) }
            addExports(level.from, to: &facts)
        case .modification(let modification) where modification.kind == .delete || modification.kind == .update:
            for predicate in modification.level.filter { facts.add(predicate) }
            assigned = modification.assignedVariables
        default: return [:]
        }
        var result: [Int: [ConstantSet]] = [:]
        for (index, column) in query.columns.enumerated() {
            var sets = column.constants.map { [$0] } ?? []
            if let source = column.source, !assigned.contains(source) { sets += facts.constants(of: source) }
            if !sets.isEmpty { result[index] = sets }
        }
        exports[ObjectIdentifier(query)] = result
        return result
    }
}
