// Literal: the value of an A_Const node, copied out of the tree.
import CPGQuery

/// A literal as the grammar sees it.
enum Literal: Equatable {
    /// Fits int4.
    case integer(Int32)
    /// Any other number: too large for int4, with a point or an exponent; the digits as written, an unary minus folded in.
    case number(String)
    case boolean(Bool)
    /// '...' of unknown type, escapes resolved.
    case string(String)
    /// B'...' or X'...', with the leading b or x.
    case bitString(String)
    case null
}

extension Node {
    /// The literal's value and the byte offset of its token, when the node is a plain constant.
    var literal: (value: Literal, location: Int)? {
        guard let constant else { return nil }
        let location = Int(constant.pointee.location)
        if constant.pointee.isnull != 0 { return (.null, location) }
        switch constant.pointee.val_case {
        case PG_QUERY__A__CONST__VAL_IVAL: return (.integer(constant.pointee.ival.pointee.ival), location)
        case PG_QUERY__A__CONST__VAL_FVAL: return (.number(text(constant.pointee.fval.pointee.fval)), location)
        case PG_QUERY__A__CONST__VAL_BOOLVAL: return (.boolean(constant.pointee.boolval.pointee.boolval != 0), location)
        case PG_QUERY__A__CONST__VAL_SVAL: return (.string(text(constant.pointee.sval.pointee.sval)), location)
        case PG_QUERY__A__CONST__VAL_BSVAL: return (.bitString(text(constant.pointee.bsval.pointee.bsval)), location)
        default: return (.integer(0), location)
        }
    }
}
