// How ShapeBuilder writes tokens and literals. The buffer has room for the longest text in its longest form, so
// nothing here checks for space.
#if canImport(Glibc)
    import Glibc
#endif

extension ShapeBuilder {
    /// Appends the token's bytes.
    @inline(__always)
    mutating func appendRaw() { append(from: lexer.start, to: lexer.position) }

    @inline(__always)
    mutating func append(from start: Int, to end: Int) {
        let length = end &- start
        if length == 1 { output[0] = lexer.text.base[start] } else { memcpy(output, lexer.text.base + start, length) }
        output += length
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        output[0] = byte
        output += 1
    }

    @inline(__always)
    mutating func appendTerminated() {
        appendRaw()
        append(Self.terminator)
    }

    /// Appends a word in lower case, eight bytes at a time where the text has them.
    /// - Returns: its bytes, packed, for ShapeKeywordTable; zero if it has more than eight.
    @inline(__always)
    mutating func appendFolded() -> UInt64 {
        let length = lexer.length
        let source = UnsafeRawPointer(lexer.text.base + lexer.start)
        var first: UInt64
        if lexer.start &+ (length &+ 7) & ~7 <= lexer.text.count {
            first = Self.folded(source.loadUnaligned(as: UInt64.self))
            UnsafeMutableRawPointer(output).storeBytes(of: first, as: UInt64.self)
            var offset = 8
            while offset < length {
                let word = Self.folded(source.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                UnsafeMutableRawPointer(output + offset).storeBytes(of: word, as: UInt64.self)
                offset &+= 8
            }
            first = length > 8 ? 0 : first & (~0 &>> UInt64(truncatingIfNeeded: 64 &- 8 &* length))
        } else {
            first = Self.copyFolded(lexer.text.base + lexer.start, length, to: output)
        }
        output[length] = Self.terminator
        output += length &+ 1
        return first
    }

    /// The same near the end of the text.
    @inline(never)
    private static func copyFolded(
        _ source: UnsafePointer<UInt8>, _ length: Int, to output: UnsafeMutablePointer<UInt8>
    ) -> UInt64 {
        var packed: UInt64 = 0
        for index in 0..<length {
            let byte = source[index]
            let folded = byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
            output[index] = folded
            if index < 8 { packed |= UInt64(folded) << UInt64(8 * index) }
        }
        return length > 8 ? 0 : packed
    }

    /// Eight bytes with A to Z in lower case; bytes outside ASCII stay.
    @inline(__always)
    private static func folded(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let low = word & (ones &* 0x7F)
        let fromA = low &+ ones &* UInt64(0x80 - 0x41)
        let beyondZ = low &+ ones &* UInt64(0x7F - 0x5A)
        let capitals = (fromA ^ beyondZ) & ~word & (ones &* 0x80)
        return word | capitals >> 2
    }

    /// A literal's text becomes part of the shape.
    @inline(__always)
    mutating func stay(number: Bool) {
        if number { append(Self.numberMark) }
        appendTerminated()
        attachment = .none
    }

    /// A literal's class becomes part of the shape, and its place is noted.
    @inline(__always)
    mutating func takeOut(_ literalClass: LiteralClass, integer: Int64) {
        guard literalCount < ShapeScanner.maximumLiteralCount else {
            refusal = .tooManyLiterals
            return
        }
        append(literalClass.rawValue)
        let start = signStart >= 0 ? signStart : lexer.start
        literals[literalCount] = ShapeLiteral(
            start: Int32(truncatingIfNeeded: start), tokenStart: Int32(truncatingIfNeeded: lexer.start),
            end: Int32(truncatingIfNeeded: lexer.position), literalClass: literalClass, integer: integer)
        literalCount &+= 1
        attachment = .literal
    }

    /// Makes the literal taken out last part of the shape after all.
    @inline(__always)
    mutating func putBack() {
        literalCount &-= 1
        output = Self.copy(literals[literalCount], from: lexer.text.base, to: output)
        attachment = .none
    }

    @inline(never)
    private static func copy(
        _ literal: ShapeLiteral, from text: UnsafePointer<UInt8>, to output: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let count = Int(literal.end - literal.start)
        output[0] = putBackMark
        memcpy(output + 1, text + Int(literal.start), count)
        output[count + 1] = terminator
        return output + count + 2
    }

    /// A word behind a literal, its cast or its type: only a plain type keeps the literal out.
    @inline(__always)
    mutating func attachWord(_ keyword: ShapeKeyword) {
        if attachment == .cast {
            if keyword.contains(.plainType) { attachment = .type } else { putBack() }
        } else {
            attachment = .none
        }
    }

    /// A cast behind a literal holds the literal in suspense; a second one, a type modifier, an array type or a
    /// qualified type puts it back.
    @inline(__always)
    mutating func attachPunctuation(_ byte: UInt8) {
        let isCast = byte == UInt8(ascii: ":")
        switch attachment {
        case .literal: attachment = isCast ? .cast : .none
        case .cast: putBack()
        case .type where isCast || byte == UInt8(ascii: "(") || byte == UInt8(ascii: "[") || byte == UInt8(ascii: "."):
            putBack()
        case .type, .none: attachment = .none
        }
    }
}
