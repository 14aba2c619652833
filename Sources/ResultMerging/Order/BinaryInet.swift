// BinaryInet: a view of the binary form of inet and cidr (network_send in PostgreSQL's network.c): family, prefix
// length, whether it is a cidr, length of the address, address.
import WireProtocol

/// An inet or cidr as a server sends it.
struct BinaryInet {
    private static let headerBytes = 4
    private static let familyIPv4: UInt8 = 2
    private static let familyIPv6: UInt8 = 3

    let family: UInt8
    /// Length of the network prefix.
    let bits: Int
    private let address: UnsafeRawBufferPointer

    /// nil when the bytes are no network address.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= BinaryInet.headerBytes, bytes.count == BinaryInet.headerBytes + Int(bytes[3]) else {
            return nil
        }
        family = bytes[0]
        bits = Int(bytes[1])
        address = bytes.part(from: BinaryInet.headerBytes, length: Int(bytes[3]))
        switch family {
        case BinaryInet.familyIPv4: guard address.count == 4, bits <= 32 else { return nil }
        case BinaryInet.familyIPv6: guard address.count == 16, bits <= 128 else { return nil }
        default: return nil
        }
    }

    /// IPv4 before IPv6; nothing more fits, because the address counts in two steps.
    var prefix: UInt64 { UInt64(family) }

    /// network_cmp: by family, then the common part of the networks, then the prefix length, then the whole address.
    static func compare(_ left: BinaryInet, _ right: BinaryInet) -> Int {
        if left.family != right.family { return left.family < right.family ? -1 : 1 }
        let common = compareBits(left, right, count: min(left.bits, right.bits))
        if common != 0 { return common }
        if left.bits != right.bits { return left.bits < right.bits ? -1 : 1 }
        return compareBits(left, right, count: left.address.count * 8)
    }

    private static func compareBits(_ left: BinaryInet, _ right: BinaryInet, count: Int) -> Int {
        let wholeBytes = count / 8
        for index in 0..<wholeBytes where left.address[index] != right.address[index] {
            return left.address[index] < right.address[index] ? -1 : 1
        }
        guard count % 8 > 0 else { return 0 }
        let shift = UInt8(8 - count % 8)
        let (first, second) = (left.address[wholeBytes] >> shift, right.address[wholeBytes] >> shift)
        return first == second ? 0 : first < second ? -1 : 1
    }
}
