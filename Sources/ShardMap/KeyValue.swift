// KeyValue: one sharding key's value, for configuration, errors and other slow paths.
//
// The hot paths of ShardMap take Int64 and UnsafeRawBufferPointer directly and never build a KeyValue.

/// The 16 bytes of a uuid as two numbers, so that comparing them is comparing the bytes.
public struct UUIDKey: Hashable, Comparable, Sendable {
    public let high: UInt64
    public let low: UInt64

    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The uuid with these 16 bytes (its binary format); nil for any other number of bytes.
    @inlinable
    public init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 16 else { return nil }
        high = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
        low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    @inlinable
    public static func < (left: UUIDKey, right: UUIDKey) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }

    /// Calls `body` with the uuid's 16 bytes. Allocates nothing.
    @inlinable
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeBytes(of: (high.bigEndian, low.bigEndian), body)
    }

    /// PostgreSQL's output form: lower case hexadecimal in groups of 8, 4, 4, 4 and 12 digits.
    public var text: String {
        let digits = Array((Self.hexadecimal(high) + Self.hexadecimal(low)).utf8)
        let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32]
        return groups.map { String(decoding: digits[$0], as: UTF8.self) }.joined(separator: "-")
    }

    static func hexadecimal(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// A sharding key's value.
public enum KeyValue: Hashable, Sendable, CustomStringConvertible {
    case integer(Int64)
    /// Text in the server's encoding.
    case text([UInt8])
    case uuid(UUIDKey)

    public static func text(_ string: String) -> KeyValue { .text(Array(string.utf8)) }

    public var family: KeyFamily {
        switch self {
        case .integer: .integer
        case .text: .text
        case .uuid: .uuid
        }
    }

    /// The value as PostgreSQL prints it.
    public var description: String {
        switch self {
        case .integer(let value): "\(value)"
        case .text(let bytes): String(decoding: bytes, as: UTF8.self)
        case .uuid(let value): value.text
        }
    }
}
