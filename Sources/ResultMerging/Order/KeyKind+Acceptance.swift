// What binary values must look like. Checked once a row, so that prefixes and comparisons need not: a shard that sends
// something else gets an error, not a strange order.
import WireProtocol

extension KeyKind {
    /// Whether `value` is a binary value of this kind, so that reading it stays inside its bytes.
    @inline(__always)
    func accepts(_ value: UnsafeRawBufferPointer) -> Bool {
        if let fixedLength { return value.count == fixedLength }
        return acceptsVarying(value)
    }

    private func acceptsVarying(_ value: UnsafeRawBufferPointer) -> Bool {
        switch self {
        case .numeric: BinaryNumeric(value) != nil
        case .inet: KeyKind.isNetworkAddress(value)
        case .bit: KeyKind.isBitString(value)
        default: true
        }
    }

    /// Family (2 IPv4, 3 IPv6), prefix length, is it a cidr, length of the address, address (network_send in network.c).
    private static func isNetworkAddress(_ value: UnsafeRawBufferPointer) -> Bool {
        guard value.count >= 4 else { return false }
        let addressBytes = value[0] == 2 ? 4 : value[0] == 3 ? 16 : -1
        return Int(value[3]) == addressBytes && value.count == 4 + addressBytes && Int(value[1]) <= addressBytes * 8
    }

    /// Int32 number of bits, then the bits padded to bytes (varbit_send in varbit.c).
    private static func isBitString(_ value: UnsafeRawBufferPointer) -> Bool {
        guard value.count >= 4 else { return false }
        let bitCount = Int(value.integer(at: 0, as: Int32.self))
        return bitCount >= 0 && value.count == 4 + (bitCount + 7) / 8
    }
}
