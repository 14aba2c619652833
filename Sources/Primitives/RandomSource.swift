// RandomSource: randomness as an input. The host hands in the system's entropy, the simulation a seeded generator.

/// Where unpredictable bytes come from (nonces, transaction tokens, cancel keys).
public protocol RandomSource: AnyObject {
    /// Fills `bytes` with random bytes.
    func fill(_ bytes: UnsafeMutableRawBufferPointer)
}

extension RandomSource {
    /// `count` random bytes.
    public func bytes(_ count: Int) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        result.withUnsafeMutableBytes { fill($0) }
        return result
    }

    /// A random number of 32 bits.
    public func number32() -> UInt32 {
        bytes(4).reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// A reproducible generator (SplitMix64: Steele, Lea, Flood, OOPSLA 2014). Not for secrets.
public final class SeededRandomSource: RandomSource {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    public func fill(_ bytes: UnsafeMutableRawBufferPointer) {
        for index in 0..<bytes.count { bytes[index] = UInt8(truncatingIfNeeded: next()) }
    }
}
