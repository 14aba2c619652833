// ArrayLiteral: a one-dimensional array in PostgreSQL's text form, built element by element (PostgreSQL manual, section
// 8.15.2). Every element is quoted, so that no content needs to be looked at except quotes and backslashes.

/// A growing array literal. Owns memory: call `free` exactly once.
struct ArrayLiteral {
    private var bytes = GrowingBytes()
    private var isClosed = false

    init() {}

    mutating func free() { bytes.free() }

    /// Bytes so far.
    var count: Int { bytes.count }

    /// Appends the text form of a value, or NULL. O(bytes).
    mutating func append(_ value: UnsafeRawBufferPointer?) {
        let length = value?.count ?? 4
        let start = bytes.prepare(2 * length + 3)
        start[0] = bytes.count == 0 ? UInt8(ascii: "{") : UInt8(ascii: ",")
        var end = start + 1
        if let value { end = ArrayLiteral.quote(value, to: end) } else { end = ArrayLiteral.null(to: end) }
        bytes.commit(end - start)
    }

    /// The whole literal; nothing can be appended afterwards.
    mutating func close() -> UnsafeRawBufferPointer {
        if !isClosed {
            let start = bytes.prepare(2)
            start[0] = UInt8(ascii: "{")
            start[bytes.count == 0 ? 1 : 0] = UInt8(ascii: "}")
            bytes.commit(bytes.count == 0 ? 2 : 1)
            isClosed = true
        }
        return bytes.part(from: 0, to: bytes.count)
    }

    private static func quote(
        _ value: UnsafeRawBufferPointer, to start: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        var end = start
        end.pointee = UInt8(ascii: "\"")
        end += 1
        for byte in value {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                end.pointee = UInt8(ascii: "\\")
                end += 1
            }
            end.pointee = byte
            end += 1
        }
        end.pointee = UInt8(ascii: "\"")
        return end + 1
    }

    private static func null(to start: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        (start[0], start[1], start[2], start[3]) = (0x4E, 0x55, 0x4C, 0x4C)
        return start + 4
    }
}
