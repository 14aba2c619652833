// ShapeKeyword: the few words that decide which literals may be taken out of a shape.

/// What a word without quotes means for the literals around it. A word behind a dot is never a keyword.
struct ShapeKeyword: OptionSet {
    let rawValue: UInt16

    /// A parenthesis behind it is a plain group; a parenthesis behind any other word holds arguments.
    static let group = ShapeKeyword(rawValue: 1)
    /// One literal may follow.
    static let operandPrefix = ShapeKeyword(rawValue: 2)
    /// What stands in its parentheses is a query, not arguments.
    static let query = ShapeKeyword(rawValue: 4)
    /// A list of values in parentheses may follow.
    static let list = ShapeKeyword(rawValue: 8)
    /// Rows of values follow, each in parentheses.
    static let rows = ShapeKeyword(rawValue: 16)
    static let between = ShapeKeyword(rawValue: 32)
    /// The second half of BETWEEN.
    static let and = ShapeKeyword(rawValue: 64)
    /// A statement that begins with it may have a shape.
    static let beginning = ShapeKeyword(rawValue: 128)
    /// A type to which a literal may be cast without going back into the shape: it reads no names of tables or functions,
    /// as regclass and its kin do.
    static let plainType = ShapeKeyword(rawValue: 256)

    static let words: [(StaticString, ShapeKeyword)] = [
        ("where", .group), ("or", .group), ("not", .group), ("on", .group), ("having", .group), ("when", .group),
        ("and", [.group, .and]), ("select", [.group, .query, .beginning]), ("with", [.group, .query, .beginning]),
        ("in", .list),
        ("values", [.list, .query, .rows]), ("limit", [.group, .operandPrefix]), ("offset", [.group, .operandPrefix]),
        ("like", [.group, .operandPrefix]), ("ilike", [.group, .operandPrefix]),
        ("between", [.group, .operandPrefix, .between]),
        ("insert", .beginning), ("update", .beginning), ("delete", .beginning), ("int", .plainType),
        ("int2", .plainType),
        ("int4", .plainType), ("int8", .plainType), ("integer", .plainType), ("bigint", .plainType),
        ("smallint", .plainType),
        ("text", .plainType), ("varchar", .plainType), ("uuid", .plainType), ("numeric", .plainType),
        ("date", .plainType),
        ("bool", .plainType), ("boolean", .plainType), ("json", .plainType), ("jsonb", .plainType),
    ]
}

/// Finds keywords by their packed bytes, in raw memory: a hash table so sparse that nearly every look-up ends at once.
struct ShapeKeywordTable {
    private struct Slot {
        var packed: UInt64
        var keyword: ShapeKeyword
    }

    private static let bits: UInt64 = 8
    private let slots: UnsafeMutablePointer<Slot>

    init() {
        let count = 1 << Int(Self.bits)
        slots = .allocate(capacity: count)
        slots.initialize(repeating: Slot(packed: 0, keyword: []), count: count)
        for (word, keyword) in ShapeKeyword.words {
            let packed = Self.pack(word)
            var index = Self.slot(packed)
            while slots[index].packed != 0 { index = (index + 1) & (count - 1) }
            slots[index] = Slot(packed: packed, keyword: keyword)
        }
    }

    func free() { slots.deallocate() }

    /// The meaning of a word; empty for all that are no keywords here.
    /// - Parameter packed: the word in lower case, first byte lowest, zero bytes behind it; zero for words of more than
    ///   eight bytes.
    @inline(__always)
    func find(_ packed: UInt64) -> ShapeKeyword {
        var index = Self.slot(packed)
        while slots[index].packed != packed {
            if slots[index].packed == 0 { return [] }
            index = (index &+ 1) & (1 << Int(Self.bits) &- 1)
        }
        return slots[index].keyword
    }

    @inline(__always)
    private static func slot(_ packed: UInt64) -> Int {
        Int(truncatingIfNeeded: (packed &* 0x9E37_79B9_7F4A_7C15) >> (64 - bits))
    }

    private static func pack(_ word: StaticString) -> UInt64 {
        var packed: UInt64 = 0
        for index in 0..<word.utf8CodeUnitCount { packed |= UInt64(word.utf8Start[index]) << UInt64(8 * index) }
        return packed
    }
}
