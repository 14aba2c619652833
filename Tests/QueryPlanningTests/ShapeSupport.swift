// ShapeSupport: shapes in a form that people can read.
@testable import QueryPlanning

/// A shape as text: `#4` `#8` `#n` `#d` `#s` `#e` for literals taken out by class, `~5~` for a number that stays, `|...|` for a
/// literal put back, a blank behind each word and operator. A text without a shape reads as `no shape: ` and the reason.
func readableShape(_ text: String) -> String {
    withScan(text) { scanner, shape in
        guard shape.refusal == .none else { return "no shape: \(shape.refusal)" }
        var result = ""
        var bytes: [UInt8] = []
        for byte in UnsafeBufferPointer(start: scanner.bytes, count: shape.byteCount) {
            let symbols: [UInt8: String] = [
                1: "#4", 2: "#8", 3: "#n", 4: "#d", 5: "#s", 6: "#e", 0x1F: " ", 0x0B: "~", 0x0C: "|",
            ]
            if let symbol = symbols[byte] { bytes += Array(symbol.utf8) } else { bytes.append(byte) }
        }
        result += String(decoding: bytes, as: UTF8.self)
        return result
    }
}

/// The texts of the literals taken out of the shape.
func literalsTakenOut(_ text: String) -> [String] {
    withScan(text) { scanner, shape in
        (0..<shape.literalCount).map {
            let literal = scanner.literals[$0]
            return String(decoding: Array(text.utf8)[Int(literal.start)..<Int(literal.end)], as: UTF8.self)
        }
    }
}

/// Whether two texts have shapes, and the same one.
func shareShape(_ left: String, _ right: String) -> Bool {
    let shape = readableShape(left)
    return !shape.hasPrefix("no shape") && shape == readableShape(right)
}

func withScan<Result>(_ text: String, _ body: (ShapeScanner, Shape) -> Result) -> Result {
    let scanner = ShapeScanner()
    defer { scanner.free() }
    return Array(text.utf8).withUnsafeBytes { body(scanner, scanner.scan($0)) }
}

/// The tokens of a text, each with its kind.
func tokens(_ text: String) -> [String] {
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBytes { buffer in
        var lexer = Lexer(buffer)
        var result: [String] = []
        while true {
            let kind = lexer.next()
            if kind == .end { return result }
            result.append("\(kind) \(String(decoding: bytes[lexer.start..<lexer.position], as: UTF8.self))")
            if kind == .invalid { return result }
        }
    }
}
