// ShapeLiteral: a literal that was taken out of a statement's shape, and where it stands in the text.

/// Classes of literals that are told apart in a shape. Two literals of one class lead the parser to the same tree, and
/// PostgreSQL gives both the same type.
enum LiteralClass: UInt8 {
    /// Digits up to 2147483647: integer.
    case int4 = 1
    /// Digits up to 9223372036854775807: bigint.
    case int8 = 2
    /// More digits: numeric.
    case bigInteger = 3
    /// With a point or an exponent: numeric.
    case decimal = 4
    /// '...': unknown until its context gives it a type.
    case string = 5
    /// E'...'
    case escapeString = 6
}

/// One literal taken out of a shape.
struct ShapeLiteral {
    /// Byte range of the literal in the text, with its unary minus, as libpg_query gives locations of constants.
    var start: Int32
    /// Where the token itself begins, without the minus.
    var tokenStart: Int32
    var end: Int32
    var literalClass: LiteralClass
    /// The number that an `int4` or `int8` means, sign included.
    var integer: Int64

    /// The class and value of digits.
    @inline(__always)
    static func classify(digits: UnsafePointer<UInt8>, count: Int) -> (LiteralClass, UInt64) {
        if count > 19 { return classifyMany(digits: digits, count: count) }
        // 19 digits always fit an UInt64.
        var value: UInt64 = 0
        for index in 0..<count { value = value &* 10 &+ UInt64(digits[index] &- UInt8(ascii: "0")) }
        if value <= UInt64(Int32.max) { return (.int4, value) }
        return value <= UInt64(Int64.max) ? (.int8, value) : (.bigInteger, 0)
    }

    /// Digits of any number; leading zeros do not count.
    @inline(never)
    private static func classifyMany(digits: UnsafePointer<UInt8>, count: Int) -> (LiteralClass, UInt64) {
        var zeros = 0
        while zeros < count, digits[zeros] == UInt8(ascii: "0") { zeros += 1 }
        return count - zeros > 19 ? (.bigInteger, 0) : classify(digits: digits + zeros, count: count - zeros)
    }
}
