// CatalogFixture: catalogs for tests, written the way the catalog's questions answer.
import ShardMap

@testable import QueryPlanning

enum CatalogFixture {
    /// orders (sharded by the default key), countries (reference), with the types and collations they use.
    static func shop() -> CatalogBuilder {
        var builder = CatalogBuilder()
        do {
            for schema in ["pg_catalog", "public", "information_schema"] { try builder.add(.schemas, row: [schema]) }
            for (name, oid) in typeOIDs.sorted(by: { $0.value < $1.value }) {
                try builder.add(
                    .types, row: ["\(oid)", "pg_catalog", name, "b", "X", "0", "-1", "0", "0", "0", nil, "f", "t", "f"])
            }
            try builder.add(.collations, row: ["100", "pg_catalog", "default", "d", "t", "f"])
            try builder.add(.collations, row: ["9000", "public", "blind", "i", "f", "f"])
            try builder.table(11, "orders", columns: ["order_id bigint", "user_id bigint", "country text", "amount numeric"])
            try builder.table(12, "countries", primaryKey: "1", columns: ["code text not null", "name text"])
        } catch {
            preconditionFailure("the fixture's rows are malformed: \(error)")
        }
        return builder
    }

    static let typeOIDs: [String: Int] = [
        "bool": 16, "int8": 20, "int2": 21, "int4": 23, "text": 25, "oid": 26, "json": 114, "float4": 700, "float8": 701,
        "varchar": 1043, "bpchar": 1042, "date": 1082, "timestamp": 1114, "timestamptz": 1184, "numeric": 1700, "uuid": 2950,
        "jsonb": 3802,
    ]

    static let spellings: [String: String] = [
        "bigint": "int8", "smallint": "int2", "integer": "int4", "int": "int4", "double": "float8", "char": "bpchar",
    ]
}

extension CatalogBuilder {
    /// A table whose columns are written as in DDL: name, type (a collation after a slash), then any of `not null`,
    /// `generated`, `identity`, `default=EXPRESSION`, `precision` (of double precision), `length=n`.
    mutating func table(
        _ oid: Int, _ name: String, schema: String = "public", kind: String = "r", parents: String? = nil,
        isPartition: Bool = false, primaryKey: String? = nil, triggers: Bool = false, columns: [String]
    ) throws {
        try add(.relations, row: [
            "\(oid)", schema, name, kind, nil, triggers ? "t" : "f", "f", "f", "f", parents, isPartition ? "t" : "f", primaryKey,
        ])
        for (index, column) in columns.enumerated() { try self.column("\(oid)", index + 1, column) }
        if let primaryKey { try add(.constraints, row: ["\(oid)", "\(name)_pkey", "p", primaryKey, "0", nil, nil, nil]) }
    }

    mutating func column(_ table: String, _ number: Int, _ definition: String) throws {
        let words = definition.split(separator: " ").map(String.init)
        let type = words[1].split(separator: "/").map(String.init)
        let oid = CatalogFixture.typeOIDs[CatalogFixture.spellings[type[0]] ?? type[0]] ?? 0
        let isText = [25, 1042, 1043].contains(oid)
        let expression = words.first { $0.hasPrefix("default=") }.map { String($0.dropFirst(8)) }
        let length = words.first { $0.hasPrefix("length=") }.flatMap { Int($0.dropFirst(7)) }
        let generation = words.contains("generated") ? "s" : words.contains("identity") ? "a" : ""
        try add(.columns, row: [
            table, "\(number)", words[0], "\(oid)", "\(length.map { $0 + 4 } ?? -1)",
            type.count > 1 ? (type[1] == "plain" ? "9001" : "9000") : isText ? "100" : "0", words.contains("null") ? "t" : "f",
            expression == nil && generation != "s" ? "f" : "t", generation, expression,
        ])
    }
}
