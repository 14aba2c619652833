// SASLprep: passwords outside ASCII get the verifier PostgreSQL makes of them.
import Testing

@testable import WireProtocol

@Suite struct SASLPrepTests {
    /// Passwords and their normal forms; the same twice where there is none to change to.
    static let forms: [(String, String)] = [
        ("p\u{E4}ssw\u{F6}rd", "p\u{E4}ssw\u{F6}rd"),
        ("pa\u{308}sswo\u{308}rd", "p\u{E4}ssw\u{F6}rd"),
        ("\u{FB01}sh", "fish"),
        ("\u{FF26}\u{FF55}\u{FF4C}\u{FF4C}", "Full"),
        ("a\u{A0}b", "a b"),
        ("a\u{200B}b", "a b"),
        ("I\u{AD}X", "IX"),
        ("\u{AA}", "a"),
        ("\u{2168}", "IX"),
        ("\u{7}\u{E9}", "\u{7}\u{E9}"),
        ("\u{627}1", "\u{627}1"),
        ("\u{627}1\u{628}", "\u{627}1\u{628}"),
        ("\u{627}b\u{628}", "\u{627}b\u{628}"),
        ("\u{5D0}\u{5B0}\u{5D1}", "\u{5D0}\u{5B0}\u{5D1}"),
        ("\u{D55C}\u{AE00}", "\u{D55C}\u{AE00}"),
        ("\u{1112}\u{1161}\u{11AB}", "\u{D55C}"),
        ("q\u{307}\u{323}", "q\u{323}\u{307}"),
        ("\u{212B}", "\u{C5}"),
        ("\u{344}", "\u{308}\u{301}"),
        ("\u{2126}", "\u{3A9}"),
        (
            "\u{65E5}\u{672C}\u{8A9E}\u{30D1}\u{30B9}\u{30EF}\u{30FC}\u{30C9}",
            "\u{65E5}\u{672C}\u{8A9E}\u{30D1}\u{30B9}\u{30EF}\u{30FC}\u{30C9}"
        ),
        ("\u{FF8A}\u{FF9F}\u{FF7D}\u{FF9C}\u{FF70}\u{FF84}\u{FF9E}", "\u{30D1}\u{30B9}\u{30EF}\u{30FC}\u{30C9}"),
        ("\u{AD}", "\u{AD}"),
        ("\u{E000}x", "\u{E000}x"),
        ("\u{221}x", "\u{221}x"),
        ("\u{1F600}", "\u{1F600}"),
        ("\u{FB1D}", "\u{5D9}\u{5B4}"),
        ("e\u{301}\u{323}", "\u{1EB9}\u{301}"),
        ("\u{958}", "\u{915}\u{93C}"),
        ("\u{BD}", "1\u{2044}2"),
        ("\u{1C6}", "d\u{17E}"),
        ("\u{3000}\u{E9}", " \u{E9}"),
        ("\u{E9}\u{340}", "\u{E9}\u{340}"),
        ("\u{15F}", "\u{15F}"),
        ("\u{1E9B}\u{323}", "\u{1E69}"),
        ("a\u{315}\u{300}\u{5AE}b", "\u{E0}\u{5AE}\u{315}b"),
        ("\u{F951}", "\u{964B}"),
        ("\u{2F868}", "\u{36FC}"),
        ("\u{2F86}8", "\u{820C}8"),
        ("x\u{200D}\u{E9}", "x\u{E9}"),
        ("\u{FFFD}\u{E9}", "\u{FFFD}\u{E9}"),
        ("\u{1E9B}", "\u{1E61}"),
        ("\u{1D5}", "\u{1D5}"),
        ("\u{390}", "\u{390}"),
        ("\u{390}", "\u{390}"),
        ("\u{3300}", "\u{30A2}\u{30D1}\u{30FC}\u{30C8}"),
        ("\u{33FF}", "\u{33FF}"),
        ("\u{2460}", "1"),
        ("\u{2122}", "TM"),
        ("\u{210C}", "H"),
        (
            "\u{FDFA}",
            "\u{635}\u{644}\u{649} \u{627}\u{644}\u{644}\u{647} \u{639}\u{644}\u{64A}\u{647} \u{648}\u{633}\u{644}\u{645}"
        ),
        ("\u{E33}", "\u{E4D}\u{E32}"),
        ("\u{F77}", "\u{FB2}\u{F71}\u{F80}"),
        ("\u{1100}\u{1161}", "\u{AC00}"),
        ("\u{AC00}\u{11A8}", "\u{AC01}"),
        ("\u{CC6}\u{CC2}\u{CD5}", "\u{CCB}"),
        ("\u{DD9}\u{DCF}\u{DCA}", "\u{DDD}"),
        ("\u{2ADC}", "\u{2ADD}\u{338}"),
        ("\u{374}", "\u{2B9}"),
        ("\u{37E}", ";"),
        ("\u{1FEF}", "`"),
    ]

    @Test(arguments: forms) func passwordsTakeTheirNormalForm(_ password: String, _ expected: String) {
        #expect(SASLPrep.prepare(Array(password.utf8)) == Array(expected.utf8))
    }

    /// pg_authid.rolpassword after ALTER ROLE ... PASSWORD with each of these, on PostgreSQL 15.
    static let verifiers: [(String, String)] = [
        (
            "pa\u{308}sswo\u{308}rd",
            "SCRAM-SHA-256$4096:4+Vm1s6y584N8LQzFyzjLA==$4DFjkzzI8qQwSg6DWkubEGqWKpEO00SD/AIylLu5zKE=:gk70FjScr/lLpNiwy/fpq3GVpsAN3vN2OYlXjt3EOVU="
        ),
        (
            "\u{FF26}\u{FF55}\u{FF4C}\u{FF4C}",
            "SCRAM-SHA-256$4096:ok+LO8vnkH311k99H28tYw==$gzp1tz+sB4ntkBZn4UnbVixzSm1zsqVLqFNJkN4TedE=:cMKvPM0732Oe42vZtOh4u0+R/uZ4r+e9grxEGLuneG4="
        ),
        (
            "a\u{A0}b",
            "SCRAM-SHA-256$4096:uM7gbGHfWW72IQSCSkBmSw==$gMwoCqQZafQGz1MoaR0pKZTlD6solRq1QoBCB6SYw2M=:46dhpuv/6TDbOLXCYLbs32292ViwwcOV8ZHOA5eBle8="
        ),
        (
            "\u{7}\u{E9}",
            "SCRAM-SHA-256$4096:zfoPZCbdQ5QnmsGEL59yYg==$cRRoX86F92AwnOE3W2JXX9dAlX2DZ378wAKcKmNNWc0=:WqoA5Y+GFYJJyO2tjsSQRWibq8ki8F1tOZqR6gEnBNc="
        ),
        (
            "\u{1112}\u{1161}\u{11AB}",
            "SCRAM-SHA-256$4096:coC8QcqGn0jyGE2m1YASAg==$grmvj4BAjg+KBNZnlpU6ljzPytg3TR0eb1ZYeyC/h0k=:M0gV8vVE0Nl36rtNapyYih6+770EAbvWa/81iaQob34="
        ),
        (
            "\u{5D0}\u{5B0}\u{5D1}",
            "SCRAM-SHA-256$4096:qHlR9d8UDwhvTJpSeGJd+A==$c9teqUVffXxv0JcpFGQ8D6V1xeFzWENosdoZsehTrPg=:j3gJwd9wlvidIqt+PrHYrAoJekqcZtlA/HJgYSJvOAU="
        ),
        (
            "\u{FDFA}",
            "SCRAM-SHA-256$4096:GCG1u654n5T0rUZE/MGW6A==$n+kl1ddZMJbCaYVKsBPWl7Oz+E3z+RjI1TpVe9LYLYA=:6W3XKSJVGvTuGN3rFYyypc3SnoMaQBrYFjKNjwrNaiA="
        ),
    ]

    @Test(arguments: verifiers) func verifiersFitThoseOfPostgreSQL(_ password: String, _ stored: String) throws {
        let verifier = try #require(ScramVerifier(stored))
        #expect(verifier.accepts(password: Array(password.utf8)))
        #expect(!verifier.accepts(password: Array(password.utf8) + [0x61]))
    }

    @Test func asciiAndBytesThatAreNoTextStayAsTheyAre() {
        #expect(SASLPrep.prepare(ascii("pencil\u{7}")) == ascii("pencil\u{7}"))
        #expect(SASLPrep.prepare([0x61, 0xFF, 0xFE]) == [0x61, 0xFF, 0xFE])
        #expect(SASLPrep.prepare([]) == [])
    }
}
