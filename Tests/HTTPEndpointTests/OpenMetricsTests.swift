// The text that scrapers read, and that docs/http.md says what is in it.
import Foundation
import Testing

@testable import HTTPEndpoint

@Suite struct OpenMetricsTests {
    @Test func aFamilyIsTypeUnitHelpAndSamples() {
        var family = MetricFamily("pgbraid_waiting_seconds", .counter, unit: "seconds", "A \"quoted\" help\nof two lines with a \\.")
        family.add(.real(1.5), [("user", "a\"b\\c\nd"), ("shard", "0")])
        #expect(
            OpenMetrics.text([family]) == """
                # TYPE pgbraid_waiting_seconds counter
                # UNIT pgbraid_waiting_seconds seconds
                # HELP pgbraid_waiting_seconds A \\"quoted\\" help\\nof two lines with a \\\\.
                pgbraid_waiting_seconds_total{user="a\\"b\\\\c\\nd",shard="0"} 1.5
                # EOF

                """)
    }

    /// Names of tables are what anybody chose. Each line of the text is one sample, and each value ends where it ends.
    @Test func noNameEndsItsValue() {
        for (name, written) in [
            ("a\r\nb", "a\u{FFFD}\\nb"), ("\u{600}\"", "\u{600}\\\""), ("\"\u{301}", "\\\"\u{301}"), ("\\\u{301}", "\\\\\u{301}"), ("\u{600}\\", "\u{600}\\\\"), ("\n\r", "\\n\u{FFFD}"),
        ] {
            var family = MetricFamily("pgbraid_table_size_bytes", .gauge, "Size.")
            family.add(.whole(1), [("table", name)])
            let lines = OpenMetrics.text([family]).unicodeScalars.split { $0 == "\n" || $0 == "\r" }.map { Array(String($0).utf8) }
            #expect(lines.count == 4 && lines[2] == Array("pgbraid_table_size_bytes{table=\"\(written)\"} 1".utf8))
        }
    }

    @Test func whatHasNoSampleIsNotThere() {
        #expect(OpenMetrics.text([MetricFamily("pgbraid_nothing", .gauge, "Nothing.")]) == "# EOF\n")
    }

    @Test func aHistogramCountsWhatIsBelowEachBound() throws {
        let text = OpenMetrics.text(ProxyMetrics.families(FactsFixture.facts))
        let lines = text.split(separator: "\n").filter { $0.hasPrefix("pgbraid_statement_duration_seconds") && $0.contains("passed") }.map(String.init)
        #expect(lines.contains("pgbraid_statement_duration_seconds_bucket{way=\"passed\",le=\"3.2768e-05\"} 0"))
        #expect(lines.contains("pgbraid_statement_duration_seconds_bucket{way=\"passed\",le=\"6.5536e-05\"} 180"))
        #expect(lines.contains("pgbraid_statement_duration_seconds_bucket{way=\"passed\",le=\"0.001048576\"} 200"))
        #expect(lines.suffix(3) == [
            "pgbraid_statement_duration_seconds_bucket{way=\"passed\",le=\"+Inf\"} 200", "pgbraid_statement_duration_seconds_count{way=\"passed\"} 200",
            "pgbraid_statement_duration_seconds_sum{way=\"passed\"} 0.018",
        ])
    }

    @Test func patternsHaveMetricsByTheirColumns() {
        let lines = OpenMetrics.text(ListingMetrics.families(FactsFixture.listings)).split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(
            lines == [
                "pgbraid_listing_up{listing=\"capacity\"} 1", "pgbraid_listing_up{listing=\"outbox\"} 1", "pgbraid_listing_up{listing=\"sagas\"} 1",
                "pgbraid_sagas{state=\"running\"} 3.0", "pgbraid_sagas{state=\"stuck\"} 1.0", "pgbraid_outbox_pending_events{shard=\"0\"} 12.0",
                "pgbraid_outbox_pending_events{shard=\"1\"} 0.0", "pgbraid_outbox_oldest_event_age_seconds{shard=\"0\"} 3.5",
                "pgbraid_table_size_bytes{shard=\"0\",table=\"orders\"} 1048576.0", "pgbraid_table_size_bytes{shard=\"1\",table=\"orders\"} 2048.0",
            ])
        #expect(OpenMetrics.text(ListingMetrics.families([.sagas: .unknown, .outbox: .failed("no")])).contains("pgbraid_listing_up{listing=\"outbox\"} 0"))
    }

    /// Each name, type and unit of the list in docs/http.md is that of a metric, and none is missing there.
    @Test func theDocumentationListsAllMetrics() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/http.md").path
        let documented = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").filter { $0.hasPrefix("| `pgbraid_") || $0.hasPrefix("| `process_") }
            .map { $0.split(separator: "|").prefix(2).map { $0.trimmingCharacters(in: .whitespaces) } }
        let access = AdminAccess(version: "1", workerCount: 2, phase: { .serving }, connect: { _, _ in throw HTTPSocketError("none") })
        let families = ProxyMetrics.always(phase: .serving, access: access) + ProcessMetrics.families() + ProxyMetrics.families(FactsFixture.facts)
            + ListingMetrics.families(FactsFixture.listings)
        let known = families.map { family in
            let labels = family.samples.first?.labels.map(\.name).filter { $0 != "le" } ?? []
            let suffix = family.kind == .counter ? "_total" : family.kind == .info ? "_info" : ""
            return ["`\(family.name)\(suffix)\(labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}")`", family.kind.rawValue]
        }
        #expect(known.filter { !documented.contains($0) } == [], "missing in docs/http.md")
        #expect(documented.filter { !known.contains($0) } == [], "no metric")
        for family in families where family.unit != nil { #expect(family.name.hasSuffix("_\(family.unit ?? "")")) }
    }
}
