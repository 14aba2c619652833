// ObjectOIDs: which OIDs a shard has given to types and tables of the client's own, by their names.
//
// Each server counts OIDs for itself, so the same type has another OID on each shard. Clients see those of the catalog shard, which
// answers their look-ups in pg_type; names tell which OIDs of two shards mean the same.
import WireProtocol

/// What one shard answers to `ObjectOIDs.question`.
public struct ObjectOIDs: Equatable, Sendable {
    /// A type or table by name. Array types go by their elements' name: their own depends on what names were free.
    public struct Name: Hashable, Sendable {
        var schema: String
        var name: String
        var isArray = false
    }

    public private(set) var types: [Name: UInt32] = [:]
    public private(set) var shapes: [UInt32: TypeShape] = [:]
    public private(set) var tables: [Name: UInt32] = [:]

    public init() {}

    /// One simple Query, answered in text format by rows for `add`. Objects of temporary schemas belong to one session; those of
    /// schema pgbraid are the proxy's.
    public static let question = """
        /* pgbraid: oids */
        SELECT t.oid, n.nspname, coalesce(e.typname, t.typname), e.oid IS NOT NULL,
               CASE WHEN t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc THEN 'a' ELSE t.typtype::pg_catalog.text END,
               coalesce(r.rngsubtype, m.rngtypid, t.typbasetype)
        FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
        LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem AND e.typarray OPERATOR(pg_catalog.=) t.oid
        LEFT JOIN pg_catalog.pg_range r ON r.rngtypid OPERATOR(pg_catalog.=) t.oid
        LEFT JOIN pg_catalog.pg_range m ON m.rngmultitypid OPERATOR(pg_catalog.=) t.oid
        WHERE t.oid OPERATOR(pg_catalog.>=) 16384 AND n.nspname OPERATOR(pg_catalog.!~) '^pg_(toast|temp)|^pgbraid$'
        UNION ALL
        SELECT c.oid, n.nspname, c.relname, false, 'table', 0
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
        WHERE c.oid OPERATOR(pg_catalog.>=) 16384 AND c.relkind::pg_catalog.text OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f,S}')
          AND n.nspname OPERATOR(pg_catalog.!~) '^pg_(toast|temp)|^pgbraid$'
        """

    public static let columnCount = 6

    /// Takes one row of the answer; false for what is no such row.
    public mutating func add(_ row: [String?]) -> Bool {
        guard row.count == Self.columnCount, let oid = row[0].flatMap({ UInt32($0) }), let schema = row[1], let text = row[2],
            let kind = row[4], let other = row[5].flatMap({ UInt32($0) })
        else { return false }
        let name = Name(schema: schema, name: text, isArray: row[3] == "t")
        if kind == "table" {
            tables[name] = oid
            return true
        }
        types[name] = oid
        shapes[oid] = Self.shape(kind, other)
        return true
    }

    /// - Parameters:
    ///   - kind: typtype, or "a" for array types.
    ///   - other: the type it is made over.
    private static func shape(_ kind: String, _ other: UInt32) -> TypeShape {
        switch kind {
        case "a": .array
        case "c": .record
        case "r": .range(subtype: other)
        case "m": .multirange(range: other)
        case "d": .domain(base: other)
        default: .plain
        }
    }
}

/// The OIDs of one shard and those of the catalog shard, both ways.
public final class OIDTranslation: Sendable {
    /// From the shard's OIDs to those that clients know.
    public let toClient: TypeOIDMap
    /// From the OIDs that clients know to the shard's.
    public let toShard: TypeOIDMap
    /// The OIDs that clients know of the shard's tables.
    public let tables: [UInt32: UInt32]

    /// Nil where nothing needs to be translated: the shard calls nothing otherwise, and has nothing that the catalog shard has not.
    public init?(shard: ObjectOIDs, catalog: ObjectOIDs) {
        func others(_ from: [ObjectOIDs.Name: UInt32], _ to: [ObjectOIDs.Name: UInt32]) -> [UInt32: UInt32] {
            Dictionary(uniqueKeysWithValues: from.compactMap { name, oid in to[name].map { (oid, $0) } })
        }
        let types = others(shard.types, catalog.types)
        let tables = others(shard.tables, catalog.tables)
        let areAlike = types.count == shard.types.count && tables.count == shard.tables.count
            && types.allSatisfy { $0 == $1 } && tables.allSatisfy { $0 == $1 }
        if areAlike { return nil }
        toClient = TypeOIDMap(numbers: types, shapes: shard.shapes)
        toShard = TypeOIDMap(numbers: others(catalog.types, shard.types), shapes: catalog.shapes)
        self.tables = tables
    }
}
