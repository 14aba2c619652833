// Plans in words, for golden files.
import Foundation
import ResultMerging
import ShardMap

@testable import QueryPlanning

struct PlanDescription {
    let text: String

    func lines(_ plan: StatementPlan) -> [String] {
        if let drawing = plan.drawing { return ["draw: \(drawing.query)", "then: \(drawing.pieces.joined(separator: "?"))"] }
        var lines = actionLines(plan.action)
        if let table = plan.lockedTable { lines.append("locks: \(table)") }
        if plan.effect != .reads { lines.append("effect: \(plan.effect)") }
        return lines
    }

    private func actionLines(_ action: Action) -> [String] {
        switch action {
        case .passThrough(let route): ["pass through to \(describe(route))"]
        case .scatter(let route, let scatter): ["scatter to \(describe(route))"] + scatterLines(scatter)
        case .modify(let route, let text, let tag): ["modify on \(describe(route)), tag \(tag)" + (text.map { ": " + $0 } ?? "")]
        case .modifyReplayed(let plan):
            ["lowest shard: \(Self.shortened(plan.text))", "others: \(Self.shortened(plan.replayText))"]
        case .modifyFetched(let route, let plan):
            [
                "fetch: \(Self.shortened(plan.shardText))", "modify on \(describe(route)), tag \(plan.tag): \(Self.shortened(plan.text))",
                "in a block: \(Self.shortened(plan.text(unchangedSince: "H").replacingOccurrences(of: plan.text, with: "...")))",
            ]
        case .insertFetched(let plan):
            [
                "fetch: \(plan.query)",
                "\(plan.movesRows ? "move" : "insert"): \(plan.textBefore) VALUES ... \(plan.textAfter)".trimmingCharacters(in: .whitespaces)
                    + (plan.untypedColumns.isEmpty ? "" : ", without type \(plan.untypedColumns.sorted())"),
            ]
        case .refuse(let refusal):
            ["refuse \(refusal.sqlState): \(refusal.message)" + (refusal.detail.map { " (\($0))" } ?? "") + (refusal.position > 0 ? " at \(refusal.position)" : "")]
        case .empty: ["empty"]
        default: ["\(action)"]
        }
    }

    private func scatterLines(_ scatter: ScatterPlan) -> [String] {
        var lines = ["shards: \(Self.shortened(scatter.shardText))"]
        lines += mergeLines(scatter.merge)
        if let limit = scatter.limit { lines.append("limit: \(limit)") }
        if let offset = scatter.offset { lines.append("offset: \(offset)") }
        if let finisher = scatter.finisher {
            lines.append("finisher: \(Self.shortened(finisher.text))")
            lines.append("arrays: \(finisher.columnCounts.map(String.init).joined(separator: " + ")) from $\(finisher.firstArrayParameter)")
        }
        return lines
    }

    /// Generated names are long so that they never meet the client's.
    private static func shortened(_ text: String) -> String {
        [("pg_catalog.", ""), ("pgbraid_rows", "r"), ("pgbraid_partial", "p"), ("pgbraid_part_", "part"), ("pgbraid_part", "q")]
            .reduce(text) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
    }

    private func mergeLines(_ merge: MergePlan) -> [String] {
        var lines = ["visible columns: \(merge.visibleColumnCount)"]
        if !merge.sortKeys.isEmpty {
            let keys = merge.sortKeys.map { key in
                "column \(key.column) type \(key.typeOID)" + (key.isDescending ? " desc" : "") + (key.nullsFirst ? " nulls first" : "")
            }
            lines.append("merge by: " + keys.joined(separator: ", "))
        }
        if !merge.distinctColumns.isEmpty { lines.append("distinct: \(merge.distinctColumns)") }
        if let aggregate = merge.aggregate { 
            let outputs = zip(aggregate.outputs, aggregate.inputColumns).map { "\($0) from \($1)" }
            let hidden = aggregate.hiddenGroupColumns.isEmpty ? "" : ", groups by \(aggregate.hiddenGroupColumns)"
            lines.append("combine: " + outputs.joined(separator: ", ") + hidden)
        }
        return lines
    }

    func describe(_ route: Route) -> String {
        switch route {
        case .keys(let conditions): conditions.map(describe).joined(separator: " and ")
        case .keyGroups(let groups): groups.map { $0.map(describe).joined(separator: " and ") }.joined(separator: " plus ")
        default: "\(route)"
        }
    }

    private func describe(_ condition: KeyCondition) -> String {
        let values = condition.operands.map(describe).joined(separator: ", ")
        let stored = condition.isStored ? "stored " : ""
        return condition.isArrayParameter ? "\(stored)key = any \(values)" : "\(stored)key in (\(values))"
    }

    private func describe(_ operand: KeyOperand) -> String {
        switch operand {
        case .constant(let value): return "\(value)"
        case .parameter(let number): return "$\(number)"
        case .null: return "NULL"
        case .literal(let offset):
            let rest = String(decoding: Array(text.utf8)[offset...], as: UTF8.self)
            return String(rest.prefix { $0.isNumber || $0 == "-" || $0 == "'" || $0.isLetter })
        }
    }
}
