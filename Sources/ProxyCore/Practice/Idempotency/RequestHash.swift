// RequestHash: tells one statement of a request from another: a hash of all that its answer is an answer to.
//
// It covers the text, the types and values of parameters with their formats, the formats of the result, the protocol (a simple Query's answer begins
// with its description), and what in the session decides what names mean and how values are written: role, search_path, DateStyle and the like.
import Primitives
import WireProtocol

struct RequestHash {
    private var bytes: [UInt8] = []

    /// Every part begins with its length, so that no two lists of parts are the same bytes.
    private mutating func add(_ part: some Collection<UInt8>) {
        withUnsafeBytes(of: UInt64(part.count).bigEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: part)
    }

    private mutating func add(_ part: String?) {
        bytes.append(part == nil ? 0 : 1)
        add(Array((part ?? "").utf8))
    }

    private mutating func add(_ number: Int) { withUnsafeBytes(of: Int64(number).bigEndian) { bytes.append(contentsOf: $0) } }

    /// - Parameter settings: of the session, by value or by the statement that has set each.
    static func of(_ call: StatementCall, user: String, settings: [String?]) -> [UInt8] {
        var hash = RequestHash()
        hash.add("1")
        hash.add(user)
        for setting in settings { hash.add(setting) }
        hash.add(essence(of: call.text))
        hash.add(call.declaredTypes.count)
        for type in call.declaredTypes { hash.add(Int(type)) }
        hash.add(Int(call.maximumRows))
        if let bind = call.bind { hash.add(valuesAndFormats(bind)) } else { hash.add(nil as String?) }
        return Digest.sha256(hash.bytes)
    }

    /// A text without what may be another in a retry: blanks around it, semicolons behind it, and the comment that names the key.
    static func essence(of text: [UInt8]) -> ArraySlice<UInt8> {
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        var rest = text.drop(while: isBlank)
        if rest.starts(with: Array("/*".utf8)) {
            let comment = rest.dropFirst(2).drop(while: isBlank)
            if comment.starts(with: Array("pgbraid:".utf8)), let end = rest.indices.dropFirst().first(where: { rest[$0 - 1] == UInt8(ascii: "*") && rest[$0] == UInt8(ascii: "/") }) {
                rest = rest[(end + 1)...].drop(while: isBlank)
            }
        }
        while let last = rest.last, isBlank(last) || last == UInt8(ascii: ";") { rest = rest.dropLast() }
        return rest
    }

    /// A Bind frame without the names of portal and statement, which say nothing of what is asked.
    private static func valuesAndFormats(_ frame: [UInt8]) -> ArraySlice<UInt8> {
        var rest = frame.dropFirst(5)
        for _ in 0..<2 { rest = rest.firstIndex(of: 0).map { rest[($0 + 1)...] } ?? [] }
        return rest
    }
}

extension SessionDetail {
    /// The settings that say what names in a statement mean and how its values are written.
    var settingsOfMeaning: [String?] {
        ["search_path", "role", "session_authorization", "pgbraid.shard"].map { name -> String? in
            let local = transaction?.localSettings
            let list = local?.contains(name) == true ? local ?? settings : settings
            return list.value(of: name) ?? list.statement(of: name)
        } + textStyles
    }
}
