// SessionDetail: what a session needs off the hot path.
import Primitives
import QueryPlanning
import WireProtocol

/// The slow part of a session's state; made at login.
final class SessionDetail {
    var facts: AcceptFacts
    var tls: TLSFacts?
    /// SSLRequest was answered with S and the handshake is not over.
    var awaitsTLS = false
    /// Requests for encryption that were answered; each is answered once.
    var encryptionRequests: EncryptionRequests = []
    /// It is one of those that max_clients limits.
    var isAdmitted = false
    var user = ""
    var database = ""
    var applicationName = ""
    var startupParameters: [(name: String, value: String)] = []
    var authentication: ClientAuthentication?
    /// The explicit or implicit transaction block; nil outside one.
    var transaction: Transaction?
    /// The key of the next transaction of the session that claims it.
    var idempotencyKey: String?
    /// What has the session while its activity is `executing`.
    var execution: Execution?
    /// Named prepared statements, by protocol or by SQL PREPARE: one namespace.
    let statements = StatementNames()
    /// The unnamed statement's number, 0 when there is none.
    var unnamedStatement: UInt32 = 0
    /// Changes to the names that no answer has confirmed.
    var nameChanges = NameChanges()
    /// Portals that live on a link, by name; the link must still hold the transaction.
    var portals: [[UInt8]: Portal] = [:]
    /// Counts how often the session has left a link on which portals may be bound.
    var checkNumber = 0
    /// Named portals were bound on links for a check only: their names may still be taken there.
    var hasCheckedNames = false
    /// Where answers go while a portal is filled.
    var diversion: PortalBuffer?
    /// SQL cursors by name.
    var cursors = CursorTable()
    /// How many names were given to cursors on the shards.
    var shardCursorCount = 0
    /// Links that stay with the session beyond the transaction, with the reasons.
    var pinnedLinks: [(link: Int32, reasons: PinReasons)] = []
    /// Whether session advisory locks are still held is to be asked when the session comes to rest.
    var looksAfterLocks = false
    var temporaryTables: [String] = []
    /// Counts what has happened to them: a table of the same name may be another one.
    var temporaryVersion = 0
    /// Session settings by name: the statement that replays each.
    var settings = SettingList()
    /// NotificationResponse messages that came in the middle of something else.
    var heldNotifications: [UInt8] = []
    /// Settings whose values the client is yet to be told.
    var statusNews: [(name: String, value: String)] = []
    /// What the client was told of settings last.
    var toldStatus: [String: String] = [:]
    /// The present statement is being cancelled to end a deadlock; its client hears this.
    var deadlock: DatabaseMessage?
    /// Its answers are held back.
    var replyHold: ReplyHold?
    /// Why the link the session waited for cannot be had; met by whoever asks for it next.
    var waitFailure: DatabaseMessage?

    init(facts: AcceptFacts) { self.facts = facts }

    /// A setting as it is now, as far as the statement that set it tells; SET LOCAL goes first.
    func value(ofSetting name: String) -> String? {
        if let local = transaction?.localSettings, local.contains(name) { return local.value(of: name) }
        return settings.value(of: name)
    }

    /// The settings by which values become text (manual, chapter 20.11 and table 20.1), as the session has set them by now; where the value
    /// is no constant, the statement that did.
    var textStyles: [String?] {
        Self.styleNames.map { name in
            let local = transaction?.localSettings
            let list = local?.contains(name) == true ? local ?? settings : settings
            return (list.value(of: name) ?? list.statement(of: name))?.lowercased()
        }
    }

    static let styleNames = ["timezone", "datestyle", "intervalstyle", "bytea_output", "extra_float_digits", "client_encoding", "lc_monetary", "xmlbinary"]

    func takeWaitFailure() -> DatabaseMessage? {
        defer { waitFailure = nil }
        return waitFailure
    }
}

/// What a client asked for before its startup packet.
struct EncryptionRequests: OptionSet {
    let rawValue: UInt8

    static let tls = EncryptionRequests(rawValue: 1)
    static let gss = EncryptionRequests(rawValue: 2)
}

/// A bound portal.
struct Portal {
    var statement: UInt32
    /// The link it was bound on, or -1 when it is carried out over several shards or by the proxy itself.
    var link: Int32
    /// The client's Bind frame, kept when the statement runs over several shards.
    var bind: [UInt8]
    var plan: StatementPlan
    /// COMMIT and the like answer once; a second Execute of the same portal finds it done.
    var isDone = false
    /// Where it is bound for a check only, and may be described until the session leaves the link: `checkNumber` is then another.
    var checkLink: Int32 = -1
    var checkNumber = 0
    /// The session's environment when it was bound.
    var environment: UInt32 = 0
    /// Something came between Bind and Execute before which it could not be opened.
    var isLate = false
    /// How many savepoints were open when it was bound.
    var savepointDepth = 0
    /// Why it cannot be executed with the values that were bound: PostgreSQL tells that no earlier.
    var refusal: DatabaseMessage?
    /// Rows not fetched yet, where Execute asked for some at a time.
    var buffer: PortalBuffer?
    /// The same where they stay on the shards until they are fetched.
    var cursor: StreamedCursor?

    /// Something of it has been asked of shards.
    var isOpen: Bool { link >= 0 || buffer != nil || cursor != nil }
}
