// ShardingRules: what the configuration says about tables.
//
// Without any rule, a table that has the default key column is sharded by it and every other table is a reference
// table. A rule for `schema.table` goes before a rule for `table`, which goes before the default.

/// What is said about one table.
public struct TableRule: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// nil means the rules' default key column or method.
        case sharded(keyColumn: String? = nil, method: PlacementMethod? = nil)
        case reference
        case local
    }

    public let name: TableName
    public let kind: Kind

    public init(name: TableName, kind: Kind) {
        self.name = name
        self.kind = kind
    }
}

/// All rules of a cluster; an immutable value.
public struct ShardingRules: Hashable, Sendable {
    /// The column that shards a table without a rule.
    public let defaultKeyColumn: String
    public let defaultMethod: PlacementMethod
    private let kinds: [TableName: TableRule.Kind]

    /// Rules without any table rule.
    public init(defaultKeyColumn: String = "user_id", defaultMethod: PlacementMethod = .hash) {
        self.defaultKeyColumn = defaultKeyColumn
        self.defaultMethod = defaultMethod
        kinds = [:]
    }

    /// - Throws: `duplicateRule` if a name stands twice.
    public init(
        defaultKeyColumn: String = "user_id", defaultMethod: PlacementMethod = .hash, tables: [TableRule]
    ) throws(ShardMapError) {
        var kinds: [TableName: TableRule.Kind] = [:]
        for rule in tables {
            guard kinds.updateValue(rule.kind, forKey: rule.name) == nil else {
                throw .duplicateRule(rule.name.description)
            }
        }
        self.init(defaultKeyColumn: defaultKeyColumn, defaultMethod: defaultMethod, kinds: kinds)
    }

    private init(defaultKeyColumn: String, defaultMethod: PlacementMethod, kinds: [TableName: TableRule.Kind]) {
        self.defaultKeyColumn = defaultKeyColumn
        self.defaultMethod = defaultMethod
        self.kinds = kinds
    }

    /// The table rules in the order of their names.
    public var tables: [TableRule] {
        kinds.map { TableRule(name: $0.key, kind: $0.value) }
            .sorted { Array($0.name.description.utf8).lexicographicallyPrecedes(Array($1.name.description.utf8)) }
    }

    /// What a rule for just this table says; nil: there is none, and the default holds.
    public func kind(schema: String, table: String) -> TableRule.Kind? {
        kinds[TableName(schema: schema, table: table)] ?? kinds[TableName(schema: nil, table: table)]
    }

    /// Where the rows of a table with these columns live. O(columns).
    /// - Throws: `keyColumnMissing` if a rule names a key column that is not among `columns`.
    public func rule(schema: String, table: String, columns: [String]) throws(PlacementError) -> TablePlacement {
        switch kind(schema: schema, table: table) {
        case .reference: return .reference
        case .local: return .local
        case .sharded(let keyColumn, let method):
            let column = keyColumn ?? defaultKeyColumn
            guard columns.contains(column) else {
                throw .keyColumnMissing(table: TableName(schema: schema, table: table).description, column: column)
            }
            return .sharded(keyColumn: column, method: method ?? defaultMethod)
        case nil:
            guard columns.contains(defaultKeyColumn) else { return .reference }
            return .sharded(keyColumn: defaultKeyColumn, method: defaultMethod)
        }
    }

    /// All methods that some table may be placed by.
    var methods: [PlacementMethod] {
        [defaultMethod]
            + tables.compactMap { if case .sharded(_, let method?) = $0.kind { method } else { nil } }
    }
}
