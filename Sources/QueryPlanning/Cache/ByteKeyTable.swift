// ByteKeyTable: which slot belongs to a run of bytes. The common ground of both plan caches.
//
// A set-associative table, as in a processor's cache: the hash names a set of eight slots, whose hashes lie in one cache
// line; within the set the slot unused for longest is given away. So a look-up has a fixed bound even against texts
// made to collide, and removal leaves no tombstones. A hit compares all bytes of the key.
//
// Everything lies in raw memory, so that a look-up allocates nothing and counts no references.
#if canImport(Glibc)
    import Glibc
#endif

/// Counts of a cache since its birth.
public struct CacheStatistics: Sendable, Equatable {
    public var hits: UInt64 = 0
    public var misses: UInt64 = 0
    public var evictions: UInt64 = 0
    public var entries = 0
    /// Bytes of all keys.
    public var bytes = 0
}

/// Byte keys to slot numbers; what a slot holds is its owner's business. Not thread safe.
struct ByteKeyTable {
    static let ways = 8

    private struct Entry {
        var key: UnsafeMutableRawPointer?
        var keyBytes: Int
        var environment: UInt32
        /// The table's clock when the entry was last used.
        var lastUse: UInt64
        /// The table's clock when the entry was made: no two have the same.
        var serial: UInt64
    }

    private struct State {
        var statistics = CacheStatistics()
        var clock: UInt64 = 0
        /// Where the search for old entries goes on when the keys take too many bytes.
        var hand = 0
    }

    private let setMask: UInt64
    private let byteLimit: Int
    /// Hash of each slot's key; zero means empty.
    private let tags: UnsafeMutablePointer<UInt64>
    private let entries: UnsafeMutablePointer<Entry>
    private let state: UnsafeMutablePointer<State>

    let slotCount: Int

    /// - Parameters:
    ///   - capacity: how many keys there may be; rounded up to a power of two, at least 8.
    ///   - byteLimit: how many bytes all keys together may take.
    init(capacity: Int, byteLimit: Int) {
        var sets = 1
        while sets * Self.ways < capacity { sets *= 2 }
        setMask = UInt64(sets - 1)
        slotCount = sets * Self.ways
        self.byteLimit = byteLimit
        tags = UnsafeMutableRawPointer.allocate(byteCount: 8 * slotCount, alignment: 64).bindMemory(
            to: UInt64.self, capacity: slotCount)
        tags.initialize(repeating: 0, count: slotCount)
        entries = .allocate(capacity: slotCount)
        entries.initialize(
            repeating: Entry(key: nil, keyBytes: 0, environment: 0, lastUse: 0, serial: 0), count: slotCount)
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    func free() {
        for slot in 0..<slotCount { entries[slot].key?.deallocate() }
        UnsafeMutableRawPointer(tags).deallocate()
        entries.deallocate()
        state.deallocate()
    }

    var statistics: CacheStatistics { state.pointee.statistics }

    /// The slot of a key; -1 if it has none. Counts as a use.
    @inline(__always)
    func find(_ key: UnsafeRawPointer, count: Int, hash: UInt64) -> Int {
        let tag = hash | 1
        let first = firstSlot(hash)
        for slot in first..<first + Self.ways where tags[slot] == tag {
            if entries[slot].keyBytes == count, let stored = entries[slot].key, memcmp(stored, key, count) == 0 {
                state.pointee.clock &+= 1
                entries[slot].lastUse = state.pointee.clock
                state.pointee.statistics.hits &+= 1
                return slot
            }
        }
        state.pointee.statistics.misses &+= 1
        return -1
    }

    /// When the key in a slot came there.
    @inline(__always)
    func serial(_ slot: Int) -> UInt64 { entries[slot].serial }

    /// A use of the key that came to a slot at `serial`; false if it is there no more.
    @inline(__always)
    func use(_ slot: Int, serial: UInt64) -> Bool {
        guard tags[slot] != 0, entries[slot].serial == serial else { return false }
        state.pointee.clock &+= 1
        entries[slot].lastUse = state.pointee.clock
        state.pointee.statistics.hits &+= 1
        return true
    }

    /// Gives a key a slot, taking it from the key that was unused for longest if there is no free one in its set.
    /// - Parameters:
    ///   - key: is copied; must not have a slot yet.
    ///   - evicted: called with each slot that loses its key.
    /// - Returns: nil if the key alone exceeds the byte limit.
    func insert(
        _ key: UnsafeRawBufferPointer, hash: UInt64, environment: UInt32, evicted: (Int) -> Void
    ) -> Int? {
        guard let address = key.baseAddress, key.count <= byteLimit else { return nil }
        while state.pointee.statistics.bytes + key.count > byteLimit { evictOne(evicted) }
        let first = firstSlot(hash)
        var chosen = first
        for slot in first..<first + Self.ways where tags[chosen] != 0 {
            if tags[slot] == 0 || entries[slot].lastUse < entries[chosen].lastUse { chosen = slot }
        }
        if tags[chosen] != 0 { evict(chosen, evicted) }
        let copy = UnsafeMutableRawPointer.allocate(byteCount: key.count, alignment: 16)
        copy.copyMemory(from: address, byteCount: key.count)
        state.pointee.clock &+= 1
        entries[chosen] = Entry(
            key: copy, keyBytes: key.count, environment: environment, lastUse: state.pointee.clock,
            serial: state.pointee.clock)
        tags[chosen] = hash | 1
        state.pointee.statistics.entries += 1
        state.pointee.statistics.bytes += key.count
        return chosen
    }

    /// Takes the slots of all keys of one environment away.
    func remove(environment: UInt32, removed: (Int) -> Void) {
        for slot in 0..<slotCount where tags[slot] != 0 && entries[slot].environment == environment {
            release(slot)
            removed(slot)
        }
    }

    @inline(__always)
    private func firstSlot(_ hash: UInt64) -> Int { Int((hash >> 32) & setMask) * Self.ways }

    /// The second-chance rule on the clock: goes round and takes the first entry not used in the last half of all uses.
    private func evictOne(_ evicted: (Int) -> Void) {
        let recent = state.pointee.clock - min(state.pointee.clock, UInt64(state.pointee.statistics.entries / 2))
        for step in 0..<2 * slotCount {
            let slot = state.pointee.hand
            state.pointee.hand = (slot + 1) % slotCount
            if tags[slot] != 0, step >= slotCount || entries[slot].lastUse <= recent {
                evict(slot, evicted)
                return
            }
        }
    }

    private func evict(_ slot: Int, _ evicted: (Int) -> Void) {
        release(slot)
        state.pointee.statistics.evictions &+= 1
        evicted(slot)
    }

    private func release(_ slot: Int) {
        entries[slot].key?.deallocate()
        entries[slot].key = nil
        tags[slot] = 0
        state.pointee.statistics.entries -= 1
        state.pointee.statistics.bytes -= entries[slot].keyBytes
    }
}
