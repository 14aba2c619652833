// ExplainEstimate: what a distributed step is expected to cost, from what the shards expect of their parts.
//
// Tools read the estimate of the first step (postgres_fdw with use_remote_estimate plans with it), so it stands where
// PostgreSQL writes it. The shards work at the same time: the slowest one's cost is that of all.

/// The planner's estimate of a step, in PostgreSQL's units.
struct ExplainEstimate {
    var startupCost: Double
    var totalCost: Double
    var rows: Double
    /// Average bytes of a row.
    var width: Int

    /// How many rows come of those of the shards.
    enum RowCombination {
        case sum
        /// Every shard has the same groups, or some of them.
        case most
    }

    init(startupCost: Double, totalCost: Double, rows: Double, width: Int) {
        (self.startupCost, self.totalCost, self.rows, self.width) = (startupCost, totalCost, rows, width)
    }

    /// The estimate of the first step in what a server wrote; nil with COSTS OFF.
    init?(_ output: [[UInt8]], isJSON: Bool) {
        let lines = output.lazy.map { String(decoding: $0, as: UTF8.self) }
        func number(_ start: String, in line: String) -> Double? {
            guard let mark = line.firstRange(of: start) else { return nil }
            let rest = line[mark.upperBound...]
            let whole = rest.prefix { $0.isNumber }
            let fraction = rest.dropFirst(whole.count + 1).prefix { $0.isNumber }
            return Double(rest.dropFirst(whole.count).first == "." && !fraction.isEmpty ? "\(whole).\(fraction)" : "\(whole)")
        }
        func member(_ name: String) -> Double? { lines.compactMap { number("\"\(name)\": ", in: $0) }.first }
        let line = lines.first ?? ""
        let values = isJSON
            ? ["Startup Cost", "Total Cost", "Plan Rows", "Plan Width"].map(member)
            : ["(cost=", "..", " rows=", " width="].map { number($0, in: line) }
        guard let startup = values[0], let total = values[1], let rows = values[2], let width = values[3].flatMap({ Int(exactly: $0) }) else { return nil }
        self.init(startupCost: startup, totalCost: total, rows: rows, width: width)
    }

    /// The estimate for all parts together; nil when one has none.
    init?(_ parts: [ExplainEstimate?], rows combination: RowCombination) {
        let known = parts.compactMap { $0 }
        guard known.count == parts.count, let first = known.first else { return nil }
        self = first
        for part in known.dropFirst() {
            startupCost = max(startupCost, part.startupCost)
            totalCost = max(totalCost, part.totalCost)
            rows = combination == .sum ? rows + part.rows : max(rows, part.rows)
            width = max(width, part.width)
        }
    }

    /// As PostgreSQL writes it behind a step's name.
    var text: String { "  (cost=\(Self.cost(startupCost))..\(Self.cost(totalCost)) rows=\(Self.whole(rows)) width=\(width))" }

    /// As members of a step's JSON object.
    var members: [(name: String, value: String)] {
        [
            ("Startup Cost", Self.cost(startupCost)), ("Total Cost", Self.cost(totalCost)), ("Plan Rows", Self.whole(rows)),
            ("Plan Width", "\(width)"),
        ]
    }

    /// With two decimals.
    private static func cost(_ value: Double) -> String {
        let hundredths = whole((value * 100).rounded())
        let padded = String(repeating: "0", count: max(0, 3 - hundredths.count)) + hundredths
        return "\(padded.dropLast(2)).\(padded.suffix(2))"
    }

    private static func whole(_ value: Double) -> String { UInt64(exactly: value.rounded()).map { "\($0)" } ?? "\(UInt64.max)" }
}
