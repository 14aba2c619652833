// TextReport: the report for a terminal, and the columns it is made of.

extension CapacityReport {
    /// Lines for a terminal, without the last line break.
    public var text: String {
        var parts = [advice.map { "* \($0)" }.joined(separator: "\n")]
        if let cluster { parts.append("Cluster: " + summary(cluster)) }
        if !shards.isEmpty { parts.append(TextColumns(title: "Shards", rows: [ShardReport.headings] + shards.map(\.cells)).text) }
        if !tables.isEmpty { parts.append(TextColumns(title: "Tables", rows: [TableReport.headings] + tables.map(\.cells)).text) }
        if !heaviestByRows.isEmpty {
            parts.append(TextColumns(title: "Heaviest sharding keys by rows", rows: [HeavyKey.rowHeadings] + heaviestByRows.map(\.cells)).text)
        }
        if !heaviestByTraffic.isEmpty {
            parts.append(TextColumns(title: "Heaviest sharding keys by traffic", rows: [HeavyKey.trafficHeadings] + heaviestByTraffic.map(\.trafficCells)).text)
        }
        if !notes.isEmpty { parts.append(notes.map { "Note: \($0)" }.joined(separator: "\n")) }
        return parts.joined(separator: "\n\n")
    }

    private func summary(_ size: SizeForecast) -> String {
        "\(Quantity.bytes(size.bytes)), growth a day \(Quantity.range(size.growthPerDay, Quantity.change)); "
            + "in 30 days \(Quantity.range(size.in30Days, Quantity.bytes)); in 365 days \(Quantity.range(size.in365Days, Quantity.bytes))"
    }
}

extension SizeForecast {
    static let headings = ["growth a day", "in 30 days", "in 365 days"]

    var cells: [String] {
        [Quantity.range(growthPerDay, Quantity.change), Quantity.range(in30Days, Quantity.bytes), Quantity.range(in365Days, Quantity.bytes)]
    }
}

extension ShardReport {
    static let headings = ["shard", "size"] + SizeForecast.headings + ["limit", "reached in", "transactions a day"]

    var cells: [String] {
        guard let size else { return ["\(shard)", "no sample", "", "", "", "", "", ""] }
        return ["\(shard)", Quantity.bytes(size.bytes)] + size.cells
            + [limit.map { Quantity.bytes($0.bytes) } ?? "none", limit?.text ?? "", transactionsPerDay.map(Quantity.count) ?? ""]
    }
}

extension TableReport {
    static let headings = ["table", "placement", "rows", "size"] + SizeForecast.headings + ["max/mean", "writes a day", "scans a day"]

    var placementText: String { [placement, key.map { "by \($0)" }].compactMap { $0 }.joined(separator: " ") }

    var cells: [String] {
        [table, placementText, Quantity.count(rows), Quantity.bytes(size.bytes)] + size.cells
            + [
                skew.map { "\(Quantity.ratio($0.maximumByMean)) (shard \($0.shard))" } ?? "", writesPerDay.map(Quantity.count) ?? "",
                scansPerDay.map(Quantity.count) ?? "",
            ]
    }
}

extension HeavyKey {
    static let rowHeadings = ["table", "key", "rows", "share of the table", "shard"]
    static let trafficHeadings = ["table", "key", "statements", "share"]

    private var key: String { "\(column) = \(value)" }

    var cells: [String] {
        [table, key, (isExact ? "" : "about ") + Quantity.count(count), Quantity.share(share), shard.map { "\($0)" } ?? ""]
    }

    var trafficCells: [String] { [table, key, "about \(Quantity.count(count))", Quantity.share(share)] }
}

/// A table of words, its first row the headings.
struct TextColumns {
    var title: String
    var rows: [[String]]

    var text: String {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            let cells = row.enumerated().map { $1.padded(to: widths[$0]) }
            return cells.joined(separator: "  ").trimmedRight
        }
        return ([title] + lines.map { "  \($0)" }).joined(separator: "\n")
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

    fileprivate var trimmedRight: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
