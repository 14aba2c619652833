// Transaction: a client's transaction block over any number of shards.
//
// BEGIN costs nothing until a statement needs a shard: the shard joins then, with the client's own BEGIN, the settings
// changed in the block and the open savepoints sent ahead of the statement in the same write.
import DistributedCommit
import Primitives
import QueryPlanning
import WireProtocol

/// One shard's part in a transaction block.
struct Participant {
    var link: Int32
    var shard: ShardIndex
    var effect: DataEffect
    /// What forbids PREPARE TRANSACTION on it.
    var obstacle: PreparationObstacle?
}

/// What a late shard must be told to be where the others are.
enum TransactionStep: Equatable {
    /// SET or SET LOCAL, as the client wrote it.
    case setting(String)
    /// SET TRANSACTION, or SET of one of its variables.
    case modes(String)
    case savepoint(String)
}

/// PostgreSQL's isolation levels (READ UNCOMMITTED is READ COMMITTED there).
enum IsolationLevel: Equatable {
    case readCommitted, repeatableRead, serializable

    /// As settings have it: "repeatable read".
    init?(name: String) {
        switch name.lowercased() {
        case "read committed", "read uncommitted": self = .readCommitted
        case "repeatable read": self = .repeatableRead
        case "serializable": self = .serializable
        default: return nil
        }
    }

    /// The level that the modes of BEGIN or SET TRANSACTION name last; nil when they name none.
    init?(modes: String) {
        guard !modes.isEmpty else { return nil }
        let words = modes.uppercased().utf8.split { !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }.map { Substring($0) }
        guard let place = words.lastIndex(of: "LEVEL"), place > 0, words[place - 1] == "ISOLATION" else { return nil }
        switch words[(place + 1)...].first {
        case "READ": self = .readCommitted
        case "REPEATABLE": self = .repeatableRead
        case "SERIALIZABLE": self = .serializable
        default: return nil
        }
    }
}

/// How far a block is with the snapshots that it keeps to its end, on all shards of one instant.
enum SnapshotState {
    /// Each statement takes its own, or the block is confined to one shard.
    case free
    /// They are to be taken before the next statement that needs one. -> taking
    case due
    /// -> taken; when that failed, due again or torn
    case taking
    case taken
    /// Some shards may have theirs already, which they keep as long as the block lasts: none of one instant can be had any more.
    case torn
}

/// A transaction block.
final class Transaction {
    /// The client said BEGIN; otherwise the block is one Query or one pipeline up to Sync.
    var isExplicit: Bool
    /// What opens the block on a shard.
    var beginText: String
    var participants: [Participant] = []
    var steps: [TransactionStep] = []
    /// The session's settings as they were when the block began, for ROLLBACK, and at each savepoint, for ROLLBACK TO.
    let settingsBefore: SettingList
    var settingsAtSavepoint: [(session: SettingList, local: SettingList, temporaryTables: [String])] = []
    /// The names of the session's temporary tables when the block began, and of those that end with it.
    let temporaryTablesBefore: [String]
    var temporaryTablesUntilCommit: [String] = []
    /// What SET LOCAL has set: it goes before the session's settings, and ends with the block.
    var localSettings = SettingList()
    /// What statements mean may be another thing since.
    var hasChangedSettings = false
    var startedAt: Instant
    /// Rises with whatever may change rows, or give up locks, in the block.
    var changeCount = 0
    /// A shard's work is gone with its link: only ROLLBACK is left.
    var hasLostParticipant = false
    /// How it was lost, as long as the client has not heard: its next statement fails with this, COMMIT too, since
    /// drivers take the tag ROLLBACK for success.
    var untoldLoss: DatabaseMessage?
    /// It has failed, and its shards hold nothing for it any more that the failure undoes.
    var hasLetGo = false
    var isolation = IsolationLevel.readCommitted
    /// What AND CHAIN has brought into it.
    var inherited: TransactionCharacteristics?
    var snapshotState = SnapshotState.free
    /// The shards whose snapshots the block may need; nil: all.
    var snapshotScope: ShardSet?
    /// What its role had by default when it began, where that is not so any more: its links were told this.
    var formerDefaults: RoleDefaults?
    /// The session's key when the block began, for ROLLBACK.
    let idempotencyKeyBefore: String?
    /// It is done once under a key.
    var idempotentRequest: IdempotentRequest?
    /// DDL ran in it.
    var changesCatalog = false
    /// It is one statement of DDL, whose effect on what others have planned is looked at before it commits.
    var comparesCatalog = false
    /// It has moved rows of a table that others know.
    var changesPlacement = false
    /// The catalog as the block sees it after its own DDL, and the number that tells it from all others.
    var catalog: Catalog?
    var catalogEpoch: Int?
    /// The one that others planned by when it was read.
    var othersCatalog: Catalog?
    /// The same for the OIDs of what it made; nil: as outside of it.
    var oidTranslations: [OIDTranslation?]?
    /// `Cluster.catalogRequests` when it was read.
    var catalogRequest = 0
    /// Why it could not be read for a frame that waits.
    var catalogFailure: DatabaseMessage?

    init(isExplicit: Bool, beginText: String, settingsBefore: SettingList, idempotencyKeyBefore: String? = nil, temporaryTablesBefore: [String], startedAt: Instant) {
        self.idempotencyKeyBefore = idempotencyKeyBefore
        self.isExplicit = isExplicit
        self.beginText = beginText
        self.settingsBefore = settingsBefore
        self.temporaryTablesBefore = temporaryTablesBefore
        self.startedAt = startedAt
    }

    /// The loss the client has not heard of; afterwards it has.
    func takeUntoldLoss() -> DatabaseMessage? {
        defer { untoldLoss = nil }
        return untoldLoss
    }

    func takeCatalogFailure() -> DatabaseMessage? {
        defer { catalogFailure = nil }
        return catalogFailure
    }

    /// It has a link to ask for the catalog, and asking would not take the block's snapshot before its time.
    var canReadCatalog: Bool { !participants.isEmpty && (snapshotState == .free || snapshotState == .taken) }

    /// Every participant reads from one snapshot, all of one instant.
    var holdsSnapshots: Bool { snapshotState == .taken }

    /// The index of the participant on `shard`.
    func participant(on shard: ShardIndex) -> Int? { participants.firstIndex { $0.shard == shard } }

    /// Set before SET TRANSACTION READ ONLY in a block that may have written. PostgreSQL lets no transaction that has begun go back to
    /// READ WRITE, but the end of a subtransaction does, and the deciding shard must write the decision.
    static let readOnlySavepoint = "pgbraid_read_only"

    /// SET TRANSACTION with these modes needs `readOnlySavepoint` before it.
    func needsReadOnlySavepoint(_ modes: String) -> Bool {
        // The answers of a request under a key are written before COMMIT.
        let writes = idempotentRequest != nil || participants.contains { $0.effect != .reads }
        return modes.contains("READ ONLY") && !hasSavepoint(Self.readOnlySavepoint) && writes
    }

    /// Said by BEGIN, and nothing said otherwise since: its shards write no row but in temporary tables.
    var isReadOnly: Bool {
        let isSaid = beginText.contains("READ ONLY") && !beginText.contains("READ WRITE")
        return isSaid && !steps.contains { if case .modes = $0 { true } else { false } }
    }

    /// What a shard that joins now is sent behind BEGIN.
    var stepsText: String {
        steps.map { step in
            switch step {
            case .setting(let text), .modes(let text): text
            case .savepoint(let name): "SAVEPOINT " + quoteIdentifier(name)
            }
        }.joinedAsScript
    }

    /// Notes what a statement did on a shard; effects only grow.
    func note(_ effect: DataEffect, on shard: ShardIndex) {
        noteChange(effect)
        guard let index = participant(on: shard) else { return }
        participants[index].effect = participants[index].effect.joined(effect)
    }
}

extension Transaction {
    /// A statement of this effect is about to run.
    func noteChange(_ effect: DataEffect) {
        if effect != .reads { changeCount &+= 1 }
    }
}

extension DataEffect {
    /// The effect of one statement after another.
    func joined(_ other: DataEffect) -> DataEffect {
        if self == .writes || other == .writes { return .writes }
        if self == .unknown || other == .unknown { return .unknown }
        return .reads
    }
}

/// A name as SQL text.
func quoteIdentifier(_ name: String) -> String { SQLText.quoted(name) }

/// A string as SQL text.
func quoteLiteral(_ text: String) -> String {
    let literal = SQLText.literal(text)
    // It may stand behind a word.
    return literal.hasPrefix("E") ? " " + literal : literal
}
