// Passwords in their stored forms, and MD5 as PostgreSQL 15 accepted it.
import Testing

@testable import WireProtocol

@Suite struct PasswordTests {
    /// pg_authid.rolpassword of role m, created with PASSWORD 'secret' and password_encryption = 'md5'.
    let stored = "md5b52328d7451bfeace80c4b8c338106f9"

    @Test func md5AnswersTheSaltAsPostgreSQLExpects() throws {
        let verifier = try #require(MD5Password.verifier(password: ascii("secret"), user: "m"))
        #expect(verifier == ascii(stored))
        let salt: [UInt8] = [0xF9, 0x49, 0x3B, 0xCB]
        let response = try #require(MD5Password.response(verifier: verifier, salt: salt))
        #expect(response == ascii("md5fabf4de8dcd87499d9511404a09688f8"))
        #expect(peeking(response) { MD5Password.accepts($0, verifier: verifier, salt: salt) })
        #expect(!peeking(response) { MD5Password.accepts($0, verifier: verifier, salt: [0, 0, 0, 0]) })
        #expect(!peeking([]) { MD5Password.accepts($0, verifier: verifier, salt: salt) })
        #expect(MD5Password.response(verifier: ascii("secret"), salt: salt) == nil)
    }

    @Test func storedFormsAreToldApart() throws {
        #expect(StoredPassword(stored) == .md5(ascii(stored)))
        #expect(
            StoredPassword("md5B52328D7451BFEACE80C4B8C338106F9")
                == .clear(ascii("md5B52328D7451BFEACE80C4B8C338106F9")))
        #expect(StoredPassword(ScramTests.stored) == .scram(try #require(ScramVerifier(ScramTests.stored))))
        #expect(StoredPassword("secret") == .clear(ascii("secret")))
    }

    @Test func aPasswordInClearFitsEachForm() {
        #expect(StoredPassword(stored).accepts(password: ascii("secret"), user: "m"))
        #expect(!StoredPassword(stored).accepts(password: ascii("secret"), user: "n"))
        #expect(StoredPassword(ScramTests.stored).accepts(password: ascii("pencil"), user: "any"))
        #expect(!StoredPassword(ScramTests.stored).accepts(password: ascii("pen"), user: "any"))
        #expect(StoredPassword("secret").accepts(password: ascii("secret"), user: "any"))
        #expect(!StoredPassword("secret").accepts(password: ascii("secrets"), user: "any"))
    }

    @Test func verifiersAreMadeWhereThatIsPossible() {
        #expect(StoredPassword(stored).md5Verifier(user: "x") == ascii(stored))
        #expect(StoredPassword("secret").md5Verifier(user: "m") == ascii(stored))
        #expect(StoredPassword(ScramTests.stored).md5Verifier(user: "m") == nil)
        #expect(StoredPassword(stored).scramVerifier(salt: [1]) == nil)
        let made = StoredPassword("pencil").scramVerifier(salt: ScramVerifier(ScramTests.stored)?.salt ?? [])
        #expect(made?.text == ScramTests.stored)
    }

    @Test func base64IsStrict() {
        for count in 0..<20 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 77) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        }
        #expect(Base64.encode([0xFB, 0xFF]) == ascii("+/8="))
        for text in ["A", "AA", "AAA", "AA=A", "A===", "====", "AAAA\n", "AA==AAAA", "AB==", "A B="] {
            #expect(Base64.decode(ascii(text)) == nil, "\(text)")
        }
    }
}
