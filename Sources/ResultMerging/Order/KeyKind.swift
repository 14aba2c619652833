// KeyKind: which comparison a type's ORDER BY uses, and what its binary values must look like. Types whose default
// operator class compares alike share a kind; a type without a kind cannot be merged in order.

/// How values of a sort key compare. The names are PostgreSQL's types.
enum KeyKind: UInt8 {
    case bool, char
    case int2, int4, int8
    case uint4, uint8
    case float4, float8
    case numeric
    /// Bytes in order, the shorter first: text, varchar and name under collation C, bytea.
    case bytes
    /// text without its trailing blanks.
    case bpchar
    case uuid, macaddr, macaddr8
    case timetz, interval
    case inet
    case bit

    /// The kind of a type, or nil when its order is not known here.
    init?(typeOID: UInt32) {
        guard let kind = KeyKind.kind(ofTypeOID: typeOID) else { return nil }
        self = kind
    }

    /// OIDs are those of pg_type.dat; they are fixed for built-in types.
    private static func kind(ofTypeOID typeOID: UInt32) -> KeyKind? {
        switch typeOID {
        case 16: .bool
        case 18: .char
        case 21: .int2
        case 23, 1082: .int4  // int4, date
        case 20, 790, 1083, 1114, 1184: .int8  // int8, money, time, timestamp, timestamptz
        case 26: .uint4  // oid
        case 3220, 5069: .uint8  // pg_lsn, xid8
        case 700: .float4
        case 701: .float8
        case 1700: .numeric
        case 17, 19, 25, 1043: .bytes  // bytea, name, text, varchar
        case 1042: .bpchar
        case 2950: .uuid
        case 829: .macaddr
        case 774: .macaddr8
        case 1266: .timetz
        case 1186: .interval
        case 650, 869: .inet  // cidr, inet
        case 1560, 1562: .bit  // bit, varbit
        default: nil
        }
    }

    /// Bytes of every binary value; nil when they vary.
    var fixedLength: Int? {
        switch self {
        case .bool, .char: 1
        case .int2: 2
        case .int4, .uint4, .float4: 4
        case .macaddr: 6
        case .int8, .uint8, .float8, .macaddr8: 8
        case .timetz: 12
        case .uuid, .interval: 16
        case .numeric, .bytes, .bpchar, .inet, .bit: nil
        }
    }

    /// The prefix (see KeyPrefix) says all: equal prefixes are equal values.
    var isPrefixExact: Bool {
        switch self {
        case .bool, .char, .int2, .int4, .int8, .uint4, .uint8, .float4, .float8, .macaddr, .macaddr8: true
        case .numeric, .bytes, .bpchar, .uuid, .timetz, .interval, .inet, .bit: false
        }
    }
}
