// FinishPreparedExecution: COMMIT PREPARED or ROLLBACK PREPARED of a transaction that a client prepared itself, which lies on
// one shard: all are asked which.
import DistributedCommit
import Primitives
import QueryPlanning
import WireProtocol

final class FinishPreparedExecution: Execution {
    private enum Step { case leasing, looking, awaitingWindow, finishing }

    private let gid: String
    /// COMMIT PREPARED or ROLLBACK PREPARED.
    private let command: String
    private var step = Step.leasing
    private var nextShard = 0
    private var place = 0
    private var commitWindow: GateTicket?

    override var keepsRows: Bool { true }

    init(worker: Worker, session: Int32, parent: Execution?, command: String, gid: String) {
        self.command = command
        self.gid = gid
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard step == .leasing else { return }
        if let problem { return finish(.failure(problem)) }
        while nextShard < worker.shardCount {
            switch worker.enlist(session, shard: ShardIndex(nextShard), effect: .reads) {
            case .waiting: return
            case .failed(let message): return end(message)
            case .link(let link):
                _ = addLeg(link: link)
                nextShard += 1
            }
        }
        step = .looking
        let question = "SELECT 1 FROM pg_catalog.pg_prepared_xacts WHERE gid =\(quoteLiteral(gid)) AND database = pg_catalog.current_database()"
        for leg in legs.indices { ask(leg, question) }
    }

    /// How the identifiers of the proxy's own parts begin.
    static let ownPrefix = "pgbraid:"

    private var problem: DatabaseMessage? {
        if worker.sessions.at(session).pointee.detail?.transaction != nil {
            return DatabaseMessage(error: .activeSQLTransaction, "\(command) cannot run inside a transaction block")
        }
        if gid.hasPrefix(Self.ownPrefix) {
            return DatabaseMessage(
                error: .featureNotSupported, "\(command) of the proxy's own transactions is not supported",
                hint: "Recovery finishes them on all shards alike; RESOLVE in the admin database is for those it cannot finish.")
        }
        return nil
    }

    override func allReady() {
        if let failure { return end(failure) }
        guard step == .looking else { return end(nil) }
        let places = legs.indices.filter { !legs[$0].rows.isEmpty }
        if places.count > 1 {
            return end(
                DatabaseMessage(
                    error: .featureNotSupported, "several shards have a prepared transaction with identifier \"\(gid)\"",
                    hint: "Send the command to the shard itself."))
        }
        guard let found = places.first else {
            return end(DatabaseMessage(error: .undefinedObject, "prepared transaction with identifier \"\(gid)\" does not exist"))
        }
        place = found
        for leg in legs.indices where leg != place { letGo(leg) }
        step = .awaitingWindow
        guard worker.hotSettings.isStrict, command == "COMMIT PREPARED" else { return finishPrepared() }
        switch worker.enterGate(self, .commit, ShardSet([legs[place].shard])) {
        case .waiting(let ticket): commitWindow = ticket
        case .entered(let ticket):
            commitWindow = ticket
            finishPrepared()
        // Only snapshots are refused there.
        case .closed: break
        }
    }

    private func finishPrepared() {
        step = .finishing
        ask(place, "\(command)\(quoteLiteral(gid))")
    }

    /// A link that breaks under the command itself leaves its outcome open.
    override func lost(_ link: Int32, reason: String) {
        if step == .finishing {
            noteFailure(
                DatabaseMessage(
                    error: .transactionResolutionUnknown, "the connection to shard \(legs[place].shard) was lost during \(command): \(reason)",
                    hint: "Look in pg_prepared_xacts there whether \"\(gid)\" is still prepared before you repeat it."))
        }
        super.lost(link, reason: reason)
    }

    override func cancelRequested() {
        if hasOutstanding { return cancelLegs() }
        end(DatabaseMessage(error: .queryCanceled, "canceling statement due to user request"))
    }

    private func letGo(_ leg: Int) {
        guard !legs[leg].isLost else { return }
        worker.links.at(legs[leg].link).pointee.task = nil
        worker.giveBack(legs[leg].link, from: session)
    }

    private func end(_ failure: DatabaseMessage?) {
        if let commitWindow { worker.leaveGate(commitWindow) }
        for leg in legs.indices where step == .leasing || step == .looking || leg == place { letGo(leg) }
        if let failure { return finish(.failure(failure)) }
        for warning in legs[place].warnings { worker.warn(session, warning) }
        // What was prepared may have been DDL, which shows from now on.
        worker.noteCatalogChange()
        worker.tellComplete(session, command)
        finish(.success)
    }
}

extension FinishPreparedExecution: GateVisitor {
    func gateEntered(_ ticket: GateTicket) { finishPrepared() }

    /// Only a commit on one shard: nothing of it is half done while it lasts.
    func gateLimitIsOver() {}
}
