// BoundQuery: a query with its names resolved, as the placement analysis reads it. Expressions stay nodes of the parse
// tree; what their names mean is recorded beside them, by node.
import CPGQuery

/// A column of a range entry, unique in the whole statement.
struct Variable: Hashable {
    /// `RangeEntry.id`
    let entry: Int
    /// Index among the entry's columns.
    let column: Int
}

/// A column that a range entry or a query offers.
struct BoundColumn {
    var name: String
    /// nil when it could not be inferred.
    var type: SQLType?
    /// The variable of the query's own level that the column is a plain reference to (queries only).
    var source: Variable?
    /// The constants the column is known to be one of (queries only): a literal target, or VALUES rows of literals.
    var constants: ConstantSet?
}

/// Where a range entry's rows come from.
enum RangeSource {
    case table(Relation)
    case query(BoundQuery)
    /// The working table of the recursive CTE with this number.
    case recursiveReference(Int)
    /// A function in FROM; its calls are among the level's.
    case function
    case temporaryTable
    /// The USING columns of a FULL JOIN: one column for each pair.
    case mergedColumns([(left: Variable, right: Variable)])
}

/// One item of a FROM list.
final class RangeEntry {
    let id: Int
    /// The level whose FROM list it stands in.
    let level: Int
    /// Alias, else the relation's name.
    let name: String
    let schema: String?
    var columns: [BoundColumn]
    let source: RangeSource
    /// It has columns that are not listed (functions that return rows of unknown types).
    let hasUnknownColumns: Bool
    /// The RangeVar or RangeSubselect it stands for in the statement's text; nil inside of views.
    var node: Node?
    /// How often each column is referred to.
    private var uses: [Int: Int] = [:]
    /// A reference to a WITH item.
    var isCommonReference = false
    /// The view whose query it stands for.
    var view: Relation?
    /// A row-locking clause reaches it.
    var isRowLocked = false
    /// TABLESAMPLE.
    var isSampled = false

    init(
        id: Int, level: Int, name: String, schema: String? = nil, columns: [BoundColumn], source: RangeSource, hasUnknownColumns: Bool = false
    ) {
        self.id = id
        self.level = level
        self.name = name
        self.schema = schema
        self.columns = columns
        self.source = source
        self.hasUnknownColumns = hasUnknownColumns
    }

    /// Columns that anything refers to.
    var usedColumns: [Int] { uses.filter { $0.value > 0 }.keys.sorted() }

    /// Counts a reference; true for a column's first.
    func use(_ column: Int) -> Bool {
        uses[column, default: 0] += 1
        return uses[column] == 1
    }

    /// A reference that is not needed after all.
    func release(_ column: Int) { uses[column, default: 0] -= 1 }
}

enum OuterJoinKind {
    case left, right, full
}

/// The shape of a FROM list.
indirect enum JoinTree {
    case entry(RangeEntry)
    /// Inner and cross joins, comma lists; conjuncts of their ON and USING.
    case inner([JoinTree], [Predicate])
    case outer(OuterJoinKind, JoinTree, JoinTree, on: [Predicate], merged: RangeEntry?)

    /// The items it joins, and the merged columns of the FULL JOINs among them.
    var entries: [RangeEntry] {
        switch self {
        case .entry(let entry): [entry]
        case .inner(let members, _): members.flatMap(\.entries)
        case .outer(_, let left, let right, _, let merged): left.entries + right.entries + (merged.map { [$0] } ?? [])
        }
    }
}

/// Where an expression stands.
enum Clause {
    case from, on, filter, target, grouping, having, ordering, limit, window, assignment, returning
    /// In an aggregate's arguments or FILTER: evaluated for each row before grouping.
    case aggregateArgument
}

/// A query in an expression.
final class BoundSublink {
    let node: Message<PgQuery__SubLink>
    let query: BoundQuery
    let clause: Clause
    /// For `x IN (...)`, `= ANY`, `<> ALL`: the plain columns compared, by output position.
    let comparedColumns: [(variable: Variable, position: Int)]

    init(node: Message<PgQuery__SubLink>, query: BoundQuery, clause: Clause, comparedColumns: [(variable: Variable, position: Int)]) {
        self.node = node
        self.query = query
        self.clause = clause
        self.comparedColumns = comparedColumns
    }
}

/// A function call and where it stands.
struct BoundCall {
    let node: Message<PgQuery__FuncCall>
    let clause: Clause
}

/// A window function call with what its window's definition says, and those that it builds on.
struct BoundWindow {
    let call: Message<PgQuery__FuncCall>
    /// PARTITION BY and ORDER BY.
    var partition: [Node] = []
    var ordering: [Node] = []
    /// Its frame is a number of ROWS.
    var countsRows = false
}

/// One expanded item of a target list.
struct BoundTarget {
    var name: String
    /// nil for a column that stems from `*`.
    var expression: Node?
    /// The column a plain reference or an expanded `*` means.
    var variable: Variable?
    /// The type of a column of an expanded `*`, which may be that of several that USING has merged.
    var type: SQLType?
    /// How a column of an expanded `*` is written.
    var starReference: [String] = []
    /// Index of the item in the written target list.
    var item: Int
}

/// What stands directly in one SELECT (or UPDATE, DELETE): a level of name resolution.
final class BoundLevel {
    let id: Int
    var entries: [RangeEntry] = []
    var from: JoinTree = .inner([], [])
    var filter: [Predicate] = []
    var targets: [BoundTarget] = []
    var sublinks: [BoundSublink] = []
    var calls: [BoundCall] = []
    var usesSystemColumns = false
    var hasAggregates = false
    var hasWindows = false
    /// Targets contain something the binder could not name (`*` over unknown columns).
    var hasUnknownTargets = false
    /// GROUP BY, ordinals and aliases resolved.
    var grouping: [GroupingItem] = []
    /// GROUP BY is a list of expressions, or absent.
    var hasPlainGroups: Bool {
        grouping.allSatisfy { item in
            if case .expression = item { return true }
            return false
        }
    }
    /// It has GROUP BY, HAVING or aggregates.
    var isGrouped: Bool { hasAggregates || !grouping.isEmpty || hasHaving }
    var hasHaving = false
    var windows: [BoundWindow] = []
    var ordering: [ResolvedItem] = []
    var distinctOn: [ResolvedItem] = []
    var isDistinct = false

    init(id: Int) { self.id = id }
}

/// An expression of GROUP BY, ORDER BY or DISTINCT ON, which may mean an item of the target list.
struct ResolvedItem {
    /// nil for a column that stems from `*`.
    var expression: Node?
    /// The column it plainly is.
    var variable: Variable?
    /// Index among the expanded targets when it is one of them.
    var target: Int?
    /// ORDER BY ... USING
    var hasOperator = false
}

/// An item of GROUP BY.
indirect enum GroupingItem {
    case expression(ResolvedItem)
    /// A parenthesised list: all of them.
    case list([GroupingItem])
    /// GROUPING SETS: one of them at a time.
    case sets([GroupingItem])
    /// ROLLUP and CUBE: sets that may be empty.
    case rollup([GroupingItem])
    case cube([GroupingItem])
    /// ()
    case empty

    /// Whether every grouping set has an expression of which `isWanted` is true.
    func everySetContains(_ isWanted: (ResolvedItem) -> Bool) -> Bool {
        switch self {
        case .expression(let item): isWanted(item)
        case .list(let items): items.contains { $0.everySetContains(isWanted) }
        case .sets(let items): !items.isEmpty && items.allSatisfy { $0.everySetContains(isWanted) }
        case .rollup, .cube, .empty: false
        }
    }

    /// All expressions in it.
    var expressions: [ResolvedItem] {
        switch self {
        case .expression(let item): [item]
        case .list(let items), .sets(let items), .rollup(let items), .cube(let items): items.flatMap(\.expressions)
        case .empty: []
        }
    }
}

enum SetOperator {
    case union, intersect, except
}

/// A data-modifying statement.
final class BoundModification {
    enum Kind { case insert, update, delete, merge }
    let kind: Kind
    let target: RangeEntry
    /// FROM and WHERE; of an INSERT only RETURNING.
    let level: BoundLevel
    /// INSERT: the source query, nil for DEFAULT VALUES, and the columns it fills.
    var source: BoundQuery?
    var columns: [String] = []
    /// The condition of WHERE, or ON of a MERGE.
    var filterNode: Node?
    /// UPDATE: columns that are set.
    var assignments: [Assignment] = []

    /// MERGE: rows of its INSERT actions.
    var insertedRows: [[Assignment]] = []

    /// `column = value`; a value inside `(a, b) = (...)` is not looked at.
    struct Assignment {
        let column: String
        let value: Node?
    }

    /// The target's columns that are set.
    var assignedVariables: [Variable] {
        assignments.compactMap { assignment in
            target.columns.firstIndex { $0.name == assignment.column }.map { Variable(entry: target.id, column: $0) }
        }
    }

    init(kind: Kind, target: RangeEntry, level: BoundLevel) {
        self.kind = kind
        self.target = target
        self.level = level
    }
}

/// A WITH item.
struct BoundCTE {
    let name: String
    /// The item's query.
    let node: Node
    let query: BoundQuery
    let use: CommonTableUse
    let isModifying: Bool
}

/// A query at any depth.
final class BoundQuery {
    enum Body {
        case select(BoundLevel)
        case values(BoundLevel)
        case setOperation(SetOperator, isAll: Bool, BoundQuery, BoundQuery)
        /// A recursive CTE's body: `number` is that of its recursive references.
        case recursive(number: Int, isAll: Bool, initial: BoundQuery, step: BoundQuery)
        case modification(BoundModification)
    }
    var body: Body
    var columns: [BoundColumn]
    let node: Message<PgQuery__SelectStmt>?
    /// Items of its WITH clause, in order.
    var commonTables: [BoundCTE] = []
    /// Of a set operation: LIMIT and OFFSET.
    var limitLevel: BoundLevel?
    /// Columns of outer levels that it uses, itself or in its subqueries.
    var outerReferences: [Variable] = []

    init(body: Body, columns: [BoundColumn], node: Message<PgQuery__SelectStmt>?) {
        self.body = body
        self.columns = columns
        self.node = node
    }

    /// The condition that rows must meet: its WHERE; ON of a MERGE, unless it inserts the rows that do not.
    var filterNode: Node? {
        if case .modification(let modification) = body { return modification.insertedRows.isEmpty ? modification.filterNode : nil }
        return node.flatMap { Node($0.pointee.where_clause) }
    }
    var hasLimit: Bool { node.map { $0.pointee.limit_count != nil || $0.pointee.limit_offset != nil } ?? false }
    var isCorrelated: Bool { !outerReferences.isEmpty }
}
