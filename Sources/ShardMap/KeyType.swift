// KeyType: the column types a table can be sharded by.
//
// Types of one family place equal values on the same shard: PostgreSQL's hashint2, hashint4 and hashint8 agree for
// equal values (they share one hash operator family), and varchar hashes as text. Tables are therefore colocated by
// family, not by type.

/// Key types whose equal values hash alike.
public enum KeyFamily: UInt8, Hashable, Sendable {
    case integer
    case text
    case uuid

    /// The family's name in messages and fingerprints.
    public var name: String {
        switch self {
        case .integer: "integer"
        case .text: "text"
        case .uuid: "uuid"
        }
    }
}

/// The type of a sharding key column.
public enum KeyType: UInt8, Hashable, Sendable {
    case int2
    case int4
    case int8
    /// text and varchar; a varchar's length limit is applied by whoever knows the column (`CopySplitterOptions`).
    case text
    case uuid

    /// The key type of a column with this type OID; nil if a table cannot be sharded by it.
    ///
    /// Source: `pg_type.dat` (int8 20, int2 21, int4 23, text 25, varchar 1043, uuid 2950).
    @inlinable
    public init?(typeOID: UInt32) {
        switch typeOID {
        case 21: self = .int2
        case 23: self = .int4
        case 20: self = .int8
        case 25, 1043: self = .text
        case 2950: self = .uuid
        default: return nil
        }
    }

    @inlinable
    public var family: KeyFamily {
        switch self {
        case .int2, .int4, .int8: .integer
        case .text: .text
        case .uuid: .uuid
        }
    }

    /// The type's name as PostgreSQL writes it in its messages.
    public var sqlName: String {
        switch self {
        case .int2: "smallint"
        case .int4: "integer"
        case .int8: "bigint"
        case .text: "text"
        case .uuid: "uuid"
        }
    }

    /// The numbers an integer type holds; every Int64 for types that are not integers.
    @inlinable
    public var integerRange: ClosedRange<Int64> {
        switch self {
        case .int2: Int64(Int16.min)...Int64(Int16.max)
        case .int4: Int64(Int32.min)...Int64(Int32.max)
        case .int8, .text, .uuid: Int64.min...Int64.max
        }
    }
}
