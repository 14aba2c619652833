// The lexer draws PostgreSQL's token borders.
import Testing

@testable import QueryPlanning

@Suite struct ShapeLexerTests {
    @Test func wordsQuotedNamesAndPunctuation() {
        #expect(
            tokens("SELECT t.\"a\"\"b\", é_1$x[1] ;") == [
                "word SELECT", "word t", "punctuation .", "quotedIdentifier \"a\"\"b\"", "punctuation ,", "word é_1$x",
                "punctuation [", "integer 1", "punctuation ]", "punctuation ;",
            ])
    }

    @Test func commentsNestAndEndLines() {
        #expect(tokens("a/* x /* y */ z */b -- c\n d--e") == ["word a", "word b", "word d"])
        #expect(tokens("a /* b") == ["word a", "invalid /* b"])
        #expect(tokens("/*/ a */ b") == ["word b"])
        #expect(tokens("a --\r b") == ["word a", "word b"])
    }

    @Test func stringsInAllTheirSpellings() {
        #expect(
            tokens("'a''b' E'c\\'d' e'\\\\' B'01' x'1F' N'n' U&'\\0061' $$e$f$$ $t$g$$h$t$") == [
                "string 'a''b'", "escapeString E'c\\'d'", "escapeString e'\\\\'", "otherString B'01'",
                "otherString x'1F'",
                "otherString N'n'", "otherString U&'\\0061'", "otherString $$e$f$$", "otherString $t$g$$h$t$",
            ])
        #expect(
            tokens("u&\"x\" a'b' u & 'c'") == [
                "quotedIdentifier u&\"x\"", "word a", "string 'b'", "word u", "operation &", "string 'c'",
            ])
    }

    @Test func aStringGoesOnAfterALineBreakOnly() {
        #expect(tokens("'a'\n 'b'") == ["string 'a'\n 'b'"])
        #expect(tokens("'a' -- c\n 'b'") == ["string 'a' -- c\n 'b'"])
        #expect(tokens("'a' 'b'") == ["string 'a'", "string 'b'"])
        #expect(tokens("'a'\n/* */ 'b'") == ["string 'a'", "string 'b'"])
        #expect(tokens("'a'\n- 'b'") == ["string 'a'", "operation -", "string 'b'"])
    }

    @Test(arguments: [
        "'a", "E'a\\'", "\"a", "$$a$", "$t$a$$", "\"\"", "{", "\\", "\u{0B}", "1a", "1e", "1e+", "$1a", "$a", "1.5x",
        "1_000",
    ])
    func whatTheScannerRefusesIsInvalid(text: String) {
        #expect(tokens(text).last?.hasPrefix("invalid") == true)
    }

    @Test func numbers() {
        #expect(
            tokens("1 1.5 1. .5 1e10 1.5E-3 .5e+2 1..2 1.e5") == [
                "integer 1", "decimal 1.5", "decimal 1.", "decimal .5", "decimal 1e10", "decimal 1.5E-3",
                "decimal .5e+2",
                "integer 1", "punctuation ..", "integer 2", "decimal 1.e5",
            ])
    }

    @Test func operatorsEndBeforeCommentsAndLoseSignsAtTheirEnd() {
        #expect(tokens("a=-1") == ["word a", "operation =", "operation -", "integer 1"])
        #expect(tokens("a@-1") == ["word a", "operation @-", "integer 1"])
        #expect(tokens("a*--b") == ["word a", "operation *"])
        #expect(tokens("a+/*c*/1") == ["word a", "operation +", "integer 1"])
        #expect(
            tokens("<= >= <> != => || ->> @> - +") == [
                "operation <=", "operation >=", "operation <>", "operation !=", "operation =>", "operation ||",
                "operation ->>",
                "operation @>", "operation -", "operation +",
            ])
        #expect(tokens("<-+") == ["operation <", "operation -", "operation +"])
        #expect(tokens("~+-") == ["operation ~+-"])
        #expect(
            tokens("x::int a:=1 b:c") == [
                "word x", "punctuation ::", "word int", "word a", "punctuation :=", "integer 1", "word b",
                "punctuation :", "word c",
            ])
    }

    @Test func parameters() {
        #expect(tokens("$1+$23") == ["parameter $1", "operation +", "parameter $23"])
    }
}
