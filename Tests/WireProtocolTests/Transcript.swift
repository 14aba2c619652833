// What the tests of this module share: bytes written as Python prints them, so that captures from a real server
// can be pasted in, and short ways to write to and read from queues.
import Primitives

@testable import WireProtocol

/// Bytes from a literal with the escapes of Python's bytes: \xNN, \n, \r, \t, \\.
func captured(_ literal: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = Array(literal.utf8)[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "\\"), let escape = rest.popFirst() else {
            bytes.append(byte)
            continue
        }
        switch escape {
        case UInt8(ascii: "x"):
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            rest = rest.dropFirst(2)
            bytes.append(UInt8(digits, radix: 16) ?? 0)
        case UInt8(ascii: "n"): bytes.append(10)
        case UInt8(ascii: "r"): bytes.append(13)
        case UInt8(ascii: "t"): bytes.append(9)
        default: bytes.append(escape)
        }
    }
    return bytes
}

/// What `write` puts into a fresh queue.
func written(_ write: (inout ByteQueue) throws -> Void) rethrows -> [UInt8] {
    let pool = BlockPool()
    var queue = ByteQueue(pool: pool.reference)
    defer { queue.free() }
    try write(&queue)
    return Array(queue.readable)
}

/// Reads from bytes given as an array.
func reading<Result>(_ bytes: [UInt8], _ read: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
    try bytes.withUnsafeBytes { try read($0) }
}

/// The same for what cannot fail.
func peeking<Result>(_ bytes: [UInt8], _ read: (UnsafeRawBufferPointer) -> Result) -> Result {
    bytes.withUnsafeBytes { read($0) }
}

/// A whole frame: type, length, body.
func frame(_ type: Character, _ body: String) -> [UInt8] {
    frame(type, captured(body))
}

func frame(_ type: Character, _ body: [UInt8]) -> [UInt8] {
    let length = UInt32(body.count + 4)
    return [type.asciiValue ?? 0] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + body
}

/// The ASCII bytes of a text.
func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }

/// The violation `read` throws for these bytes, or nil.
func violation<Result>(_ bytes: [UInt8], _ read: (UnsafeRawBufferPointer) throws -> Result) -> String? {
    do {
        _ = try reading(bytes, read)
        return nil
    } catch let violation as ProtocolViolation {
        return violation.description
    } catch {
        return "another error"
    }
}

/// Bytes from hexadecimal digits; "empty" for none.
func hexadecimal(_ digits: Substring) -> [UInt8] {
    guard digits != "empty" else { return [] }
    let digits = Array(digits)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...($0 + 1)]), radix: 16) ?? 0 }
}
