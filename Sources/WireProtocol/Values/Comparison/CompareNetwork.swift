// Comparisons of inet and cidr, macaddr and macaddr8, bit and varbit.

/// inet and cidr: IPv4 below IPv6; then the bits both networks have, then the shorter network, then all bits
/// (network_cmp_internal in network.c). On the wire: family, bits, is-cidr, length, address.
public func compareNetwork(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    guard let left = NetworkView(a), let right = NetworkView(b) else { return compareBytes(a, b) }
    guard left.family == right.family, left.address.count == right.address.count else {
        return order(left.family, right.family)
    }
    let common = compareBits(left.address, right.address, count: min(left.bits, right.bits))
    if common != 0 { return common }
    if left.bits != right.bits { return order(left.bits, right.bits) }
    return compareBytes(left.address, right.address)
}

private struct NetworkView {
    let family: UInt8
    let bits: Int
    let address: UnsafeRawBufferPointer

    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 4, bytes.count == 4 + Int(bytes[3]), Int(bytes[1]) <= 8 * Int(bytes[3]) else { return nil }
        family = bytes[0]
        bits = Int(bytes[1])
        address = bytes.part(from: 4, length: Int(bytes[3]))
    }
}

/// Compares the first `count` bits.
private func compareBits(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, count: Int) -> Int {
    let whole = compareBytes(a.part(from: 0, length: count / 8), b.part(from: 0, length: count / 8))
    guard whole == 0, count % 8 > 0 else { return whole }
    let mask = UInt8(truncatingIfNeeded: 0xFF00 >> (count % 8))
    return order(a[count / 8] & mask, b[count / 8] & mask)
}

/// macaddr and macaddr8.
@inlinable
public func compareHardwareAddress(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    compareBytes(a, b)
}

/// bit and varbit: the bits left to right, then the number of bits (bit_cmp in varbit.c). On the wire: Int32 number
/// of bits, then the bits in bytes, padded with zeros.
public func compareBitString(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    guard a.count >= 4, b.count >= 4 else { return compareBytes(a, b) }
    let bits = compareBytes(a.part(from: 4, length: a.count - 4), b.part(from: 4, length: b.count - 4))
    return bits == 0 ? order(a.integer(at: 0, as: Int32.self), b.integer(at: 0, as: Int32.self)) : bits
}
