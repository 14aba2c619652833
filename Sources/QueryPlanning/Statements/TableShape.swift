// TableShape: a table as far as placement is concerned: its columns, and where its rows will be. Of CREATE TABLE from the
// statement, of ALTER TABLE from the catalog.
import CPGQuery
import ShardMap

struct TableShape {
    var reference: TableReference
    var schema: String
    var columns: [TableKey.Candidate]
    /// Where the rows are or will be.
    var placement: Placement

    /// The sharding key, if there is one.
    var key: (name: String, placement: KeyPlacement)? {
        guard case .sharded(let index, let placement) = placement, columns.indices.contains(index) else { return nil }
        return (columns[index].name, placement)
    }

    init(_ relation: Relation, reference: TableReference) {
        self.reference = reference
        schema = relation.schema
        columns = relation.columns.map(TableKey.Candidate.init)
        placement = relation.placement
    }

    init(reference: TableReference, schema: String, columns: [TableKey.Candidate], placement: Placement) {
        self.reference = reference
        self.schema = schema
        self.columns = columns
        self.placement = placement
    }
}

extension StatementClassifier {
    /// The table of a CREATE TABLE statement.
    /// - Throws: if its rows would have no place.
    func shape(of statement: PgQuery__CreateStmt, _ reference: TableReference) throws(Refusal) -> TableShape {
        let schema = context.creationSchema(reference)
        let inherited = NodeList(statement.inh_relations, statement.n_inh_relations).nodes.compactMap(\.rangeVar)
            .map { TableReference($0) }
        let columns = try columns(of: statement, inherited: inherited)
        var placement = TableKey.placement(schema: schema, name: reference.name, columns: columns, facts: context.environment.catalog.facts)
        if let parent = inherited.first?.relation(in: context) {
            placement = try placementOfChild(columns, of: parent, own: placement, isPartition: statement.partbound != nil)
        }
        if case .unusable(let reason) = placement {
            throw Refusal(
                "0A000", "table \"\(reference.name)\" cannot be created: \(reason)",
                hint: "Change the column, or make the table a reference table in the sharding rules.",
                position: context.position(reference.location))
        }
        return TableShape(reference: reference, schema: schema, columns: columns, placement: placement)
    }

    /// A partition is placed as its parent; any other child must be placed alike by its own columns.
    private func placementOfChild(
        _ columns: [TableKey.Candidate], of parent: Relation, own: Placement, isPartition: Bool
    ) throws(Refusal) -> Placement {
        switch parent.placement {
        case .sharded(let index, let placement):
            let name = parent.columns[index].name
            if let index = columns.firstIndex(where: { $0.name == name }) { return .sharded(keyColumn: index, placement) }
            return .unusable("its parent \"\(parent.name)\" is sharded by \"\(name)\", which it has not")
        case .local where isPartition || own == .local: return .local
        case .local: return .unusable("its parent \"\(parent.name)\" is a local table, but it is not")
        case .reference where isPartition || own == .reference: return .reference
        case .reference: return .unusable("its parent \"\(parent.name)\" is a reference table, but it has the sharding key column")
        case .system, .unusable: return parent.placement
        }
    }

    private func columns(of statement: PgQuery__CreateStmt, inherited: [TableReference]) throws(Refusal) -> [TableKey.Candidate] {
        var columns: [TableKey.Candidate] = []
        for parent in inherited { columns += copied(from: parent) }
        if statement.of_typename != nil {
            throw Refusal("0A000", "CREATE TABLE OF is not supported", hint: "Write the columns of the type.")
        }
        for element in NodeList(statement.table_elts, statement.n_table_elts).nodes {
            guard columns.count <= StatementSize.maximumColumnCount else {
                throw Refusal("54011", "tables can have at most \(StatementSize.maximumColumnCount) columns")
            }
            if let definition = element.columnDef {
                let column = candidate(definition.pointee)
                columns.removeAll { $0.name == column.name }
                columns.append(column)
            } else if let like = element.tableLikeClause, let other = like.pointee.relation {
                columns += copied(from: TableReference(other))
            }
        }
        return columns
    }

    private func copied(from reference: TableReference) -> [TableKey.Candidate] {
        reference.relation(in: context)?.columns.map(TableKey.Candidate.init) ?? []
    }

    /// A column definition; types and collations that are not known yet have OID 0.
    func candidate(_ definition: PgQuery__ColumnDef) -> TableKey.Candidate {
        let type = definition.type_name.flatMap { typeOID($0.pointee) } ?? 0
        let isGenerated = NodeList(definition.constraints, definition.n_constraints).nodes.compactMap(\.constraint).contains {
            $0.pointee.contype == PG_QUERY__CONSTR_TYPE__CONSTR_GENERATED
        }
        return TableKey.Candidate(
            name: text(definition.colname), typeOID: type, collationOID: collationOID(definition.coll_clause), isGenerated: isGenerated)
    }

    /// The type a name means; serial types are their integers. nil for arrays and types that are not known.
    func typeOID(_ type: PgQuery__TypeName) -> UInt32? {
        guard type.n_array_bounds == 0, let reference = TableReference(identifiers: NodeList(type.names, type.n_names).strings) else {
            return nil
        }
        switch (reference.schema, reference.name) {
        case (nil, "bigserial"), (nil, "serial8"): return 20
        case (nil, "serial"), (nil, "serial4"): return 23
        case (nil, "smallserial"), (nil, "serial2"): return 21
        default:
            return context.environment.catalog.facts.type(
                schema: reference.schema, name: reference.name, searchPath: context.environment.searchPath)?.oid
        }
    }

    private func collationOID(_ clause: Message<PgQuery__CollateClause>?) -> UInt32 {
        guard let clause,
            let name = TableReference(identifiers: NodeList(clause.pointee.collname, clause.pointee.n_collname).strings)
        else { return 0 }
        let found = context.environment.catalog.facts.collations.values.filter {
            $0.name == name.name && (name.schema == nil || $0.schema == name.schema)
        }
        // Of several collations by that name one that is not deterministic decides: refusing is safe.
        return found.first { !$0.isDeterministic }?.oid ?? found.map(\.oid).min() ?? 0
    }
}
