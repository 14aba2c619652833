// Integers as text, read exactly as PostgreSQL's pg_strtoint16/32/64 (numutils.c) do: the proxy must take for a
// number what the shard takes for one, no more and no less, or it would look for a row in the wrong place.
//
// PostgreSQL 16 also takes 0x1F, 0o17, 0b11 and 1_000; which rules hold is told by the server's version.

/// What a text is as an integer.
public enum IntegerText: Equatable, Sendable {
    case value(Int64)
    /// 22P02 in PostgreSQL.
    case invalidSyntax
    /// 22003 in PostgreSQL.
    case outOfRange

    /// Reads `text` as a signed integer of `bits` (16, 32 or 64).
    /// - Parameter nonDecimal: whether the rules of PostgreSQL 16 hold. Allocates nothing.
    public init(_ text: UnsafeRawBufferPointer, bits: Int = 64, nonDecimal: Bool = false) {
        var scan = IntegerScan(text, limit: UInt64(1) << UInt64(bits - 1), nonDecimal: nonDecimal)
        self = scan.run()
    }

    public var value: Int64? {
        if case .value(let value) = self { return value }
        return nil
    }
}

/// White space as C's isspace sees it: what PostgreSQL's input functions skip.
@inlinable
func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }

private struct IntegerScan {
    let text: UnsafeRawBufferPointer
    /// The magnitude of the smallest value; the largest is one less.
    let limit: UInt64
    let nonDecimal: Bool
    var position = 0

    init(_ text: UnsafeRawBufferPointer, limit: UInt64, nonDecimal: Bool) {
        self.text = text
        self.limit = limit
        self.nonDecimal = nonDecimal
    }

    /// The byte at `offset` from here; zero beyond the end, as in a C string.
    func byte(_ offset: Int = 0) -> UInt8 {
        position + offset < text.count ? text[position + offset] : 0
    }

    mutating func skipSpaces() {
        while isSpace(byte()) { position += 1 }
    }

    mutating func run() -> IntegerText {
        skipSpaces()
        let isNegative = byte() == UInt8(ascii: "-")
        if isNegative || byte() == UInt8(ascii: "+") { position += 1 }
        switch magnitude(base: base()) {
        case .invalid: return .invalidSyntax
        case .tooLarge: return .outOfRange
        case .digits(let magnitude):
            skipSpaces()
            guard position == text.count else { return .invalidSyntax }
            if isNegative { return .value(Int64(truncatingIfNeeded: 0 &- magnitude)) }
            return magnitude == limit ? .outOfRange : .value(Int64(magnitude))
        }
    }

    /// Steps over a prefix for another base than ten.
    mutating func base() -> UInt64 {
        guard nonDecimal, byte() == UInt8(ascii: "0") else { return 10 }
        let base: UInt64
        switch byte(1) | 0x20 {
        case UInt8(ascii: "x"): base = 16
        case UInt8(ascii: "o"): base = 8
        case UInt8(ascii: "b"): base = 2
        default: return 10
        }
        position += 2
        return base
    }

    enum Magnitude {
        case digits(UInt64)
        case invalid
        case tooLarge
    }

    /// The digits from here. Being too large is found before a bad character behind it, as in PostgreSQL.
    mutating func magnitude(base: UInt64) -> Magnitude {
        var value: UInt64 = 0
        let start = position
        while true {
            if let digit = digit(byte(), base) {
                let (product, overflow) = value.multipliedReportingOverflow(by: base)
                value = product &+ digit
                if overflow || value < product || value > limit { return .tooLarge }
                position += 1
            } else if nonDecimal, byte() == UInt8(ascii: "_"), base != 10 || position > start {
                guard digit(byte(1), base) != nil else { return .invalid }
                position += 1
            } else {
                return position > start ? .digits(value) : .invalid
            }
        }
    }

    func digit(_ byte: UInt8, _ base: UInt64) -> UInt64? {
        let value: UInt8
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): value = byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): value = byte - UInt8(ascii: "A") + 10
        default: return nil
        }
        return UInt64(value) < base ? UInt64(value) : nil
    }
}
