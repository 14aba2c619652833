// Which requests are understood.
import Foundation
import Testing

@testable import HTTPEndpoint

@Suite struct HTTPRequestTests {
    private func read(_ text: String) throws(HTTPRefusal) -> HTTPRequest { try HTTPRequest(head: Array(text.utf8)) }

    @Test func aHeadIsMethodPathAndFields() throws {
        let request = try read("GET /metrics?x=1 HTTP/1.1\r\nHost: a:9187\r\nX-Odd:  two words \r\nx-odd: again\r\n\r\n")
        #expect(request == HTTPRequest(method: "GET", path: "/metrics", fields: ["host": "a:9187", "x-odd": "two words"]))
        #expect(try read("GET / HTTP/1.0\r\n\r\n").path == "/")
    }

    @Test(arguments: [
        "GET\r\n\r\n", "GET metrics HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/2\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / HTTP/1.1\r\n: a\r\nHost: a\r\n\r\n", "\r\n\r\n",
    ]) func whatIsNoRequestIsRefused(text: String) {
        #expect(throws: HTTPRefusal.self) { try read(text) }
    }

    @Test(arguments: ["Content-Length: 5", "Content-Length: x", "Transfer-Encoding: chunked"]) func bodiesAreRefused(field: String) {
        #expect(throws: HTTPRefusal(.contentTooLarge, "a request has no body here")) { try read("GET / HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n") }
    }

    @Test func bytesThatAreNoTextAreRefused() {
        #expect(throws: HTTPRefusal.self) { try HTTPRequest(head: Array("GET /".utf8) + [0xFF] + Array(" HTTP/1.1\r\nHost: a\r\n\r\n".utf8)) }
    }

    @Test func theHeadEndsWithTheFirstEmptyLine() {
        #expect(HTTPRequest.headLength(Array("a\r\n\r\nb\r\n\r\n".utf8)) == 5)
        #expect(HTTPRequest.headLength(Array("a\r\n\r".utf8)) == nil)
        #expect(HTTPRequest.headLength([]) == nil)
        // Whatever has been looked at before.
        let bytes = Array("ab\r\n\r\n".utf8)
        for known in 0..<bytes.count { #expect(HTTPRequest.headLength(bytes, known: known) == bytes.count) }
        #expect(HTTPRequest.headLength(Array("\r\n\r".utf8), known: 2) == nil)
    }

    @Test(arguments: [
        ("Bearer abc", "abc"), ("bearer  abc", "abc"), ("Basic " + Data("any:ab:c".utf8).base64EncodedString(), "ab:c"), ("Basic !!", nil), ("Digest x", nil), ("", nil),
    ] as [(String, String?)]) func aTokenIsShownInTwoWays(value: String, token: String?) throws {
        #expect(try read("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: \(value)\r\n\r\n").token == token)
    }
}
