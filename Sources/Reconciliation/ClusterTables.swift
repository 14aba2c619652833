// ClusterTables: the tables of the cluster, and where their rows belong: by what SQL has stored, or else by the rules of the configuration, as
// the proxy reads them (docs/configuration.md, "Tables placed by SQL").
import ShardMap

struct ClusterTable: Equatable {
    enum Kind: Equatable {
        case sharded(key: String, KeyType, PlacementMethod)
        case reference
        /// Its rows may be anywhere.
        case local
        /// Where its rows belong cannot be told, for this reason.
        case unknown(String)
    }

    var found: FoundTable
    /// Foreign keys of other tables refer to it, and delete or change their rows with its own.
    var hasCascade: Bool
    /// All columns, generated ones too.
    var columns: [String]
    /// Those that an INSERT may name.
    var insertable: [String]
    /// A column has numbers of its own, which an INSERT must say it does not want.
    var hasOwnNumbers: Bool
    /// Of the primary key; empty: it has none.
    var primaryKey: [String]
    var kind: Kind

    var sqlName: String { found.sqlName }
    var shownName: String { found.schema == "public" ? found.name : "\(found.schema).\(found.name)" }
    /// What tells its rows apart.
    var identity: [String] { primaryKey.isEmpty ? columns : primaryKey }
}

struct ClusterTables {
    let session: DatabaseSession
    let rules: ShardingRules

    /// Tables without parents: reading them reads their partitions and children.
    private static let relations = """
        SELECT c.oid, n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgbraid', 'pg_toast')
          AND c.oid NOT IN (SELECT inhrelid FROM pg_catalog.pg_inherits) ORDER BY n.nspname, c.relname
        """
    private static let columns = """
        SELECT a.attrelid, a.attname, a.attnum, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, a.attgenerated = '', a.attidentity = 'a'
        FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
        WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
        """
    private static let primaryKeys = "SELECT indrelid, indkey FROM pg_catalog.pg_index WHERE indisprimary"
    /// Foreign keys by which a table's rows take others with them.
    static let isCascade = "contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))"
    private static let cascades = "SELECT confrelid FROM pg_catalog.pg_constraint WHERE \(isCascade)"
    private static let placements = "SELECT name::pg_catalog.oid, kind, key_number, method FROM pgbraid.placement"

    private struct Column {
        var name: String
        var number: String
        var type: UInt32
        var isInsertable: Bool
        var hasOwnNumbers: Bool
    }

    /// All tables of clients, in the order of their names.
    /// - Throws: what asking throws.
    func load() throws -> [ClusterTable] {
        var columns: [String: [Column]] = [:]
        for row in try rows(Self.columns) {
            guard let table = row[0], let name = row[1], let number = row[2], let type = row[3].flatMap({ UInt32($0) }) else { continue }
            columns[table, default: []].append(Column(name: name, number: number, type: type, isInsertable: row[4] == "t", hasOwnNumbers: row[5] == "t"))
        }
        var keys: [String: [String]] = [:]
        for row in try rows(Self.primaryKeys) { if let table = row[0] { keys[table] = row[1]?.split(separator: " ").map(String.init) } }
        var stored: [String: [String?]] = [:]
        for row in try rows(Self.placements) { if let table = row[0] { stored[table] = row } }
        let cascades = Set(try rows(Self.cascades).compactMap { $0[0] })
        return try rows(Self.relations).compactMap { row in
            guard let oid = row[0], let schema = row[1], let name = row[2], let owner = row[3] else { return nil }
            let own = columns[oid] ?? []
            var table = ClusterTable(
                found: FoundTable(oid: oid, schema: schema, name: name, owner: owner), hasCascade: cascades.contains(oid), columns: own.map(\.name),
                insertable: own.filter(\.isInsertable).map(\.name), hasOwnNumbers: own.contains(where: \.hasOwnNumbers),
                primaryKey: (keys[oid] ?? []).compactMap { number in own.first { $0.number == number }?.name }, kind: .local)
            table.kind = kind(table, own, stored[oid])
            return table
        }
    }

    private func rows(_ text: String) throws -> [[String?]] { try session.execute(text).rows }

    private func kind(_ table: ClusterTable, _ columns: [Column], _ stored: [String?]?) -> ClusterTable.Kind {
        if let stored {
            if stored[1] == "reference" { return .reference }
            if stored[1] == "local" { return .local }
            guard let key = columns.first(where: { $0.number == stored[2] }) else { return .unknown("its sharding key is none of its columns") }
            return sharded(key, stored[3] == "modulo" ? .modulo : .hash)
        }
        do {
            switch try rules.rule(schema: table.found.schema, table: table.found.name, columns: table.columns) {
            case .reference: return .reference
            case .local: return .local
            case .sharded(let column, let method):
                return columns.first { $0.name == column }.map { sharded($0, method) } ?? .unknown("its sharding key \"\(column)\" is none of its columns")
            }
        } catch {
            return .unknown(error.message)
        }
    }

    private func sharded(_ key: Column, _ method: PlacementMethod) -> ClusterTable.Kind {
        guard let type = KeyType(typeOID: key.type), method.accepts(type.family) else {
            return .unknown("its sharding key \"\(key.name)\" is of a type that method \(method.name) does not take")
        }
        return .sharded(key: key.name, type, method)
    }
}
