// BinaryBits: a view of the binary form of bit and varbit (varbit_send in PostgreSQL's varbit.c): the number of bits,
// then the bits from the left, padded with zeros.
import WireProtocol

/// A bit string as a server sends it.
struct BinaryBits {
    let bitCount: Int
    let bytes: UnsafeRawBufferPointer

    /// nil when the bytes are no bit string.
    init?(_ value: UnsafeRawBufferPointer) {
        guard value.count >= 4 else { return nil }
        bitCount = Int(value.integer(at: 0, as: Int32.self))
        bytes = value.part(from: 4, length: value.count - 4)
        guard bitCount >= 0, bytes.count == (bitCount + 7) / 8 else { return nil }
    }

    /// bit_cmp: by bytes, then the shorter first.
    static func compare(_ left: BinaryBits, _ right: BinaryBits) -> Int {
        let byBytes = KeyComparison.compareBytes(left.bytes, right.bytes)
        if byBytes != 0 { return byBytes }
        return left.bitCount == right.bitCount ? 0 : left.bitCount < right.bitCount ? -1 : 1
    }
}
