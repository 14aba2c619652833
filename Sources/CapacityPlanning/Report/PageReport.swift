// PageReport: the report as one HTML page that needs nothing else: styles and pictures are in it, and nothing in it runs.

extension CapacityReport {
    /// A whole document, UTF-8.
    public var page: String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Capacity</title><style>\(PageStyle.text)</style></head><body>
        <header><h1>Capacity</h1><p>\(sampledAt.map { "Sampled \($0)" } ?? "No samples yet"), report made \(madeAt)</p></header>
        <section class="advice"><ul>\(advice.map { "<li>\(escaped($0))</li>" }.joined())</ul></section>
        \(figures)
        <section><h2>Shards</h2><div class="charts">\(shards.map(chart).joined())</div>
        \(table(ShardReport.headings, shards.map(\.cells)))</section>
        \(section("Tables", TableReport.headings, tables.map(\.cells)))
        \(keySections)
        \(notes.isEmpty ? "" : "<section><h2>Not known</h2><ul>\(notes.map { "<li>\(escaped($0))</li>" }.joined())</ul></section>")
        <footer>Lines are what was and, dashed, what is expected; nine of ten outcomes lie in the band. Jumps that happened once are not taken for growth.</footer>
        </body></html>

        """
    }

    private var figures: String {
        guard let cluster else { return "" }
        let all = [
            ("size now", Quantity.bytes(cluster.bytes), ""), figure("growth a day", cluster.growthPerDay, Quantity.change),
            figure("in 30 days", cluster.in30Days, Quantity.bytes), figure("in 365 days", cluster.in365Days, Quantity.bytes),
            ("largest shard by mean", skew.map { Quantity.ratio($0.maximumByMean) } ?? "–", skew.map { "shard \($0.shard)" } ?? ""),
        ]
        let boxes = all.map { "<div><span>\($0.0)</span><b>\($0.1)</b><small>\($0.2)</small></div>" }
        return "<section class=\"figures\">\(boxes.joined())</section>"
    }

    private func figure(_ name: String, _ estimate: Estimate?, _ text: (Double) -> String) -> (String, String, String) {
        guard let estimate else { return (name, "–", Quantity.tooLittle) }
        return (name, text(estimate.value), "\(text(estimate.low)) to \(text(estimate.high))")
    }

    private func chart(_ shard: ShardReport) -> String {
        guard let size = shard.size else { return "" }
        let limit = shard.limit.map { "limit of \(Quantity.bytes($0.bytes)): \($0.text)" } ?? "no limit is set"
        return "<figure><figcaption><b>Shard \(shard.shard)</b> \(Quantity.bytes(size.bytes)) <span>\(limit)</span></figcaption>"
            + "\(CapacityChart(size: size, limit: shard.limit?.bytes).svg)</figure>"
    }

    private var keySections: String {
        let rows = keySection("Heaviest keys by rows", HeavyKey.rowHeadings, heaviestByRows.map(\.cells), heaviestByRows)
        let traffic = keySection("Heaviest keys by traffic", HeavyKey.trafficHeadings, heaviestByTraffic.map(\.trafficCells), heaviestByTraffic)
        return rows.isEmpty && traffic.isEmpty ? "" : "<div class=\"keys\">\(rows)\(traffic)</div>"
    }

    /// A table with a bar for each share.
    private func keySection(_ title: String, _ headings: [String], _ cells: [[String]], _ keys: [HeavyKey]) -> String {
        guard !keys.isEmpty else { return "" }
        let most = keys.map(\.share).max() ?? 1
        let rows = zip(cells, keys).map { cells, key in
            let width = Int((key.share / max(most, .leastNonzeroMagnitude) * 100).rounded())
            return "<tr>\(cells.map { "<td>\(escaped($0))</td>" }.joined())<td class=\"bar\"><i style=\"width:\(width)%\"></i></td></tr>"
        }
        return "<section><h2>\(title)</h2><div class=\"wide\"><table>\(head(headings + [""]))\(rows.joined())</table></div></section>"
    }

    private func section(_ title: String, _ headings: [String], _ rows: [[String]]) -> String {
        rows.isEmpty ? "" : "<section><h2>\(title)</h2>\(table(headings, rows))</section>"
    }

    private func table(_ headings: [String], _ rows: [[String]]) -> String {
        let lines = rows.map { row in "<tr>\(row.map { "<td>\(escaped($0).replacingOpenParenthesis)</td>" }.joined())</tr>" }
        return "<div class=\"wide\"><table>\(head(headings))\(lines.joined())</table></div>"
    }

    private func head(_ headings: [String]) -> String { "<tr>\(headings.map { "<th>\(escaped($0))</th>" }.joined())</tr>" }

    /// Names and keys are anybody's text.
    private func escaped(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(character)
            }
        }
    }
}

extension String {
    /// What stands in parentheses goes to a line of its own, in small letters.
    fileprivate var replacingOpenParenthesis: String {
        guard let open = lastIndex(of: "("), last == ")" else { return self }
        return "\(self[..<open])<small>\(self[index(after: open)...].dropLast())</small>"
    }
}

enum PageStyle {
    static let text = """
        :root{--ink:#1c2733;--soft:#5b6b7c;--line:#dfe5ec;--paper:#fff;--back:#f4f6f9;--blue:#1f6feb;--band:#1f6feb26;--red:#c62828}
        *{box-sizing:border-box}body{margin:0 auto;max-width:1200px;padding:24px;background:var(--back);color:var(--ink);font:14px/1.45 system-ui,"DejaVu Sans",sans-serif}
        header{display:flex;align-items:baseline;gap:16px;flex-wrap:wrap}h1{font-size:24px;margin:0}h2{font-size:16px;margin:0 0 12px}header p{margin:0;color:var(--soft)}
        section{background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:16px;margin:16px 0}
        .advice{border-left:4px solid var(--blue)}.advice ul{margin:0;padding-left:18px}.advice li{margin:3px 0}
        .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:12px}.figures div{display:flex;flex-direction:column}
        .figures span{color:var(--soft)}.figures b{font-size:22px}small,.figures small{color:var(--soft);font-size:12px}
        .charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:16px;margin-bottom:16px}figure{margin:0}figcaption{margin-bottom:4px}figcaption span{color:var(--soft);margin-left:8px}
        svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--soft)}svg text.number{text-anchor:end}svg text.limit{fill:var(--red)}
        .grid{stroke:var(--line)}.was{fill:none;stroke:var(--blue);stroke-width:2}.will{fill:none;stroke:var(--blue);stroke-width:2;stroke-dasharray:5 4}.band{fill:var(--band)}
        line.limit{stroke:var(--red);stroke-dasharray:2 3}.now{stroke:var(--soft);stroke-dasharray:1 3}.dot{fill:var(--blue)}
        .wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap}
        th{color:var(--soft);font-weight:500}td small{display:block}.keys{display:grid;grid-template-columns:repeat(auto-fit,minmax(480px,1fr));gap:16px}.keys section{margin:0}
        .bar{width:90px}.bar i{display:block;height:10px;margin-top:5px;border-radius:5px;background:var(--blue)}footer{color:var(--soft);font-size:12px}
        """
}
