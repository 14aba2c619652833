// TextTemplates: the shape of a text that differs only in literals from one scanned before, found without a scan.
//
// A template is a text that was scanned, with the places of the literals that were taken out of its shape. A text has the
// template's shape if it has the template's bytes between the literals and in the place of each literal a literal of the
// same class: a run of digits, or a string without quotes inside. That is proof, not a guess, because PostgreSQL's
// scanner treats every digit in such a run alike and every byte in such a string alike, and looks no further back than at
// the token's first byte and no further ahead than at the byte behind it, which is the template's.
//
// Templates are only a way to a shape: each names its slot in the ShapeCache and the entry that was there, so that it ends
// with that entry. Measured for pgbench's point query of 57 bytes: 200 instructions instead of 1,950.
//
// Everything lies in raw memory of a fixed size, so that neither finding nor keeping allocates.
#if canImport(Glibc)
    import Glibc
#endif

/// Texts by their first sixteen bytes. Not thread safe.
struct TextTemplates {
    /// Longer texts, and those with more literals, are scanned each time.
    static let maximumTextBytes = 512
    static let maximumLiteralCount = 8
    /// The bytes a template is found by; shorter texts are scanned, which is quick for them.
    private static let headBytes = 16
    private static let setCount = 256
    private static let ways = 4

    private struct Template {
        /// Hash of the first bytes and the environment; zero: the place is free.
        var tag: UInt64 = 0
        var environment: UInt32 = 0
        var byteCount: Int32 = 0
        var literalCount: Int32 = 0
        var entry = ShapeEntry(slot: -1, serial: 0)
    }

    private let templates: UnsafeMutablePointer<Template>
    private let literals: UnsafeMutablePointer<ShapeLiteral>
    private let texts: UnsafeMutablePointer<UInt8>
    /// Which way of a set is given away next.
    private let hand: UnsafeMutablePointer<Int>

    init() {
        let count = Self.setCount * Self.ways
        templates = .allocate(capacity: count)
        templates.initialize(repeating: Template(), count: count)
        literals = .allocate(capacity: count * Self.maximumLiteralCount)
        texts = .allocate(capacity: count * Self.maximumTextBytes)
        hand = .allocate(capacity: 1)
        hand.initialize(to: 0)
    }

    func free() {
        templates.deallocate()
        literals.deallocate()
        texts.deallocate()
        hand.deallocate()
    }

    /// The entry of a text's shape, if a template shows it.
    /// - Parameter found: where the text's literals are written, as a scan would.
    @inline(__always)
    func find(
        _ text: UnsafeRawBufferPointer, environment: UInt32, literals found: UnsafeMutablePointer<ShapeLiteral>
    ) -> ShapeEntry? {
        guard text.count >= Self.headBytes, text.count <= Self.maximumTextBytes, let base = text.baseAddress else {
            return nil
        }
        let tag = Self.tag(base, environment)
        let first = Self.firstPlace(tag)
        for place in first..<first &+ Self.ways where templates[place].tag == tag {
            if templates[place].environment == environment, matches(place, base, text.count, found) {
                return templates[place].entry
            }
        }
        return nil
    }

    /// Keeps a text that was scanned and whose shape has an entry.
    @inline(never)
    func insert(
        _ text: UnsafeRawBufferPointer, environment: UInt32, literals source: UnsafePointer<ShapeLiteral>, count: Int,
        entry: ShapeEntry
    ) {
        guard text.count >= Self.headBytes, text.count <= Self.maximumTextBytes, let base = text.baseAddress,
            Self.isSuitable(source, count, base.assumingMemoryBound(to: UInt8.self))
        else { return }
        let tag = Self.tag(base, environment)
        let place = placeToFill(tag)
        templates[place] = Template(
            tag: tag, environment: environment, byteCount: Int32(text.count), literalCount: Int32(count), entry: entry)
        (literals + place * Self.maximumLiteralCount).update(from: source, count: count)
        memcpy(texts + place * Self.maximumTextBytes, base, text.count)
    }

    /// Only literals whose end another text shows by itself, and bytes between any two, so that the end is where it was.
    private static func isSuitable(
        _ literals: UnsafePointer<ShapeLiteral>, _ count: Int, _ text: UnsafePointer<UInt8>
    ) -> Bool {
        guard count <= maximumLiteralCount else { return false }
        for index in 0..<count {
            let literal = literals[index]
            if index > 0, literals[index - 1].end >= literal.tokenStart { return false }
            switch literal.literalClass {
            case .int4, .int8: if literal.end - literal.tokenStart > maximumDigits { return false }
            case .string:
                let content = Int(literal.tokenStart) + 1
                if memchr(text + content, quote, Int(literal.end) - 1 - content) != nil { return false }
            case .bigInteger, .decimal, .escapeString: return false
            }
        }
        return true
    }

    /// A free way of the set, one whose entry is to be replaced, or the next in turn.
    private func placeToFill(_ tag: UInt64) -> Int {
        let first = Self.firstPlace(tag)
        for place in first..<first + Self.ways where templates[place].tag == 0 { return place }
        hand.pointee = (hand.pointee + 1) & (Self.ways - 1)
        return first + hand.pointee
    }

    /// The template's entry is gone.
    @inline(never)
    func forget(_ entry: ShapeEntry) {
        for place in 0..<Self.setCount * Self.ways where templates[place].entry == entry {
            templates[place] = Template()
        }
    }

    // MARK: Comparing

    private static let maximumDigits = 19
    private static let quote = Int32(UInt8(ascii: "'"))

    @inline(__always)
    private func matches(
        _ place: Int, _ base: UnsafeRawPointer, _ count: Int, _ found: UnsafeMutablePointer<ShapeLiteral>
    ) -> Bool {
        let known = UnsafeRawPointer(texts + place &* Self.maximumTextBytes)
        var knownOffset = 0
        var offset = 0
        for index in 0..<Int(templates[place].literalCount) {
            let literal = literals[place &* Self.maximumLiteralCount &+ index]
            let length = Int(literal.tokenStart) &- knownOffset
            guard offset &+ length < count, Self.areEqual(known + knownOffset, base + offset, length) else {
                return false
            }
            offset &+= length
            let start = offset
            var integer: Int64 = 0
            if literal.literalClass == .string {
                offset = Self.stringEnd(base, offset, count)
            } else {
                let digits = Self.digits(base, offset, count)
                guard digits.literalClass == literal.literalClass else { return false }
                offset = digits.end
                integer = literal.start == literal.tokenStart ? digits.value : 0 &- digits.value
            }
            guard offset > start else { return false }
            found[index] = ShapeLiteral(
                start: Int32(truncatingIfNeeded: start) &- (literal.tokenStart &- literal.start),
                tokenStart: Int32(truncatingIfNeeded: start), end: Int32(truncatingIfNeeded: offset),
                literalClass: literal.literalClass, integer: integer)
            knownOffset = Int(literal.end)
        }
        let rest = Int(templates[place].byteCount) &- knownOffset
        return rest == count &- offset && Self.areEqual(known + knownOffset, base + offset, rest)
    }

    /// The end of a string that begins at `start`, behind its second quote; `start` if there is none. A doubled quote shows
    /// itself: the byte behind the string is then not the template's.
    @inline(__always)
    private static func stringEnd(_ base: UnsafeRawPointer, _ start: Int, _ count: Int) -> Int {
        guard base.load(fromByteOffset: start, as: UInt8.self) == UInt8(ascii: "'"),
            let end = memchr(base + start + 1, quote, count - start - 1)
        else { return start }
        return UnsafeRawPointer(end) - base + 1
    }

    /// The digits from `start`: what ShapeLiteral makes of them, and where they end. No class that a template has: there
    /// are none, or too many.
    @inline(__always)
    private static func digits(
        _ base: UnsafeRawPointer, _ start: Int, _ count: Int
    ) -> (literalClass: LiteralClass, value: Int64, end: Int) {
        var value: UInt64 = 0
        var offset = start
        while offset < count {
            let digit = base.load(fromByteOffset: offset, as: UInt8.self) &- UInt8(ascii: "0")
            if digit > 9 { break }
            value = value &* 10 &+ UInt64(digit)
            offset &+= 1
        }
        guard offset > start, offset &- start <= maximumDigits, value <= UInt64(Int64.max) else {
            return (.bigInteger, 0, offset)
        }
        return (value <= UInt64(Int32.max) ? .int4 : .int8, Int64(truncatingIfNeeded: value), offset)
    }

    /// Eight bytes a step; a call of memcmp costs more for the few there are.
    @inline(__always)
    private static func areEqual(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, _ count: Int) -> Bool {
        var offset = 0
        while offset &+ 8 <= count {
            if word(left, offset) != word(right, offset) { return false }
            offset &+= 8
        }
        // The last eight bytes overlap what was compared.
        if count >= 8 { return offset == count || word(left, count &- 8) == word(right, count &- 8) }
        while offset < count {
            if left.load(fromByteOffset: offset, as: UInt8.self) != right.load(fromByteOffset: offset, as: UInt8.self) {
                return false
            }
            offset &+= 1
        }
        return true
    }

    @inline(__always)
    private static func word(_ base: UnsafeRawPointer, _ offset: Int) -> UInt64 {
        base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    @inline(__always)
    private static func tag(_ base: UnsafeRawPointer, _ environment: UInt32) -> UInt64 {
        let product = (word(base, 0) ^ UInt64(environment) ^ 0xE703_7ED1_A0B4_28DB).multipliedFullWidth(
            by: word(base, 8) ^ 0x8EBC_6AF0_9C88_C6E3)
        return (product.high ^ product.low) | 1
    }

    @inline(__always)
    private static func firstPlace(_ tag: UInt64) -> Int {
        (Int(truncatingIfNeeded: tag >> 32) & (setCount &- 1)) &* ways
    }
}
