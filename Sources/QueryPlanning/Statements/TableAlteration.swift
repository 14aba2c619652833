// TableAlteration: ALTER TABLE, DROP, RENAME and SET SCHEMA, as far as they would change where rows are.
import CPGQuery
import ShardMap

extension StatementClassifier {
    func alterTable(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        guard let statement = node.alterTableStmt?.pointee, let target = statement.relation else {
            throw Refusal("XX000", "not an ALTER TABLE statement")
        }
        let reference = TableReference(target)
        if let home = try onHomeLink(TableReference.all(in: node), entry) { return home }
        try refuseProxySchema(reference.schema)
        let commands = NodeList(statement.cmds, statement.n_cmds).nodes.compactMap { $0.alterTableCmd?.pointee }
        if let relation = reference.relation(in: context), relation.kind == "r" || relation.kind == "p" {
            let table = TableShape(relation, reference: reference)
            for command in commands { try check(command, on: table, relation) }
        }
        let isConcurrent = commands.contains { Node($0.def)?.partitionCmd?.pointee.concurrent ?? 0 != 0 }
        if isConcurrent { return shardByShard(entry, changesCatalog: true) }
        return onAllShards(entry, changesCatalog: true, sequences: sequenceChange(of: commands, on: reference))
    }

    private func check(_ command: PgQuery__AlterTableCmd, on table: TableShape, _ relation: Relation) throws(Refusal) {
        let name = text(command.name)
        switch command.subtype {
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
            if let column = Node(command.def)?.columnDef { try checkNewColumn(column.pointee, on: table) }
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint:
            if let constraint = Node(command.def)?.constraint.flatMap({ TableConstraint($0.pointee, column: nil, context) }) {
                try check(constraint, on: table)
            }
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn where name == table.key?.name:
            throw keyChange("dropped", table, hint: "Make the table a reference table first: SELECT create_reference_table(...).")
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType:
            guard let column = Node(command.def)?.columnDef?.pointee else { return }
            if name == table.key?.name { try checkNewKeyType(column, table) }
            if let value = Node(column.raw_default), !isSteady(ExpressionInspection(value, context), on: table) {
                throw differing(table, "ALTER COLUMN TYPE", hint: "Change the type without such a USING, then fill the column with UPDATE.")
            }
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AttachPartition:
            try checkAttached(Node(command.def)?.partitionCmd?.pointee.name, to: relation)
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AddInherit:
            guard let parent = Node(command.def)?.rangeVar.map({ TableReference($0) }) else { return }
            try checkDetached(table, parent, relation)
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartition:
            guard let child = Node(command.def)?.partitionCmd?.pointee.name else { return }
            try checkStandingAlone(TableReference(child))
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DropInherit: try checkStandingAlone(table.reference)
        default: return
        }
    }

    /// A new column must not change the table's kind, and its values must not differ between copies.
    private func checkNewColumn(_ column: PgQuery__ColumnDef, on table: TableShape) throws(Refusal) {
        var widened = table
        widened.columns.append(candidate(column))
        try checkConstraints(of: column, on: widened)
        if try !hasSteadyDefault(column, on: table) {
            throw differing(table, "ADD COLUMN", hint: "Add the column without a default, then fill it with UPDATE.")
        }
        guard let relation = table.reference.relation(in: context), table.placement == .reference, relation.followsDefault else { return }
        let after = TableKey.placement(
            schema: relation.schema, name: relation.name, columns: widened.columns, facts: context.environment.catalog.facts)
        if after != .reference {
            throw Refusal(
                "0A000", "column \"\(text(column.colname))\" would make reference table \"\(relation.name)\" a sharded one",
                hint: "SELECT create_reference_table(...) first, so that it remains one; create_distributed_table can then shard it.",
                position: context.position(Int(column.location)))
        }
    }

    /// The rows that exist get the default, its own or that of its domain: the same on all copies of a row, one time and no number twice on all shards.
    private func hasSteadyDefault(_ column: PgQuery__ColumnDef, on table: TableShape) throws(Refusal) -> Bool {
        let defaults = NodeList(column.constraints, column.n_constraints).nodes.compactMap(\.constraint)
            .filter { $0.pointee.contype == PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT }
        if let value = defaults.first.flatMap({ Node($0.pointee.raw_expr) }) { return isSteady(ExpressionInspection(value, context), on: table) }
        let type = column.type_name.flatMap { typeOID($0.pointee) }
        guard let expression = type.flatMap({ context.environment.catalog.facts.types[$0]?.defaultExpression }) else { return true }
        var inspection = ExpressionInspection(context)
        let tree = try ParseTree("SELECT " + expression)
        for statement in tree.statements { inspection.add(statement.node) }
        return isSteady(inspection, on: table)
    }

    private func isSteady(_ inspection: ExpressionInspection, on table: TableShape) -> Bool {
        table.placement == .reference ? inspection.isSteady : inspection.effects.isDisjoint(with: [.transactionTime, .sequenceWrite, .unknown])
    }

    private func differing(_ table: TableShape, _ command: String, hint: String) -> Refusal {
        Refusal(
            "0A000", "\(command) would give the rows of table \"\(table.reference.name)\" values that no single server gives",
            hint: hint, position: context.position(table.reference.location))
    }

    private func keyChange(_ verb: String, _ table: TableShape, hint: String) -> Refusal {
        Refusal(
            "0A000", "the sharding key \"\(table.key?.name ?? "")\" of table \"\(table.reference.name)\" cannot be \(verb)", hint: hint,
            position: context.position(table.reference.location))
    }

    /// A key may change to a type that hashes every value alike: among integers, and from varchar to text.
    private func checkNewKeyType(_ column: PgQuery__ColumnDef?, _ table: TableShape) throws(Refusal) {
        guard let column, let key = table.key else { return }
        let type = column.type_name.flatMap { typeOID($0.pointee) }
        let isText = type == 25 || type == 1043 && column.type_name?.pointee.n_typmods == 0
        if column.raw_default == nil, column.coll_clause == nil, let type, let newType = KeyType(typeOID: type),
            newType.family == key.placement.keyType.family, newType.family == .integer || isText { return }
        throw keyChange("given that type", table, hint: "Create a new table and copy the rows.")
    }

    private func checkAttached(_ name: Message<PgQuery__RangeVar>?, to parent: Relation) throws(Refusal) {
        guard let name, let child = TableReference(name).relation(in: context), child.kind == "r" || child.kind == "p" else { return }
        try checkAlike(TableShape(child, reference: TableReference(name)), TableShape(parent, reference: TableReference(name)), parent.name)
    }

    private func checkDetached(_ table: TableShape, _ parent: TableReference, _ relation: Relation) throws(Refusal) {
        guard let other = parent.relation(in: context) else { return }
        try checkAlike(table, TableShape(other, reference: parent), other.name)
    }

    private func checkAlike(_ child: TableShape, _ parent: TableShape, _ parentName: String) throws(Refusal) {
        switch (child.key, parent.key) {
        case (nil, nil) where child.placement == parent.placement && [.local, .reference].contains(child.placement): return
        case (let one?, let other?) where one.name == other.name && one.placement == other.placement: return
        default:
            throw Refusal(
                "0A000", "tables \"\(child.reference.name)\" and \"\(parentName)\" are placed differently",
                hint: "Create the table as a partition of the other: CREATE TABLE ... PARTITION OF.")
        }
    }

    /// A table that loses its parent is placed by what is stored of itself, or by the rule for its own name.
    private func checkStandingAlone(_ reference: TableReference) throws(Refusal) {
        guard let relation = reference.relation(in: context) else { return }
        try checkPlaced(relation, schema: relation.schema, name: relation.name, columns: relation.columns.map(TableKey.Candidate.init))
    }

    /// A partition or child goes on with its parent, whatever its own name is.
    private func checkRenamed(
        _ relation: Relation, schema: String, name: String, columns: [TableKey.Candidate]
    ) throws(Refusal) {
        if !relation.isChild { try checkPlaced(relation, schema: schema, name: name, columns: columns) }
    }

    /// Its tables get other names with it.
    private func checkRenamed(schema: String, to newName: String) throws(Refusal) {
        try refuseProxySchema(schema)
        for relation in context.environment.catalog.relations where relation.schema == schema {
            try checkRenamed(relation, schema: newName, name: relation.name, columns: relation.columns.map(TableKey.Candidate.init))
        }
    }

    /// - Throws: if a table by this name, or with these columns, is placed elsewhere than where its rows are.
    private func checkPlaced(
        _ relation: Relation, schema: String, name: String, columns: [TableKey.Candidate]
    ) throws(Refusal) {
        guard relation.kind == "r" || relation.kind == "p" else { return }
        let facts = context.environment.catalog.facts
        var renamed = relation
        renamed.schema = schema
        renamed.name = name
        for (index, column) in columns.enumerated() { renamed.columns[index].name = column.name }
        let after = relation.storedPlacement.map { TableKey.placement(stored: $0, of: renamed, columns: columns, facts: facts) }
            ?? TableKey.placement(schema: schema, name: name, columns: columns, facts: facts)
        guard after != relation.placement else { return }
        throw Refusal(
            "0A000", "the sharding rules would place the rows of table \"\(relation.name)\" differently afterwards",
            hint: "Store where they are first, which then follows the table: SELECT create_distributed_table(...), or create_reference_table(...).")
    }

    func rename(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        guard let statement = node.renameStmt?.pointee else { throw Refusal("XX000", "not a RENAME statement") }
        let reference = statement.relation.map { TableReference($0) }
        let newName = text(statement.newname)
        if let reference, reference.isTemporary(in: context) {
            let isTable = nonEmptyText(statement.subname) == nil
            let names = isTable ? TemporaryNames(created: [newName], dropped: [reference.name]) : TemporaryNames()
            if let home = try onHomeLink([reference], entry, temporary: names) { return home }
        }
        try refuseProxySchema(reference?.schema)
        if statement.rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA { try checkRenamed(schema: text(statement.subname), to: newName) }
        if let relation = reference?.relation(in: context) {
            var columns = relation.columns.map(TableKey.Candidate.init)
            switch statement.rename_type {
            case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
                try checkRenamed(relation, schema: relation.schema, name: newName, columns: columns)
            case PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN:
                for index in columns.indices where columns[index].name == text(statement.subname) { columns[index].name = newName }
                try checkRenamed(relation, schema: relation.schema, name: relation.name, columns: columns)
            default: break
            }
        }
        return onAllShards(entry, changesCatalog: true)
    }

    func setSchema(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        guard let statement = node.alterObjectSchemaStmt?.pointee else { throw Refusal("XX000", "not a SET SCHEMA statement") }
        try refuseProxySchema(text(statement.newschema))
        if let reference = statement.relation.map({ TableReference($0) }) {
            if let home = try onHomeLink([reference], entry) { return home }
            try refuseProxySchema(reference.schema)
            if statement.object_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE, let relation = reference.relation(in: context) {
                try checkRenamed(
                    relation, schema: text(statement.newschema), name: relation.name,
                    columns: relation.columns.map(TableKey.Candidate.init))
            }
        }
        return onAllShards(entry, changesCatalog: true)
    }

    func drop(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        guard let statement = node.dropStmt?.pointee else { throw Refusal("XX000", "not a DROP statement") }
        let objects = NodeList(statement.objects, statement.n_objects).nodes
        let references = objects.compactMap { object in
            object.listNode.flatMap { TableReference(identifiers: NodeList($0.pointee.items, $0.pointee.n_items).strings) }
        }
        if Self.relationKinds.contains(statement.remove_type.rawValue) {
            let dropped = references.filter { $0.isTemporary(in: context) }.map(\.name)
            if let home = try onHomeLink(references, entry, temporary: TemporaryNames(dropped: dropped)) { return home }
        }
        for reference in references { try refuseProxySchema(reference.schema) }
        if statement.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA {
            for name in objects.compactMap(\.string) { try refuseProxySchema(name) }
        }
        if statement.behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE { try checkCascade(statement.remove_type, objects) }
        return statement.concurrent != 0 ? shardByShard(entry, changesCatalog: true) : onAllShards(entry, changesCatalog: true)
    }

    /// Columns go with their collation; that of a sharding key may be one of the database's own.
    private func checkCascade(_ kind: PgQuery__ObjectType, _ objects: [Node]) throws(Refusal) {
        let schemas = kind == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA ? Set(objects.compactMap(\.string)) : []
        let collations = kind == PG_QUERY__OBJECT_TYPE__OBJECT_COLLATION ? objects.compactMap(\.listNode).map {
            NodeList($0.pointee.items, $0.pointee.n_items).strings
        } : []
        if schemas.isEmpty, collations.isEmpty { return }
        for relation in context.environment.catalog.relations where !schemas.contains(relation.schema) {
            guard case .sharded(let index, _) = relation.placement,
                let collation = context.environment.catalog.facts.collations[relation.columns[index].collationOID]
            else { continue }
            let isNamed = collations.contains { names in
                names.last == collation.name
                    && (names.count > 1 ? names[names.count - 2] == collation.schema : context.environment.searchPath.contains(collation.schema))
            }
            guard isNamed || schemas.contains(collation.schema) else { continue }
            throw Refusal(
                "0A000", "the sharding key \"\(relation.columns[index].name)\" of table \"\(relation.name)\" cannot be dropped",
                hint: "Make the table a reference table first: SELECT create_reference_table(...).")
        }
    }

    private static let relationKinds: Set<UInt32> = [
        PG_QUERY__OBJECT_TYPE__OBJECT_TABLE.rawValue, PG_QUERY__OBJECT_TYPE__OBJECT_VIEW.rawValue,
        PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE.rawValue, PG_QUERY__OBJECT_TYPE__OBJECT_INDEX.rawValue,
    ]
}
