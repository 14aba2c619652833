// Normalization Form KC (Unicode Standard Annex 15) for passwords: decompose for compatibility, put combining marks
// into their canonical order, compose again. Neither Foundation nor ICU is linked for this one use; the standard
// library gives the combining classes and the composition exclusions, DecompositionData the rest.

/// Decompositions and compositions, unpacked once, when the first password outside ASCII comes.
struct CompatibilityNormalization: Sendable {
    /// The one copy; it never changes.
    static let shared = CompatibilityNormalization()

    private struct Pair: Hashable {
        let first: UInt32
        let second: UInt32
    }

    private var decompositions: [UInt32: [UInt32]] = [:]
    private var compositions: [Pair: UInt32] = [:]

    private init() {
        var current: UInt32 = 0
        var last: (points: [UInt32], isCanonical: Bool) = ([], false)
        for word in DecompositionData.words.split(separator: " ") {
            let mark = word.first
            let body = mark == "@" || mark == "<" || mark == "=" || mark == "+" ? word.dropFirst() : word
            let numbers = body.split(separator: ".").map { UInt32($0, radix: 16) ?? 0 }
            switch mark {
            case "@": current = numbers[0]
            case "=", "+":
                for _ in 0..<numbers[0] {
                    if mark == "+" { last.points[last.points.count - 1] += 1 }
                    add(current, last.points, isCanonical: last.isCanonical)
                    current += 1
                }
            default:
                last = (numbers, mark != "<")
                add(current, last.points, isCanonical: last.isCanonical)
                current += 1
            }
        }
    }

    private mutating func add(_ point: UInt32, _ decomposition: [UInt32], isCanonical: Bool) {
        decompositions[point] = decomposition
        guard isCanonical, decomposition.count == 2,
            Unicode.Scalar(point)?.properties.isFullCompositionExclusion == false
        else { return }
        compositions[Pair(first: decomposition[0], second: decomposition[1])] = point
    }

    /// The normal form of a text given as code points.
    func normalize(_ points: [UInt32]) -> [UInt32] {
        var decomposed: [UInt32] = []
        for point in points { decompose(point, into: &decomposed) }
        return compose(inCanonicalOrder(decomposed))
    }

    private func decompose(_ point: UInt32, into result: inout [UInt32]) {
        if let syllable = Hangul.decompose(point) {
            result += syllable
        } else if let decomposition = decompositions[point] {
            for part in decomposition { decompose(part, into: &result) }
        } else {
            result.append(point)
        }
    }

    private func combiningClass(_ point: UInt32) -> UInt8 {
        Unicode.Scalar(point)?.properties.canonicalCombiningClass.rawValue ?? 0
    }

    /// Sorts each run of combining marks by class, keeping the order within a class.
    private func inCanonicalOrder(_ points: [UInt32]) -> [UInt32] {
        var result = points
        for end in result.indices.dropFirst() {
            let own = combiningClass(result[end])
            var place = end
            while own != 0, place > 0, combiningClass(result[place - 1]) > own {
                result.swapAt(place, place - 1)
                place -= 1
            }
        }
        return result
    }

    /// Joins each mark that nothing blocks with the last starter.
    private func compose(_ points: [UInt32]) -> [UInt32] {
        var result: [UInt32] = []
        var starter: Int?
        var lastClass: UInt8 = 0
        for point in points {
            let own = combiningClass(point)
            if let starter, lastClass < own || result.count == starter + 1,
                let composed = Hangul.compose(result[starter], point)
                    ?? compositions[Pair(first: result[starter], second: point)]
            {
                result[starter] = composed
                continue
            }
            result.append(point)
            if own == 0 { starter = result.count - 1 }
            lastClass = own
        }
        return result
    }
}

/// Hangul syllables decompose by arithmetic (The Unicode Standard, section 3.12).
private enum Hangul {
    static func decompose(_ point: UInt32) -> [UInt32]? {
        guard point >= 0xAC00, point < 0xAC00 + 11_172 else { return nil }
        let index = point - 0xAC00
        let syllable = [0x1100 + index / 588, 0x1161 + index % 588 / 28]
        return index % 28 == 0 ? syllable : syllable + [0x11A7 + index % 28]
    }

    static func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if first >= 0x1100, first < 0x1113, second >= 0x1161, second < 0x1176 {
            return 0xAC00 + ((first - 0x1100) * 21 + second - 0x1161) * 28
        }
        let isOpenSyllable = first >= 0xAC00 && first < 0xAC00 + 11_172 && (first - 0xAC00) % 28 == 0
        guard isOpenSyllable, second > 0x11A7, second < 0x11C3 else { return nil }
        return first + second - 0x11A7
    }
}
