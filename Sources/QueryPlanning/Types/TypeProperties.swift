// What types allow: merging in order, equality by bytes, being named in SQL text.

extension AnalysisContext {
    /// Whether the proxy can merge rows ordered by values of this type.
    func isMergeable(_ type: SQLType) -> Bool {
        switch type.oid {
        case 16, 17, 18, 20, 21, 23, 26, 700, 701, 774, 790, 829, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 2950, 3220, 5069:
            return true
        // What arrives is in the client's encoding, and the order is that of the server's.
        case TypeOID.text, TypeOID.varchar, TypeOID.bpchar, TypeOID.name: return environment.usesServerEncoding && isBytewise(type.collation)
        default: return false
        }
    }

    /// Whether a collation compares bytes.
    func isBytewise(_ collation: Collation) -> Bool {
        let facts = environment.catalog.facts
        switch collation {
        case .none: return true
        case .indeterminate: return false
        case .oid(Collation.cOID), .oid(Collation.posixOID): return true
        case .oid(let oid): return facts.isBytewise(collation: oid) && (oid == Collation.defaultOID || facts.collations[oid] != nil)
        case .named(let names): return ["C", "POSIX", "ucs_basic"].contains(names.last ?? "") && (names.count == 1 || names[0] == "pg_catalog")
        }
    }

    /// Whether equal values of this type have equal bytes.
    func hasByteEquality(_ type: SQLType) -> Bool {
        switch type.oid {
        case 16, 17, 18, 19, 20, 21, 23, 26, 774, 790, 829, 1082, 1083, 1114, 1184, 1560, 1562, 2950, 3220, 5069: return true
        case TypeOID.text, TypeOID.varchar: return isDeterministic(type.collation)
        default: return environment.catalog.facts.types[type.oid]?.kind == "e"
        }
    }

    func isDeterministic(_ collation: Collation) -> Bool {
        switch collation {
        case .none: true
        case .indeterminate: false
        case .oid(let oid):
            environment.catalog.facts.collations[oid]?.isDeterministic ?? (oid < TypeOID.firstUserDefined)
        case .named(let names):
            isBytewise(collation) || environment.catalog.facts.collations.values.allSatisfy { known in
                known.name != names.last || names.count > 1 && known.schema != names[names.count - 2] || known.isDeterministic
            }
        }
    }

    /// The type's name for a cast that adds no modifier; nil when it cannot be named for certain, or its values cannot be
    /// read again on another shard.
    func castName(_ type: SQLType) -> String? {
        if let name = TypeOID.nameByOID[type.oid] { return "pg_catalog." + SQLText.quoted(name) }
        guard let known = environment.catalog.facts.types[type.oid], isReadAlike(known) else { return nil }
        return SQLText.quoted(known.schema) + "." + SQLText.quoted(known.name)
    }

    /// Whether all shards read a type's text alike. A table's row type has its columns in the table's own order on each, and casts of
    /// one's own write what they like.
    private func isReadAlike(_ type: CatalogType) -> Bool {
        let inner = environment.catalog.facts.types[type.elementTypeOID != 0 ? type.elementTypeOID : type.baseTypeOID]
        if type.hasTextCast { return false }
        if let inner, !isReadAlike(inner) { return false }
        guard type.kind == "c" else { return "bdemr".contains(type.kind) }
        return environment.catalog.relation(schema: type.schema, name: type.name, searchPath: []) == nil
    }

    /// ` COLLATE ...` for values whose collation is not the default; nil when it is not known.
    func collateClause(_ type: SQLType) -> String? {
        switch type.collation {
        case .none, .default: return ""
        case .indeterminate: return nil
        case .oid(Collation.cOID): return " COLLATE pg_catalog.\"C\""
        case .oid(Collation.posixOID): return " COLLATE pg_catalog.\"POSIX\""
        case .oid(let oid):
            guard let known = environment.catalog.facts.collations[oid] else { return nil }
            return " COLLATE " + SQLText.quoted(known.schema) + "." + SQLText.quoted(known.name)
        case .named(let names): return " COLLATE " + names.map(SQLText.quoted).joined(separator: ".")
        }
    }

    /// The type under a domain, and under that; else the type itself.
    func baseOID(_ oid: UInt32) -> UInt32 {
        var base = oid
        while let type = environment.catalog.facts.types[base], type.kind == "d", type.baseTypeOID != 0 { base = type.baseTypeOID }
        return base
    }

    /// Whether a type, or a domain under it, is a domain with constraints.
    func isConstrained(_ oid: UInt32) -> Bool {
        guard let type = environment.catalog.facts.types[oid], type.kind == "d" else { return false }
        return type.isConstrained || isConstrained(type.baseTypeOID)
    }

    /// The type of arrays of a type's values.
    func arrayOID(of oid: UInt32) -> UInt32? {
        if let known = TypeOID.arrayByElement[oid] { return known }
        let array = environment.catalog.facts.types[oid]?.arrayTypeOID ?? 0
        return array == 0 ? nil : array
    }

    /// The type of an array's elements; nil for what is no array.
    func elementOID(of oid: UInt32) -> UInt32? {
        if let known = TypeOID.elementByArray[oid] { return known }
        let element = environment.catalog.facts.types[oid]?.elementTypeOID ?? 0
        return element == 0 ? nil : element
    }

    /// Whether a type's text is exact whatever the session's settings are.
    func hasPlainText(_ oid: UInt32) -> Bool {
        let base = baseOID(oid)
        if Self.plainTypes.contains(base) || environment.catalog.facts.types[base]?.kind == "e" { return true }
        return elementOID(of: base).map { hasPlainText($0) } ?? false
    }

    private static let plainTypes: Set<UInt32> = [
        TypeOID.bool, TypeOID.bytea, TypeOID.char, TypeOID.name, TypeOID.int2, TypeOID.int4, TypeOID.int8, TypeOID.text, TypeOID.oid,
        TypeOID.json, TypeOID.jsonb, TypeOID.bpchar, TypeOID.varchar, TypeOID.date, TypeOID.time, TypeOID.timestamp, TypeOID.numeric,
        TypeOID.uuid,
    ]
}

extension Collation {
    static let cOID: UInt32 = 950
    static let posixOID: UInt32 = 951

    /// What an expression of two such inputs compares with: the database's default gives way to any other (manual, Collation Support).
    func combined(with other: Collation) -> Collation {
        if self == other || other == .default { return self }
        return self == .default ? other : .indeterminate
    }
}
