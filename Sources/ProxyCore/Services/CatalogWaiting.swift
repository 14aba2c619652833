// CatalogWaiting: sessions whose next plan needs the catalog that is just being read, and catalogs that only one
// transaction block sees.
//
// Reading the catalog waits for who has locked a table exclusively that a view reads. So a block that has done something does
// not wait for it, which would be for ever: it reads the catalog on a link of its own, and again whenever DDL has changed it.
// Others wait until they are cancelled, or for as long as a wait for a link may last.
import Primitives
import QueryPlanning
import WireProtocol

/// Whether a statement can be planned.
enum CatalogReadiness {
    /// Tables are known as they are.
    case known
    /// The frame must wait.
    case awaited
    /// The block cannot read them, or the wait was cut short.
    case failed(DatabaseMessage)
}

extension Worker {
    /// Tables may have changed: nothing is planned before they are read again. A failed block is: it can only end.
    /// - Parameter text: the statement, where there is one.
    func catalogReadiness(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ text: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) -> CatalogReadiness {
        if session.pointee.hasWaitFailure, let failure = endedWait(session, index, endsBlock: text.endsBlock) { return .failed(failure) }
        // What was sent before it runs by an older plan: it must be over when the wait begins, which stands for being between statements.
        if cluster.isPlanningPaused {
            if isDrained(session) { awaitCatalog(index) }
            return .awaited
        }
        guard let transaction = session.pointee.detail?.transaction, transaction.catalog != nil || transaction.canReadCatalog else {
            let isRenewing = session.pointee.pool >= 0 && session.pointee.detail?.transaction == nil && pools[Int(session.pointee.pool)].isRenewing
            guard cluster.isCatalogOld || isRenewing else { return .known }
            if isDrained(session) { awaitCatalog(index) }
            return .awaited
        }
        if let failure = transaction.takeCatalogFailure() { return .failed(failure) }
        let isOld = transaction.catalog == nil ? cluster.isCatalogOld : transaction.catalogRequest != cluster.catalogRequests
        guard isOld, session.pointee.status != TransactionStatus.failed.rawValue else { return .known }
        // What the block would read by its snapshot is from before the move. Once others know of it the block is ended (`endBlocksBeforeMove`).
        // It may have locked what reading the catalog waits for, so that it can end at any time.
        if cluster.isMoveUnread, transaction.isolation != .readCommitted, !text.endsBlock {
            if isDrained(session) { awaitCatalog(index) }
            return .awaited
        }
        guard isQuiescent(index) else { return .awaited }
        start(PrivateCatalogExecution(worker: self, session: index, parent: nil), on: index)
        return .awaited
    }

    /// Why the frame's wait was cut short. It fails, and so does not want the link that the session may have got before.
    /// - Parameter endsBlock: the frame is to end a block. It goes on: no PostgreSQL is still in the block afterwards, and whether all of it
    ///   can be committed is seen then.
    @inline(never)
    func endedWait(_ session: UnsafeMutablePointer<Session>, _ index: Int32, endsBlock: Bool) -> DatabaseMessage? {
        guard let failure = takeWaitFailure(session) else { return nil }
        if endsBlock, session.pointee.detail?.transaction != nil { return nil }
        if session.pointee.isLinkReserved {
            let activity = session.pointee.activity
            stopWaiting(index)
            session.pointee.activity = activity
        }
        return failure
    }

    /// Cuts waits for the catalog short that have lasted for as long as a wait for a link may.
    func endLongCatalogWaits() {
        for (index, generation) in catalogWaiters {
            let session = sessions.at(index)
            guard session.pointee.generation == generation, session.pointee.activity == .waiting, session.pointee.waitingShard < 0,
                !awaitsSettings(session), now - session.pointee.waitingSince > settings.queryWaitTimeout
            else { continue }
            let failure = DatabaseMessage(
                error: .lockNotAvailable, "timed out after \(settings.queryWaitTimeout.seconds) s waiting for the catalog to be read",
                hint: "Reading it waits for whoever has locked a table exclusively that a view reads.")
            if let execution = session.pointee.detail?.execution {
                noteWaitFailure(session, failure)
                execution.cancelRequested()
            } else {
                failWait(index, failure)
            }
        }
    }

    /// What an execution fails with whose wait for the catalog is cut short.
    func reasonOfEndedWait(_ index: Int32) -> DatabaseMessage {
        takeWaitFailure(sessions.at(index)) ?? DatabaseMessage(error: .queryCanceled, "canceling statement due to user request")
    }

    /// The session has a link and waits for its settings to be in force there.
    func awaitsSettings(_ session: UnsafeMutablePointer<Session>) -> Bool {
        let link = session.pointee.link
        return session.pointee.isLinkReserved && link >= 0 && !links.at(link).pointee.expectations.isEmpty
    }

    /// The catalog is there: who waited for it goes on.
    func resumeCatalogWaiters() {
        let waiting = catalogWaiters
        catalogWaiters = []
        for (index, generation) in waiting where sessions.at(index).pointee.generation == generation {
            let session = sessions.at(index)
            // Who waits for a link by now, or for the settings on it, is woken with it. Who had got one, and then had to wait for
            // the catalog, is woken by nobody else.
            if session.pointee.activity == .waiting, session.pointee.waitingShard < 0, !awaitsSettings(session) { wake(index) }
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The statement of this text is COMMIT, ROLLBACK or another word for these.
    fileprivate var endsBlock: Bool {
        let word = String(decoding: drop { $0 <= UInt8(ascii: " ") }.prefix { $0 > UInt8(ascii: " ") && $0 != UInt8(ascii: ";") }.prefix(9), as: UTF8.self)
        return ["commit", "rollback", "end", "abort"].contains(word.lowercased())
    }
}

/// Reads the catalog on a link of the session's own block, with the block's DDL in it, and on all of its links what OIDs the DDL gave
/// away. Without a parent it does so for a frame that waits, which then hears of a failure.
final class PrivateCatalogExecution: Execution {
    private var results: [[[String?]]] = []
    private var rowsOfOIDs: [ShardIndex: [[String?]]] = [:]
    private var wasSent = false
    private var request = 0
    /// Somebody has locked what the questions would look at, and may wait for what this block has locked: they are put otherwise.
    private var mayNotWait = false

    /// How long the questions wait for locks.
    private static let lockTimeout = "200ms"
    private static let savepoint = "pgbraid_catalog"

    /// The questions without a transaction of their own: a savepoint undoes the settings they need.
    private static let script = text(from: "SAVEPOINT \(savepoint)", CatalogQuery.allCases.map(\.text))
    private static let scriptWithoutWaiting = text(from: "ROLLBACK TO SAVEPOINT \(savepoint)", CatalogQuery.allCases.map(\.textWithoutWaiting))

    private static func text(from beginning: String, _ questions: [String]) -> String {
        let opening = [beginning, "SET LOCAL search_path TO ''", "SET LOCAL bytea_output TO hex", "SET LOCAL lock_timeout TO '\(lockTimeout)'"]
        let closing = ["ROLLBACK TO SAVEPOINT \(savepoint)", "RELEASE SAVEPOINT \(savepoint)", ObjectOIDs.question]
        return (opening + questions + closing).joined(separator: ";\n")
    }

    override func resume() {
        guard !wasSent, let transaction = worker.sessions.at(session).pointee.detail?.transaction,
            let participant = transaction.participants.min(by: { $0.shard < $1.shard })
        else { return }
        wasSent = true
        request = worker.cluster.catalogRequests
        for participant in [participant] + transaction.participants.filter({ $0.link != participant.link }) {
            ask(addLeg(link: participant.link), legs.count == 1 ? Self.script : ObjectOIDs.question)
        }
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        switch type {
        case BackendMessageType.rowDescription where leg == 0 && results.count < CatalogQuery.allCases.count: results.append([])
        case BackendMessageType.rowDescription: rowsOfOIDs[legs[leg].shard] = []
        case BackendMessageType.dataRow:
            guard let row = try? DataRowMessage(frame) else { return }
            if rowsOfOIDs[legs[leg].shard] != nil {
                rowsOfOIDs[legs[leg].shard]?.append(row.texts)
            } else if !results.isEmpty {
                results[results.count - 1].append(row.texts)
            }
        case BackendMessageType.errorResponse where leg == 0 && !mayNotWait:
            guard let message = try? DatabaseMessage(frame: frame), message.sqlState == .lockNotAvailable else {
                return collect(frame, type: type, leg: leg)
            }
            mayNotWait = true
            (results, rowsOfOIDs[legs[0].shard]) = ([], nil)
        default: collect(frame, type: type, leg: leg)
        }
    }

    override func legReady(_ leg: Int) {
        guard leg == 0, mayNotWait, results.isEmpty, failure == nil else { return }
        ask(0, Self.scriptWithoutWaiting)
    }

    override func allReady() {
        if let failure { return fail(failure) }
        guard let transaction = worker.sessions.at(session).pointee.detail?.transaction,
            let catalog = worker.catalog(from: results, filledFrom: mayNotWait ? worker.cluster.catalog : nil), takeOIDs(transaction)
        else {
            return fail(DatabaseMessage(error: .internalError, "the catalog cannot be read within the transaction"))
        }
        worker.cluster.lastPrivateEpoch += 1
        transaction.catalog = catalog
        transaction.othersCatalog = worker.cluster.catalog
        transaction.catalogRequest = request
        transaction.catalogEpoch = worker.cluster.lastPrivateEpoch
        worker.renewEnvironment(of: session)
        finish(.success)
    }

    /// Has the block's links translate what its DDL has made.
    private func takeOIDs(_ transaction: Transaction) -> Bool {
        guard worker.shardCount > 1 else { return true }
        var oids = worker.cluster.objectOIDs
        for (shard, rows) in rowsOfOIDs {
            guard let known = Worker.objectOIDs(rows) else { return false }
            oids[shard.int] = known
        }
        transaction.oidTranslations = Worker.translations(oids, catalogShard: worker.cluster.catalogShard)
        for participant in transaction.participants { worker.setTranslation(ofLink: participant.link) }
        return true
    }

    private func fail(_ message: DatabaseMessage) {
        if parent == nil { worker.sessions.at(session).pointee.detail?.transaction?.catalogFailure = message }
        finish(.failure(message))
    }
}
