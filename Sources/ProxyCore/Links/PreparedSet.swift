// PreparedSet: which shared statements are prepared on a link, least recently used first out.
//
// Names on a link are made from the statement's number, so the set holds numbers only: an open-addressing hash table
// on memory of its own, with a use counter per entry.

/// Statement numbers prepared on one link. O(1) to look up; making room scans once.
struct PreparedSet {
    private var keys: UnsafeMutablePointer<UInt32>?
    private var uses: UnsafeMutablePointer<UInt32>?
    private var capacity = 0
    private var clock: UInt32 = 0
    private(set) var count = 0

    /// Notes a use; false when the statement is not prepared here.
    @inline(__always)
    mutating func touch(_ statement: UInt32) -> Bool {
        guard let keys, let uses else { return false }
        var slot = Int(truncatingIfNeeded: statement &* 0x9E37_79B1) & (capacity - 1)
        while keys[slot] != 0 {
            if keys[slot] == statement {
                clock &+= 1
                uses[slot] = clock
                return true
            }
            slot = (slot + 1) & (capacity - 1)
        }
        return false
    }

    /// Adds a statement that is not in the set.
    mutating func insert(_ statement: UInt32) {
        if count * 2 >= capacity { rebuild(capacity: max(16, capacity * 2)) }
        place(statement, use: clock)
        clock &+= 1
        count += 1
    }

    mutating func remove(_ statement: UInt32) {
        guard touch(statement) else { return }
        rebuild(capacity: capacity, without: statement)
    }

    mutating func removeAll() {
        keys?.deallocate()
        uses?.deallocate()
        keys = nil
        uses = nil
        capacity = 0
        count = 0
    }

    /// The statement used longest ago.
    var leastRecentlyUsed: UInt32? {
        guard let keys, let uses else { return nil }
        var found: (key: UInt32, age: UInt32)?
        for slot in 0..<capacity where keys[slot] != 0 {
            let age = clock &- uses[slot]
            if found == nil || age > found!.age { found = (keys[slot], age) }
        }
        return found?.key
    }

    private mutating func place(_ statement: UInt32, use: UInt32) {
        guard let keys, let uses else { return }
        var slot = Int(truncatingIfNeeded: statement &* 0x9E37_79B1) & (capacity - 1)
        while keys[slot] != 0 { slot = (slot + 1) & (capacity - 1) }
        keys[slot] = statement
        uses[slot] = use
    }

    private mutating func rebuild(capacity newCapacity: Int, without removed: UInt32 = 0) {
        let (oldKeys, oldUses, oldCapacity) = (keys, uses, capacity)
        keys = .allocate(capacity: newCapacity)
        uses = .allocate(capacity: newCapacity)
        keys?.initialize(repeating: 0, count: newCapacity)
        uses?.initialize(repeating: 0, count: newCapacity)
        capacity = newCapacity
        if let oldKeys, let oldUses {
            for slot in 0..<oldCapacity where oldKeys[slot] != 0 {
                if oldKeys[slot] == removed { count -= 1 } else { place(oldKeys[slot], use: oldUses[slot]) }
            }
        }
        oldKeys?.deallocate()
        oldUses?.deallocate()
    }
}
