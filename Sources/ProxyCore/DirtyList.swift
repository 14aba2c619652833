// DirtyList: streams with output to send, in the order they came to have some.
//
// Raw memory: every query puts two streams in and takes them out, and an array would be checked each time for being shared.

/// A first-in first-out list of stream indexes. Owned by one StreamTable, which frees it. O(1).
public struct DirtyList {
    private var base: UnsafeMutablePointer<UInt32>
    private var capacity = 1024
    private var taken = 0
    private var count = 0

    init() { base = .allocate(capacity: capacity) }

    func free() { base.deallocate() }

    @inline(__always)
    public var isEmpty: Bool { count == 0 }

    @inline(__always)
    mutating func append(_ index: UInt32) {
        if count == capacity { grow() }
        base[count] = index
        count &+= 1
    }

    /// Takes the first; nil, and room for as many again, when all are taken.
    @inline(__always)
    public mutating func next() -> UInt32? {
        if taken == count {
            taken = 0
            count = 0
            return nil
        }
        taken &+= 1
        return base[taken &- 1]
    }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity * 2)
        larger.initialize(from: base, count: count)
        base.deallocate()
        base = larger
        capacity *= 2
    }
}
