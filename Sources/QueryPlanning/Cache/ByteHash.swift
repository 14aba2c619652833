// ByteHash: a fast hash of bytes for the caches. Not for secrets, and no proof of equality: callers compare.
//
// Sixteen bytes a step, folded by a full-width multiplication (the construction of Wang Yi's wyhash).

enum ByteHash {
    /// O(bytes); reads nothing outside them.
    @inline(__always)
    static func hash(_ bytes: UnsafeRawPointer, count: Int) -> UInt64 {
        var state = fold(UInt64(truncatingIfNeeded: count) ^ 0x9E37_79B9_7F4A_7C15, 0xA076_1D64_78BD_642F)
        var offset = 0
        while count - offset >= 16 {
            state = fold(word(bytes, offset) ^ 0xE703_7ED1_A0B4_28DB, word(bytes, offset + 8) ^ state)
            offset += 16
        }
        if count - offset >= 8 {
            state = fold(word(bytes, offset) ^ 0x8EBC_6AF0_9C88_C6E3, word(bytes, count - 8) ^ state)
        } else if count > offset {
            state = fold(tail(bytes, from: offset, to: count) ^ 0x5899_65CC_7537_4CC3, state ^ 0x1D8E_4E27_C47D_124F)
        }
        return state
    }

    @inline(__always)
    private static func word(_ bytes: UnsafeRawPointer, _ offset: Int) -> UInt64 {
        bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    @inline(__always)
    private static func tail(_ bytes: UnsafeRawPointer, from start: Int, to end: Int) -> UInt64 {
        // The last eight bytes hold the tail in their upper part.
        if end >= 8 { return word(bytes, end - 8) >> UInt64(8 * (8 - (end - start))) }
        var word: UInt64 = 0
        for offset in start..<end { word = word << 8 | UInt64(bytes.load(fromByteOffset: offset, as: UInt8.self)) }
        return word
    }

    @inline(__always)
    private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }
}
