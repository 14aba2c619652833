// ListingSections: sections about the patterns. They show whatever columns a SHOW command has, so that it can be given more without this code.

enum ListingSections {
    static func section(_ listing: ClusterListing, _ outcome: ListingOutcome?) -> PageSection {
        switch outcome {
        case nil: return PageSection(title(listing), note: "The shards have not told yet.")
        case .unknown: return PageSection(title(listing), note: "This version does not know SHOW \(listing.rawValue.uppercased()).")
        case .failed(let reason): return PageSection(title(listing), note: "Could not be found out: \(reason).")
        case .rows(let rows) where rows.rows.isEmpty: return PageSection(title(listing), note: "There is nothing to show.")
        case .rows(let rows): return PageSection(title(listing), note: "As SHOW \(listing.rawValue.uppercased()) in the admin database.", table: table(rows))
        }
    }

    private static func title(_ listing: ClusterListing) -> String {
        switch listing {
        case .sagas: "Sagas"
        case .outbox: "Outbox"
        case .capacity: "Capacity"
        }
    }

    /// States in which nothing goes on by itself.
    private static let badStates: Set<String> = ["stuck", "failed"]
    /// From when on an event that waits is late.
    private static let lateSeconds = 60.0

    private static func table(_ rows: ShownRows) -> PageTable {
        let columns = rows.columns.enumerated().map { place, name in
            PageTable.Column(title: friendly(name), isNumber: rows.rows.allSatisfy { $0[place] == nil || $0[place].flatMap { Double($0) } != nil })
        }
        return PageTable(columns: columns, rows: rows.rows.map { row in zip(rows.columns, row).map(cell) })
    }

    /// The name as words; a unit that the value tells itself is left out.
    static func friendly(_ name: String) -> String {
        var words = name.split(separator: "_").map(String.init)
        if words.count > 1, let last = words.last, ["seconds", "bytes"].contains(last) { words.removeLast() }
        return words.joined(separator: " ")
    }

    private static func cell(_ name: String, _ value: String?) -> PageCell {
        guard let value else { return PageCell("") }
        if name == "state" || name == "status" { return PageCell(value, badStates.contains(value) ? .bad : .plain) }
        guard let number = Double(value), number.isFinite else { return PageCell(value) }
        if name.hasSuffix("bytes") { return PageCell(Quantity.bytes(number)) }
        if name.hasSuffix("seconds") { return PageCell(Quantity.duration(seconds: number), name == "oldest_seconds" && number >= lateSeconds ? .warning : .plain) }
        return PageCell(UInt64(value).map { name.hasSuffix("id") || name == "shard" ? value : Quantity.count($0) } ?? value)
    }

    /// What somebody should look at.
    static func problems(_ listings: ClusterListings) -> [PageCell] {
        var problems: [PageCell] = []
        for listing in ClusterListing.allCases {
            if case .failed(let reason) = listings[listing] { problems.append(PageCell("\(title(listing)) could not be found out: \(reason).", .warning)) }
            let records = listings[listing]?.rows?.records ?? []
            for state in badStates.sorted() {
                // A row is one, unless it says how many it stands for.
                let count = records.filter { $0["state"] == state }.reduce(0) { $0 + ($1["count"].map { Int($0) ?? 0 } ?? 1) }
                if count > 0 { problems.append(PageCell("\(title(listing)): \(count) \(state).", .bad)) }
            }
            let oldest = records.compactMap { $0["oldest_seconds"].flatMap { Double($0) } }.max() ?? 0
            if oldest >= lateSeconds { problems.append(PageCell("\(title(listing)): the oldest has waited for \(Quantity.duration(seconds: oldest)).", .warning)) }
        }
        return problems
    }
}
