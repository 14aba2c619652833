// Slab: records of one kind at addresses that never move, reached by index.
//
// The whole range is reserved at once and touched only as records come into use, so an unused record costs no memory
// and reaching one is a multiplication and an addition. Each record begins a cache line.

/// A fixed-capacity store of records, reused last in first out. All operations are O(1). Its owner frees it.
struct Slab<Record> {
    private static var stride: Int { (MemoryLayout<Record>.size + 63) & ~63 }

    private let base: UnsafeMutableRawPointer
    let capacity: Int
    private var usedCount = 0
    private var freeIndexes: [Int32] = []
    /// Records now taken.
    private(set) var takenCount = 0

    init(capacity: Int) {
        base = .allocate(byteCount: capacity * Self.stride, alignment: 64)
        self.capacity = capacity
    }

    func free() {
        for index in 0..<highWater { at(index).deinitialize(count: 1) }
        base.deallocate()
    }

    /// One past the highest index ever taken: the range to walk over all records.
    var highWater: Int32 { Int32(usedCount) }

    @inline(__always)
    func at(_ index: Int32) -> UnsafeMutablePointer<Record> {
        assert(index >= 0 && index < highWater, "no record has the index \(index)")
        return (base + Int(index) &* Self.stride).assumingMemoryBound(to: Record.self)
    }

    /// Takes a record; `make` gives its first value where the slot was never used, otherwise the freed record stays as it was.
    mutating func take(_ make: () -> Record) -> Int32? {
        if let index = freeIndexes.popLast() {
            takenCount += 1
            return index
        }
        guard usedCount < capacity else { return nil }
        (base + usedCount * Self.stride).initializeMemory(as: Record.self, to: make())
        usedCount += 1
        takenCount += 1
        return Int32(usedCount - 1)
    }

    mutating func giveBack(_ index: Int32) {
        freeIndexes.append(index)
        takenCount -= 1
    }
}
