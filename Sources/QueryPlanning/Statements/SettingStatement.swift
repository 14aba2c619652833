// SettingStatement: SET and RESET in all their forms, SHOW, DISCARD.
//
// PostgreSQL checks names and values; here only what the proxy must know is read: the name, whether it ends with the
// transaction, and the few values that would change how statements are read.
import CPGQuery

extension StatementClassifier {
    func setting(_ node: Node) throws(Refusal) -> StatementPlan {
        guard let statement = node.variableSetStmt?.pointee else { throw Refusal("XX000", "not a SET statement") }
        let name = text(statement.name).lowercased()
        let values = NodeList(statement.args, statement.n_args)
        switch statement.kind {
        case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI: return try setModes(text(statement.name), values)
        case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL: return setting(.resetAll, "RESET")
        case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET: return setting(.reset(name: name, isLocal: false), "RESET")
        case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE:
            let literals = values.nodes.map { $0.literal?.value }
            if let mode = TransactionModes.mode(name, literals.first ?? nil) { return setting(.setTransaction(modes: mode), "SET") }
            try SettingValues.check(name, literals)
            if name == "pgbraid.shard" { try checkShard(literals) }
        case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT where name != "session_authorization" && TransactionModes.mode(name, nil) == nil:
            return setting(.reset(name: name, isLocal: statement.is_local != 0), "SET")
        default: break
        }
        return setting(.set(name: name, isLocal: statement.is_local != 0), "SET")
    }

    private func checkShard(_ values: [Literal?]) throws(Refusal) {
        let number: Int?
        switch values.first ?? nil {
        case .integer(let value): number = Int(value)
        case .string(let word): number = Int(word)
        default: number = nil
        }
        if let number, number >= context.environment.shardCount { throw AddressedStatement.missing(number, of: context.environment.shardCount) }
    }

    /// SET TRANSACTION and SET SESSION CHARACTERISTICS AS TRANSACTION.
    private func setModes(_ form: String, _ modes: NodeList) throws(Refusal) -> StatementPlan {
        switch form {
        case "TRANSACTION": return setting(.setTransaction(modes: TransactionModes.text(modes)), "SET")
        case "SESSION CHARACTERISTICS": return setting(.setSessionCharacteristics(modes: TransactionModes.text(modes)), "SET")
        default:
            throw Refusal(
                "0A000", "SET TRANSACTION SNAPSHOT is not supported", hint: "A snapshot belongs to one server; the proxy has many.")
        }
    }

    func show(_ node: Node) -> StatementPlan {
        let name = node.variableShowStmt.map { text($0.pointee.name) } ?? ""
        return setting(.show(name: name.lowercased()), "SHOW")
    }

    func discard(_ node: Node) -> StatementPlan {
        switch node.discardStmt?.pointee.target {
        case PG_QUERY__DISCARD_MODE__DISCARD_PLANS: setting(.discardPlans, "DISCARD PLANS")
        case PG_QUERY__DISCARD_MODE__DISCARD_SEQUENCES: setting(.discardSequences, "DISCARD SEQUENCES")
        case PG_QUERY__DISCARD_MODE__DISCARD_TEMP: setting(.discardTemporary, "DISCARD TEMP")
        default: setting(.discardAll, "DISCARD ALL")
        }
    }

    func setting(_ command: SettingCommand, _ entry: StatementFamily.Entry) -> StatementPlan { setting(command, entry.command) }

    private func setting(_ command: SettingCommand, _ name: String) -> StatementPlan {
        StatementPlan(action: .setting(command), effect: .reads, commandName: name)
    }
}

/// Values of settings that the proxy cannot serve.
public enum SettingValues {
    /// - Throws: for a value that would change how PostgreSQL reads statements, away from how the proxy reads them.
    static func check(_ name: String, _ values: [Literal?]) throws(Refusal) {
        if ["search_path", "role", "session_authorization"].contains(name) {
            for case .string(let word)? in values where !word.hasOneForm { throw .ambiguousName(word) }
        }
        guard values.count == 1, let value = values[0] else { return }
        switch name {
        case "standard_conforming_strings" where isFalse(value):
            throw Refusal("0A000", "standard_conforming_strings must be on", hint: "Write E'...' for strings with backslash escapes.")
        case "transform_null_equals" where !isFalse(value):
            throw Refusal("0A000", "transform_null_equals must be off", hint: "Write IS NULL.")
        case "array_nulls" where isFalse(value):
            throw Refusal("0A000", "array_nulls must be on", hint: "Write \"NULL\" in quotes for a string in an array.")
        case "client_encoding":
            guard case .string(let encoding) = value, unsafeEncodings.contains(canonical(encoding)) else { return }
            throw Refusal(
                "0A000", "client encoding \(encoding) is not supported: its characters may hold bytes of ASCII characters",
                hint: "Use UTF8.")
        case IdempotencyKey.settingName: throw IdempotencyKey.onlyBySet
        case "pgbraid.shard":
            if case .integer(let number) = value, number >= 0 { return }
            if case .string(let word) = value, word.isEmpty || Int(word).map({ $0 >= 0 }) == true { return }
            throw Refusal("22023", "pgbraid.shard must be the number of a shard", hint: "SHOW SHARDS in the admin database lists them.")
        default: return
        }
    }

    /// The same for a value of the startup packet.
    public static func check(startup name: String, value: String) throws(Refusal) { try check(name.lowercased(), [.string(value)]) }

    /// PostgreSQL's reading of a boolean word (`parse_bool`): unique prefixes of true, false, yes, no, and on, off, 1, 0.
    public static func boolean(_ word: String) -> Bool? {
        let word = word.lowercased()
        if word.isEmpty { return nil }
        if "true".hasPrefix(word) || "yes".hasPrefix(word) || word == "on" || word == "1" { return true }
        if "false".hasPrefix(word) || "no".hasPrefix(word) || "off".hasPrefix(word) && word.count > 1 || word == "0" { return false }
        return nil
    }

    private static func isFalse(_ value: Literal) -> Bool {
        switch value {
        case .integer(let number): number == 0
        case .boolean(let value): !value
        case .string(let word): boolean(word) == false
        default: false
        }
    }

    /// An encoding's name as PostgreSQL compares it: letters and digits in lower case (`clean_encoding_name`).
    private static func canonical(_ encoding: String) -> String {
        String(decoding: encoding.lowercased().utf8.filter { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) }, as: UTF8.self)
    }

    /// All names of SJIS, SHIFT_JIS_2004, BIG5, GBK, UHC, GB18030 and JOHAB (`pg_encname_tbl`).
    private static let unsafeEncodings: Set<String> = [
        "sjis", "shiftjis", "mskanji", "win932", "windows932", "shiftjis2004", "big5", "win950", "windows950", "gbk", "win936",
        "windows936", "uhc", "win949", "windows949", "gb18030", "johab",
    ]
}
