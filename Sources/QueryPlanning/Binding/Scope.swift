// Scope: which names an expression can see. Scopes form a chain from a query to the queries around it.

/// A column as a name in FROM makes it visible.
struct NamespaceColumn {
    var name: String
    var variable: Variable
    var type: SQLType?
    /// How it is written so that nothing else can be meant: the alias, or nothing for a merged USING column.
    var qualifier: [String]
}

/// A name in FROM: a table, a subquery, a function or a join.
struct NamespaceItem {
    /// Empty for a join without alias.
    var name: String
    /// The table's schema, when it can be named with it (no alias).
    var schema: String?
    var columns: [NamespaceColumn]
    var isNameVisible = true
    var areColumnsVisible = true
    /// The entry behind it; nil for joins.
    var entry: RangeEntry?
    /// A join over something whose columns are not known.
    var hasUnknownColumns = false

    /// Whether a column that is not listed may be its.
    var isOpen: Bool { hasUnknownColumns || entry?.hasUnknownColumns == true }

    func columns(named name: String) -> [NamespaceColumn] { columns.filter { $0.name == name } }
}

/// A WITH item as its name is seen.
enum CommonTable {
    case query(BoundQuery, CommonTableUse)
    /// Inside a recursive item: the working table, with the columns of the initial term.
    case recursive(number: Int, columns: [BoundColumn])
    /// Its columns are not known yet (used before its definition).
    case pending
}

/// Who reads a WITH item. PostgreSQL evaluates none that nothing reads (SS_process_ctes in its subselect.c).
final class CommonTableUse {
    /// Something outside of WITH items reads it, or it writes.
    private var isReadByStatement: Bool
    /// The items that read it.
    private var readers: [CommonTableUse] = []

    init(writes: Bool) { isReadByStatement = writes }

    /// - Parameter reader: the item within which it is read, if any.
    func note(reader: CommonTableUse?) {
        guard let reader else { return isReadByStatement = true }
        if readers.last !== reader { readers.append(reader) }
    }

    /// Known once all names are resolved; items may read each other in many ways.
    private(set) lazy var isRead: Bool = isReadByStatement || readers.contains(where: \.isRead)
}

/// What one expression can see.
final class Scope {
    let level: Int
    let parent: Scope?
    var items: [NamespaceItem]
    var commonTables: [String: CommonTable]

    init(level: Int, parent: Scope?, items: [NamespaceItem] = [], commonTables: [String: CommonTable] = [:]) {
        self.level = level
        self.parent = parent
        self.items = items
        self.commonTables = commonTables
    }

    /// The same level with other visible items, as in ON clauses and FROM subqueries.
    func seeing(_ items: [NamespaceItem]) -> Scope {
        Scope(level: level, parent: parent, items: items, commonTables: commonTables)
    }

    /// The WITH item a name means.
    func commonTable(_ name: String) -> CommonTable? {
        var scope: Scope? = self
        while let current = scope {
            if let found = current.commonTables[name] { return found }
            scope = current.parent
        }
        return nil
    }

    /// The item a qualified name's first part means, the nearest level first.
    func item(schema: String?, name: String) -> NamespaceItem? {
        var scope: Scope? = self
        while let current = scope {
            let found = current.items.first {
                $0.isNameVisible && $0.name == name && (schema == nil || schema == $0.schema)
            }
            if let found { return found }
            scope = current.parent
        }
        return nil
    }
}

/// What a ColumnRef means.
enum Reference {
    case column(Variable, SQLType?)
    /// ctid, xmin, tableoid ...
    case systemColumn
    /// The whole row of an entry, or of a join.
    case row(RangeEntry?)
    /// A column of a function or temp table whose columns are not known.
    case unknownColumn
    /// Not found; the statement cannot be right.
    case unresolved
}
