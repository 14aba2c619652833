// RandomWorld: seeded random rows with sort keys drawn from OrderedValues, and the plain model of an ordered merge.
import Primitives
import ResultMerging

/// A sort key over values whose ranks are known.
struct RandomKey {
    var key: SortKey
    var values: [(rank: Int, bytes: [UInt8])]
}

/// A row: its label is the visible column, `picks` index the keys' values (nil: NULL).
struct RandomRow {
    var label: String
    var source: Int
    var picks: [Int?]
    var values: [Value]
}

final class RandomWorld {
    private let random: SeededRandomSource

    init(seed: UInt64) { random = SeededRandomSource(seed: seed) }

    func number(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(random.next() % UInt64(range.count))
    }

    /// True once in `times`.
    func chance(_ times: Int) -> Bool { number(1...times) == 1 }

    func text(of alphabet: [Character], length: ClosedRange<Int>) -> String {
        String((0..<number(length)).map { _ in alphabet[number(0...alphabet.count - 1)] })
    }

    func sortKeys() -> [RandomKey] {
        (0..<number(1...3)).map { index in
            let type = OrderedValues.all[number(0...OrderedValues.all.count - 1)]
            return RandomKey(
                key: SortKey(
                    column: index + 1, typeOID: type.typeOID, isDescending: chance(2), nullsFirst: chance(2)),
                values: type.values)
        }
    }

    /// Rows of each source, sorted by the keys.
    func sortedRows(sources: Int, keys: [RandomKey]) -> [[RandomRow]] {
        (0..<sources).map { source in
            let rows = (0..<number(0...30)).map { index in row("\(source).\(index)", source, keys) }
            return stableSort([rows], keys: keys)
        }
    }

    private func row(_ label: String, _ source: Int, _ keys: [RandomKey]) -> RandomRow {
        let picks: [Int?] = keys.map { chance(6) ? nil : number(0...min(4, $0.values.count - 1)) }
        let values = zip(keys, picks).map { key, pick in pick.map { Value.bytes(key.values[$0].bytes) } ?? .null }
        return RandomRow(label: label, source: source, picks: picks, values: [.text(label)] + values)
    }

    /// All rows in order; rows with equal keys stay in order of source and position.
    func stableSort(_ rows: [[RandomRow]], keys: [RandomKey]) -> [RandomRow] {
        rows.joined().enumerated().sorted { left, right in
            let order = compare(left.element, right.element, keys)
            return order == 0 ? left.offset < right.offset : order < 0
        }.map(\.element)
    }

    private func compare(_ left: RandomRow, _ right: RandomRow, _ keys: [RandomKey]) -> Int {
        for (index, key) in keys.enumerated() {
            let order = place(left.picks[index], key) - place(right.picks[index], key)
            if order != 0 { return order }
        }
        return 0
    }

    private func place(_ pick: Int?, _ key: RandomKey) -> Int {
        guard let pick else { return key.key.nullsFirst ? -1_000_000 : 1_000_000 }
        return key.values[pick].rank * (key.key.isDescending ? -1 : 1)
    }

    /// Feeds the rows in random interleaving, reading the output now and then; returns the labels that came out.
    func play(_ rows: [[RandomRow]], into merge: MergeHarness) throws -> [String] {
        var next = rows.map { $0.startIndex }
        var open = Array(rows.indices)
        var received: [String] = []
        while !open.isEmpty {
            let index = number(0...open.count - 1)
            let source = open[index]
            if next[source] == rows[source].count {
                try merge.end(source)
                open.remove(at: index)
            } else {
                try merge.row(source, rows[source][next[source]].values)
                next[source] += 1
            }
            if chance(4) {
                received += try merge.lines()
                try merge.resume()
            }
        }
        return received + (try drain(merge))
    }

    private func drain(_ merge: MergeHarness) throws -> [String] {
        var received = try merge.lines()
        while merge.merger.hasRowsReady {
            try merge.resume()
            let lines = try merge.lines()
            if lines.isEmpty { break }
            received += lines
        }
        return received
    }
}
