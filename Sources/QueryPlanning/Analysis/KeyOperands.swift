// Constants of the text -> operands of a route: only what is certain to compare with the key as the key's own type does.
import ShardMap

extension AnalysisContext {
    /// "The key is one of these constants" as a condition; nil when a constant may equal keys in a way that hashing does
    /// not see (other types, modifiers), so that all shards must be asked.
    func condition(_ constants: ConstantSet, _ placement: KeyPlacement, of column: KeyColumn = .unknown) -> KeyCondition? {
        if constants.isArray { return arrayCondition(constants.terms[0], placement) }
        var operands: [KeyOperand] = []
        for term in constants.terms {
            guard let operand = operand(term, placement.keyType) else { return nil }
            operands.append(operand)
        }
        return KeyCondition(placement: placement, operands: operands, column: column)
    }

    private func arrayCondition(_ term: ConstantTerm, _ placement: KeyPlacement) -> KeyCondition? {
        guard case .parameter(let number) = term.value else { return nil }
        let declared = declaredType(number).flatMap { TypeOID.elementByArray[$0] ?? TypeOID.unknown }
        guard fits(declared, placement.keyType), fits(term.castTypeOID, placement.keyType) else { return nil }
        return KeyCondition(placement: placement, operands: [.parameter(number)], isArrayParameter: true)
    }

    private func declaredType(_ number: Int) -> UInt32? {
        guard parameterTypes.indices.contains(number - 1), parameterTypes[number - 1] != 0 else { return nil }
        return parameterTypes[number - 1]
    }

    /// Whether a value of this type (nil: to be inferred from the key) compares with the key as keys do.
    private func fits(_ type: UInt32?, _ key: KeyType) -> Bool {
        guard let type else { return true }
        return KeyType(typeOID: type)?.family == key.family
    }

    /// One constant as an operand for keys of `type`.
    func operand(_ term: ConstantTerm, _ type: KeyType) -> KeyOperand? {
        switch term.value {
        case .parameter(let number):
            return fits(declaredType(number), type) && fits(term.castTypeOID, type) ? .parameter(number) : nil
        case .literal(.null): return .null
        case .literal(let literal):
            guard fits(term.castTypeOID, type), let value = keyValue(literal, type) else { return nil }
            guard let location = term.location, isPlainToken(literal, at: location) else { return .constant(value) }
            return .literal(offset: location)
        }
    }

    /// The key a literal means; nil when it means none.
    private func keyValue(_ literal: Literal, _ type: KeyType) -> KeyValue? {
        switch (literal, type.family) {
        case (.integer(let value), .integer): return .integer(Int64(value))
        case (.number(let digits), .integer): return WholeNumber.value(digits).map { .integer($0) }
        case (.string(let value), .text): return .text(value)
        case (.string(let value), _):
            return Array(value.utf8).withUnsafeBytes { try? type.value(text: $0) }
        default: return nil
        }
    }

    /// Whether the token at `location` is read alike by whoever looks at the text later: digits, or a string without
    /// escapes.
    private func isPlainToken(_ literal: Literal, at location: Int) -> Bool {
        switch literal {
        case .integer: return true
        case .number(let digits): return Int64(digits) != nil
        case .string(let value):
            let token = "'" + value + "'"
            guard !value.contains("'"), !value.contains("\\"), location + token.utf8.count <= text.utf8.count else { return false }
            return slice(location..<location + token.utf8.count) == token
        default: return false
        }
    }
}

/// Numeric literals that are whole numbers of bigint's range, however they are written.
enum WholeNumber {
    static func value(_ digits: String) -> Int64? {
        if let value = Int64(digits) { return value }
        guard let point = digits.firstIndex(of: "."), digits.allSatisfy({ $0.isNumber || $0 == "." || $0 == "-" }) else { return nil }
        let fraction = digits[digits.index(after: point)...]
        guard fraction.allSatisfy({ $0 == "0" }) else { return nil }
        return Int64(digits[..<point])
    }
}
