// SearchPath: the text of the setting search_path -> the schemas PostgreSQL searches, in order.
//
// Rules: manual section 5.9.3, `recomputeNamespacePath` in src/backend/catalog/namespace.c.

public enum SearchPath {
    /// The name of the session's schema of temporary tables.
    static let temporary = "pg_temp"

    /// The schemas searched for names, pg_catalog in front unless it is named. `"$user"` is the role of that name, if
    /// there is such a schema; names of schemas that do not exist find nothing and are left out. `pg_temp` keeps its place where it is
    /// named; where it is not, the temporary tables come before all else.
    ///
    /// - Parameters:
    ///   - setting: as SHOW search_path prints it, e.g. `"$user", public`.
    ///   - user: the current role.
    ///   - schemas: all schemas that exist.
    /// - Returns: nil for a list PostgreSQL would not take.
    public static func resolve(_ setting: String, user: String, schemas: Set<String>) -> [String]? {
        guard let names = identifiers(in: Array(setting.utf8)) else { return nil }
        var path: [String] = []
        for written in names {
            let name = written == "$user" ? user : written
            if schemas.contains(name) || written == temporary, !path.contains(name) { path.append(name) }
        }
        return path.contains("pg_catalog") ? path : ["pg_catalog"] + path
    }

    /// The identifiers of a list: folded to lower case unless quoted (`SplitIdentifierString`); the empty text is none.
    static func identifiers(in text: [UInt8]) -> [String]? {
        var names: [String] = []
        var position = 0
        skipBlanks(text, &position)
        if position == text.count { return [] }
        while true {
            skipBlanks(text, &position)
            guard let name = identifier(text, &position) else { return nil }
            names.append(name)
            skipBlanks(text, &position)
            if position == text.count { return names }
            guard text[position] == UInt8(ascii: ",") else { return nil }
            position += 1
        }
    }

    private static func identifier(_ text: [UInt8], _ position: inout Int) -> String? {
        guard position < text.count else { return nil }
        return text[position] == UInt8(ascii: "\"") ? quoted(text, &position) : plain(text, &position)
    }

    private static func plain(_ text: [UInt8], _ position: inout Int) -> String? {
        var bytes: [UInt8] = []
        while position < text.count, text[position] != UInt8(ascii: ","), !isBlank(text[position]) {
            let byte = text[position]
            bytes.append((UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 32 : byte)
            position += 1
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }

    private static func quoted(_ text: [UInt8], _ position: inout Int) -> String? {
        var bytes: [UInt8] = []
        position += 1
        while position < text.count {
            let byte = text[position]
            position += 1
            if byte == UInt8(ascii: "\"") {
                guard position < text.count, text[position] == byte else { return String(decoding: bytes, as: UTF8.self) }
                position += 1
            }
            bytes.append(byte)
        }
        return nil
    }

    private static func skipBlanks(_ text: [UInt8], _ position: inout Int) {
        while position < text.count, isBlank(text[position]) { position += 1 }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
