// Malformed SCRAM messages get the errors PostgreSQL 15 answered to the same bytes.
import Primitives
import Testing

@testable import WireProtocol

@Suite struct ScramErrorTests {
    func makeServer(_ mechanism: String) throws -> ScramServer {
        try reading(ascii(mechanism)) { name throws in
            try ScramServer(
                mechanismName: name, verifier: ScramVerifier(ScramTests.stored), user: "s", channelBindingData: nil,
                nonce: Array(0..<18), mockSecret: [])
        }
    }

    static let malformed = "08P01 malformed SCRAM message: "

    @Test(arguments: [
        ("", "The message is empty."),
        ("n,,n=,r=a\0bc", "Message length does not match input length."),
        ("q,,n=,r=abc", #"Unexpected channel-binding flag "'q'"."#),
        ("n;,n=,r=abc", #"Comma expected, but found character "';'"."#),
        ("n,b=x,n=,r=abc", #"Unexpected attribute "'b'" in client-first-message."#),
        ("n,,r=abc", #"Expected attribute "n" but found "'r'"."#),
        ("n,,n,r=abc", #"Expected character "=" for attribute "n"."#),
        ("n,,n=,r=abc,1=2", #"Attribute expected, but found invalid character "'1'"."#),
        ("n,,n=,r=abc,x", #"Expected character "=" for attribute "x"."#),
        ("n,,", #"Expected attribute "n" but found "0x00"."#),
        (
            "p=tls-server-end-point,,n=,r=abc",
            "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data."
        ),
    ])
    func firstMessagesThatAreMalformed(_ message: String, _ detail: String) throws {
        var server = try makeServer("SCRAM-SHA-256")
        #expect(failure { _ = try server.receiveBytes(ascii(message)) } == Self.malformed + detail)
    }

    @Test(arguments: [
        ("n,a=x,n=,r=abc", "0A000 client uses authorization identity, but it is not supported"),
        ("n,,m=x,n=,r=abc", "0A000 client requires an unsupported SCRAM extension"),
        ("n,,n=,r=a\u{7}bc", "08P01 non-printable characters in SCRAM nonce"),
    ])
    func firstMessagesThatAskTooMuch(_ message: String, _ expected: String) throws {
        var server = try makeServer("SCRAM-SHA-256")
        #expect(failure { _ = try server.receiveBytes(ascii(message)) } == expected)
    }

    @Test(arguments: ["n,,n=,r=", "n,,n=,r=abc,", "n,,n=user,r=abc,x=y"])
    func firstMessagesThatPostgreSQLTakes(_ message: String) throws {
        var server = try makeServer("SCRAM-SHA-256")
        guard case .challenge = try server.receiveBytes(ascii(message)) else {
            Issue.record("no challenge")
            return
        }
    }

    static let zeros = String(repeating: "A", count: 43) + "="
    static let wrongPassword = #"28P01 password authentication failed for user "s""#

    @Test(arguments: [
        ("c=biws", malformed + #"Expected attribute "r" but found "0x00"."#),
        ("r=N", malformed + #"Expected attribute "c" but found "'r'"."#),
        ("c=biws,r=N", malformed + "Attribute expected, but found end of string."),
        ("c=eSws,r=N,p=AAAA", "08P01 unexpected SCRAM channel-binding attribute in client-final-message"),
        ("c=biws,r=N,p=AAAA", malformed + "Malformed proof in client-final-message."),
        ("c=biws,r=x,p=" + zeros, "08P01 invalid SCRAM response: Nonce does not match."),
        ("c=biws,r=N,p=" + zeros, wrongPassword),
        ("c=biws,r=N,p=" + zeros + ",", wrongPassword),
        ("c=biws,r=N,x=y,p=" + zeros, wrongPassword),
        ("c=biws,r=N,p=" + zeros + ",x=y", malformed + "Garbage found at the end of client-final-message."),
    ])
    func finalMessages(_ message: String, _ expected: String) throws {
        var server = try makeServer("SCRAM-SHA-256")
        guard case .challenge(let challenge) = try server.receiveBytes(ascii("n,,n=,r=abc")) else { return }
        let nonce = String(decoding: challenge, as: UTF8.self).split(separator: ",")[0].dropFirst(2)
        let final = message.replacing("r=N", with: "r=" + nonce)
        #expect(failure { _ = try server.receiveBytes(ascii(final)) } == expected)
        #expect(failure { _ = try server.receiveBytes(ascii(final)) } == Self.spent)
    }

    static let spent = "XX000 invalid SCRAM exchange state"

    @Test(arguments: ["X", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", ""])
    func mechanismsThatWereNotOffered(_ name: String) {
        #expect(
            failure { _ = try makeServer(name) } == "08P01 client selected an invalid SASL authentication mechanism")
    }

    @Test func aClientWithoutAnInitialResponseIsAskedForOne() throws {
        var server = try makeServer("SCRAM-SHA-256")
        #expect(try server.receive(nil) == .challenge([]))
        guard case .challenge(let challenge) = try server.receiveBytes(ascii("n,,n=,r=abc")) else { return }
        #expect(challenge.starts(with: ascii("r=abc")))
    }

    @Test func randomMessagesNeverTrap() throws {
        let random = SeededRandomSource(seed: 7)
        let pieces = [
            "n,,", "p=tls-server-end-point,,", "y", ",", "=", "n=", "r=", "abc", "c=biws", "p=", "AAAA", "\0", "é",
        ]
        for _ in 0..<5_000 {
            var server = try makeServer("SCRAM-SHA-256")
            for _ in 0..<2 {
                let message = (0..<(random.next() % 8)).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }
                _ = try? server.receiveBytes(ascii(message.joined()))
            }
        }
    }
}
