// PolicyDefinition: CREATE POLICY and ALTER POLICY. The shards apply policies, each with the rows it has: what a policy reads must be there.
import CPGQuery

extension StatementClassifier {
    /// - Throws: for a policy that reads tables whose rows are on several shards, or may do so by a function.
    func definePolicy(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        guard context.environment.shardCount > 1 else { return try everywhere(node, entry, changesCatalog: true) }
        for table in conditions(ofPolicy: node).flatMap(TableReference.all) {
            guard let relation = table.relation(in: context), relation.placement != .reference else { continue }
            // A view is placed as the catalogs are, whatever it reads.
            if relation.schema == "pg_catalog" || relation.schema == "information_schema" { continue }
            throw Refusal(
                "0A000", "a policy cannot read \"\(relation.name)\": each shard would see its own rows only",
                hint: "Compare the row's columns with settings (current_setting), roles or reference tables.",
                position: context.position(table.location))
        }
        if conditions(ofPolicy: node).contains(where: { ExpressionInspection($0, context).effects.contains(.unknown) }) {
            throw Refusal(
                "0A000", "it is not known which tables a function in the policy reads",
                hint: "Declare it: COMMENT ON FUNCTION ... IS 'pgbraid: reads none' or 'pgbraid: reads reference'; or mark it IMMUTABLE if it is.")
        }
        return try everywhere(node, entry, changesCatalog: true)
    }

    private func conditions(ofPolicy node: Node) -> [Node] {
        let conditions = node.createPolicyStmt.map { [$0.pointee.qual, $0.pointee.with_check] }
            ?? node.alterPolicyStmt.map { [$0.pointee.qual, $0.pointee.with_check] } ?? []
        return conditions.compactMap { Node($0) }
    }
}
