// IdleLinks: the links of one role to one shard by place, and which of them are idle.
//
// A link has a place as long as it is open, the lowest that is free. The idle link with the lowest place is leased first: so few
// server processes do nearly all the work and stay warm in the processors' caches, and those at high places age out. (A stack would
// keep few warm at a time, but bring up another one from below at each crowd, and so use all of them in turn.)

/// Places and a bit for each idle one. Finding the first is O(1) for the first 64 places, then O(places / 64).
struct IdleLinks {
    /// How many are idle.
    private(set) var count: Int32 = 0
    /// Places 0 to 63: the bit is set while the link there is idle.
    private var low: UInt64 = 0
    /// The links by place, -1 where there is none.
    private var links: UnsafeMutablePointer<Int32>?
    private var capacity = 0
    /// Places from 64 on.
    private var high: [UInt64] = []

    /// The link at the lowest idle place, or -1.
    @inline(__always)
    var first: Int32 {
        if low != 0 { return links.unsafelyUnwrapped[low.trailingZeroBitCount] }
        return count == 0 ? -1 : firstHigh
    }

    private var firstHigh: Int32 {
        guard let word = high.firstIndex(where: { $0 != 0 }), let links else { return -1 }
        return links[(word + 1) * 64 + high[word].trailingZeroBitCount]
    }

    /// Gives a link that is being opened its place.
    mutating func open(_ link: Int32) -> Int32 {
        if let links, let place = (0..<capacity).first(where: { links[$0] < 0 }) {
            links[place] = link
            return Int32(place)
        }
        let place = capacity
        grow()
        links?[place] = link
        return Int32(place)
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Int32>.allocate(capacity: capacity + 64)
        larger.initialize(repeating: -1, count: capacity + 64)
        if let links { larger.update(from: links, count: capacity) }
        links?.deallocate()
        links = larger
        if capacity > 0 { high.append(0) }
        capacity += 64
    }

    /// The link at the place is gone; it is not idle.
    mutating func close(_ place: Int32) { links?[Int(place)] = -1 }

    /// The link at the place is idle from now on.
    @inline(__always)
    mutating func insert(_ place: Int32) {
        count &+= 1
        if place < 64 { low |= 1 &<< UInt64(truncatingIfNeeded: place) } else { high[Int(place) / 64 - 1] |= 1 << UInt64(place % 64) }
    }

    /// The link at the place, which is idle, is leased or closed.
    @inline(__always)
    mutating func remove(_ place: Int32) {
        count &-= 1
        if place < 64 { low &= ~(1 &<< UInt64(truncatingIfNeeded: place)) } else { high[Int(place) / 64 - 1] &= ~(1 << UInt64(place % 64)) }
    }

    /// All idle links by rising place, as long as the body wants to go on.
    func forEach(_ body: (Int32) -> Bool) {
        guard let links else { return }
        for word in 0...high.count {
            var bits = word == 0 ? low : high[word - 1]
            while bits != 0 {
                guard body(links[word * 64 + bits.trailingZeroBitCount]) else { return }
                bits &= bits - 1
            }
        }
    }

    /// Gives back the memory.
    mutating func free() {
        links?.deallocate()
        links = nil
    }
}
