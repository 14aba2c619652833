// MaintenanceStatement: VACUUM, ANALYZE, REINDEX, CLUSTER, and NOTIFY.
import CPGQuery

extension StatementClassifier {
    func vacuum(_ node: Node) throws(Refusal) -> StatementPlan {
        let isVacuum = node.vacuumStmt?.pointee.is_vacuumcmd != 0
        let entry = StatementFamily.Entry(kind: node.kind, family: .vacuum, command: isVacuum ? "VACUUM" : "ANALYZE")
        if let home = try onHomeLink(TableReference.all(in: node), entry) { return home }
        return isVacuum ? shardByShard(entry) : onAllShards(entry)
    }

    /// What spans several relations commits after each, and CONCURRENTLY cannot run in a block.
    func reindex(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        if let home = try onHomeLink(TableReference.all(in: node), entry) { return home }
        guard let statement = node.reindexStmt?.pointee else { return shardByShard(entry) }
        let isConcurrent = NodeList(statement.params, statement.n_params).nodes.compactMap(\.defElem).contains { option in
            text(option.pointee.defname) == "concurrently" && DefinitionOption.isTrue(option)
        }
        let isOne = [PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_INDEX, PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_TABLE]
            .contains(statement.kind)
        return isConcurrent || !isOne || namesPartitioned(node) ? shardByShard(entry) : onAllShards(entry)
    }

    func cluster(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        let tables = TableReference.all(in: node)
        if let home = try onHomeLink(tables, entry) { return home }
        return tables.isEmpty || namesPartitioned(node) ? shardByShard(entry) : onAllShards(entry)
    }

    private func namesPartitioned(_ node: Node) -> Bool {
        TableReference.all(in: node).contains { $0.relation(in: context)?.kind == "p" }
    }

    func notify() -> StatementPlan {
        StatementPlan(action: .notify, effect: .writes, commandName: "NOTIFY", reason: "once, on the first writer")
    }
}
