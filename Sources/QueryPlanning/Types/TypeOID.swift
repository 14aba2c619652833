// TypeOID: OIDs of PostgreSQL's built-in types that planning must know by name.
//
// Source: src/include/catalog/pg_type.dat; these numbers never change.

/// OIDs of built-in types.
enum TypeOID {
    static let bool: UInt32 = 16
    static let bytea: UInt32 = 17
    static let char: UInt32 = 18
    static let name: UInt32 = 19
    static let int8: UInt32 = 20
    static let int2: UInt32 = 21
    static let int4: UInt32 = 23
    static let text: UInt32 = 25
    static let oid: UInt32 = 26
    static let json: UInt32 = 114
    static let float4: UInt32 = 700
    static let float8: UInt32 = 701
    static let unknown: UInt32 = 705
    static let money: UInt32 = 790
    static let bpchar: UInt32 = 1042
    static let varchar: UInt32 = 1043
    static let date: UInt32 = 1082
    static let time: UInt32 = 1083
    static let timestamp: UInt32 = 1114
    static let timestamptz: UInt32 = 1184
    static let interval: UInt32 = 1186
    static let timetz: UInt32 = 1266
    static let bit: UInt32 = 1560
    static let varbit: UInt32 = 1562
    static let numeric: UInt32 = 1700
    static let cidr: UInt32 = 650
    static let inet: UInt32 = 869
    static let uuid: UInt32 = 2950
    static let jsonb: UInt32 = 3802

    /// First OID of objects made after initdb.
    static let firstUserDefined: UInt32 = 16384

    /// Built-in types that a column can have: OID, name in pg_catalog, OID of the array over it.
    static let builtIn: [(oid: UInt32, name: String, array: UInt32)] = [
        (16, "bool", 1000), (17, "bytea", 1001), (18, "char", 1002), (19, "name", 1003), (20, "int8", 1016), (21, "int2", 1005),
        (23, "int4", 1007), (24, "regproc", 1008), (25, "text", 1009), (26, "oid", 1028), (27, "tid", 1010), (28, "xid", 1011),
        (29, "cid", 1012), (114, "json", 199), (142, "xml", 143), (600, "point", 1017), (601, "lseg", 1018),
        (602, "path", 1019), (603, "box", 1020), (604, "polygon", 1027), (628, "line", 629), (650, "cidr", 651),
        (700, "float4", 1021), (701, "float8", 1022), (718, "circle", 719), (774, "macaddr8", 775), (790, "money", 791),
        (829, "macaddr", 1040), (869, "inet", 1041), (1042, "bpchar", 1014), (1043, "varchar", 1015), (1082, "date", 1182),
        (1083, "time", 1183), (1114, "timestamp", 1115), (1184, "timestamptz", 1185), (1186, "interval", 1187),
        (1266, "timetz", 1270), (1560, "bit", 1561), (1562, "varbit", 1563), (1700, "numeric", 1231), (2205, "regclass", 2210),
        (2206, "regtype", 2211), (2950, "uuid", 2951), (3220, "pg_lsn", 3221), (3614, "tsvector", 3643), (3615, "tsquery", 3645),
        (3802, "jsonb", 3807), (3904, "int4range", 3905), (3906, "numrange", 3907), (3908, "tsrange", 3909),
        (3910, "tstzrange", 3911), (3912, "daterange", 3913), (3926, "int8range", 3927), (4072, "jsonpath", 4073),
        (4451, "int4multirange", 6150), (4532, "nummultirange", 6151), (4533, "tsmultirange", 6152),
        (4534, "tstzmultirange", 6153), (4535, "datemultirange", 6155), (4536, "int8multirange", 6157), (5069, "xid8", 271),
    ]

    static let oidByName: [String: UInt32] = {
        var oids: [String: UInt32] = [:]
        for type in builtIn {
            oids[type.name] = type.oid
            oids["_" + type.name] = type.array
        }
        return oids
    }()
    static let nameByOID: [UInt32: String] = {
        var names: [UInt32: String] = [:]
        for type in builtIn {
            names[type.oid] = type.name
            names[type.array] = "_" + type.name
        }
        return names
    }()
    static let arrayByElement: [UInt32: UInt32] = Dictionary(uniqueKeysWithValues: builtIn.map { ($0.oid, $0.array) })
    static let elementByArray: [UInt32: UInt32] = Dictionary(uniqueKeysWithValues: builtIn.map { ($0.array, $0.oid) })

    static func isMultirange(_ oid: UInt32) -> Bool { (4532...4536).contains(oid) || oid == 4451 }

    static func isInteger(_ oid: UInt32) -> Bool { oid == int2 || oid == int4 || oid == int8 }

    /// Whether values of this built-in type, or the elements of this array type, have a collation.
    static func isCollatable(_ oid: UInt32) -> Bool {
        let element = elementByArray[oid] ?? oid
        return element == text || element == varchar || element == bpchar || element == name
    }
}
