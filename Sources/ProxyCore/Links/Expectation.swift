// Expectation: what a link still has to answer, in order, and what becomes of each answer.
//
// PostgreSQL answers strictly in order, so a queue of small codes beside the link says all: pass this answer to the
// client, swallow that one (it answers something the proxy slipped in), give the next to a task. An answer that the
// proxy itself owes the client keeps its place as a `synthesize` entry. After an error PostgreSQL skips to Sync; the
// queue then does the same.

/// What becomes of the next answer on a link.
enum Expectation: UInt8 {
    /// A simple Query of the client: everything up to and with ReadyForQuery goes to the client.
    case passQuery
    /// A simple Query of the client within a larger whole: all but ReadyForQuery goes to the client.
    case passQueryWithoutReady
    /// A simple Query the proxy slipped in: nothing goes to the client; an error breaks the link.
    case dropQuery
    /// Parse, Bind or Execute of the BEGIN that the proxy slipped in: nothing goes to the client; an error breaks the link.
    case join
    case passParse, dropParse, synthesizeParse
    case passBind, dropBind
    case passDescribeStatement, passDescribePortal, dropDescribe
    /// A Describe the proxy slipped in for a simple Query: RowDescription goes to the client, NoData does not.
    case passDescription
    case passExecute, dropExecute
    /// An Execute of the client whose rows may hold OIDs that must be translated (see TranslatedReplies).
    case passExecuteTranslated
    case passClose, dropClose, synthesizeClose
    case passSync, dropSync
    /// Everything goes to the link's task until the task takes the entry away.
    case task
}

/// Expectations in order. The first eight are in the record itself, one a byte, which is nearly always all there are; the others in
/// a ring beside it, which alone allocates.
struct ExpectationQueue {
    private static let inlineCount: Int32 = 8

    /// The first, least significant, and those behind it.
    private var front: UInt64 = 0
    private(set) var count: Int32 = 0
    private var ring: UnsafeMutablePointer<ExpectationRing>?

    @inline(__always) var isEmpty: Bool { count == 0 }

    @inline(__always) var first: Expectation? { count == 0 ? nil : entry(0) }

    @inline(__always)
    mutating func append(_ expectation: Expectation) {
        if count >= Self.inlineCount { return appendToRing(expectation) }
        front |= UInt64(expectation.rawValue) &<< UInt64(truncatingIfNeeded: count &* 8)
        count &+= 1
    }

    @inline(__always)
    mutating func removeFirst() {
        front &>>= 8
        if count > Self.inlineCount { refill() }
        count &-= 1
    }

    /// Behind the first stands an answer that the proxy owes.
    @inline(__always)
    var isSynthesizedNext: Bool {
        guard count > 1 else { return false }
        let next = entry(1)
        return next == .synthesizeParse || next == .synthesizeClose
    }

    mutating func removeAll() {
        front = 0
        count = 0
        ring?.pointee.removeAll()
    }

    /// The entry `offset` places behind the first; it must be there.
    @inline(__always)
    func entry(_ offset: Int32) -> Expectation {
        if offset >= Self.inlineCount { return entryInRing(offset) }
        let code = UInt8(truncatingIfNeeded: front &>> UInt64(truncatingIfNeeded: offset &* 8))
        // `Expectation(rawValue:)` would be called for this; a case is in memory what its raw value says.
        return unsafeBitCast(code, to: Expectation.self)
    }

    @inline(never)
    private func entryInRing(_ offset: Int32) -> Expectation { ring.unsafelyUnwrapped.pointee.entry(offset - Self.inlineCount) }

    @inline(never)
    private mutating func appendToRing(_ expectation: Expectation) {
        if ring == nil {
            let new = UnsafeMutablePointer<ExpectationRing>.allocate(capacity: 1)
            new.initialize(to: ExpectationRing())
            ring = new
        }
        ring?.pointee.append(expectation)
        count += 1
    }

    /// The first of the ring becomes the eighth in the record.
    @inline(never)
    private mutating func refill() {
        guard let ring else { return }
        front |= UInt64(ring.pointee.entry(0).rawValue) << UInt64((Self.inlineCount - 1) * 8)
        ring.pointee.removeFirst()
    }
}

/// A ring of expectations on memory of its own. Appending allocates only while the ring grows.
private struct ExpectationRing {
    private var base: UnsafeMutablePointer<Expectation> = .allocate(capacity: 16)
    private var capacity: Int32 = 16
    private var head: Int32 = 0
    private var count: Int32 = 0

    mutating func append(_ expectation: Expectation) {
        if count == capacity { grow() }
        base[Int((head + count) & (capacity - 1))] = expectation
        count += 1
    }

    mutating func removeFirst() {
        head = (head + 1) & (capacity - 1)
        count -= 1
    }

    mutating func removeAll() {
        head = 0
        count = 0
    }

    /// The entry `offset` places behind the first.
    func entry(_ offset: Int32) -> Expectation { base[Int((head + offset) & (capacity - 1))] }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Expectation>.allocate(capacity: Int(capacity) * 2)
        for index in 0..<count { larger[Int(index)] = base[Int((head + index) & (capacity - 1))] }
        base.deallocate()
        base = larger
        head = 0
        capacity *= 2
    }
}
