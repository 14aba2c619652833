// HTTPResponse: an answer and its bytes.
import Glibc

/// The status codes in use (RFC 9110, section 15).
enum HTTPStatus: Int, Sendable {
    case ok = 200
    case badRequest = 400
    case unauthorized = 401
    case notFound = 404
    case methodNotAllowed = 405
    case requestTimeout = 408
    case contentTooLarge = 413
    case misdirectedRequest = 421
    case headerFieldsTooLarge = 431
    case serviceUnavailable = 503

    var phrase: String {
        switch self {
        case .ok: "OK"
        case .badRequest: "Bad Request"
        case .unauthorized: "Unauthorized"
        case .notFound: "Not Found"
        case .methodNotAllowed: "Method Not Allowed"
        case .requestTimeout: "Request Timeout"
        case .contentTooLarge: "Content Too Large"
        case .misdirectedRequest: "Misdirected Request"
        case .headerFieldsTooLarge: "Request Header Fields Too Large"
        case .serviceUnavailable: "Service Unavailable"
        }
    }
}

/// One answer.
struct HTTPResponse: Equatable, Sendable {
    var status = HTTPStatus.ok
    var contentType: String
    var body: String
    /// Beside those that every answer has.
    var fields: [String] = []

    static let plainText = "text/plain; charset=utf-8"

    init(_ status: HTTPStatus = .ok, contentType: String = plainText, body: String, fields: [String] = []) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.fields = fields
    }

    init(_ refusal: HTTPRefusal) { self.init(refusal.status, body: refusal.reason + "\n") }

    /// Nothing is kept by caches or guessed about, no page may hold it in a frame, and no script runs in it.
    private static let alwaysSent = [
        "Connection: close", "Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ]

    /// Now, as RFC 9110 (section 5.6.7) writes dates; the names are English in any locale that a process has not set.
    private static var date: String {
        var seconds = time(nil)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var buffer = [CChar](repeating: 0, count: 64)
        let length = strftime(&buffer, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
        return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// - Parameter hasBody: false in the answer to HEAD, which tells the length all the same.
    func bytes(hasBody: Bool) -> [UInt8] {
        let lines = ["HTTP/1.1 \(status.rawValue) \(status.phrase)", "Content-Type: \(contentType)", "Content-Length: \(body.utf8.count)"]
        let head = (lines + Self.alwaysSent + ["Date: \(Self.date)"] + fields).joined(separator: "\r\n") + "\r\n\r\n"
        return Array(head.utf8) + (hasBody ? Array(body.utf8) : [])
    }
}
