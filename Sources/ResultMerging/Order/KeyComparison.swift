// KeyComparison: the full comparison of two binary values of one kind, as the type's btree operator class orders them.
import WireProtocol

enum KeyComparison {
    /// Below, equal or above zero. Both values are accepted by the kind.
    static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer, _ kind: KeyKind) -> Int {
        switch kind {
        case .bool: compareBool(left, right)
        case .char: compareInternalChar(left, right)
        case .int2: compareInt2(left, right)
        case .int4: compareInt4(left, right)
        case .int8: compareInt8(left, right)
        case .uint4: compareOID(left, right)
        case .uint8: compareUnsigned8(left, right)
        case .float4: compareFloat4(left, right)
        case .float8: compareFloat8(left, right)
        case .numeric: compareNumeric(left, right)
        case .bytes: compareTextC(left, right)
        case .bpchar: compareBlankPaddedC(left, right)
        case .uuid: compareUUID(left, right)
        case .macaddr, .macaddr8: compareHardwareAddress(left, right)
        case .timetz: compareTimeWithZone(left, right)
        case .interval: compareInterval(left, right)
        case .inet: compareNetwork(left, right)
        case .bit: compareBitString(left, right)
        }
    }

    /// A bpchar without the blanks that do not count (bcTruelen in varchar.c).
    static func withoutTrailingBlanks(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var length = value.count
        while length > 0, value[length - 1] == UInt8(ascii: " ") { length -= 1 }
        return value.part(from: 0, length: length)
    }
}
