// A shard that sends garbage gets an error: no trap, no read outside the frame.
import ResultMerging
import Testing

@Suite struct MalformedRowTests {
    private static let plans: [MergePlan] = [
        MergePlan(visibleColumnCount: 1),
        MergePlan(visibleColumnCount: 1, sortKeys: [.ascending(1, TypeOID.numeric), .descending(2, TypeOID.text)]),
        MergePlan(visibleColumnCount: 1, distinctColumns: [1, 2]),
        MergePlan(visibleColumnCount: 1, sortKeys: [.ascending(1, TypeOID.numeric)], distinctColumns: [1]),
        MergePlan(
            visibleColumnCount: 1, sortKeys: [.ascending(1, TypeOID.numeric)],
            aggregate: AggregateMerge(
                outputs: [.sumNumeric], inputColumns: [1], outputTypeOIDs: [TypeOID.numeric], hiddenGroupColumns: [2])),
        MergePlan(
            visibleColumnCount: 1,
            aggregate: AggregateMerge(
                outputs: [.maximum(typeOID: TypeOID.numeric)], inputColumns: [1], outputTypeOIDs: [TypeOID.numeric])),
    ]

    /// Visible "a", numeric 12345.67, text "b".
    private static let frame: [UInt8] =
        [0x44, 0, 0, 0, 0x29, 0, 3, 0, 0, 0, 1, 0x61, 0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 2, 0, 1, 9, 0x29, 0x1A, 0x2C]
        + [0, 0, 0, 8, 0x62, 0x62, 0x62, 0x62, 0x62, 0x62, 0x62, 0x62]

    @Test("The frame is whole as long as nobody changes it", arguments: plans)
    func intact(plan: MergePlan) throws {
        let merge = MergeHarness(plan, sources: 2)
        for source in [0, 0, 1, 1] { try merge.frame(source, MalformedRowTests.frame) }
        try merge.end(0)
        try merge.end(1)
        #expect(try !merge.rows().isEmpty)
    }

    @Test("Changed or cut bytes are either a row or an error", arguments: plans.indices)
    func changed(plan: Int) throws {
        let world = RandomWorld(seed: UInt64(plan))
        var errors = 0
        for _ in 0..<3000 {
            let merge = MergeHarness(MalformedRowTests.plans[plan], sources: 2)
            do throws(MergeError) {
                for source in [0, 0, 1, 1, 0, 1] { try merge.frame(source, damaged(world)) }
                try merge.end(0)
                try merge.end(1)
            } catch {
                errors += 1
                #expect(["08P01", "22P03"].contains(error.sqlState), "\(error)")
            }
        }
        #expect(errors > 1000 && errors < 3000)
    }

    private func damaged(_ world: RandomWorld) -> [UInt8] {
        var frame = MalformedRowTests.frame
        if world.chance(3) { return frame }
        if world.chance(4) { return Array(frame.prefix(world.number(0...frame.count))) }
        for _ in 0..<world.number(1...2) {
            frame[world.number(5...frame.count - 1)] = UInt8(world.chance(2) ? world.number(0...16) : world.number(0...255))
        }
        return frame
    }
}
