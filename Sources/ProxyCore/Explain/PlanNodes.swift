// PlanNodes: a plan in the words of EXPLAIN.
import QueryPlanning
import ResultMerging

extension ExplainNode {
    /// A query whose rows come from several shards.
    init(_ scatter: ScatterPlan, reason: String) {
        self.init(Self.title(scatter))
        add("Reason", reason)
        let merge = scatter.merge
        if let finisher = scatter.finisher {
            add("Shard Query", scatter.shardText)
            add("Final Query", finisher.text)
            return
        }
        add("Shard Query", scatter.shardText)
        if let aggregate = merge.aggregate { add("Combine", aggregate.steps(merge)) }
        add("Distinct Key", merge.distinctColumns.map(merge.name))
        add("Merge Key", merge.sortKeys.map { merge.name($0.column) + $0.direction })
        add("Limit", scatter.limit?.text)
        add("Offset", scatter.offset?.text)
    }

    private static func title(_ scatter: ScatterPlan) -> String {
        if let finisher = scatter.finisher { return finisher.isGather ? "Distributed Gather" : "Distributed Finish" }
        if scatter.merge.aggregate != nil { return "Distributed Aggregate" }
        return scatter.merge.sortKeys.isEmpty ? "Distributed Append" : "Distributed Merge Append"
    }

    /// One statement on several shards, all or nothing.
    init(_ tag: TagCombination, command: String, reason: String) {
        self.init(command: command, reason: reason)
        add("Result", tag == .sum ? "of all shards" : "of the first shard")
    }

    /// A statement that writes in several steps.
    init(command: String, reason: String) {
        self.init("Distributed \(command.prefix(1).uppercased() + command.dropFirst().lowercased())")
        add("Reason", reason)
    }
}

extension MergePlan {
    /// A column's name in the shards' query.
    fileprivate func name(_ column: Int) -> String {
        column < visibleColumnCount ? "column \(column + 1)" : "pgbraid_\(column - visibleColumnCount + 1)"
    }
}

extension AggregateMerge {
    /// How each column of the result is made.
    fileprivate func steps(_ merge: MergePlan) -> [String] {
        zip(outputs, inputColumns).map { "\($0.name) \(merge.name($1))" } + hiddenGroupColumns.map { "group \(merge.name($0))" }
    }
}

extension PartialCombination {
    fileprivate var name: String {
        switch self {
        case .group: "group"
        case .count, .sumBigint, .sumNumeric: "sum"
        case .minimum: "min"
        case .maximum: "max"
        case .boolAnd: "bool_and"
        case .boolOr: "bool_or"
        }
    }
}

extension SortKey {
    fileprivate var direction: String {
        (isDescending ? " DESC" : "") + (nullsFirst == isDescending ? "" : nullsFirst ? " NULLS FIRST" : " NULLS LAST")
    }
}

extension RowCount {
    fileprivate var text: String {
        switch self {
        case .constant(let count): "\(count)"
        case .parameter(let number): "$\(number)"
        }
    }
}
