// GatherLayout: how the parts of a gathered statement travel: one text for the shards, and for each part a set of array
// parameters and a WITH item.

/// Something fetched from all shards.
struct GatheredPart {
    /// What the shards run for it.
    let text: String
    let columns: [PartialRows.Column]
    /// The statement asks for the rows' places.
    var isNumbered = false

    /// The same columns, and nothing is evaluated.
    var withoutRows: GatheredPart {
        GatheredPart(text: "SELECT * FROM (\(text)) AS pgbraid_unread WHERE FALSE", columns: columns, isNumbered: isNumbered)
    }
}

struct GatherLayout {
    private let parts: [GatheredPart]
    private let firstParameter: Int

    init(_ parts: [GatheredPart], firstParameter: Int) {
        self.parts = parts
        self.firstParameter = firstParameter
    }

    /// The WITH item of a part, numbered from 1.
    static func name(_ number: Int) -> String { "pgbraid_part_\(number)" }

    /// One part runs as it is. Several run as one statement, their rows as text with the part's number in front.
    var shardText: String {
        if parts.count == 1 { return parts[0].text }
        let widest = parts.map(\.columns.count).max() ?? 0
        return parts.enumerated().map { index, part in
            let names = part.columns.indices.map { "c\($0 + 1)" }
            var items = ["'\(index + 1)'::pg_catalog.text AS part"]
            items += part.columns.indices.map { Self.asText("pgbraid_part.c\($0 + 1)", part.columns[$0].type, baseOID: part.columns[$0].baseOID) + " AS c\($0 + 1)" }
            while items.count <= widest { items.append("NULL::pg_catalog.text AS c\(items.count)") }
            return "(SELECT \(items.joined(separator: ", ")) FROM (\(part.text)) AS pgbraid_part (\(names.joined(separator: ", "))))"
        }.joined(separator: " UNION ALL ")
    }

    /// A value as its type's output function writes it; casts of character(n) to text would drop its blanks.
    /// - Parameter baseOID: the type under a domain, else the type itself.
    static func asText(_ expression: String, _ type: SQLType, baseOID: UInt32) -> String {
        if baseOID == TypeOID.bpchar { return "pg_catalog.textin(pg_catalog.bpcharout(\(expression)))" }
        return TypeOID.isCollatable(type.oid) ? "\(expression)::pg_catalog.text COLLATE pg_catalog.\"C\"" : "\(expression)::pg_catalog.text"
    }

    /// `pgbraid_part_1 AS MATERIALIZED (SELECT ... FROM unnest(...) ...)`
    var definitions: [String] {
        var parameter = firstParameter
        return parts.enumerated().map { index, part in
            let arrays = PartialRows.unnest(part.columns.indices.map { parameter + $0 })
            parameter += part.columns.count
            var names = part.columns.indices.map { "c\($0 + 1)" }
            var values = part.columns.enumerated().map { $1.value("pgbraid_rows.c\($0 + 1)") + " AS \($1.name)" }
            if part.isNumbered {
                names.append(PartialRows.placeName)
                values.append("pgbraid_rows.\(PartialRows.placeName)")
            }
            let source = arrays + (part.isNumbered ? " WITH ORDINALITY" : "") + " AS pgbraid_rows (\(names.joined(separator: ", ")))"
            return "\(Self.name(index + 1)) AS MATERIALIZED (SELECT \(values.joined(separator: ", ")) FROM \(source))"
        }
    }
}
