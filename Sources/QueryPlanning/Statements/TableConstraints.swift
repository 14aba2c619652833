// TableConstraints: which constraints the shards enforce for the whole cluster, each on its own rows.
//
// Unique, primary key and exclusion hold when rows that may conflict are on one shard: the sharding key is among the
// columns that must be equal. A foreign key holds when the row it refers to is on the same shard: it refers to a reference
// table, or key to key of a table that is placed alike.
import CPGQuery
import ShardMap

/// A constraint of CREATE or ALTER TABLE.
struct TableConstraint {
    enum Kind: String {
        case primaryKey = "PRIMARY KEY"
        case unique = "UNIQUE"
        case exclusion = "EXCLUDE"
        case foreignKey = "FOREIGN KEY"
    }
    var kind: Kind
    /// Columns that must be equal for a conflict, or that refer.
    var columns: [String]
    var referenced: TableReference?
    /// Empty: the other table's primary key.
    var referencedColumns: [String] = []
    /// Columns that an action on the other table would set to NULL or a default.
    var overwrittenColumns: [String] = []
    /// ON UPDATE CASCADE: the columns follow those they refer to.
    var isCascading = false
    var location: Int

    /// nil for constraints that look at one row only, and those over an index that was checked when it was made.
    init?(_ constraint: PgQuery__Constraint, column: String?, _ context: AnalysisContext) {
        let keys = NodeList(constraint.keys, constraint.n_keys).strings
        location = Int(constraint.location)
        columns = column.map { [$0] } ?? keys
        switch constraint.contype {
        case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY: kind = .primaryKey
        case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE: kind = .unique
        case PG_QUERY__CONSTR_TYPE__CONSTR_EXCLUSION:
            kind = .exclusion
            columns = Self.equalColumns(NodeList(constraint.exclusions, constraint.n_exclusions), context)
        case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN:
            kind = .foreignKey
            readForeignKey(constraint, column: column)
        default: return nil
        }
        if kind != .foreignKey, nonEmptyText(constraint.indexname) != nil { return nil }
    }

    /// The plain columns of EXCLUDE's list that are compared with `=`.
    private static func equalColumns(_ exclusions: NodeList, _ context: AnalysisContext) -> [String] {
        exclusions.nodes.compactMap(\.listNode).compactMap { pair -> String? in
            let items = NodeList(pair.pointee.items, pair.pointee.n_items)
            guard items.count == 2, let element = items[0]?.indexElem, let operatorName = items[1]?.listNode else { return nil }
            let name = NodeList(operatorName.pointee.items, operatorName.pointee.n_items).strings.last
            return name == "=" && context.equatesBytes(element.pointee) ? nonEmptyText(element.pointee.name) : nil
        }
    }

    private mutating func readForeignKey(_ constraint: PgQuery__Constraint, column: String?) {
        columns = column.map { [$0] } ?? NodeList(constraint.fk_attrs, constraint.n_fk_attrs).strings
        referenced = constraint.pktable.map { TableReference($0) }
        referencedColumns = NodeList(constraint.pk_attrs, constraint.n_pk_attrs).strings
        // FKCONSTR_ACTION_SETNULL and FKCONSTR_ACTION_SETDEFAULT of parsenodes.h.
        let overwriting: Set<String> = ["n", "d"]
        let chosen = NodeList(constraint.fk_del_set_cols, constraint.n_fk_del_set_cols).strings
        if overwriting.contains(text(constraint.fk_del_action)) { overwrittenColumns = chosen.isEmpty ? columns : chosen }
        if overwriting.contains(text(constraint.fk_upd_action)) { overwrittenColumns = columns }
        isCascading = text(constraint.fk_upd_action) == "c"
    }
}

extension AnalysisContext {
    /// Whether what a column of an index takes for equal has the same bytes, and so is on one shard.
    func equatesBytes(_ element: PgQuery__IndexElem) -> Bool {
        element.n_collation == 0 || isDeterministic(.named(NodeList(element.collation, element.n_collation).strings))
    }
}

extension StatementClassifier {
    /// - Throws: if the shards cannot enforce the constraint; the hint has DDL that works.
    func check(_ constraint: TableConstraint, on table: TableShape) throws(Refusal) {
        if constraint.kind == .foreignKey { return try checkForeignKey(constraint, on: table) }
        if table.placement == .local { throw unenforceable(constraint.kind.rawValue, on: table, constraint.location) }
        guard let key = table.key, !constraint.columns.contains(key.name) else { return }
        let columns = ([key.name] + constraint.columns).map(SQLText.identifier).joined(separator: ", ")
        throw Refusal(
            "0A000", "\(constraint.kind.rawValue) on sharded table \"\(table.reference.name)\" must contain its sharding key \"\(key.name)\"",
            detail: "Each shard enforces it on its own rows only.",
            hint: constraint.kind == .exclusion
                ? "Add \(SQLText.identifier(key.name)) WITH =." : "Write \(constraint.kind.rawValue) (\(columns)).",
            position: context.position(constraint.location))
    }

    /// Rows of a local table that may conflict are on any shards.
    func unenforceable(_ constraint: String, on table: TableShape, _ location: Int) -> Refusal {
        Refusal(
            "0A000", "\(constraint) on local table \"\(table.reference.name)\" is not supported",
            detail: "Each shard would enforce it on its own rows only.",
            hint: "Use an index that is not unique; numbers of an identity column and uuids are different without it.", position: context.position(location))
    }

    private func checkForeignKey(_ constraint: TableConstraint, on table: TableShape) throws(Refusal) {
        guard let referenced = constraint.referenced else { return }
        if let key = table.key, constraint.overwrittenColumns.contains(key.name) {
            throw Refusal(
                "0A000", "a foreign key cannot set the sharding key \"\(key.name)\" to NULL or a default",
                hint: "Name the columns: ON DELETE SET NULL (...).", position: context.position(constraint.location))
        }
        let isSelf = referenced.name == table.reference.name && (referenced.schema ?? table.schema) == table.schema
        let existing = isSelf ? nil : referenced.relation(in: context)
        guard let other = isSelf ? table : existing.map({ TableShape($0, reference: referenced) }) else { return try checkCascade(constraint, on: table) }
        if other.placement == .local { throw unenforceable("FOREIGN KEY", on: other, constraint.location) }
        guard let otherKey = other.key else { return try checkCascade(constraint, on: table) }
        var columns = constraint.referencedColumns
        if columns.isEmpty, let existing { columns = existing.primaryKey.map { existing.columns[$0].name } }
        if isSelf, columns.isEmpty { columns = [otherKey.name] + constraint.columns.filter { $0 != otherKey.name } }
        if let key = table.key, key.placement.isColocated(with: otherKey.placement),
            zip(constraint.columns, columns).contains(where: { $0 == key.name && $1 == otherKey.name }) { return }
        throw crossShardForeignKey(constraint, table, other)
    }

    /// A reference table's key changes on all shards alike: rows that follow it would remain on the shards of their old keys.
    private func checkCascade(_ constraint: TableConstraint, on table: TableShape) throws(Refusal) {
        guard constraint.isCascading, let key = table.key, constraint.columns.contains(key.name) else { return }
        throw Refusal(
            "0A000", "ON UPDATE CASCADE cannot change the sharding key \"\(key.name)\" of table \"\(table.reference.name)\"",
            detail: "The rows would not move to the shards of their new keys.", hint: "Leave ON UPDATE CASCADE out.",
            position: context.position(constraint.location))
    }

    private func crossShardForeignKey(_ constraint: TableConstraint, _ table: TableShape, _ other: TableShape) -> Refusal {
        let key = other.key?.name ?? ""
        var hint = "\(table.placement == .local ? "Local" : "Reference") tables cannot refer to sharded tables; drop the foreign key, or shard \"\(table.reference.name)\" too "
            + "(create_distributed_table) before you add it."
        if let own = table.key {
            let left = ([own.name] + constraint.columns.filter { $0 != own.name }).map(SQLText.identifier).joined(separator: ", ")
            let right = ([key] + constraint.referencedColumns.filter { $0 != key }).map(SQLText.identifier).joined(separator: ", ")
            hint = "Both tables must be placed alike and the keys must refer to each other: "
                + "FOREIGN KEY (\(left)) REFERENCES \(SQLText.identifier(other.reference.name)) (\(right))."
        }
        return Refusal(
            "0A000", "foreign key from \"\(table.reference.name)\" to sharded table \"\(other.reference.name)\" would cross shards",
            detail: "Each shard enforces it on its own rows only.", hint: hint, position: context.position(constraint.location))
    }
}

extension SQLText {
    /// An identifier for a hint, quoted unless it is plainly none of the grammar's words.
    static func identifier(_ name: String) -> String {
        let isPlain = name.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x5F }
        let isWord = name.hasPrefix("current_") || name == "session_user"
        return isPlain && name.contains("_") && !isWord ? name : quoted(name)
    }
}
