// HTTPRequest: the head of a request (RFC 9112), of which the endpoint needs little: it takes no bodies, and one request a connection.
import Foundation
import Glibc

/// One request.
struct HTTPRequest: Equatable, Sendable {
    var method: String
    /// Without query.
    var path: String
    /// By lower-case name; of a field that came twice the first.
    var fields: [String: String]

    /// What the client shows to be let in: a bearer token, or the password of basic authentication (RFC 6750, RFC 7617).
    var token: String? {
        let words = (fields["authorization"] ?? "").split(separator: " ", maxSplits: 1).map(String.init)
        guard words.count == 2 else { return nil }
        switch words[0].lowercased() {
        case "bearer": return words[1].trimmingCharacters(in: .whitespaces)
        case "basic":
            guard let pair = Data(base64Encoded: words[1].trimmingCharacters(in: .whitespaces)) else { return nil }
            let parts = String(decoding: pair, as: UTF8.self).split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            return parts.count == 2 ? String(parts[1]) : nil
        default: return nil
        }
    }

    /// Whether it names the server by an IP address or as localhost, or not at all, as HTTP/1.0 may: no other name was looked up to get here.
    var isForAddress: Bool {
        guard let host = fields["host"] else { return true }
        if host.hasPrefix("[") {
            let parts = host.dropFirst().split(separator: "]", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, parts[1].isEmpty || Self.isPort(parts[1]) else { return false }
            var address = in6_addr()
            return inet_pton(AF_INET6, String(parts[0]), &address) == 1
        }
        let name = host.prefix { $0 != ":" }
        let port = host.dropFirst(name.count)
        guard port.isEmpty || Self.isPort(port) else { return false }
        var address = in_addr()
        return name.lowercased() == "localhost" || inet_pton(AF_INET, String(name), &address) == 1
    }

    /// A colon, and digits.
    private static func isPort(_ text: Substring) -> Bool { text.first == ":" && text.utf8.dropFirst().allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }

    private static let headEnd = Array("\r\n\r\n".utf8)

    /// Where the head ends in what has arrived: behind the first empty line; nil while that has not come.
    /// - Parameter known: bytes that were looked at before, in which it does not end.
    static func headLength(_ bytes: [UInt8], known: Int = 0) -> Int? {
        // The end may have begun in them.
        let first = max(0, known - (headEnd.count - 1))
        guard bytes.count - first >= headEnd.count else { return nil }
        return (first...bytes.count - headEnd.count).first { bytes[$0..<$0 + headEnd.count].elementsEqual(headEnd) }.map { $0 + headEnd.count }
    }
}

extension HTTPRequest {
    /// Reads a whole head.
    /// - Throws: HTTPRefusal for one that is no HTTP/1, or that announces a body.
    init(head: [UInt8]) throws(HTTPRefusal) {
        guard let text = String(validating: head, as: UTF8.self) else { throw HTTPRefusal(.badRequest, "the request is not text") }
        var lines = text.components(separatedBy: "\r\n").dropLast(2)
        let words = (lines.popFirst() ?? "").components(separatedBy: " ")
        guard words.count == 3, words[2].hasPrefix("HTTP/1."), words[1].hasPrefix("/") else {
            throw HTTPRefusal(.badRequest, "the request does not begin with METHOD /PATH HTTP/1.1")
        }
        method = words[0]
        path = words[1].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).first.map(String.init) ?? ""
        fields = [:]
        for line in lines { try take(line) }
        if words[2] != "HTTP/1.0", fields["host"] == nil { throw HTTPRefusal(.badRequest, "there is no header field Host") }
        let length = fields["content-length"]
        if fields["transfer-encoding"] != nil || length != nil && length != "0" {
            throw HTTPRefusal(.contentTooLarge, "a request has no body here")
        }
    }

    private mutating func take(_ line: String) throws(HTTPRefusal) {
        let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty, parts[0].utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw HTTPRefusal(.badRequest, "a header field is not written NAME: VALUE")
        }
        let name = parts[0].lowercased()
        if fields[name] == nil { fields[name] = parts[1].trimmingCharacters(in: .whitespaces) }
    }
}

/// Why a request is not answered with what it asks for.
struct HTTPRefusal: Error, Equatable {
    var status: HTTPStatus
    var reason: String

    init(_ status: HTTPStatus, _ reason: String) {
        self.status = status
        self.reason = reason
    }
}
