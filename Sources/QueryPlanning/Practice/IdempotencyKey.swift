// IdempotencyKey: the key under which a request is done at most once: SET, RESET and SHOW of pgbraid.idempotency_key, the comment
// /* pgbraid: idempotency_key=... */, and which statements can be part of such a request.
//
// The setting is the proxy's own. No shard ever hears of it, so that a session with another key for each request has no more settings, plans or
// environments than one without.
import CPGQuery
import ShardMap

public enum IdempotencyKey {
    /// The session setting.
    public static let settingName = "pgbraid.idempotency_key"
    /// The word in a comment.
    public static let directiveName = "idempotency_key"
    public static let maximumBytes = 255

    /// - Throws: 22023 for what cannot be a key: it is one to 255 characters of printable ASCII, which are the same bytes in every encoding.
    static func check(_ key: String) throws(Refusal) {
        let bytes = key.utf8
        guard !bytes.isEmpty, bytes.count <= maximumBytes, bytes.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw Refusal(
                "22023", "an idempotency key has 1 to \(maximumBytes) printable ASCII characters", detail: "This one has \(bytes.count) bytes.",
                hint: "Use the number of the payment, or a UUID.")
        }
    }

    /// The shard of a key.
    public static func route(of key: String) -> Route {
        .keys([KeyCondition(placement: KeyPlacement(keyType: .text, method: .hash), operands: [.constant(.text(Array(key.utf8)))])])
    }

    /// How else the setting could be meant to be set.
    static let onlyBySet = Refusal(
        "0A000", "\(settingName) is set by SET alone", detail: "It belongs to one request and to no role, and no shard knows it.",
        hint: "SET \(settingName) = 'KEY', or /* pgbraid: \(directiveName)=KEY */ in front of the statement.")
}

/// SET, RESET and SHOW of the setting.
public enum IdempotencyKeyCommand: Sendable, Equatable {
    /// nil: RESET.
    case set(String?, isLocal: Bool)
    case show

    /// nil for every other statement.
    /// - Throws: 22023 for a value that is no key.
    init?(_ node: Node) throws(Refusal) {
        if let show = node.variableShowStmt {
            guard text(show.pointee.name).lowercased() == IdempotencyKey.settingName else { return nil }
            self = .show
            return
        }
        guard let statement = node.variableSetStmt?.pointee, text(statement.name).lowercased() == IdempotencyKey.settingName else { return nil }
        let isLocal = statement.is_local != 0
        switch statement.kind {
        case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE:
            let values = NodeList(statement.args, statement.n_args).nodes
            let key: String
            switch values.count == 1 ? values[0].literal?.value : nil {
            case .string(let word): key = word
            // Of a number not all digits may be left by now.
            default:
                throw Refusal("22023", "\(IdempotencyKey.settingName) takes one string in quotes", hint: "SET \(IdempotencyKey.settingName) = 'KEY'.")
            }
            if !key.isEmpty { try IdempotencyKey.check(key) }
            self = .set(key.isEmpty ? nil : key, isLocal: isLocal)
        case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET, PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT: self = .set(nil, isLocal: isLocal)
        default: throw IdempotencyKey.onlyBySet
        }
    }

    func plan(_ node: Node) -> StatementPlan {
        let isReset = node.variableSetStmt?.pointee.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET
        let name = self == .show ? "SHOW" : isReset ? "RESET" : "SET"
        return StatementPlan(action: .idempotencyKey(self), effect: .reads, commandName: name, reason: "the proxy's own setting")
    }
}

/// What a key means for a statement.
public enum KeyTreatment: Sendable, Equatable {
    /// It runs each time, whether the request was done before or not: it concerns the session alone, or begins or ends the request.
    case runsAlways
    /// It runs once, and its answer is kept.
    case runsOnce
    case isRefused(hint: String)
}

extension StatementPlan {
    /// It does nothing that a retry would do twice, and leaves nothing behind.
    public var onlyReads: Bool {
        guard effect == .reads, keyTreatment == .runsOnce, !locksRows, !changesSettings, !taintsLink else { return false }
        return switch action {
        case .passThrough, .scatter, .explain: true
        default: false
        }
    }

    public var keyTreatment: KeyTreatment {
        switch outcomeUse {
        case .none: break
        case .alone: return .runsAlways
        case .mixed: return .isRefused(hint: "Ask pgbraid.outcome in a SELECT of nothing but what it answers with, by constants or parameters.")
        }
        if isCopy { return .isRefused(hint: "Use INSERT, or run COPY without a key.") }
        switch action {
        case .setting, .idempotencyKey, .empty: return .runsAlways
        case .transaction(let command): return command.keyTreatment
        case .prepared(.prepare), .prepared(.deallocate): return .runsAlways
        case .prepared(.execute): return .isRefused(hint: "Send the statement itself, or prepare it by the protocol, as drivers do.")
        case .cursor: return .isRefused(hint: "Run the query itself: its rows are kept with the request.")
        case .copyIn, .copyOut, .copyQuery: return .isRefused(hint: "Use INSERT, or run COPY without a key.")
        case .sagaRun: return .isRefused(hint: "RESET \(IdempotencyKey.settingName): the name of a saga does the same.")
        case .shardByShard, .place: return .isRefused(hint: "RESET \(IdempotencyKey.settingName), and run it by itself.")
        case .listen: return .isRefused(hint: "RESET \(IdempotencyKey.settingName): LISTEN belongs to the session.")
        case .passThrough, .scatter, .modify, .modifyFetched, .modifyReplayed, .insertRows, .insertFetched, .fillTable, .sagaStep, .explain, .notify,
            .refuse:
            return pins.isEmpty ? .runsOnce : .isRefused(hint: "Temporary tables, and locks and cursors that outlive the transaction, belong to the session.")
        }
    }
}

extension TransactionCommand {
    fileprivate var keyTreatment: KeyTreatment {
        switch self {
        case .begin, .commit(chain: false), .rollback(chain: false): .runsAlways
        case .commit, .rollback: .isRefused(hint: "End the transaction without AND CHAIN.")
        case .savepoint, .release, .rollbackTo: .isRefused(hint: "Run the transaction again as a whole: the key makes that safe.")
        case .prepare, .commitPrepared, .rollbackPrepared: .isRefused(hint: "COMMIT: the key is committed with the transaction.")
        }
    }
}
