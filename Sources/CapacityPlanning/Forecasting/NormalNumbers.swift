// NormalNumbers: reproducible draws from the normal and the chi-square distribution, for what is tried many times.
import Foundation
import Primitives

struct NormalNumbers {
    private let source: SeededRandomSource
    private var spare: Double?

    init(seed: UInt64) { source = SeededRandomSource(seed: seed) }

    /// From 0 to below 1.
    func uniform() -> Double { Double(source.next() >> 11) * 0x1p-53 }

    /// Mean 0, standard deviation 1 (Box and Muller, A Note on the Generation of Random Normal Deviates, 1958).
    mutating func next() -> Double {
        if let value = spare {
            spare = nil
            return value
        }
        let radius = (-2 * log(1 - uniform())).squareRoot()
        let angle = 2 * Double.pi * uniform()
        spare = radius * sin(angle)
        return radius * cos(angle)
    }

    /// The sum of the squares of so many normal numbers.
    mutating func chiSquare(_ count: Int) -> Double { (0..<count).reduce(0.0) { sum, _ in let value = next(); return sum + value * value } }
}
