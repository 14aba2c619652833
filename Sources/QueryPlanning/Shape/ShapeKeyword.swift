// ShapeKeyword: the few keywords that decide which literals may be taken out of a shape.

/// What a word without quotes means for the literals around it. A word behind a dot is never a keyword.
enum ShapeKeyword {
    /// A name, a function, or a keyword that does not matter here. A parenthesis behind it holds arguments.
    case name
    /// A parenthesis behind it is a plain group: WHERE AND OR NOT ON HAVING WHEN.
    case group
    /// AND: a group, and the second half of BETWEEN.
    case and
    /// SELECT, WITH: what stands in their parentheses is a query, not arguments.
    case query
    /// IN: a list of values in parentheses may follow.
    case membership
    /// VALUES: rows of values in parentheses follow.
    case values
    /// LIMIT, OFFSET, LIKE, ILIKE: one literal may follow.
    case operandPrefix
    case between

    /// The meaning of a word of at most eight bytes.
    /// - Parameter packed: the word in lower case, first byte lowest, zero bytes behind it.
    @inline(__always)
    init(packed: UInt64) {
        switch packed {
        case Self.pack("where"), Self.pack("or"), Self.pack("not"), Self.pack("on"), Self.pack("having"), Self.pack("when"):
            self = .group
        case Self.pack("and"): self = .and
        case Self.pack("select"), Self.pack("with"): self = .query
        case Self.pack("in"): self = .membership
        case Self.pack("values"): self = .values
        case Self.pack("limit"), Self.pack("offset"), Self.pack("like"), Self.pack("ilike"): self = .operandPrefix
        case Self.pack("between"): self = .between
        default: self = .name
        }
    }

    /// Whether a statement that begins with this word may have a shape.
    @inline(__always)
    static func beginsQuery(packed: UInt64) -> Bool {
        packed == pack("select") || packed == pack("update") || packed == pack("insert") || packed == pack("delete")
            || packed == pack("with")
    }

    /// Whether a literal cast to this type may stay out of the shape: none of them reads names of tables or functions
    /// from it, as regclass and its kin do.
    static func isPlainType(packed: UInt64) -> Bool {
        switch packed {
        case pack("int"), pack("int2"), pack("int4"), pack("int8"), pack("integer"), pack("bigint"), pack("smallint"),
            pack("text"), pack("varchar"), pack("uuid"), pack("numeric"), pack("date"), pack("bool"), pack("boolean"),
            pack("json"), pack("jsonb"):
            true
        default: false
        }
    }

    @inline(__always)
    static func pack(_ word: StaticString) -> UInt64 {
        var packed: UInt64 = 0
        for index in 0..<word.utf8CodeUnitCount { packed |= UInt64(word.utf8Start[index]) << UInt64(8 * index) }
        return packed
    }
}
