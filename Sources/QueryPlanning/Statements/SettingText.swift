// SettingText: the value in the text of a SET statement, read by PostgreSQL's own grammar: comments and quoted names may hold anything, and
// SET SCHEMA, SET NAMES, SET ROLE and the like are settings by other words.
import CPGQuery

public enum SettingText {
    /// The value as PostgreSQL keeps it, and SHOW tells it before it is checked: a list with commas, its names quoted where the setting is one of
    /// names (`flatten_set_variable_args` in src/backend/utils/misc/guc.c).
    /// - Returns: nil for DEFAULT, for values that are no constants, and for other statements.
    public static func value(of statement: String) -> String? {
        guard let tree = try? ParseTree(statement), tree.statements.count == 1, let set = tree.statements[0].node.variableSetStmt?.pointee,
            set.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE
        else { return nil }
        let isOfNames = listsOfNames.contains(text(set.name).lowercased())
        var values: [String] = []
        for node in NodeList(set.args, set.n_args).nodes {
            guard let value = node.literal?.value.settingText else { return nil }
            values.append(isOfNames ? SQLText.quoted(value) : value)
        }
        return values.joined(separator: ", ")
    }

    /// GUC_LIST_QUOTE in src/include/utils/guc.h.
    private static let listsOfNames: Set<String> = [
        "search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries", "shared_preload_libraries", "unix_socket_directories",
    ]
}

extension Literal {
    /// The constant as a setting's value.
    fileprivate var settingText: String? {
        switch self {
        case .integer(let number): "\(number)"
        case .number(let digits): digits
        case .boolean(let value): value ? "true" : "false"
        case .string(let value): value
        case .bitString, .null: nil
        }
    }
}
