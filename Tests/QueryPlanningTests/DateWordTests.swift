// Texts that PostgreSQL may read as the present time.
import Testing

@testable import QueryPlanning

@Suite struct DateWordTests {
    @Test("times, and ranges and arrays with one", arguments: [
        "now", " NOW ", "today", "today 10:00", "tomorrow zulu", "yesterday allballs", "today 10:00 Europe/Paris", "now EST5EDT", "today 10:00 pm", "[now,)",
        "{now}", "{2024-01-01,\"today 10:00\"}", "(1,now)", "Mon today", "now Japan", "today 10:00 America/Argentina/Buenos_Aires", "[\"now\",infinity]",
    ])
    func times(text: String) { #expect(DateWords.isIn(text)) }

    @Test("other texts", arguments: [
        "", "nowhere", "available now", "shipped today", "now playing everywhere", "buy one today and two tomorrow", "{known,unknown}", "today's special offer",
    ])
    func others(text: String) { #expect(!DateWords.isIn(text)) }
}
