// SequenceChange: what a statement of DDL does to sequences, whose numbers the shards share out among themselves: shard i of
// n has every nth number, from the i-th on. The statement runs as it is, and then each shard takes its share.
import CPGQuery

/// Sequences that a statement makes or changes.
public struct SequenceChange: Sendable, Equatable {
    /// A sequence that is there before the statement.
    public struct Altered: Sendable, Equatable {
        /// SQL that yields the sequence as regclass, NULL if there is none.
        public var sequence: String
        /// The statement says where the numbers go on.
        public var restarts: Bool

        public init(sequence: String, restarts: Bool) {
            self.sequence = sequence
            self.restarts = restarts
        }
    }

    /// CREATE TABLE (LIKE ...): SQL that yields the tables as regclass.
    public struct Copied: Sendable, Equatable {
        public var table: String
        public var source: String
    }

    /// Sequences that it changes; what it makes needs no name.
    public var altered: [Altered]
    /// Whose identity columns are made like those of another table.
    public var copied: [Copied]

    public init(altered: [Altered] = [], copied: [Copied] = []) {
        self.altered = altered
        self.copied = copied
    }

    /// Once, whatever a statement does to it: each shard takes its part of what all of it leaves.
    mutating func alter(_ sequence: String, restarts: Bool) {
        guard let known = altered.firstIndex(where: { $0.sequence == sequence }) else {
            return altered.append(Altered(sequence: sequence, restarts: restarts))
        }
        altered[known].restarts = altered[known].restarts || restarts
    }
}

extension StatementClassifier {
    func alterSequence(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        guard let statement = node.alterSeqStmt?.pointee, let target = statement.sequence else {
            throw Refusal("XX000", "not an ALTER SEQUENCE statement")
        }
        let reference = TableReference(target)
        if let home = try onHomeLink(TableReference.all(in: node), entry) { return home }
        try refuseProxySchema(reference.schema)
        let options = NodeList(statement.options, statement.n_options).nodes.compactMap(\.defElem).map { text($0.pointee.defname) }
        let change = SequenceChange(altered: [.init(sequence: relationText(reference), restarts: options.contains("restart"))])
        return onAllShards(entry, changesCatalog: true, sequences: change)
    }

    /// What a CREATE TABLE does to sequences; nil: nothing.
    func sequenceChange(of statement: PgQuery__CreateStmt) -> SequenceChange? {
        let elements = NodeList(statement.table_elts, statement.n_table_elts).nodes
        let sources = elements.compactMap { $0.tableLikeClause?.pointee.relation }.map { relationText(TableReference($0)) }
        let makesSome = elements.contains { $0.columnDef.map { isSerial($0.pointee) } ?? false }
        guard makesSome || !sources.isEmpty, let table = statement.relation.map({ relationText(TableReference($0)) }) else { return nil }
        return SequenceChange(copied: sources.map { SequenceChange.Copied(table: table, source: $0) })
    }

    /// What an ALTER TABLE does to sequences; nil: nothing.
    func sequenceChange(of commands: [PgQuery__AlterTableCmd], on table: TableReference) -> SequenceChange? {
        var change = SequenceChange()
        var makesSome = false
        for command in commands {
            switch command.subtype {
            case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
                makesSome = makesSome || Node(command.def)?.columnDef.map { isSerial($0.pointee) } ?? false
            case PG_QUERY__ALTER_TABLE_TYPE__AT_AddIdentity: makesSome = true
            case PG_QUERY__ALTER_TABLE_TYPE__AT_SetIdentity:
                let options = Node(command.def)?.listNode.map { NodeList($0.pointee.items, $0.pointee.n_items).nodes } ?? []
                let restarts = options.compactMap(\.defElem).contains { text($0.pointee.defname) == "restart" }
                change.alter(identityText(table, text(command.name)), restarts: restarts)
            // An identity's sequence gets the type with its column.
            case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType: change.alter(identityText(table, text(command.name)), restarts: false)
            default: break
            }
        }
        return makesSome || !change.altered.isEmpty ? change : nil
    }

    /// A column whose numbers come from a sequence of its own.
    func isSerial(_ column: PgQuery__ColumnDef) -> Bool {
        let names = column.type_name.map { NodeList($0.pointee.names, $0.pointee.n_names).strings } ?? []
        let isIdentity = NodeList(column.constraints, column.n_constraints).nodes.compactMap(\.constraint).contains {
            $0.pointee.contype == PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY
        }
        return isIdentity || names.count == 1 && ["serial", "serial4", "bigserial", "serial8", "smallserial", "serial2"].contains(names[0])
    }

    private func relationText(_ reference: TableReference) -> String { "pg_catalog.to_regclass(\(SQLText.literal(quotedName(reference))))" }

    private func identityText(_ table: TableReference, _ column: String) -> String {
        "pgbraid.identity_sequence(\(relationText(table)), \(SQLText.literal(column)))"
    }

    private func quotedName(_ reference: TableReference) -> String {
        (reference.schema.map { SQLText.quoted($0) + "." } ?? "") + SQLText.quoted(reference.name)
    }
}
