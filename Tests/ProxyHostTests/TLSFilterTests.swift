// TLS between the two ends of the filter: handshakes, bytes in any pieces, and who is refused.
import COpenSSL
import Glibc
import Primitives
import ProxyCore
import TestSupport
import Testing

@testable import ProxyHost

/// A client's and a server's filter with the wire between them.
private final class Conversation {
    let pool = BlockPool()
    let contexts: TLSContexts
    let client: UnsafeMutablePointer<TLSFilter>
    let server: UnsafeMutablePointer<TLSFilter>

    init(_ shard: ShardSettings, _ certificates: Certificates) throws {
        var settings = ProxySettings()
        settings.tlsCertificateFile = certificates.certificate
        settings.tlsKeyFile = certificates.key
        settings.shards = [shard]
        contexts = try TLSContexts(settings)
        client = try #require(TLSFilter.makeClient(contexts, shard: ShardIndex(0), pool: pool.reference))
        server = try #require(TLSFilter.makeServer(contexts, pool: pool.reference))
    }

    deinit {
        TLSFilter.free(client)
        TLSFilter.free(server)
    }

    /// Takes everything one end wants to send.
    func take(from filter: UnsafeMutablePointer<TLSFilter>) -> [UInt8] {
        let bytes = Array(filter.pointee.outgoing.readable)
        filter.pointee.outgoing.consume(bytes.count)
        filter.pointee.outgoing.releaseIfEmpty()
        return bytes
    }

    /// One step of a handshake: feeds `bytes`, returns why it failed, if it did.
    private func step(_ filter: UnsafeMutablePointer<TLSFilter>, _ bytes: [UInt8]) -> String? {
        bytes.withUnsafeBytes { raw in
            TLSFilter.feed(filter, raw)
            guard !filter.pointee.isEstablished else { return nil }
            if case .failed(let reason) = TLSFilter.handshake(filter) { return reason }
            return nil
        }
    }

    /// Shakes hands; returns the first failure.
    func shakeHands() -> String? {
        var failure = step(client, [])
        while failure == nil && !(client.pointee.isEstablished && server.pointee.isEstablished) {
            failure = step(server, take(from: client)) ?? step(client, take(from: server))
        }
        return failure
    }

    /// Sends bytes from one end to the other in pieces of `pieceBytes` of ciphertext; returns what arrives.
    func transfer(
        _ bytes: [UInt8], from: UnsafeMutablePointer<TLSFilter>, to: UnsafeMutablePointer<TLSFilter>, pieceBytes: Int
    ) -> [UInt8] {
        var sent = 0
        var arrived: [UInt8] = []
        while sent < bytes.count {
            bytes[sent...].withUnsafeBytes {
                if case .done(let count) = TLSFilter.write(from, $0) { sent += count }
            }
            let wire = take(from: from)
            for start in stride(from: 0, to: wire.count, by: pieceBytes) {
                arrived += read(to, Array(wire[start..<min(start + pieceBytes, wire.count)])).bytes
            }
        }
        return arrived
    }

    /// Decrypts a piece of the wire to the last byte.
    func read(_ filter: UnsafeMutablePointer<TLSFilter>, _ piece: [UInt8]) -> (bytes: [UInt8], end: String) {
        var bytes: [UInt8] = []
        return piece.withUnsafeBytes { raw in
            TLSFilter.feed(filter, raw)
            while true {
                var buffer = [UInt8](repeating: 0, count: 5000)
                switch buffer.withUnsafeMutableBytes({ TLSFilter.read(filter, into: $0) }) {
                case .done(let count): bytes += buffer[..<count]
                case .needsInput: return (bytes, "needs input")
                case .ended: return (bytes, "ended")
                case .failed(let reason): return (bytes, reason)
                }
            }
        }
    }
}

@Suite struct TLSFilterTests {
    private func shard(_ host: String, _ mode: TLSMode, roots: String? = nil) -> ShardSettings {
        var shard = ShardSettings(host: host, port: 5432, database: "postgres")
        shard.tlsMode = mode
        shard.tlsRootCertificateFile = roots
        return shard
    }

    @Test func bothEndsAgreeAndBytesPassInPiecesOfAnySize() throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        let talk = try Conversation(shard("localhost", .verifyFull, roots: certificates.certificate), certificates)
        #expect(talk.shakeHands() == nil)
        let message = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        for pieceBytes in [1, 5, 1000, 65_536] {
            #expect(talk.transfer(message, from: talk.client, to: talk.server, pieceBytes: pieceBytes) == message)
            #expect(talk.transfer(message, from: talk.server, to: talk.client, pieceBytes: pieceBytes) == message)
        }
        #expect(talk.pool.lentBlockCount == 0)
        #expect(talk.pool.lentLargeBytes == 0)
    }

    @Test func theFactsNameVersionCipherAndTheCertificatesHash() throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        let talk = try Conversation(shard("localhost", .require), certificates)
        #expect(talk.shakeHands() == nil)
        let facts = TLSFilter.facts(talk.server)
        #expect(facts.version == "TLSv1.3")
        #expect(facts.cipher == "TLS_AES_256_GCM_SHA384")
        let told = try TestProcess.run(
            "openssl", ["x509", "-in", certificates.certificate, "-noout", "-fingerprint", "-sha256"])
        let fingerprint = told.split(separator: "=")[1].split(separator: "\n")[0].split(separator: ":")
        #expect(facts.serverEndPoint == fingerprint.compactMap { UInt8($0, radix: 16) })
        #expect(TLSFilter.facts(talk.client).serverEndPoint == facts.serverEndPoint)
    }

    @Test func aGoodbyeIsTheEndOfTheStream() throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        let talk = try Conversation(shard("localhost", .require), certificates)
        #expect(talk.shakeHands() == nil)
        #expect(talk.transfer([1, 2, 3], from: talk.client, to: talk.server, pieceBytes: 100) == [1, 2, 3])
        TLSFilter.shutDown(talk.client)
        #expect(talk.read(talk.server, talk.take(from: talk.client)).end == "ended")
    }

    @Test func onlyTheRightServerIsTrusted() throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        let itself = certificates.certificate
        let other = certificates.authority
        let cases: [(ShardSettings, String?)] = [
            (shard("elsewhere.example", .require), nil),
            (shard("elsewhere.example", .verifyCA, roots: itself), nil),
            (shard("localhost", .verifyFull, roots: itself), nil),
            (shard("127.0.0.1", .verifyFull, roots: itself), nil),
            (shard("localhost", .verifyCA, roots: other), "the certificate is not accepted: self-signed certificate"),
            (
                shard("elsewhere.example", .verifyFull, roots: itself),
                "the certificate is not accepted: hostname mismatch"
            ),
            (shard("127.0.0.2", .verifyFull, roots: itself), "the certificate is not accepted: IP address mismatch"),
        ]
        for (shard, failure) in cases {
            #expect(try Conversation(shard, certificates).shakeHands() == failure, "\(shard)")
        }
    }

    @Test(arguments: [true, false])
    func aClientThatBeginsWithTLSMustNameTheProtocol(isNamed: Bool) throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        let talk = try Conversation(shard("localhost", .require), certificates)
        talk.server.pointee.requiresApplicationProtocol = true
        if !isNamed { SSL_set_alpn_protos(talk.client.pointee.session, nil, 0) }
        #expect(
            talk.shakeHands()
                == (isNamed ? nil : "direct TLS without the application protocol \"postgresql\""))
    }

    @Test func aClientOfAnotherProtocolIsRefused() throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        let talk = try Conversation(shard("localhost", .require), certificates)
        let web = Array("\u{8}http/1.1".utf8)
        SSL_set_alpn_protos(talk.client.pointee.session, web, UInt32(web.count))
        #expect(talk.shakeHands() == "TLS failed: no application protocol")
    }

    @Test func aKeyThatDoesNotFitIsRefused() throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        var settings = ProxySettings()
        settings.tlsCertificateFile = certificates.certificate
        settings.tlsKeyFile = "\(certificates.directory)/ca.key"
        let error = #expect(throws: TLSError.self) { try TLSContexts(settings) }
        #expect(
            error?.description.hasPrefix("the key file \"\(certificates.directory)/ca.key\" cannot be used") == true)
    }
}
