// FinishPreparedExecution: COMMIT PREPARED or ROLLBACK PREPARED of a transaction that a client prepared itself, which lies on
// one shard: all are asked which.
import Primitives
import QueryPlanning
import WireProtocol

final class FinishPreparedExecution: Execution {
    private enum Step { case leasing, looking, finishing }

    private let gid: String
    /// COMMIT PREPARED or ROLLBACK PREPARED.
    private let command: String
    private var step = Step.leasing
    private var nextShard = 0
    private var place = 0

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

    private var problem: DatabaseMessage? {
        if worker.sessions.at(session).pointee.detail?.transaction != nil {
            return DatabaseMessage(error: .activeSQLTransaction, "\(command) cannot run inside a transaction block")
        }
        if gid.hasPrefix("pgbraid:") {
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
        step = .finishing
        ask(place, "\(command)\(quoteLiteral(gid))")
    }

    override func cancelRequested() { cancelLegs() }

    private func end(_ failure: DatabaseMessage?) {
        let pinned = worker.sessions.at(session).pointee.detail?.pinnedLinks ?? []
        for leg in legs where !leg.isLost {
            worker.links.at(leg.link).pointee.task = nil
            if !pinned.contains(where: { $0.link == leg.link }) { worker.release(leg.link) }
        }
        if let failure { return finish(.failure(failure)) }
        worker.tellComplete(session, command)
        finish(.success)
    }
}
