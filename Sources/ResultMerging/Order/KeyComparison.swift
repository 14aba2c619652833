// KeyComparison: the full comparison of two binary values of one kind, as the type's btree operator class orders them.
import WireProtocol
#if canImport(Glibc)
import Glibc
#endif

enum KeyComparison {
    /// Below, equal or above zero. Both values are accepted by the kind.
    static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer, _ kind: KeyKind) -> Int {
        switch kind {
        case .bpchar: compareBytes(withoutTrailingBlanks(left), withoutTrailingBlanks(right))
        case .bytes, .uuid, .macaddr, .macaddr8: compareBytes(left, right)
        case .numeric: compareNumerics(left, right)
        case .timetz: BinaryTimeTZ.compare(BinaryTimeTZ(left), BinaryTimeTZ(right))
        case .interval: BinaryInterval.compare(BinaryInterval(left), BinaryInterval(right))
        case .inet: compareNetworks(left, right)
        case .bit: compareBits(left, right)
        case .bool, .char, .int2, .int4, .int8, .uint4, .uint8, .float4, .float8:
            comparePrefixes(KeyPrefix.make(left, kind), KeyPrefix.make(right, kind))
        }
    }

    /// memcmp, then the shorter first: collation C.
    static func compareBytes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        let common = min(left.count, right.count)
        if common > 0, let first = left.baseAddress, let second = right.baseAddress {
            let order = memcmp(first, second, common)
            if order != 0 { return Int(order) }
        }
        return left.count - right.count
    }

    /// A bpchar without the blanks that do not count (bcTruelen in PostgreSQL's varchar.c).
    static func withoutTrailingBlanks(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var length = value.count
        while length > 0, value[length - 1] == UInt8(ascii: " ") { length -= 1 }
        return value.part(from: 0, length: length)
    }

    private static func comparePrefixes(_ left: UInt64, _ right: UInt64) -> Int {
        left == right ? 0 : left < right ? -1 : 1
    }

    private static func compareNumerics(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        guard let first = BinaryNumeric(left), let second = BinaryNumeric(right) else { return 0 }
        return BinaryNumeric.compare(first, second)
    }

    private static func compareNetworks(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        guard let first = BinaryInet(left), let second = BinaryInet(right) else { return 0 }
        return BinaryInet.compare(first, second)
    }

    private static func compareBits(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        guard let first = BinaryBits(left), let second = BinaryBits(right) else { return 0 }
        return BinaryBits.compare(first, second)
    }
}
