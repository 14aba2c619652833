// What a campaign keeps: seeds, sums, failures, and that runs add up.
import Simulation
import Testing

#if canImport(Glibc)
import Glibc
#endif

@Suite struct JournalTests {
    @Test func seedsJoinToFewRanges() {
        var seeds = SeedSet()
        for range in [10..<20, 0..<5, 5..<8, 18..<25] as [Range<UInt64>] { seeds.insert(range) }
        #expect(seeds.text == "0..<8 10..<25")
        #expect(seeds.missing(of: 0..<30) == [8..<10, 25..<30])
        #expect(seeds.missing(of: 11..<20).isEmpty)
        #expect(SeedSet(text: "0..<8 10..<25 nonsense") == seeds)
    }

    @Test func countsAddByNameWhateverTheirOrder() {
        var counts = NamedCounts(text: "a=1 b=2 =3 c")
        counts.add(NamedCounts(text: "b=10 c=5"))
        #expect(counts.text == "a=1 b=12 c=5")
        #expect(counts["nobody"] == 0)
    }

    /// Two runs, one of them of seeds that are half done, give what one run gives.
    @Test func runsAddUp() throws {
        let path = try temporaryPath()
        defer { unlink(path) }
        let options = SimulationOptions(checksReads: true)
        for seeds in [0..<6, 3..<10] as [Range<UInt64>] {
            #expect(Campaign(seeds: seeds, options: options, path: path).run(threadCount: 2))
        }
        let whole = Campaign(seeds: 0..<10, options: options, path: nil)
        #expect(whole.run(threadCount: 1))
        let kept = Journal(path: path)
        #expect(kept.seeds.text == "0..<10")
        #expect(kept.totals.sums["worlds"] == 10)
        for part in Totals.parts where part.name != "sums" && part.name != "errors" {
            #expect(kept.totals[keyPath: part.path] == whole.journal.totals[keyPath: part.path], "\(part.name)")
        }
        #expect(kept.totals.sums["events"] == whole.journal.totals.sums["events"])
    }

    @Test func aSeedThatWasLivedAgainHasItsLaterEnd() {
        var journal = Journal()
        journal.failures = [7, 8, 9].map { Failure(seed: $0, violation: "a mistake") }
        var news = Journal()
        news.seeds.insert(7..<8)
        news.failures = [Failure(seed: 8, violation: "another")]
        journal.add(news)
        #expect(journal.failures == [Failure(seed: 9, violation: "a mistake"), Failure(seed: 8, violation: "another")])
    }

    @Test func failuresAreKept() throws {
        let path = try temporaryPath()
        defer { unlink(path) }
        var journal = Journal()
        journal.failures = [Failure(seed: 7, violation: "half of operation 3 is committed")]
        #expect(journal.write(to: path))
        #expect(Journal(path: path).failures == journal.failures)
    }

    /// An empty file of its own.
    private func temporaryPath() throws -> String {
        var template = Array("/tmp/simulation-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        close(descriptor)
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
