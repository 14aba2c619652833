// KeyTable: a hash table of byte strings, numbered 0, 1, 2 ... in the order in which they were first seen. It serves
// DISTINCT (seen before?) and GROUP BY (which group?).
//
// Keys lie back to back in one arena; slots hold half a hash and a key's number, so that a probe reads the key itself
// only when the hashes agree. Open addressing with linear probing, at most half full. Hashing is SipHash with the
// process's random seed, so that rows cannot be crafted to collide; the numbers do not depend on it.

import WireProtocol

/// Distinct byte strings. Owns memory: call `free` exactly once.
struct KeyTable {
    private static let firstSlotCount = 64

    private var slots: UnsafeMutablePointer<UInt64>
    private var slotCount: Int
    /// Where each key ends in the arena; the first begins at 0.
    private var ends: GrowingArray<Int>
    private var arena: GrowingBytes
    /// Bytes of the key under construction, behind the last complete key.
    private var pendingStart = 0

    init() {
        slotCount = KeyTable.firstSlotCount
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: 0, count: slotCount)
        ends = GrowingArray()
        arena = GrowingBytes()
    }

    mutating func free() {
        slots.deallocate()
        ends.free()
        arena.free()
    }

    /// Keys in the table.
    var count: Int { ends.count }

    /// Memory in use, in bytes.
    var bytes: Int { arena.count + ends.count * MemoryLayout<Int>.stride + slotCount * MemoryLayout<UInt64>.stride }

    /// Forgets all keys. O(keys) in the long run: of slots no more are kept than keys of this number fill.
    mutating func removeAll() {
        let wanted = max(Self.firstSlotCount, 8 * ends.count)
        if slotCount > wanted {
            slots.deallocate()
            slotCount = 1 << (Int.bitWidth - (wanted - 1).leadingZeroBitCount)
            slots = .allocate(capacity: slotCount)
            slots.initialize(repeating: 0, count: slotCount)
        } else {
            slots.update(repeating: 0, count: slotCount)
        }
        ends.removeAll()
        arena.removeAll()
    }

    /// Starts a new key; append its fields, then call `insert`.
    mutating func beginKey() {
        pendingStart = ends.last ?? 0
        arena.truncate(to: pendingStart)
    }

    /// Adds a field to the key under construction: its length, so that fields cannot run together, and its bytes.
    mutating func appendField(_ value: UnsafeRawBufferPointer?) {
        var length = Int32(truncatingIfNeeded: value?.count ?? -1)
        withUnsafeBytes(of: &length) { arena.append($0) }
        if let value { arena.append(value) }
    }

    /// The number of the key under construction, and whether it is new. Amortised O(key length).
    mutating func insert() -> (index: Int, isNew: Bool) {
        let key = arena.part(from: pendingStart, to: arena.count)
        var hasher = Hasher()
        hasher.combine(bytes: key)
        let hash = UInt64(bitPattern: Int64(hasher.finalize())) >> 32
        var slot = Int(hash) & (slotCount - 1)
        while slots[slot] != 0 {
            if slots[slot] >> 32 == hash {
                let index = Int(slots[slot] & 0xFFFF_FFFF) - 1
                if isKey(index, key) {
                    arena.truncate(to: pendingStart)
                    return (index, false)
                }
            }
            slot = (slot + 1) & (slotCount - 1)
        }
        ends.append(arena.count)
        slots[slot] = hash << 32 | UInt64(ends.count)
        if ends.count * 2 > slotCount { grow() }
        return (ends.count - 1, true)
    }

    private func isKey(_ index: Int, _ key: UnsafeRawBufferPointer) -> Bool {
        let stored = arena.part(from: index == 0 ? 0 : ends[index - 1], to: ends[index])
        return stored.hasSameBytes(as: key)
    }

    private mutating func grow() {
        let (old, oldCount) = (slots, slotCount)
        slotCount *= 2
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: 0, count: slotCount)
        for index in 0..<oldCount where old[index] != 0 {
            var slot = Int(old[index] >> 32) & (slotCount - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slotCount - 1) }
            slots[slot] = old[index]
        }
        old.deallocate()
    }
}
