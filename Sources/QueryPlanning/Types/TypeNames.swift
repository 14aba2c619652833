// Type names of casts and column definitions -> types.
import CPGQuery

extension Binder {
    /// The type a name in the text means; nil when it is not known.
    ///
    /// A modifier is not computed: it is reported as 0, which is no type's, so that nobody takes the type for unmodified.
    func type(named name: Message<PgQuery__TypeName>?) -> SQLType? {
        guard let name, name.pointee.setof == 0, name.pointee.pct_type == 0 else { return nil }
        let names = NodeList(name.pointee.names, name.pointee.n_names).strings
        guard var oid = typeOID(names) else { return nil }
        if name.pointee.n_array_bounds > 0 {
            guard let array = TypeOID.arrayByElement[oid] ?? context.environment.catalog.facts.types[oid]?.arrayTypeOID, array != 0
            else { return nil }
            oid = array
        }
        let collation = context.environment.catalog.facts.types[oid]?.collationOID ?? 0
        return SQLType(oid, modifier: name.pointee.n_typmods > 0 ? 0 : -1, collation: collation == 0 ? nil : .oid(collation))
    }

    private func typeOID(_ names: [String]) -> UInt32? {
        guard let last = names.last, names.count <= 2 else { return nil }
        let facts = context.environment.catalog.facts
        if names.count == 2 {
            if names[0] == "pg_catalog" { return TypeOID.oidByName[last] }
            return facts.type(schema: names[0], name: last, searchPath: [])?.oid
        }
        return facts.type(schema: nil, name: last, searchPath: context.environment.searchPath)?.oid ?? TypeOID.oidByName[last]
    }
}
