// QuotedText: a quote is a quote whatever stands beside it: U+0600 in front of it, an accent behind it, CR LF on either side.
import Primitives
import Testing

@Suite struct QuotedTextTests {
    private static let neighbours = [("\u{600}", ""), ("", "\u{301}"), ("\r\n", "\r\n"), ("\u{600}", "\u{301}"), ("\r", "\n"), ("e\u{301}", "\u{200D}")]

    @Test(arguments: neighbours) func identifiersDoubleTheirQuotes(before: String, behind: String) {
        #expect(bytes(QuotedText.identifier(before + "\"" + behind)) == bytes("\"" + before) + bytes("\"\"") + bytes(behind + "\""))
        #expect(bytes(QuotedText.identifier(before + "'\\" + behind)) == bytes("\"" + before + "'\\" + behind + "\""))
    }

    @Test(arguments: neighbours) func constantsDoubleTheirQuotesAndBackslashes(before: String, behind: String) {
        #expect(bytes(QuotedText.literal(before + "'" + behind)) == bytes("'" + before) + bytes("''") + bytes(behind + "'"))
        #expect(bytes(QuotedText.literal(before + "\\" + behind)) == bytes("E'" + before) + bytes("\\\\") + bytes(behind + "'"))
        #expect(bytes(QuotedText.literal(before + "\\'" + behind)) == bytes("E'" + before) + bytes("\\\\''") + bytes(behind + "'"))
        #expect(bytes(QuotedText.literal(before + "\"" + behind)) == bytes("'" + before + "\"" + behind + "'"))
    }

    @Test(arguments: neighbours) func arraysEscapeBoth(before: String, behind: String) {
        let text = QuotedText.array([before + "\"" + behind, before + "\\" + behind])
        #expect(bytes(text) == bytes("{\"" + before) + bytes("\\\"") + bytes(behind + "\",\"" + before) + bytes("\\\\") + bytes(behind + "\"}"))
    }

    @Test func plainTextsStayAsTheyAre() {
        #expect(QuotedText.identifier("account") == "\"account\"")
        #expect(QuotedText.literal("") == "''")
        #expect(QuotedText.array([]) == "{}")
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
}
