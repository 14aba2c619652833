// ArrayTypes: which built-in types are arrays. OIDs are those of PostgreSQL 15's pg_type.dat (`SELECT typarray FROM
// pg_type`); row types of system catalogs are left out, no table has columns of them.

enum ArrayTypes {
    private static let boxOID: UInt32 = 603

    private static let builtIn: Set<UInt32> = [
        143, 199, 210, 270, 271, 272, 273, 629, 651, 719, 775, 791, 1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009,
        1010, 1011, 1012, 1013, 1014, 1015, 1016, 1017, 1018, 1019, 1020, 1021, 1022, 1027, 1028, 1034, 1040, 1041, 1115,
        1182, 1183, 1185, 1187, 1231, 1263, 1270, 1561, 1563, 2201, 2207, 2208, 2209, 2210, 2211, 2287, 2949, 2951, 3221,
        3643, 3644, 3645, 3735, 3770, 3807, 3905, 3907, 3909, 3911, 3913, 3927, 4073, 4090, 4097, 4192, 5039, 6150, 6151,
        6152, 6153, 6155, 6157,
    ]

    static func contains(_ typeOID: UInt32) -> Bool { builtIn.contains(typeOID) }

    /// What stands between the elements of an array of the type (pg_type.typdelim): a comma for all but box.
    static func delimiter(ofElementTypeOID typeOID: UInt32) -> UInt8 {
        typeOID == boxOID ? UInt8(ascii: ";") : UInt8(ascii: ",")
    }
}
