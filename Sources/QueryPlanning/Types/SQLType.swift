// SQLType: what is known of an expression's type, as far as merging and rewriting need it.

/// Which collation an expression compares with.
enum Collation: Hashable {
    /// The type has none.
    case none
    /// A collation's OID; 100 is the database's default.
    case oid(UInt32)
    /// COLLATE with a name that stands in the text.
    case named([String])
    /// Several inputs disagree, or it is not known.
    case indeterminate

    static let defaultOID: UInt32 = 100
    static let `default` = Collation.oid(defaultOID)
}

/// A type with modifier and collation.
struct SQLType: Hashable {
    var oid: UInt32
    var modifier: Int32 = -1
    var collation: Collation = .none

    init(_ oid: UInt32, modifier: Int32 = -1, collation: Collation? = nil) {
        self.oid = oid
        self.modifier = modifier
        self.collation = collation ?? (TypeOID.isCollatable(oid) ? .default : .none)
    }

    init(_ column: Column) {
        let collation: Collation = column.collationOID == 0 ? .none : .oid(column.collationOID)
        self.init(
            column.typeOID, modifier: column.typeModifier,
            collation: collation == .none && TypeOID.isCollatable(column.typeOID) ? .default : collation)
    }

    static let bool = SQLType(TypeOID.bool)
    static let int4 = SQLType(TypeOID.int4)
    static let int8 = SQLType(TypeOID.int8)
    static let numeric = SQLType(TypeOID.numeric)
    static let float8 = SQLType(TypeOID.float8)
    static let text = SQLType(TypeOID.text)
}
