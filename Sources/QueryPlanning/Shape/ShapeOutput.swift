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
        if end - start == 1 { output[0] = lexer.base[start] } else { memcpy(output, lexer.base + start, end - start) }
        output += end - start
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
    /// - Returns: its first eight bytes, zeros behind shorter words.
    @inline(__always)
    mutating func appendFolded(_ length: Int) -> UInt64 {
        let source = UnsafeRawPointer(lexer.base + lexer.start)
        guard lexer.start + (length + 7) & ~7 <= lexer.count else { return appendFoldedBytes(length) }
        let first = Self.folded(source.loadUnaligned(as: UInt64.self))
        UnsafeMutableRawPointer(output).storeBytes(of: first, as: UInt64.self)
        var offset = 8
        while offset < length {
            let word = Self.folded(source.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            UnsafeMutableRawPointer(output + offset).storeBytes(of: word, as: UInt64.self)
            offset += 8
        }
        output[length] = Self.terminator
        output += length + 1
        return length < 8 ? first & (1 << UInt64(8 * length) &- 1) : first
    }

    /// The same near the end of the text.
    @inline(never)
    private mutating func appendFoldedBytes(_ length: Int) -> UInt64 {
        var packed: UInt64 = 0
        for index in 0..<length {
            let byte = lexer.base[lexer.start + index]
            let folded = byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
            output[index] = folded
            if index < 8 { packed |= UInt64(folded) << UInt64(8 * index) }
        }
        output[length] = Self.terminator
        output += length + 1
        return packed
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
        if number {
            append(Self.numberMark)
            appendTerminated()
        } else {
            appendRaw()
        }
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
        literalCount += 1
        attachment = .literal
    }

    /// Makes the literal taken out last part of the shape after all.
    @inline(never)
    mutating func putBack() {
        literalCount -= 1
        append(Self.putBackMark)
        append(from: Int(literals[literalCount].start), to: Int(literals[literalCount].end))
        append(Self.terminator)
        attachment = .none
    }

    /// A word behind a literal, its cast or its type: only a plain type keeps the literal out.
    @inline(never)
    mutating func attachWord(packed: UInt64) {
        if attachment == .cast {
            if ShapeKeyword.isPlainType(packed: packed) { attachment = .type } else { putBack() }
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
        case .type where isCast || byte == UInt8(ascii: "(") || byte == UInt8(ascii: "[") || byte == UInt8(ascii: "."): putBack()
        case .type, .none: attachment = .none
        }
    }
}
