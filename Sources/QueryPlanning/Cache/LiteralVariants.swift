// LiteralVariants: the same statement with other literals, to put the premise of the shape cache to the test.
//
// A plan may serve a whole shape only if no literal taken out had a say in it. Two texts show whether one had: in the
// first all literals of a class are equal (`a.k = 5 AND b.k = 5`), in the second all are different. An analyser that looks
// at values, or compares them, gives different plans for them.
import Primitives

struct LiteralVariants {
    let text: [UInt8]
    let literals: [ShapeLiteral]

    /// Every literal reads like the first of its class.
    func allEqual() -> [UInt8] {
        replacing { literal, _ in
            let first = literals.first { $0.literalClass == literal.literalClass } ?? literal
            return Array(text[unsigned(first)])
        }
    }

    /// No two literals of a class are equal, and none is as it was.
    func allDifferent() -> [UInt8] {
        replacing { literal, index in
            let original = Array(text[unsigned(literal)])
            switch literal.literalClass {
            case .int4: return Array("\(1_000_000_007 + index)".utf8)
            case .int8: return Array("\(1_000_000_000_000_000_007 + index)".utf8)
            case .bigInteger: return Array("1\(1_000_000_000_000_000_000 + index)0".utf8)
            case .decimal: return Array("\(7_000 + index).5".utf8)
            case .string, .escapeString: return marked(original, index)
            }
        }
    }

    /// A string whose last letters or digits are replaced by digits: a number, a uuid, a date of the same form.
    private func marked(_ string: [UInt8], _ index: Int) -> [UInt8] {
        var result = string
        var digits = 10 + index % 80
        var place = string.count - 2
        var changed = 0
        while place > 0, changed < 2, CharacterClass.of(result[place]) <= CharacterClass.digit, result[place] < 0x80 {
            let digit = UInt8(ascii: "0") + UInt8(digits % 10)
            result[place] =
                digit == string[place] && changed == 0 ? UInt8(ascii: "0") + UInt8((digits + 1) % 10) : digit
            digits /= 10
            place -= 1
            changed += 1
        }
        return result
    }

    /// The range of a literal without its sign.
    private func unsigned(_ literal: ShapeLiteral) -> Range<Int> { Int(literal.tokenStart)..<Int(literal.end) }

    private func replacing(_ replacement: (ShapeLiteral, Int) -> [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var position = 0
        for (index, literal) in literals.enumerated() {
            let range = unsigned(literal)
            result += text[position..<range.lowerBound]
            result += replacement(literal, index)
            position = range.upperBound
        }
        return result + text[position...]
    }
}
