// FrontendFrame: the frames a client sends (PostgreSQL manual, section 55.7), as plain bytes.

enum FrontendFrame {
    static func frame(_ type: Character, _ body: [UInt8] = []) -> [UInt8] {
        [type.asciiValue ?? 0] + integer(Int32(body.count + 4)) + body
    }

    static func integer<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    static func string(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }

    static func startup(version: UInt32 = 3 << 16, parameters: [(String, String)]) -> [UInt8] {
        let body = integer(version) + parameters.flatMap { string($0.0) + string($0.1) } + [0]
        return integer(Int32(body.count + 4)) + body
    }

    /// SSLRequest, GSSENCRequest: a code and nothing else.
    static func request(code: Int32) -> [UInt8] { integer(Int32(8)) + integer(code) }

    static func cancel(processID: Int32, secretKey: Int32) -> [UInt8] {
        integer(Int32(16)) + integer(Int32(80_877_102)) + integer(processID) + integer(secretKey)
    }

    static func query(_ text: String) -> [UInt8] { frame("Q", string(text)) }

    static func parse(_ name: String, _ types: [UInt32], _ text: String) -> [UInt8] {
        frame("P", string(name) + string(text) + integer(UInt16(types.count)) + types.flatMap { integer($0) })
    }

    /// - Parameter resultFormats: 0 text, 1 binary.
    static func bind(_ portal: String, _ statement: String, _ values: [BoundValue], resultFormats: [Int16]) -> [UInt8] {
        var body = string(portal) + string(statement)
        let formats: [Int16] = values.contains(where: \.isBinary) ? values.map { $0.isBinary ? 1 : 0 } : []
        body += integer(Int16(formats.count)) + formats.flatMap { integer($0) }
        body += integer(UInt16(values.count))
        for value in values { body += value.bytes.map { integer(Int32($0.count)) + $0 } ?? integer(Int32(-1)) }
        return frame("B", body + integer(Int16(resultFormats.count)) + resultFormats.flatMap { integer($0) })
    }

    /// - Parameter kind: S for a statement, P for a portal.
    static func describe(_ kind: Character, _ name: String) -> [UInt8] { frame("D", [kind.asciiValue ?? 0] + string(name)) }

    static func close(_ kind: Character, _ name: String) -> [UInt8] { frame("C", [kind.asciiValue ?? 0] + string(name)) }

    static func execute(_ portal: String, maximumRows: Int32 = 0) -> [UInt8] {
        frame("E", string(portal) + integer(maximumRows))
    }

    static let sync = frame("S")
    static let flush = frame("H")
    static let terminate = frame("X")
    static let copyDone = frame("c")
    static func copyData(_ data: [UInt8]) -> [UInt8] { frame("d", data) }
    static func copyFail(_ reason: String) -> [UInt8] { frame("f", string(reason)) }
}

/// A parameter of Bind.
struct BoundValue: Equatable {
    /// Nil is NULL.
    var bytes: [UInt8]?
    var isBinary = false
}
