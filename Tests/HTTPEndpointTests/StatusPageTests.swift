// The page: what it says in which case, and that nothing of what it shows becomes markup.
import Testing

@testable import HTTPEndpoint

@Suite struct StatusPageTests {
    private func content(_ facts: ProxyFacts?, phase: ProxyPhase = .serving, failure: String? = nil, listings: ClusterListings? = [:]) -> PageContent {
        PageContent(
            phase: phase, version: "1", workerCount: 2, facts: facts,
            traffic: facts.map { TrafficHistory(start: .now - .seconds(10)).traffic(until: $0, at: .now) }, factsAge: 0, failure: failure, listings: listings)
    }

    private func page(_ content: PageContent) -> String { StatusPage(content: content).html }

    private var wellFacts: ProxyFacts {
        var facts = ProxyFacts()
        var shown = FactsFixture.shown()
        shown[.transactions]?.rows = []
        shown[.pools]?.rows = [["app", "0", "1", "1", "0", "0", nil]]
        facts.add(shown)
        return facts
    }

    @Test func namesAreNoMarkup() {
        let html = page(content(FactsFixture.facts, listings: [.sagas: .rows(ShownRows(columns: ["<b>", "name"], rows: [["1", "'\"><img src=x onerror=alert(1)>"]]))]))
        #expect(!html.contains("<script"))
        #expect(!html.contains("<img"))
        #expect(html.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;"))
        #expect(html.contains("&#39;&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"))
        #expect(html.contains("<th class=\"number\">&lt;b&gt;</th>"))
    }

    @Test func hiddenCharactersAreShown() {
        #expect(HTML.escaped("a\u{202E}b\u{0}c\u{1B}d\u{2066}e") == "a\u{FFFD}b\u{FFFD}c\u{FFFD}d\u{FFFD}e")
        #expect(HTML.escaped("größer & 東京") == "größer &amp; 東京")
    }

    @Test func allIsWell() {
        let html = page(content(wellFacts))
        #expect(html.contains("<title>pgbraid: all is well</title>"))
        #expect(html.contains("<p class=\"verdict good\">All 2 shards are up.</p>"))
        #expect(!html.contains("class=\"verdict bad\""))
    }

    @Test func aShardThatIsDownIsSaidFirst() {
        var facts = ProxyFacts()
        facts.add(FactsFixture.shown(shardStates: ["up", "down"]))
        let html = page(content(facts))
        #expect(html.contains("<title>pgbraid: Shard 1 is down: connection refused.</title>"))
        #expect(html.contains("<td class=\"bad\">down</td>"))
        #expect(html.contains("3 sessions wait for a connection to a shard."))
        #expect(html.contains("1 prepared transaction is older than a minute."))
    }

    @Test(arguments: [
        (ProxyPhase.draining, nil as String?, "The proxy is draining"), (.starting, nil, "The proxy is starting"),
        (.serving, "worker 1 does not answer", "What is shown is not of now: worker 1 does not answer."),
    ]) func whatIsWrongWithTheProxyIsSaid(phase: ProxyPhase, failure: String?, sentence: String) {
        #expect(page(content(wellFacts, phase: phase, failure: failure)).contains(sentence))
        #expect(page(content(nil, phase: phase, failure: failure)).contains(sentence))
    }

    @Test func listingsHaveWhateverColumnsComeOrASentence() {
        let html = page(content(wellFacts, listings: FactsFixture.listings.merging([.capacity: .unknown]) { $1 }))
        #expect(html.contains("<th class=\"number\">oldest</th>"))
        #expect(html.contains("<td class=\"number\">3.5 s</td>"))
        #expect(html.contains("<td class=\"bad\">stuck</td>"))
        #expect(html.contains("Sagas: 1 stuck."))
        #expect(html.contains("This version does not know SHOW CAPACITY."))
        #expect(page(content(wellFacts, listings: nil)).contains("The shards have not told yet."))
        #expect(page(content(wellFacts, listings: [.outbox: .failed("shard 1 is not reachable")])).contains("Could not be found out: shard 1 is not reachable."))
    }

    @Test func aLongTableEndsWithHowMuchIsLeftOut() {
        let table = PageTable(columns: [.number("n")], rows: (0..<250).map { [PageCell("\($0)")] })
        #expect(table.html.contains("<p class=\"note\">150 more are not shown.</p>"))
        #expect(!table.html.contains(">100</td>"))
    }

    @Test func aRemarkIsThereWhereThereIsOne() {
        func html(_ remarks: [String]) -> String { PageTable(columns: [.number("n"), .remark("why")], rows: remarks.map { [PageCell("1"), PageCell($0)] }).html }
        #expect(html(["", "so"]).contains("<th>why</th>"))
        #expect(!html(["", ""]).contains("why") && !html([]).contains("why"))
    }

    @Test func numbersAreWrittenForPeople() {
        #expect([0, 999, 1000, 1_234_567].map { Quantity.count(UInt64($0)) } == ["0", "999", "1\u{2009}000", "1\u{2009}234\u{2009}567"])
        #expect([0, 100, 1024, 1536, 5e9].map(Quantity.bytes) == ["0 B", "100 B", "1 kB", "1.5 kB", "4.7 GB"])
        #expect([0, 0.000_065_536, 0.0021, 0.25, 2.5, 65, 3600, 93_784].map(Quantity.duration) == ["0 s", "66 µs", "2.1 ms", "250 ms", "2.5 s", "1 min 5 s", "1 h", "1 d 2 h"])
        #expect([0, 0.25, 9.96, 1234.4].map(Quantity.rate) == ["0", "0.2", "10.0", "1\u{2009}234"])
    }
}
