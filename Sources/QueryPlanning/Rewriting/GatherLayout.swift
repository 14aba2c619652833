// GatherLayout: how the parts of a gathered statement travel: one text for the shards, one set of array parameters, one WITH
// item a part.

/// Something fetched from all shards.
struct GatheredPart {
    /// What the shards run for it.
    let text: String
    let columns: [PartialRows.Column]
}

struct GatherLayout {
    private let parts: [GatheredPart]
    private let firstParameter: Int
    /// Columns of the shards' rows.
    let columnCount: Int

    init(_ parts: [GatheredPart], firstParameter: Int) {
        self.parts = parts
        self.firstParameter = firstParameter
        let widest = parts.map(\.columns.count).max() ?? 0
        columnCount = parts.count == 1 ? widest : widest + 1
    }

    /// The WITH item of a part, numbered from 1.
    static func name(_ number: Int) -> String { "pgbraid_part_\(number)" }

    /// One part runs as it is. Several run as one statement, their rows as text with the part's number in front.
    var shardText: String {
        if parts.count == 1 { return parts[0].text }
        return parts.enumerated().map { index, part in
            let names = part.columns.indices.map { "c\($0 + 1)" }
            var items = ["'\(index + 1)'::pg_catalog.text AS part"]
            items += part.columns.indices.map { Self.asText("pgbraid_part.c\($0 + 1)", part.columns[$0].type) + " AS c\($0 + 1)" }
            while items.count < columnCount { items.append("NULL::pg_catalog.text AS c\(items.count)") }
            return "(SELECT \(items.joined(separator: ", ")) FROM (\(part.text)) AS pgbraid_part (\(names.joined(separator: ", "))))"
        }.joined(separator: " UNION ALL ")
    }

    /// A value as its type's output function writes it; casts of character(n) to text would drop its blanks.
    private static func asText(_ expression: String, _ type: SQLType) -> String {
        if type.oid == TypeOID.bpchar { return "pg_catalog.textin(pg_catalog.bpcharout(\(expression)))" }
        return TypeOID.isCollatable(type.oid) ? "\(expression)::pg_catalog.text COLLATE pg_catalog.\"C\"" : "\(expression)::pg_catalog.text"
    }

    /// `pgbraid_part_1 AS MATERIALIZED (SELECT ... FROM unnest(...) ...)`
    var definitions: [String] {
        parts.enumerated().map { index, part in
            let arrays = PartialRows.unnest((0..<columnCount).map { firstParameter + $0 })
            let offset = parts.count == 1 ? 0 : 1
            var names = (0..<columnCount).map { "c\($0 + 1 - offset)" }
            if parts.count > 1 { names[0] = "part" }
            let casts = part.columns.enumerated().map { "pgbraid_rows.c\($0 + 1)\($1.cast) AS \($1.name)" }.joined(separator: ", ")
            var text = "\(Self.name(index + 1)) AS MATERIALIZED (SELECT \(casts) FROM \(arrays) AS pgbraid_rows (\(names.joined(separator: ", ")))"
            if parts.count > 1 { text += " WHERE pgbraid_rows.part = '\(index + 1)'" }
            return text + ")"
        }
    }
}
