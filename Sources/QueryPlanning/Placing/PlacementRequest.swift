// PlacementRequest: what a call of create_distributed_table and its kin asks for once its arguments have values.

/// A call with its values.
public struct PlacementRequest: Sendable, Equatable {
    public var function: PlacementCall.Function
    /// As the function takes them, in the order of its arguments; nil: left out.
    public var arguments: [String?]

    public init(function: PlacementCall.Function, arguments: [String?]) {
        self.function = function
        self.arguments = arguments
    }

    var table: String? { argument(0) }
    var column: String? { argument(1) }
    var method: String? { argument(2) }
    /// nil where any table may be its neighbour.
    var neighbour: String? { argument(3).flatMap { ["default", "none"].contains($0.lowercased()) ? nil : $0 } }

    private func argument(_ index: Int) -> String? { arguments.indices.contains(index) ? arguments[index] : nil }
}

/// What is to be done so that a table's rows are where they shall be.
public struct PlacementChange: Sendable {
    public var table: Relation
    public var placement: Placement
    /// What pgbraid.placement says of the table afterwards; nil: nothing.
    public var stored: StoredPlacement?
    /// The encoding in which rows travel: the databases' own.
    public var encoding: String
    /// Some rows are not where they shall be.
    public var movesRows: Bool

    /// The table's name as SQL text.
    public var name: String { SQLText.quoted(table.schema) + "." + SQLText.quoted(table.name) }

    /// The columns that a copy of a row needs, all but generated ones, as indexes into the table's.
    var copied: [Int] { table.columns.indices.filter { table.columns[$0].generation != "s" } }

    public var copiedNames: [String] { copied.map { table.columns[$0].name } }

    private var columnList: String { copiedNames.map(SQLText.quoted).joined(separator: ", ") }

    /// The new key's place among the copied columns, and how it is placed; nil: every shard gets every row.
    public var newKey: (column: Int, placement: KeyPlacement)? {
        guard case .sharded(let index, let key) = placement, let place = copied.firstIndex(of: index) else { return nil }
        return (place, key)
    }

    /// Rows are on some shards only, and must go to others.
    public var readsAllShards: Bool {
        if case .sharded = table.placement { return true }
        return false
    }

    /// Gives the rows of a shard.
    public func copyOut(shard: Int, of shardCount: Int) -> String {
        "COPY (SELECT \(columnList) FROM \(name) WHERE \(Self.condition(table.placement, table, shard, shardCount))) "
            + "TO STDOUT (ENCODING \(SQLText.literal(encoding)))"
    }

    /// Takes rows.
    public var copyIn: String { "COPY \(name) (\(columnList)) FROM STDIN (ENCODING \(SQLText.literal(encoding)))" }

    /// Removes the rows that are not a shard's; nil: all are.
    public func removal(shard: Int, of shardCount: Int) -> String? {
        guard case .sharded = placement else { return nil }
        return "DELETE FROM \(name) WHERE (\(Self.condition(placement, table, shard, shardCount))) IS NOT TRUE"
    }

    /// One row of five: whether there is a row without the new key, whether there is one that is not the shard's own, a sum that is
    /// the same on all shards where they hold the same rows, whether the table has other columns than those copied, and a policy that
    /// reads it.
    public func examination(shard: Int, of shardCount: Int) -> String {
        var isKeyMissing = "false"
        var sum = "''"
        if case .sharded(let index, let key) = placement {
            isKeyMissing = "EXISTS (SELECT FROM \(name) WHERE \(SQLText.quoted(table.columns[index].name)) IS NULL)"
            if !readsAllShards {
                sum = "(SELECT pg_catalog.count(*) || ' ' || coalesce(pg_catalog.sum(\(Self.hash(table.columns[index], key))), 0) FROM \(name))"
            }
        }
        let isForeign = readsAllShards
            ? "EXISTS (SELECT FROM \(name) WHERE (\(Self.condition(table.placement, table, shard, shardCount))) IS NOT TRUE)" : "false"
        return "SELECT \(isKeyMissing), \(isForeign), \(sum), \(hasOtherColumns), \(readingPolicy)"
    }

    /// The name of another table's policy that reads the table, or a view over it.
    private var readingPolicy: String {
        guard case .sharded = placement else { return "NULL" }
        return "(WITH RECURSIVE reading AS (SELECT \(SQLText.literal(name))::pg_catalog.regclass::pg_catalog.oid AS relation "
            + "UNION SELECT w.ev_class FROM reading JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass "
            + "AND d.refobjid = relation AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid) "
            + "SELECT p.polname FROM reading JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass "
            + "AND d.refobjid = relation AND d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass JOIN pg_catalog.pg_policy p ON p.oid = d.objid "
            + "WHERE p.polrelid <> relation ORDER BY 1 LIMIT 1)"
    }

    /// It was planned before the table was locked.
    private var hasOtherColumns: String {
        let names = copiedNames.map(SQLText.literal).joined(separator: ", ")
        return "(SELECT pg_catalog.count(*) <> \(copiedNames.count) OR pg_catalog.count(*) FILTER (WHERE attname IN (\(names))) <> \(copiedNames.count) "
            + "FROM pg_catalog.pg_attribute WHERE attrelid = \(SQLText.literal(name))::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped "
            + "AND attgenerated = '')"
    }

    /// Keeps what is stored of the table.
    public var record: String {
        switch stored {
        case nil: "SELECT pgbraid.forget_placement(\(SQLText.literal(name)))"
        case .reference?: "SELECT pgbraid.record_placement(\(SQLText.literal(name)), 'reference', NULL, NULL)"
        case .sharded(_, let method)?:
            "SELECT pgbraid.record_placement(\(SQLText.literal(name)), 'sharded', \(keyLiteral), '\(method.name)')"
        }
    }

    /// Begins the change: locks the table, checks that the role may change it and that its constraints hold afterwards.
    public var beginning: String {
        "SELECT pgbraid.begin_placement(\(SQLText.literal(name)), \(keyLiteral))"
    }

    /// The new key by name: each shard may have another number for the column.
    private var keyLiteral: String {
        guard case .sharded(let index, _) = placement else { return "NULL" }
        return SQLText.literal(table.columns[index].name)
    }
}
