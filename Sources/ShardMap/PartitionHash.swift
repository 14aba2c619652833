// PartitionHash: PostgreSQL's own hash for hash partitions, so that the server can check what the proxy decides.
//
// `satisfies_hash_partition(parent, n, r, value)` is true exactly when the row hash of value, modulo n, is r. The row
// hash of one key is computed as in `compute_partition_hash_value` (src/backend/partitioning/partbounds.c): the
// type's extended hash function with a fixed seed, folded into zero by `hash_combine64`. The extended hash functions
// rest on Bob Jenkins' lookup3 (public domain, 2006) as changed in src/common/hashfn.c.
//
// A bucket is the row hash modulo 5,040; for every n that divides 5,040, bucket % n is PostgreSQL's own remainder.
import Primitives

/// The three words lookup3 mixes.
@usableFromInline
struct LookupState {
    @usableFromInline var a: UInt32
    @usableFromInline var b: UInt32
    @usableFromInline var c: UInt32

    /// The state before the first byte of a key of `byteCount` bytes, perturbed by the partition seed.
    @inlinable @inline(__always)
    init(byteCount: Int) {
        let start = 0x9e37_79b9 &+ UInt32(truncatingIfNeeded: byteCount) &+ 3_923_095
        a = start &+ UInt32(truncatingIfNeeded: PartitionHash.seed >> 32)
        b = start &+ UInt32(truncatingIfNeeded: PartitionHash.seed)
        c = start
        mix()
    }

    @inlinable @inline(__always)
    static func rotate(_ word: UInt32, _ bits: UInt32) -> UInt32 { word << bits | word >> (32 - bits) }

    @inlinable @inline(__always)
    mutating func mix() {
        a = (a &- c) ^ Self.rotate(c, 4)
        c = c &+ b
        b = (b &- a) ^ Self.rotate(a, 6)
        a = a &+ c
        c = (c &- b) ^ Self.rotate(b, 8)
        b = b &+ a
        a = (a &- c) ^ Self.rotate(c, 16)
        c = c &+ b
        b = (b &- a) ^ Self.rotate(a, 19)
        a = a &+ c
        c = (c &- b) ^ Self.rotate(b, 4)
        b = b &+ a
    }

    /// The last mixing; the 64-bit hash is b and c.
    @inlinable @inline(__always)
    mutating func finish() -> UInt64 {
        c = (c ^ b) &- Self.rotate(b, 14)
        a = (a ^ c) &- Self.rotate(c, 11)
        b = (b ^ a) &- Self.rotate(a, 25)
        c = (c ^ b) &- Self.rotate(b, 16)
        a = (a ^ c) &- Self.rotate(c, 4)
        b = (b ^ a) &- Self.rotate(a, 14)
        c = (c ^ b) &- Self.rotate(b, 24)
        return UInt64(b) << 32 | UInt64(c)
    }
}

/// Row hashes and buckets of single keys. Nothing here allocates.
public enum PartitionHash {
    /// HASH_PARTITION_SEED of src/backend/partitioning/partbounds.c.
    public static let seed: UInt64 = 0x7A5B_2236_7996_DCFD

    /// The row hash of an int2, int4 or int8 key. O(1).
    @inlinable @inline(__always)
    public static func rowHash(integer value: Int64) -> UInt64 {
        let high = UInt32(truncatingIfNeeded: value >> 32)
        var state = LookupState(byteCount: 4)
        state.a = state.a &+ (UInt32(truncatingIfNeeded: value) ^ (value >= 0 ? high : ~high))
        return combine(state.finish())
    }

    /// The row hash of a text key (its bytes in the server's encoding) or a uuid key (its 16 bytes). O(bytes).
    @inlinable
    public static func rowHash(bytes: UnsafeRawBufferPointer) -> UInt64 {
        var state = LookupState(byteCount: bytes.count)
        var offset = 0
        while bytes.count - offset >= 12 {
            state.a = state.a &+ word(bytes, offset)
            state.b = state.b &+ word(bytes, offset + 4)
            state.c = state.c &+ word(bytes, offset + 8)
            state.mix()
            offset += 12
        }
        addTail(bytes, from: offset, to: &state)
        return combine(state.finish())
    }

    /// The bucket of a row hash, from 0 to 5,039.
    @inlinable @inline(__always)
    public static func bucket(rowHash: UInt64) -> Int { Int(rowHash % UInt64(Limits.bucketCount)) }

    /// hash_combine64 (src/include/common/hashfn.h) of zero and `hash`.
    @inlinable @inline(__always)
    static func combine(_ hash: UInt64) -> UInt64 { hash &+ 0x49a0_f4dd_15e5_a8e3 }

    @inlinable @inline(__always)
    static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// Adds the last 0 to 11 bytes; the lowest byte of c is not used.
    @inlinable
    static func addTail(_ bytes: UnsafeRawBufferPointer, from start: Int, to state: inout LookupState) {
        for offset in start..<bytes.count {
            let byte = UInt32(bytes[offset])
            let place = offset - start
            switch place >> 2 {
            case 0: state.a = state.a &+ byte << UInt32(8 * place)
            case 1: state.b = state.b &+ byte << UInt32(8 * (place - 4))
            default: state.c = state.c &+ byte << UInt32(8 * (place - 7))
            }
        }
    }
}
