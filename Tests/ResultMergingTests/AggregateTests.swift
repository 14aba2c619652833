// Partial aggregates of several shards are combined by group.
import Primitives
import ResultMerging
import Testing
import WireProtocol

@Suite struct AggregateTests {
    /// SELECT name, count(*), sum(int), min(text), bool_or(flag) GROUP BY name: five visible, five hidden columns.
    private func plan(_ sortKeys: [SortKey] = []) -> MergePlan {
        MergePlan(
            visibleColumnCount: 5, sortKeys: sortKeys,
            aggregate: AggregateMerge(
                outputs: [.group, .count, .sumBigint, .minimum(typeOID: TypeOID.text), .boolOr],
                inputColumns: [5, 6, 7, 8, 9],
                outputTypeOIDs: [TypeOID.text, TypeOID.int8, TypeOID.int8, TypeOID.text, TypeOID.bool]))
    }

    private func row(_ name: String?, _ count: Int64, _ sum: Int64?, _ least: String?, _ flag: Bool?) -> [Value] {
        let visible: [Value] = [
            name.map { .text("<\($0)>") } ?? .null, .text("?"), .text("?"), least.map { .text("<\($0)>") } ?? .null,
            .text("?"),
        ]
        return visible + [
            name.map { .text($0) } ?? .null, .int8(count), sum.map { .int8($0) } ?? .null,
            least.map { .text($0) } ?? .null, flag.map { .bool($0) } ?? .null,
        ]
    }

    private func feedThreeShards(_ merge: MergeHarness) throws {
        try merge.row(0, row("b", 2, 10, "x", false))
        try merge.row(1, row("b", 3, nil, "xx", nil))
        try merge.row(1, row("a", 1, -5, nil, nil))
        try merge.row(2, row("b", 4, 7, "w", true))
        try merge.row(2, row(nil, 1, nil, nil, false))
        try merge.row(0, row(nil, 1, nil, "z", nil))
        for source in 0..<3 {
            #expect(try merge.lines() == [])
            try merge.end(source)
        }
    }

    @Test("Groups come out when the last source has ended; values seen by the client are the shards' own bytes")
    func groups() throws {
        let merge = MergeHarness(plan(), sources: 3)
        try feedThreeShards(merge)
        #expect(try merge.lines() == ["<b>|9|17|<w>|t", "<a>|1|-5|NULL|NULL", "NULL|2|NULL|<z>|f"])
        #expect(merge.merger.isComplete)
        #expect(merge.merger.rowsEmitted == 3)
    }

    @Test("Groups are ordered by group columns or by combined values, then cut")
    func ordered() throws {
        let byName = MergeHarness(plan([.ascending(5, TypeOID.text)]), sources: 3)
        try feedThreeShards(byName)
        #expect(try byName.rows().map { $0[0].description } == ["<a>", "<b>", "NULL"])
        let byCount = MergeHarness(plan([.descending(6, TypeOID.int8)]), sources: 3)
        try feedThreeShards(byCount)
        #expect(try byCount.rows().map { $0[1].description } == ["9", "2", "1"])
        let bySum = MergeHarness(
            plan([.descending(7, TypeOID.int8)]), sources: 3, window: try RowWindow(limit: 1, offset: 1))
        try feedThreeShards(bySum)
        #expect(try bySum.rows().map { $0[2].description } == ["17"])
        #expect(bySum.merger.isDone)
        let byFlag = MergeHarness(plan([.ascending(9, TypeOID.bool), .ascending(8, TypeOID.text)]), sources: 3)
        try feedThreeShards(byFlag)
        #expect(try byFlag.rows().map { $0[0].description } == ["NULL", "<b>", "<a>"])
    }

    @Test("Binary results are binary")
    func binary() throws {
        let merge = MergeHarness(plan(), sources: 1, formats: [.binary])
        try merge.row(0, row("b", 2, 10, "x", false))
        try merge.end(0)
        #expect(
            try merge.rows() == [[.text("<b>"), .int8(2), .int8(10), .text("<x>"), .bytes([0])]])
    }

    private func total(_ sources: Int = 2, formats: [FormatCode] = [], type: UInt32 = TypeOID.int8) -> MergeHarness {
        MergeHarness(
            MergePlan(
                visibleColumnCount: 2,
                aggregate: AggregateMerge(
                    outputs: [.count, .sumBigint], inputColumns: [2, 3], outputTypeOIDs: [type, type])),
            sources: sources, formats: formats)
    }

    @Test("Without group columns there is one row, even when no shard sent any")
    func ungrouped() throws {
        let merge = total()
        try merge.row(0, .null, .null, .int8(3), .int8(30))
        try merge.row(1, .null, .null, .int8(0), .null)
        try merge.end(0)
        try merge.end(1)
        #expect(try merge.lines() == ["3|30"])
        let nothing = total()
        try nothing.end(0)
        try nothing.end(1)
        #expect(try nothing.lines() == ["0|NULL"])
    }

    @Test("With group columns and no rows there are no groups")
    func noGroups() throws {
        let merge = MergeHarness(plan(), sources: 2)
        try merge.end(0)
        try merge.end(1)
        #expect(try merge.lines() == [])
        #expect(merge.merger.isComplete)
    }

    @Test("A sum beyond its type is out of range, as PostgreSQL says it")
    func overflow() throws {
        let bigint = total()
        try bigint.row(0, .null, .null, .int8(1), .int8(.max))
        #expect(throws: MergeError("22003", "bigint out of range")) {
            try bigint.row(1, .null, .null, .int8(1), .int8(1))
        }
        let integer = total(1, type: TypeOID.int4)
        try integer.row(0, .null, .null, .int8(1), .int8(1 << 31))
        #expect(throws: MergeError("22003", "integer out of range")) { try integer.end(0) }
        let smallest = total(1)
        try smallest.row(0, .null, .null, .int8(1), .int8(.min))
        try smallest.end(0)
        #expect(try smallest.lines() == ["1|-9223372036854775808"])
    }

    @Test("GROUP BY a column that is not shown")
    func hiddenGroup() throws {
        let merge = MergeHarness(
            MergePlan(
                visibleColumnCount: 1, sortKeys: [.descending(2, TypeOID.int8)],
                aggregate: AggregateMerge(
                    outputs: [.count], inputColumns: [1], outputTypeOIDs: [TypeOID.int8], hiddenGroupColumns: [2])),
            sources: 2)
        for (source, group, count) in [(0, 1, 10), (0, 2, 20), (1, 2, 200), (1, 3, 300)] as [(Int, Int64, Int64)] {
            try merge.row(source, .null, .int8(count), .int8(group))
        }
        try merge.end(0)
        try merge.end(1)
        #expect(try merge.lines() == ["300", "220", "10"])
    }

    @Test("Groups are bounded by the limit")
    func limit() throws {
        let merge = MergeHarness(plan(), sources: 1, totalBytes: 20_000)
        let error = #expect(throws: MergeError.self) {
            for number in 0..<1000 { try merge.row(0, row("\(number)", 1, 1, nil, nil)) }
        }
        #expect(error?.sqlState == "53400")
        #expect(merge.merger.bufferedBytes < 21_000)
    }

    @Test("A full output holds groups back")
    func fullOutput() throws {
        let merge = MergeHarness(plan(), sources: 1, outputBytes: 1)
        for number in 0..<3 { try merge.row(0, row("\(number)", 1, 1, nil, nil)) }
        try merge.end(0)
        #expect(try merge.rows().count == 1)
        #expect(merge.merger.hasRowsReady && !merge.merger.isComplete)
        try merge.resume()
        #expect(try merge.rows().count == 1)
        try merge.resume()
        #expect(try merge.rows().count == 1)
        #expect(merge.merger.isComplete)
    }

    @Test("What cannot be combined is refused")
    func refused() throws {
        func refuses(_ combination: PartialCombination, _ typeOID: UInt32) {
            let merge = MergeHarness(
                MergePlan(
                    visibleColumnCount: 1,
                    aggregate: AggregateMerge(
                        outputs: [combination], inputColumns: [1], outputTypeOIDs: [typeOID])), sources: 1)
            let error = #expect(throws: MergeError.self) { try merge.row(0, .null, .null) }
            #expect(error?.sqlState == "0A000")
        }
        refuses(.minimum(typeOID: TypeOID.json), TypeOID.json)
        refuses(.count, TypeOID.text)
        refuses(.sumNumeric, TypeOID.int8)
    }

    private typealias Group = (count: Int64, sum: Int64?, least: String?, flag: Bool?)

    @Test("Random groups agree with a dictionary", arguments: 0..<60)
    func random(seed: Int) throws {
        let world = RandomWorld(seed: UInt64(seed))
        let merge = MergeHarness(plan([.ascending(5, TypeOID.text, nullsFirst: true)]), sources: 4)
        var model: [String: Group] = [:]
        for _ in 0..<world.number(0...400) {
            let name = world.chance(12) ? nil : "g\(world.number(0...90))"
            let (count, sum) = (Int64(world.number(0...9)), world.chance(3) ? nil : Int64(world.number(0...1000)) - 500)
            let least = world.chance(3) ? nil : world.text(of: ["x", "y", "z"], length: 0...20)
            let flag = world.chance(3) ? nil : world.chance(2)
            try merge.row(world.number(0...3), row(name, count, sum, least, flag))
            var known: Group = model[name ?? ""] ?? (0, nil, nil, nil)
            known.count += count
            if let sum { known.sum = (known.sum ?? 0) + sum }
            if let least { known.least = known.least.map { bytewiseMinimum($0, least) } ?? least }
            if let flag { known.flag = (known.flag ?? false) || flag }
            model[name ?? ""] = known
        }
        for source in 0..<4 { try merge.end(source) }
        let names = model.keys.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
        let expected = names.map { line($0, model[$0] ?? (0, nil, nil, nil)) }
        #expect(try merge.lines() == expected)
    }

    private func line(_ name: String, _ group: Group) -> String {
        let sum = group.sum.map(String.init) ?? "NULL"
        let least = group.least.map { "<" + $0 + ">" } ?? "NULL"
        let flag = group.flag.map { $0 ? "t" : "f" } ?? "NULL"
        return [name.isEmpty ? "NULL" : "<\(name)>", String(group.count), sum, least, flag].joined(separator: "|")
    }

    private func bytewiseMinimum(_ left: String, _ right: String) -> String {
        Array(right.utf8).lexicographicallyPrecedes(Array(left.utf8)) ? right : left
    }
}
