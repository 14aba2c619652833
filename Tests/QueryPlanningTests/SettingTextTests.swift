// The value that a SET statement's text gives.
import Testing

@testable import QueryPlanning

@Suite("Values of SET")
struct SettingTextTests {
    @Test(arguments: [
        ("SET search_path TO a, \"B c\", public", "\"a\", \"B c\", \"public\""), ("SET search_path = a , b;", "\"a\", \"b\""), ("set x.y to 'it''s'", "it's"),
        ("SET search_path TO 'a','B c'", "\"a\", \"B c\""), ("SET search_path TO ''", "\"\""), ("SET extra_float_digits = -1", "-1"),
        ("SET SESSION search_path TO 'Tenant'", "\"Tenant\""), ("SET search_path TO 'a, b'", "\"a, b\""), ("SET SCHEMA 'Tenant'", "\"Tenant\""),
        ("SET NAMES 'LATIN1'", "LATIN1"), ("SET LOCAL ROLE \"a TO b\"", "a TO b"), ("SET ROLE Alice", "alice"), ("SET ROLE \"Alice\"", "Alice"),
        ("SET ROLE none", "none"), ("SET SESSION AUTHORIZATION 'x = y'", "x = y"), ("SET TIME ZONE 'UTC'", "UTC"), ("SET DateStyle TO ISO, DMY", "iso, dmy"),
        ("SET /* a = b TO c */ search_path /* TO d */ TO /* e */ a /* f */, -- g\n b -- h", "\"a\", \"b\""),
        // Letters whose capitals take more bytes, or fewer.
        ("SET /* \u{390}\u{390}\u{390}\u{390}\u{390}\u{390}\u{390}\u{390} */ role TO a", "a"), ("SET \"\u{131}\u{131}\".a TO abc", "abc"),
        ("SET search_path TO U&'\\0061'", "\"a\""), ("SET search_path TO E'\\x61', b", "\"a\", \"b\""),
        ("SET search_path TO mydefault", "\"mydefault\""),
    ])
    func isRead(statement: String, value: String) { #expect(SettingText.value(of: statement) == value) }

    @Test(arguments: ["SET search_path TO DEFAULT", "SET SESSION AUTHORIZATION DEFAULT", "RESET search_path", "SET TIME ZONE LOCAL", "", "SET x TO 'a"])
    func isNone(statement: String) { #expect(SettingText.value(of: statement) == nil) }
}
