// InsertLocal: INSERT into a local table: the whole statement runs on the shard that the transaction writes anyway.
import CPGQuery

extension StatementClassifier {
    /// - Throws: for what that shard alone cannot evaluate as one server would.
    func insertLocal(_ node: Node, _ target: InsertTarget) throws(Refusal) -> StatementPlan {
        try checkUnique(target)
        do throws(Refusal) {
            return try insertOnWriter(node, target)
        } catch {
            guard error.sqlState == "0A000", let plan = try fetchedInsert(node, target) else { throw error }
            return plan
        }
    }

    private func insertOnWriter(_ node: Node, _ target: InsertTarget) throws(Refusal) -> StatementPlan {
        let rows = try target.source.map { (source) throws(Refusal) in source.isPlainValues ? try valueRows(source, target) : [] } ?? []
        let inspection = try inspectInsert(node, target, rows: rows)
        if let effect = inspection.sessionEffect { throw sessionBound(effect, target) }
        if context.environment.shardCount > 1 {
            if inspection.effects.contains(.unknown) { throw unknownFunction(target) }
            if inspection.effects.contains(.catalogRead) {
                throw Refusal(
                    "0A000", "OIDs cannot be stored in local table \"\(target.relation.name)\": they differ from shard to shard",
                    hint: "Store names instead.")
            }
            for table in otherTables(node, target) {
                guard let relation = table.relation(in: context), relation.placement == .reference else { throw elsewhere(table) }
            }
        }
        return StatementPlan(
            action: .passThrough(.writer), effect: .writes, taintsLink: inspection.taintsLink, commandName: "INSERT",
            parameterCount: ParameterNumbers.highest(in: node), reason: "local table: the shard that the transaction writes")
    }

    private func elsewhere(_ table: TableReference) -> Refusal {
        Refusal(
            "0A000", "\"\(table.displayName)\" may have rows on other shards than this INSERT", hint: "Read them first, then insert them.",
            position: context.position(table.location))
    }

    /// ON CONFLICT would look for the row on one shard.
    private func checkUnique(_ target: InsertTarget) throws(Refusal) {
        guard context.environment.shardCount > 1, target.statement.on_conflict_clause != nil else { return }
        throw Refusal(
            "0A000", "ON CONFLICT is not supported for local table \"\(target.relation.name)\"",
            detail: "The row that is in conflict may be on another shard.", hint: "Leave ON CONFLICT out.",
            position: context.position(target.reference.location))
    }
}
