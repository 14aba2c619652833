// ExecuteArgument: an argument of EXECUTE that is a literal, and what Bind would carry in its place. PostgreSQL assigns the argument's
// value to the parameter's type; only where that leaves the literal's text as it is, or makes plain digits of it, is it bound here.

/// An argument of EXECUTE.
public struct ExecuteArgument: Sendable, Equatable {
    /// As it is written.
    public let text: String
    /// nil: no literal, and nothing but PostgreSQL can tell its value.
    let literal: Literal?
    /// The type that the literal is cast to.
    let castOID: UInt32?

    /// The value of a parameter in text format.
    public enum Value: Sendable, Equatable {
        case null
        case text(String)
    }

    /// The parameter's value; nil where only PostgreSQL can convert the argument. O(bytes).
    /// - Parameter typeOID: the parameter's type.
    public func value(ofType typeOID: UInt32) -> Value? {
        guard let literal else { return nil }
        guard let castOID, castOID != typeOID else { return Self.assigned(literal, typeOID) }
        if Self.textTypes.contains(castOID), Self.textTypes.contains(typeOID) { return Self.assigned(literal, castOID) }
        guard let range = Self.integerRanges[castOID], Self.integerRanges[typeOID] != nil || Self.numberTypes.contains(typeOID) else { return nil }
        let number: Int64?
        switch literal {
        case .null: return .null
        case .integer(let value): number = Int64(value)
        case .string(let digits), .number(let digits): number = Int64(digits)
        case .boolean, .bitString: number = nil
        }
        return number.flatMap { range.contains($0) ? .text("\($0)") : nil }
    }

    private static let integerRanges: [UInt32: ClosedRange<Int64>] = [
        TypeOID.int2: -0x8000...0x7FFF, TypeOID.int4: Int64(Int32.min)...Int64(Int32.max), TypeOID.int8: Int64.min...Int64.max,
    ]
    private static let numberTypes: Set<UInt32> = [TypeOID.float4, TypeOID.float8, TypeOID.numeric]
    private static let textTypes: Set<UInt32> = [TypeOID.text, TypeOID.varchar]

    /// A literal assigned to a type.
    private static func assigned(_ literal: Literal, _ typeOID: UInt32) -> Value? {
        let isInteger = integerRanges[typeOID] != nil || typeOID == TypeOID.oid
        let isText = textTypes.contains(typeOID)
        switch literal {
        case .null: return .null
        case .string(let value): return .text(value)
        case .boolean(let value): return typeOID == TypeOID.bool || isText ? .text(value ? "true" : "false") : nil
        case .integer(let value): return isInteger || isText || numberTypes.contains(typeOID) ? .text("\(value)") : nil
        case .number(let digits):
            if numberTypes.contains(typeOID) { return .text(digits) }
            return isInteger || isText ? Int64(digits).map { .text("\($0)") } : nil
        case .bitString: return nil
        }
    }
}
