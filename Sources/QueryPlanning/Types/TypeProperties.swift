// What types allow: merging in order, equality by bytes, being named in SQL text.

extension AnalysisContext {
    /// Whether the proxy can merge rows ordered by values of this type.
    func isMergeable(_ type: SQLType) -> Bool {
        switch type.oid {
        case 16, 17, 18, 20, 21, 23, 26, 700, 701, 774, 790, 829, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 2950, 3220, 5069:
            return true
        case TypeOID.text, TypeOID.varchar, TypeOID.bpchar, TypeOID.name: return isBytewise(type.collation)
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

    private func isDeterministic(_ collation: Collation) -> Bool {
        switch collation {
        case .none: true
        case .indeterminate: false
        case .oid(let oid):
            environment.catalog.facts.collations[oid]?.isDeterministic ?? (oid < TypeOID.firstUserDefined)
        case .named: isBytewise(collation)
        }
    }

    /// The type's name for a cast that adds no modifier; nil when it cannot be named for certain.
    func castName(_ type: SQLType) -> String? {
        if let name = TypeOID.nameByOID[type.oid] { return "pg_catalog." + SQLText.quoted(name) }
        guard let known = environment.catalog.facts.types[type.oid], "bdemr".contains(known.kind) else { return nil }
        return SQLText.quoted(known.schema) + "." + SQLText.quoted(known.name)
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
}

extension Collation {
    static let cOID: UInt32 = 950
    static let posixOID: UInt32 = 951
}
