// SCRAM-SHA-256 against RFC 7677's example and against exchanges recorded with PostgreSQL 15: a client's with its
// server, and a server's with its psql, with and without channel binding.
import Testing

@testable import WireProtocol

@Suite struct ScramTests {
    let pencil = ascii("pencil")

    /// Reads a response as the server would.
    func receive(_ server: inout ScramServer, _ response: String?) throws -> ScramServer.Reply {
        guard let response else { return try server.receive(nil) }
        let bytes = Array(response.utf8)
        return try bytes.withUnsafeBytes { try server.receive($0) }
    }

    func makeServer(
        _ mechanism: String = "SCRAM-SHA-256", verifier: ScramVerifier?, binding: [UInt8]? = nil,
        nonce: [UInt8] = Array(100..<118), user: String = "ada", secret: String = "secret"
    ) throws -> ScramServer {
        try reading(ascii(mechanism)) { name throws in
            try ScramServer(
                mechanismName: name, verifier: verifier, user: user, channelBindingData: binding, nonce: nonce,
                mockSecret: ascii(secret))
        }
    }

    @Test func theExampleOfRFC7677Holds() throws {
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        let salt = try #require(Base64.decode(ascii("W22ZaJ0SNY7soEsUEjb6gQ==")))
        let keys = ScramKeys(password: pencil, salt: salt, iterations: 4096)
        func signature(_ key: [UInt8]) -> [UInt8] {
            ScramProof.signature(
                key: key, clientFirstBare: ascii("n=user,r=rOprNGfwEbeRWgbNEkqO"),
                serverFirst: ascii("r=\(nonce),s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
                clientFinal: ascii("c=biws,r=\(nonce)"))
        }
        let proof = ScramProof.exclusiveOr(keys.clientKey, signature(Digest.sha256(keys.clientKey)))
        #expect(Base64.encode(proof) == ascii("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
        #expect(
            Base64.encode(signature(keys.serverKey)) == ascii("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))
    }

    /// pg_authid.rolpassword of a role created with PASSWORD 'pencil'.
    static let stored =
        "SCRAM-SHA-256$4096:8B/tntKXlTYHWAfa/KeIIw==$7ih3BgLoxaLI9LiRPpEmZRHwe08pZfPzyA4/jhYel38=:heUNW5EgW2c0iViv/OHfIVJn0hNxNk4MvIn6lAoMsG4="
    static let serverFirst = "r=AAECAwQFBgcICQoLDA0ODxARzTMae31vkdFl1RGK7TPj4Foq,s=8B/tntKXlTYHWAfa/KeIIw==,i=4096"
    static let clientFinal =
        "c=biws,r=AAECAwQFBgcICQoLDA0ODxARzTMae31vkdFl1RGK7TPj4Foq,p=RzWo5zjvXzOtXldwya/hwhjmFhA0tfLwLEE6+QRP/xA="
    static let serverFinal = "v=miWy+Ug96eNgdsjFA9qFW5FGMvMdiAYx2ZXM7hla1Pc="

    @Test func aVerifierIsReadMadeAndWritten() throws {
        let verifier = try #require(ScramVerifier(Self.stored))
        #expect(verifier.text == Self.stored)
        #expect(ScramVerifier(password: pencil, salt: verifier.salt) == verifier)
        #expect(verifier.accepts(password: pencil))
        #expect(!verifier.accepts(password: ascii("pencils")))
    }

    @Test(arguments: [
        "", "md5b52328d7451bfeace80c4b8c338106f9", "SCRAM-SHA-256$4096:8B/tntKXlTYHWAfa/KeIIw==$x:y",
        "SCRAM-SHA-256$0:8B/tntKXlTYHWAfa/KeIIw==$7ih3BgLoxaLI9LiRPpEmZRHwe08pZfPzyA4/jhYel38=:heUNW5EgW2c0iViv/OHfIVJn0hNxNk4MvIn6lAoMsG4=",
        "SCRAM-SHA-256$99999999999:8B/tntKXlTYHWAfa/KeIIw==$7ih3BgLoxaLI9LiRPpEmZRHwe08pZfPzyA4/jhYel38=:heUNW5EgW2c0iViv/OHfIVJn0hNxNk4MvIn6lAoMsG4=",
        "SCRAM-SHA-1$4096:8B/tntKXlTYHWAfa/KeIIw==$7ih3BgLoxaLI9LiRPpEmZRHwe08pZfPzyA4/jhYel38=:heUNW5EgW2c0iViv/OHfIVJn0hNxNk4MvIn6lAoMsG4=",
    ])
    func whatIsNoVerifierIsNotTakenForOne(_ text: String) {
        #expect(ScramVerifier(text) == nil)
    }

    @Test func aClientLogsInToPostgreSQLWithAPasswordOrWithKeys() throws {
        let salt = try #require(ScramVerifier(Self.stored)).salt
        let keys = ScramKeys(password: pencil, salt: salt, iterations: 4096)
        for credential in [ScramCredential.password(pencil), .keys(keys)] {
            var client = try ScramClient(
                mechanisms: ["SCRAM-SHA-256"], credential: credential, channelBindingData: nil, nonce: Array(0..<18))
            #expect(client.clientFirst == ascii("n,,n=,r=AAECAwQFBgcICQoLDA0ODxAR"))
            let final = try reading(ascii(Self.serverFirst)) { message throws in try client.receiveServerFirst(message)
            }
            #expect(final == ascii(Self.clientFinal))
            try reading(ascii(Self.serverFinal)) { message throws in try client.receiveServerFinal(message) }
            let wrong = Self.serverFinal.replacing("v=m", with: "v=n")
            #expect(
                violation(ascii(wrong)) { try client.receiveServerFinal($0) } == "28P01: incorrect server signature")
            #expect(
                violation(ascii("e=other-error")) { try client.receiveServerFinal($0) }
                    == "28P01: error received from server in SCRAM exchange: other-error")
        }
    }

    @Test func aServerAcceptsPsqlAndLearnsItsKeys() throws {
        let verifier = ScramVerifier(password: pencil, salt: Array(0..<16))
        var server = try makeServer(verifier: verifier)
        #expect(
            try receive(&server, "n,,n=,r=9xRRe2igfTcVf4rzytHA7BLx")
                == .challenge(
                    ascii("r=9xRRe2igfTcVf4rzytHA7BLxZGVmZ2hpamtsbW5vcHFyc3R1,s=AAECAwQFBgcICQoLDA0ODw==,i=4096")))
        let reply = try receive(
            &server,
            "c=biws,r=9xRRe2igfTcVf4rzytHA7BLxZGVmZ2hpamtsbW5vcHFyc3R1,p=qlwobcG+k2ofDGAE5P4dFHILCBd1Pv+S9gMLMhYK/r8=")
        guard case .success(_, let keys) = reply else {
            Issue.record("psql was not let in")
            return
        }
        #expect(keys == ScramKeys(password: pencil, salt: Array(0..<16), iterations: 4096))
    }

    let certificateHash = hexadecimal("c4c8f6022e88bd649ed8e354dc9b5159b5f20ce4a07ac2c8bf5079d93184e330")
    let boundFirst = "p=tls-server-end-point,,n=,r=TuPqH90kS7SkldDfZCDRgE8C"
    let boundFinal =
        "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsxMj2Ai6IvWSe2ONU3JtRWbXyDOSgesLIv1B52TGE4zA=,r=TuPqH90kS7SkldDfZCDRgE8CZGVmZ2hpamtsbW5vcHFyc3R1,p=m5X40rCOmfqNb7fm1ssRxQEu54pQB3O0ARlBadrxOy0="

    @Test func channelBindingTiesTheExchangeToTheCertificate() throws {
        let verifier = ScramVerifier(password: pencil, salt: Array(0..<16))
        var server = try makeServer("SCRAM-SHA-256-PLUS", verifier: verifier, binding: certificateHash)
        _ = try receive(&server, boundFirst)
        guard case .success = try receive(&server, boundFinal) else {
            Issue.record("psql was not let in")
            return
        }
        var other = try makeServer("SCRAM-SHA-256-PLUS", verifier: verifier, binding: [1] + certificateHash.dropFirst())
        _ = try receive(&other, boundFirst)
        #expect(failure { _ = try receive(&other, boundFinal) } == "28000 SCRAM channel binding check failed")
    }

    @Test func clientAndServerAgreeWithAndWithoutChannelBinding() throws {
        let verifier = ScramVerifier(password: pencil, salt: Array(0..<16), iterations: 10)
        let cases: [(clientBinding: [UInt8]?, serverBinding: [UInt8]?, header: String)] = [
            (nil, nil, "n,,"), ([7], [7], "p=tls-server-end-point,,"), ([7], nil, "y,,"), (nil, [7], "n,,"),
        ]
        for (clientBinding, serverBinding, header) in cases {
            var client = try ScramClient(
                mechanisms: ScramMechanism.offered(channelBinding: serverBinding != nil),
                credential: .password(pencil), channelBindingData: clientBinding, nonce: Array(0..<18))
            #expect(String(decoding: client.clientFirst, as: UTF8.self).hasPrefix(header))
            var server = try makeServer(client.mechanism.rawValue, verifier: verifier, binding: serverBinding)
            guard case .challenge(let challenge) = try server.receiveBytes(client.clientFirst) else { return }
            let final = try reading(challenge) { message throws in try client.receiveServerFirst(message) }
            guard case .success(let serverFinal, _) = try server.receiveBytes(final) else {
                Issue.record("\(header) was not let in")
                return
            }
            try reading(serverFinal) { message throws in try client.receiveServerFinal(message) }
        }
    }

    @Test func aDowngradeByAManInTheMiddleIsSeen() throws {
        var server = try makeServer(verifier: ScramVerifier(Self.stored), binding: [7])
        #expect(
            failure { _ = try receive(&server, "y,,n=,r=abc") } == "28000 SCRAM channel binding negotiation error: "
                + "The client supports SCRAM channel binding but thinks the server does not.  "
                + "However, this server does support channel binding.")
    }

    @Test func unknownUsersGetASteadySaltAndNeverGetIn() throws {
        var salts: [String] = []
        for user in ["nobody", "nobody", "someone"] {
            var server = try makeServer(verifier: nil, user: user)
            guard case .challenge(let challenge) = try receive(&server, "n,,n=,r=abc") else { return }
            let text = String(decoding: challenge, as: UTF8.self)
            salts.append(String(text.split(separator: ",")[1]))
            #expect(text.hasSuffix(",i=4096"))
            let proof = String(repeating: "A", count: 43) + "="
            let final = "c=biws,\(text.split(separator: ",")[0]),p=\(proof)"
            #expect(
                failure { _ = try receive(&server, final) }
                    == "28P01 password authentication failed for user \"\(user)\"")
        }
        #expect(salts[0] == salts[1])
        #expect(salts[0] != salts[2])
    }

    @Test func keysOfAnotherSaltAreNotTried() throws {
        let keys = ScramKeys(password: pencil, salt: Array(0..<16), iterations: 4096)
        var client = try ScramClient(
            mechanisms: ["SCRAM-SHA-256"], credential: .keys(keys), channelBindingData: nil, nonce: Array(0..<18))
        #expect(
            violation(ascii(Self.serverFirst)) { try client.receiveServerFirst($0) }
                == "28P01: the server's SCRAM verifier has another salt than the one the client logged in with")
    }

    @Test(arguments: [
        "r=other,s=AAAA,i=1", "r=BAECAwQFBgcICQoLDA0ODxARxyz,s=AAAA,i=1", "r=AAECAwQFBgcICQoLDA0ODxAR,s=AAAA,i=1",
        "r=AAECAwQFBgcICQoLDA0ODxARx,s=AAAA,i=0",
        "r=AAECAwQFBgcICQoLDA0ODxARx,s=AAAA,i=2000000", "r=AAECAwQFBgcICQoLDA0ODxARx,s=A,i=1", "", "e=x",
        "r=AAECAwQFBgcICQoLDA0ODxARx,s=AAAA,i=1,x=y",
    ])
    func aServersMalformedFirstMessageIsRefused(_ message: String) throws {
        var client = try ScramClient(
            mechanisms: ["SCRAM-SHA-256"], credential: .password(pencil), channelBindingData: nil, nonce: Array(0..<18))
        #expect(violation(ascii(message)) { try client.receiveServerFirst($0) }?.hasPrefix("08P01") == true)
    }
}

extension ScramServer {
    mutating func receiveBytes(_ bytes: [UInt8]) throws -> Reply {
        try bytes.withUnsafeBytes { try receive($0) }
    }
}

/// The error `run` throws, as "SQLSTATE message: detail".
func failure(_ run: () throws -> Void) -> String? {
    do {
        try run()
        return nil
    } catch let message as DatabaseMessage {
        return "\(message.sqlState) \(message.message)" + (message.detail.map { ": \($0)" } ?? "")
    } catch {
        return "another error"
    }
}
