// KeyLines: on which line of a TOML file each key stands.
//
// The TOML library tells positions only for syntax errors, so the text of a file it has accepted is walked once more.
// Since the syntax is known to be right, it is enough to follow headers, keys, and where strings and brackets end.
// Keys inside inline tables and arrays are found on the line of the key that holds them.

/// Lines by key path (`proxy.workers`, `shard[1].port`).
struct KeyLines {
    private var lines: [String: Int] = [:]
    private var entryCounts: [String: Int] = [:]

    init() {}

    /// - Parameter text: a valid TOML document.
    init(_ text: String) {
        var scanner = Scanner(Array(text.utf8))
        var section = ""
        while scanner.skipToContent() {
            let line = scanner.line
            if scanner.peek == UInt8(ascii: "[") {
                section = header(&scanner)
                note(section, line)
            } else {
                let key = scanner.keyParts().joined(separator: ".")
                note(section.isEmpty ? key : "\(section).\(key)", line)
                scanner.skipValue()
            }
        }
    }

    /// The line of a key, or of the nearest thing around it that has one.
    func line(of key: String) -> Int? {
        var path = Substring(key)
        while true {
            if let line = lines[String(path)] { return line }
            guard let cut = path.lastIndex(where: { $0 == "." || $0 == "[" }) else { return nil }
            path = path[..<cut]
        }
    }

    private mutating func note(_ path: String, _ line: Int) {
        if lines[path] == nil { lines[path] = line }
    }

    /// Reads `[a.b]` or `[[a]]`; the latter gets the number of its entry.
    private mutating func header(_ scanner: inout Scanner) -> String {
        scanner.skip()
        let isEntry = scanner.peek == UInt8(ascii: "[")
        if isEntry { scanner.skip() }
        let name = scanner.keyParts().joined(separator: ".")
        scanner.skipLine()
        guard isEntry else { return name }
        note(name, scanner.line - 1)
        let number = entryCounts[name, default: 0]
        entryCounts[name] = number + 1
        return "\(name)[\(number)]"
    }
}

/// Walks the bytes of a valid TOML document.
private struct Scanner {
    private let bytes: [UInt8]
    private var position = 0
    private(set) var line = 1

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skip() {
        if peek == UInt8(ascii: "\n") { line += 1 }
        position += 1
    }

    mutating func skipLine() {
        while let byte = peek, byte != UInt8(ascii: "\n") { skip() }
        if peek != nil { skip() } else { line += 1 }
    }

    /// Goes to the next header or key; false at the end.
    mutating func skipToContent() -> Bool {
        while let byte = peek {
            if byte == UInt8(ascii: "#") {
                skipLine()
            } else if byte <= 0x20 {
                skip()
            } else {
                return true
            }
        }
        return false
    }

    /// Reads a (dotted, quoted) key up to `=` or `]`, and takes that too.
    mutating func keyParts() -> [String] {
        var parts: [String] = []
        while let byte = peek, byte != UInt8(ascii: "="), byte != UInt8(ascii: "]") {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                parts.append(String(decoding: quoted(), as: UTF8.self))
            } else if byte == UInt8(ascii: ".") || byte <= 0x20 {
                skip()
            } else {
                parts.append(bare())
            }
        }
        skip()
        return parts
    }

    private mutating func bare() -> String {
        let start = position
        let ends: [UInt8] = [UInt8(ascii: "="), UInt8(ascii: "]"), UInt8(ascii: "."), 0x20, 0x09]
        while let byte = peek, !ends.contains(byte) { skip() }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// Skips a string of any of TOML's four kinds; returns what is between the quotes.
    private mutating func quoted() -> [UInt8] {
        let quote = bytes[position]
        let isLong = bytes[position...].starts(with: [quote, quote, quote])
        let width = isLong ? 3 : 1
        for _ in 0..<width { skip() }
        let start = position
        while position < bytes.count, !bytes[position...].starts(with: repeatElement(quote, count: width)) {
            if quote == UInt8(ascii: "\"") && bytes[position] == UInt8(ascii: "\\") { skip() }
            skip()
        }
        let content = Array(bytes[min(start, position)..<min(position, bytes.count)])
        for _ in 0..<width { skip() }
        // A long string may end in up to two quotes of its own.
        while isLong && peek == quote { skip() }
        return content
    }

    /// Skips a value and the rest of its line; arrays and inline tables may span lines.
    mutating func skipValue() {
        var depth = 0
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "'"): _ = quoted()
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                skip()
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
                skip()
            case UInt8(ascii: "#"): while let byte = peek, byte != UInt8(ascii: "\n") { _ = byte; skip() }
            case UInt8(ascii: "\n"):
                skip()
                if depth <= 0 { return }
            default: skip()
            }
        }
    }
}
