// Without a token nobody gets in by a name that somebody else has made to lead here.
import Foundation
import Testing

@testable import HTTPEndpoint

@Suite struct HostFieldTests {
    private func request(_ host: String, _ path: String = "/metrics") throws -> HTTPRequest {
        try HTTPRequest(head: Array("GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\r\n".utf8))
    }

    @Test(arguments: ["localhost", "LocalHost:9187", "127.0.0.1", "127.0.0.1:9187", "[::1]", "[::1]:9187", "10.0.0.7:80", "localhost:"])
    func addressesAndLocalhostAreMeantForUs(host: String) throws { #expect(try request(host).isForAddress) }

    @Test(arguments: [
        "evil.example", "evil.example:9187", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1:80:evil", "[::1", "[::1]evil", "[evil]", "::1", "", "127.1",
        "127.0.0.1@evil.example", "localhost:80a", "user@localhost",
    ])
    func otherNamesAreNot(host: String) throws { #expect(try !request(host).isForAddress) }

    private func responder(token: String?) -> StatusResponder {
        let access = AdminAccess(version: "1", workerCount: 1, phase: { .draining }, connect: { _, _ in throw HTTPSocketError("none") })
        return StatusResponder(
            access: access, token: token, facts: Lookout<FactsOrFailure>(name: "test", whenSeen: {}) { .failure(FactsFailure(reason: "none")) },
            listings: ListingLookouts(access: access, whenSeen: {}), history: TrafficHistory(start: .now), lastGood: LastGoodFacts())
    }

    @Test func withoutATokenANameIsRefused() throws {
        let (open, guarded) = (responder(token: nil), responder(token: "0123456789abcdef"))
        for path in ["/", "/metrics"] {
            #expect(open.response(to: try request("evil.example", path), since: .now, isLate: true)?.status == .misdirectedRequest)
            #expect(open.response(to: try request("127.0.0.1:9187", path), since: .now, isLate: true)?.status == .ok)
            // With a token a name is as good as an address: the page of another has not the token.
            #expect(guarded.response(to: try request("evil.example", path), since: .now, isLate: true)?.status == .unauthorized)
        }
        // Balancers use names, and it tells none.
        #expect(open.response(to: try request("proxy.example", "/healthz"), since: .now, isLate: true)?.status == .serviceUnavailable)
    }
}
