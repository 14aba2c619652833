// Startup packets: what a stream begins with, and PostgreSQL 15's answers to broken ones.
import Testing

@testable import WireProtocol

@Suite struct StartupTests {
    func startup(_ body: String) -> [UInt8] {
        let bytes = captured(body)
        return [0, 0, 0, UInt8(bytes.count + 4)] + bytes
    }

    @Test func aStartupMessageNamesUserAndDatabase() throws {
        let packet = startup(#"\x00\x03\x00\x00user\x00ada\x00database\x00shop\x00options\x00-c a=b\x00\x00"#)
        #expect(peeking(packet) { StartupPacket.scan($0) } == .packet(length: packet.count))
        guard case .startup(let message) = try reading(packet, { try StartupPacket($0) }) else {
            Issue.record("not a startup message")
            return
        }
        #expect(message.user == "ada")
        #expect(message.database == "shop")
        #expect(message.options == "-c a=b")
        #expect(message.negotiation == nil)
        #expect(written { $0.writeStartupMessage(message) } == packet)
    }

    @Test func theDatabaseDefaultsToTheUser() throws {
        let message = StartupMessage(parameters: [
            .init(name: "user", value: "ada"), .init(name: "database", value: ""),
        ])
        #expect(message.database == "ada")
    }

    @Test func aNewerMinorVersionAndUnknownOptionsAreNegotiatedDown() throws {
        let packet = startup(#"\x00\x03\x00\x02user\x00a\x00_pq_.foo\x00bar\x00\x00"#)
        guard case .startup(let message) = try reading(packet, { try StartupPacket($0) }),
            let answer = message.negotiation
        else {
            Issue.record("nothing to negotiate")
            return
        }
        let bytes = written { $0.writeNegotiateProtocolVersion(answer) }
        #expect(bytes == captured(#"v\x00\x00\x00\x15\x00\x03\x00\x00\x00\x00\x00\x01_pq_.foo\x00"#))
        #expect(try reading(bytes) { try NegotiateProtocolVersionMessage($0) } == answer)
    }

    @Test func aNewerMinorVersionAloneIsNegotiatedDown() {
        let message = StartupMessage(
            version: ProtocolVersion(major: 3, minor: 2), parameters: [.init(name: "user", value: "a")])
        #expect(
            message.negotiation == NegotiateProtocolVersionMessage(newestVersion: .v3_0, unrecognizedOptions: []))
    }

    @Test func requestsForEncryptionAndCancellationAreRecognised() throws {
        let key = CancelKey(processID: 10_278, secretKey: -7)
        let packets: [([UInt8], StartupPacket)] = [
            (written { $0.writeSSLRequest() }, .sslRequest),
            (written { $0.writeGSSEncryptionRequest() }, .gssEncryptionRequest),
            (written { $0.writeCancelRequest(key) }, .cancelRequest(key)),
        ]
        for (bytes, expected) in packets {
            #expect(peeking(bytes) { StartupPacket.scan($0) } == .packet(length: bytes.count))
            #expect(try reading(bytes) { try StartupPacket($0) } == expected)
        }
        #expect(packets[0].0 == captured(#"\x00\x00\x00\x08\x04\xd2\x16/"#))
        #expect(packets[2].0 == captured(#"\x00\x00\x00\x10\x04\xd2\x16.\x00\x00(&\xff\xff\xff\xf9"#))
    }

    @Test func lengthsThatCannotBeAStartupPacketAreRefused() {
        #expect(peeking([0, 0, 0]) { StartupPacket.scan($0) } == .incomplete)
        #expect(peeking([0, 0, 0, 9, 0]) { StartupPacket.scan($0) } == .incomplete)
        #expect(peeking([0, 0, 0, 7]) { StartupPacket.scan($0) } == .violation)
        #expect(peeking([0xFF, 0xFF, 0xFF, 0xFF]) { StartupPacket.scan($0) } == .violation)
        #expect(peeking([0, 0, 0x27, 0x15]) { StartupPacket.scan($0) } == .violation)
        #expect(peeking([0, 0, 0x27, 0x14]) { StartupPacket.scan($0) } == .incomplete)
    }

    static let layout = "08P01: invalid startup packet layout: expected terminator as last byte"
    static let noUser = "28000: no PostgreSQL user name specified in startup packet"

    @Test(arguments: [
        (#"\x00\x03\x00\x00"#, layout),
        (#"\x00\x03\x00\x00\x00"#, noUser),
        (#"\x00\x03\x00\x00user\x00a\x00"#, layout),
        (#"\x00\x03\x00\x00user\x00a"#, layout),
        (#"\x00\x03\x00\x00user\x00\x00\x00"#, noUser),
        (#"\x00\x03\x00\x00user\x00a\x00\x00x"#, layout),
        (#"\x00\x02\x00\x00"#, "0A000: unsupported frontend protocol 2.0: server supports 3.0 to 3.0"),
        (#"\x00\x04\x00\x01\x00"#, "0A000: unsupported frontend protocol 4.1: server supports 3.0 to 3.0"),
        (#"\x04\xd2\x16.\x00\x00\x00\x00"#, "08P01: invalid length of startup packet"),
        (#"\x00\x03\x00\x00user\x00\xff\x00\x00"#, "22021: startup packet holds bytes that are not UTF-8"),
    ])
    func brokenPacketsAreAnsweredInPostgreSQLsWords(_ body: String, _ expected: String) {
        #expect(violation(startup(body)) { try StartupPacket($0) } == expected)
    }

    @Test func clientsOfProtocol2AreToldSoInTheirOwnForm() {
        let message = DatabaseMessage(
            fatal: .featureNotSupported, "unsupported frontend protocol 2.0: server supports 3.0 to 3.0")
        #expect(
            written { $0.writeProtocol2Error(message) }
                == captured(#"EFATAL:  unsupported frontend protocol 2.0: server supports 3.0 to 3.0\n\x00"#))
    }
}
