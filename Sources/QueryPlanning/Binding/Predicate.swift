// Predicate: what a top-level AND conjunct says about keys. Everything else is `other`.
import CPGQuery

/// A constant that a column is compared with.
struct ConstantTerm: Equatable {
    enum Value: Equatable {
        case literal(Literal)
        /// `$n`
        case parameter(Int)
    }
    var value: Value
    /// Byte offset of the literal's token in the statement's text; nil for literals of view definitions.
    var location: Int?
    /// The type of a cast around it; nil without a cast.
    var castTypeOID: UInt32?
}

/// The values of `column IN (...)`; one value for `column = ...`.
struct ConstantSet: Equatable {
    var terms: [ConstantTerm]
    /// The one term is a parameter that holds an array of values.
    var isArray = false
}

/// One top-level AND conjunct.
enum Predicate {
    case equal(Variable, Variable)
    case member(Variable, ConstantSet)
    case other
}
