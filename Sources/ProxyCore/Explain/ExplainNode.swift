// ExplainNode: what EXPLAIN of a statement over several shards says, as a tree, and how it is written as TEXT and JSON.
//
// The shards' own output stands in it as they wrote it, only indented, in bytes, since it is in the client's encoding.

/// One step of a distributed plan.
struct ExplainNode {
    enum Value {
        case text(String)
        case number(Int)
        case list([String])
    }

    /// The kind of step: "Distributed Append".
    var title: String
    /// nil with COSTS OFF.
    var estimate: ExplainEstimate?
    var properties: [(name: String, value: Value)] = []
    var children: [ExplainNode] = []
    /// What a server wrote about this step: lines of text, or of a JSON array.
    var output: [[UInt8]] = []

    init(_ title: String) { self.title = title }

    mutating func add(_ name: String, _ text: String?) {
        if let text, !text.isEmpty { properties.append((name, .text(text))) }
    }

    mutating func add(_ name: String, _ list: [String]) {
        if !list.isEmpty { properties.append((name, .list(list))) }
    }
}

// MARK: TEXT

extension ExplainNode {
    /// The lines of FORMAT TEXT, one a row.
    func lines(indentation: Int = 0) -> [[UInt8]] {
        let margin = Self.blanks(indentation)
        let inner = indentation + (indentation == 0 ? 2 : 6)
        var lines = [margin + (indentation == 0 ? "" : "->  ").utf8 + title.utf8 + (estimate?.text ?? "").utf8]
        for property in properties {
            let texts = property.value.text.split(separator: "\n", omittingEmptySubsequences: true)
                .map { $0.prefix(through: $0.lastIndex { $0 != " " } ?? $0.startIndex) }
            lines.append(Self.blanks(inner) + "\(property.name): \(texts.first ?? "")".utf8)
            lines += texts.dropFirst().map { Self.blanks(inner + 2) + $0.utf8 }
        }
        lines += output.map { Self.blanks(inner) + $0 }
        return lines + children.flatMap { $0.lines(indentation: inner) }
    }

    fileprivate static func blanks(_ count: Int) -> [UInt8] { Array(repeating: UInt8(ascii: " "), count: count) }
}

extension ExplainNode.Value {
    fileprivate var text: String {
        switch self {
        case .text(let text): text
        case .number(let number): "\(number)"
        case .list(let items): items.joined(separator: ", ")
        }
    }
}

// MARK: JSON

extension ExplainNode {
    /// The whole of FORMAT JSON, in the shape in which PostgreSQL writes a plan.
    /// - Parameter time: how long it took, in milliseconds.
    func json(time: String?) -> [UInt8] {
        var text = Array("[\n  {\n    \"Plan\": ".utf8) + object(indentation: 4)
        if let time { text += ",\n    \"Execution Time\": \(time)".utf8 }
        return text + "\n  }\n]".utf8
    }

    private func object(indentation: Int) -> [UInt8] {
        let margin = Self.blanks(indentation + 2)
        var members = ["\"Node Type\": \(JSONText.quoted(title))".utf8.map { $0 }]
        for member in estimate?.members ?? [] { members.append(Array("\(JSONText.quoted(member.name)): \(member.value)".utf8)) }
        for property in properties { members.append(Array("\(JSONText.quoted(property.name)): \(property.value.json)".utf8)) }
        if !output.isEmpty {
            members.append(Array("\"Explain\": ".utf8) + Array(output.joined(separator: [UInt8(ascii: "\n")] + margin)))
        }
        if !children.isEmpty {
            let inner = Self.blanks(indentation + 4)
            let list = children.map { inner + $0.object(indentation: indentation + 4) }
            members.append(Array("\"Plans\": [\n".utf8) + Array(list.joined(separator: Array(",\n".utf8))) + "\n".utf8 + margin + "]".utf8)
        }
        let body = members.map { margin + $0 }.joined(separator: Array(",\n".utf8))
        return Array("{\n".utf8) + Array(body) + "\n".utf8 + Self.blanks(indentation) + "}".utf8
    }
}

extension ExplainNode.Value {
    fileprivate var json: String {
        switch self {
        case .text(let text): JSONText.quoted(text)
        case .number(let number): "\(number)"
        case .list(let items): "[" + items.map(JSONText.quoted).joined(separator: ", ") + "]"
        }
    }
}

/// Strings as JSON text.
enum JSONText {
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                result += "\\u00" + (scalar.value < 0x10 ? "0" : "") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
