// KeyParsing: a key's text or binary format -> the number or uuid it means.
//
// The same rules as PostgreSQL 15's input functions: pg_strtoint16 / 32 / 64 (src/backend/utils/adt/numutils.c: blanks
// around an optional sign and digits) and string_to_uuid (src/backend/utils/adt/uuid.c: braces around it and a hyphen
// after every fourth digit are optional). Text needs no parsing. Nothing here allocates.

extension KeyType {
    /// The number an integer key's text means. O(bytes).
    /// - Throws: `invalidSyntax`, or `outOfRange` for this type.
    @inlinable @inline(__always)
    public func integer(text: UnsafeRawBufferPointer) throws(KeyFormatError) -> Int64 {
        if let value = Self.fewDigits(text), self != .int2 { return value }
        return try integerWithCare(text: text)
    }

    /// One to nine digits and nothing else: in the range of int4, so that nothing has to be checked. Nearly all keys are such:
    /// 40 instructions instead of 170.
    @inlinable @inline(__always)
    static func fewDigits(_ text: UnsafeRawBufferPointer) -> Int64? {
        guard text.count &- 1 < 9, text.count > 0 else { return nil }
        var value: Int64 = 0
        for byte in text {
            let digit = byte &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            value = value &* 10 &+ Int64(digit)
        }
        return value
    }

    @usableFromInline @inline(never)
    func integerWithCare(text: UnsafeRawBufferPointer) throws(KeyFormatError) -> Int64 {
        var position = 0
        while position < text.count, Self.isBlank(text[position]) { position += 1 }
        var negative = false
        if position < text.count, text[position] == UInt8(ascii: "-") || text[position] == UInt8(ascii: "+") {
            negative = text[position] == UInt8(ascii: "-")
            position += 1
        }
        let digitsStart = position
        // Grows away from zero below it, where every type reaches one further; PostgreSQL, too, reports overflow at
        // the digit where it happens, whatever follows.
        var value: Int64 = 0
        let lowest = integerRange.lowerBound
        while position < text.count, text[position] &- UInt8(ascii: "0") <= 9 {
            let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowAgain) = tenfold.subtractingReportingOverflow(Int64(text[position] - UInt8(ascii: "0")))
            guard !overflow, !overflowAgain, sum >= lowest else { throw .outOfRange }
            value = sum
            position += 1
        }
        guard position > digitsStart else { throw .invalidSyntax }
        while position < text.count, Self.isBlank(text[position]) { position += 1 }
        guard position == text.count else { throw .invalidSyntax }
        if negative { return value }
        guard value > lowest else { throw .outOfRange }
        return -value
    }

    /// The number an integer key's binary format means. O(1).
    /// - Throws: `insufficientData` or `incorrectBinaryFormat` for a wrong length.
    @inlinable
    public func integer(binary: UnsafeRawBufferPointer) throws(KeyFormatError) -> Int64 {
        switch self {
        case .int2:
            try Self.check(binary, is: 2)
            return Int64(Int16(bigEndian: binary.loadUnaligned(as: Int16.self)))
        case .int4:
            try Self.check(binary, is: 4)
            return Int64(Int32(bigEndian: binary.loadUnaligned(as: Int32.self)))
        case .int8, .text, .uuid:
            try Self.check(binary, is: 8)
            return Int64(bigEndian: binary.loadUnaligned(as: Int64.self))
        }
    }

    /// The uuid that `text` means, in any form PostgreSQL reads. O(1).
    /// - Throws: `invalidSyntax`.
    public static func uuid(text: UnsafeRawBufferPointer) throws(KeyFormatError) -> UUIDKey {
        var position = 0
        let braces = text.first == UInt8(ascii: "{")
        if braces { position += 1 }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for digit in 0..<32 {
            guard position < text.count, let value = hexadecimalDigit(text[position]) else { throw .invalidSyntax }
            high = high << 4 | low >> 60
            low = low << 4 | UInt64(value)
            position += 1
            let mayHyphen = digit & 3 == 3 && digit < 31
            if mayHyphen, position < text.count, text[position] == UInt8(ascii: "-") { position += 1 }
        }
        if braces {
            guard position < text.count, text[position] == UInt8(ascii: "}") else { throw .invalidSyntax }
            position += 1
        }
        guard position == text.count else { throw .invalidSyntax }
        return UUIDKey(high: high, low: low)
    }

    /// The uuid of a binary value of 16 bytes.
    /// - Throws: `insufficientData` or `incorrectBinaryFormat` for a wrong length.
    @inlinable
    public static func uuid(binary: UnsafeRawBufferPointer) throws(KeyFormatError) -> UUIDKey {
        try check(binary, is: 16)
        return UUIDKey(bytes: binary).unsafelyUnwrapped
    }

    /// The value of a key in text format, for slow paths. Allocates for text.
    /// - Throws: as `integer(text:)` and `uuid(text:)`.
    public func value(text: UnsafeRawBufferPointer) throws(KeyFormatError) -> KeyValue {
        switch family {
        case .integer: .integer(try integer(text: text))
        case .text: .text([UInt8](text))
        case .uuid: .uuid(try Self.uuid(text: text))
        }
    }

    /// The value of a key in binary format, for slow paths. Allocates for text.
    /// - Throws: as `integer(binary:)` and `uuid(binary:)`.
    public func value(binary: UnsafeRawBufferPointer) throws(KeyFormatError) -> KeyValue {
        switch family {
        case .integer: .integer(try integer(binary: binary))
        case .text: .text([UInt8](binary))
        case .uuid: .uuid(try Self.uuid(binary: binary))
        }
    }

    @inlinable
    static func check(_ binary: UnsafeRawBufferPointer, is count: Int) throws(KeyFormatError) {
        if binary.count < count { throw .insufficientData }
        if binary.count > count { throw .incorrectBinaryFormat }
    }

    /// isspace in the C locale.
    @inline(__always)
    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    @inline(__always)
    private static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
