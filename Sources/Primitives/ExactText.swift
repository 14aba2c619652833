// ExactText: Swift takes two texts for equal that Unicode takes for the same characters (é as one scalar, or as e and an accent); PostgreSQL
// compares bytes. Where texts are values, bytes are compared here, too. Where they are names, only names are taken that cannot be written in
// another way, so that the two ways of comparing agree.

extension String {
    /// Of the same bytes.
    @inlinable
    public func isExactly(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }

    /// Adds the bytes.
    @inlinable
    public func hashExactly(into hasher: inout Hasher) {
        var text = self
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        hasher.combine(0xFF as UInt8)
    }

    /// No other text is equal to this one: it is in normalization form C, and no scalar could be part of a composition (the quick check of
    /// Unicode Standard Annex 15 says Yes). O(length); ASCII is read only.
    public var hasOneForm: Bool {
        if utf8.allSatisfy({ $0 < 0x80 }) { return true }
        var lastClass: UInt8 = 0
        for scalar in unicodeScalars where scalar.value >= 0x300 {
            let properties = scalar.properties
            let combiningClass = properties.canonicalCombiningClass.rawValue
            if combiningClass != 0, lastClass > combiningClass { return false }
            if properties.isFullCompositionExclusion || Self.mayCompose(scalar.value) { return false }
            lastClass = combiningClass
        }
        return true
    }

    /// NFC_Quick_Check is Maybe (DerivedNormalizationProps.txt of Unicode 16).
    private static func mayCompose(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x300...0x304, 0x306...0x30C, 0x30F, 0x311, 0x313, 0x314, 0x31B, 0x323...0x328, 0x32D, 0x32E, 0x330, 0x331, 0x338, 0x342, 0x345: true
        case 0x653...0x655, 0x93C, 0x9BE, 0x9D7, 0xB3E, 0xB56, 0xB57, 0xBBE, 0xBD7, 0xC56, 0xCC2, 0xCD5, 0xCD6, 0xD3E, 0xD57, 0xDCA, 0xDCF, 0xDDF: true
        case 0x102E, 0x1161...0x1175, 0x11A8...0x11C2, 0x1B35, 0x3099, 0x309A: true
        case 0x110BA, 0x11127, 0x1133E, 0x11357, 0x113B8, 0x113BB, 0x113C2, 0x113C5, 0x113C7...0x113C9, 0x114B0, 0x114BA, 0x114BD, 0x115AF, 0x11930: true
        case 0x1611E...0x1612A, 0x16D67: true
        default: false
        }
    }
}
