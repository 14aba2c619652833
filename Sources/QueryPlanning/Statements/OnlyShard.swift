// OnlyShard: a cluster of one shard is one PostgreSQL. What concerns rows and schema passes through; sessions are still
// shared, so that everything about transactions, settings and names stays the proxy's.
import CPGQuery

extension StatementClassifier {
    /// The plan on a cluster of one shard; nil where it is the same as on many.
    func planForOnlyShard(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan? {
        let tables = TableReference.all(in: node)
        let isTemporary = tables.contains { $0.isTemporary(in: context) }
        switch entry.family {
        case .insert: return onOnlyShard(node, entry, isTemporary: isTemporary)
        case .copy: return try copyOnOnlyShard(node, entry, isTemporary: isTemporary)
        case .explain where node.explainStmt.flatMap({ Node($0.pointee.query)?.createTableAsStmt }) != nil: return nil
        case .explain: return onOnlyShard(node, entry, isTemporary: isTemporary, taints: true)
        case .createTableAs:
            guard let into = node.createTableAsStmt?.pointee.into?.pointee, let target = into.rel else { return nil }
            if context.makesTemporary(target) {
                return makeOnHomeLink([TableReference(target).name], entry, isDroppedAtCommit: into.isDroppedAtCommit)
            }
            return onOnlyShard(node, entry, isTemporary: isTemporary, changesCatalog: true)
        case .alterTable, .createIndex:
            return isTemporary ? nil : onOnlyShard(node, entry, isTemporary: false, changesCatalog: true)
        case .refused where Self.isOpaqueCode(node):
            return onOnlyShard(node, entry, isTemporary: isTemporary, changesCatalog: true, taints: true)
        default: return nil
        }
    }

    private static func isOpaqueCode(_ node: Node) -> Bool { node.doStmt != nil || node.callStmt != nil }

    private func onOnlyShard(
        _ node: Node, _ entry: StatementFamily.Entry, isTemporary: Bool, changesCatalog: Bool = false, taints: Bool = false
    ) -> StatementPlan {
        let inspection = ExpressionInspection(node, context)
        return StatementPlan(
            action: .passThrough(isTemporary ? .home : .any), effect: node.explainStmt != nil ? .unknown : .writes,
            pins: inspection.pins.union(isTemporary ? .temporaryTable : []), changesCatalog: changesCatalog,
            taintsLink: taints || inspection.taintsLink, commandName: entry.command, parameterCount: ParameterNumbers.highest(in: node),
            reason: "the only shard")
    }

    private func copyOnOnlyShard(
        _ node: Node, _ entry: StatementFamily.Entry, isTemporary: Bool
    ) throws(Refusal) -> StatementPlan? {
        guard let statement = node.copyStmt?.pointee, nonEmptyText(statement.filename) == nil, statement.is_program == 0 else { return nil }
        let inspection = ExpressionInspection(node, context)
        return StatementPlan(
            action: .passThrough(isTemporary ? .home : .any), effect: statement.is_from != 0 || statement.query != nil ? .writes : .reads,
            pins: inspection.pins.union(isTemporary ? .temporaryTable : []), taintsLink: inspection.taintsLink, isCopyIn: statement.is_from != 0,
            commandName: entry.command, reason: "the only shard")
    }
}
