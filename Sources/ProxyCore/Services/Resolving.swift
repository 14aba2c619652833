// Resolving: RESOLVE 'gid' COMMIT | ROLLBACK in the admin database: the operator ends a prepared transaction that recovery
// cannot, because the shard that knows its outcome will not come back.
//
// Where that shard does answer, it decides: the operator is told when that is not what was asked for. Foreign prepared
// transactions are never touched.
import DistributedCommit
import Primitives
import WireProtocol

/// One RESOLVE under way.
private struct Resolution {
    let session: Int32
    let generation: UInt32
    let shard: ShardIndex
    let gid: String
    let decision: Decision
    let owner: String
}

extension Worker {
    /// Begins what `RESOLVE` asks for; the console session waits for the end.
    /// - Parameter words: of the command, as written.
    func resolve(_ index: Int32, _ words: [String]) {
        guard words.count == 3, let decision = Self.decision(words[2]) else {
            return endResolving(index, DatabaseMessage(error: .syntaxError, "RESOLVE needs a gid in quotes and COMMIT or ROLLBACK"))
        }
        let gid = words[1].trimming { $0 == "'" }
        guard let parsed = GlobalTransactionIdentifier(parsing: gid), "\(parsed.cluster)" == clusterIdentifier else {
            return endResolving(
                index,
                DatabaseMessage(
                    error: .objectNotInPrerequisiteState, "\"\(gid)\" is not a transaction of this cluster",
                    hint: "Foreign prepared transactions are ended on their shard, by whoever made them."))
        }
        guard let shard = shard(named: "\(parsed.participant)"), let seen = cluster.preparedSeen.first(where: { $0.gid == gid && $0.shard == shard }) else {
            return endResolving(
                index,
                DatabaseMessage(error: .undefinedObject, "prepared transaction \"\(gid)\" is not known", hint: "SHOW TRANSACTIONS lists them."))
        }
        let session = sessions.at(index)
        streams.at(session.pointee.stream.index).pointee.isReadPaused = true
        let resolution = Resolution(
            session: index, generation: session.pointee.generation, shard: shard, gid: gid, decision: decision, owner: seen.owner)
        guard let decider = self.shard(named: "\(parsed.decider)"), cluster.shards[decider.int].isReached else {
            return carryOut(resolution, isDeciderSilent: true)
        }
        fenceAndRead(shard: decider, hash: parsed.hash, instance: "\(parsed.instance)") { [unowned self] status in
            switch status {
            case .commit where decision == .abort, .abort where decision == .commit:
                let known = status == .commit ? "COMMIT" : "ROLLBACK"
                resolved(
                    resolution,
                    DatabaseMessage(
                        error: .objectNotInPrerequisiteState, "the transaction's outcome is known: \(known)",
                        hint: "Shard \(decider) decided it, and recovery ends it so."))
            case .commit, .abort: carryOut(resolution, isDeciderSilent: false)
            case .waiting:
                resolved(resolution, DatabaseMessage(error: .objectInUse, "shard \(decider) is deciding the transaction just now"))
            case .unreachable: carryOut(resolution, isDeciderSilent: true)
            }
        }
    }

    private static func decision(_ word: String) -> Decision? {
        switch word.uppercased() {
        case "COMMIT": .commit
        case "ROLLBACK": .abort
        default: nil
        }
    }

    private func shard(named identifier: String) -> ShardIndex? {
        cluster.shards.firstIndex { $0.identifier == identifier }.map { ShardIndex($0) }
    }

    private func carryOut(_ resolution: Resolution, isDeciderSilent: Bool) {
        let verb = resolution.decision == .commit ? "COMMIT" : "ROLLBACK"
        logger.warning(
            "an operator ends a prepared transaction",
            metadata: [
                "gid": "\(resolution.gid)", "shard": "\(resolution.shard)", "as": "\(verb)", "decider silent": "\(isDeciderSilent)",
            ])
        finishPrepared(shard: resolution.shard, gid: resolution.gid, verb: verb, owner: resolution.owner, after: .zero) { [unowned self] answer in
            switch answer {
            case .done, .doneWithoutReplication: resolved(resolution, nil)
            case .notFound:
                resolved(resolution, DatabaseMessage(error: .undefinedObject, "prepared transaction \"\(resolution.gid)\" does not exist any more"))
            case .failed(let state):
                resolved(resolution, DatabaseMessage(error: SQLState(state), "shard \(resolution.shard) cannot end the transaction"))
            case .unreachable: resolved(resolution, unreachable(resolution.shard, "the connection was lost"))
            }
        }
    }

    private func resolved(_ resolution: Resolution, _ error: DatabaseMessage?) {
        let session = sessions.at(resolution.session)
        if error == nil { runRecovery(.periodic) }
        guard session.pointee.generation == resolution.generation, session.pointee.phase == .console else { return }
        endResolving(resolution.session, error)
        unpause(resolution.session)
    }

    private func endResolving(_ index: Int32, _ error: DatabaseMessage?) {
        let output = output(ofSession: index)
        if let error { output.pointee.output.writeErrorResponse(error) } else { output.pointee.output.writeCommandComplete("RESOLVE") }
        output.pointee.output.writeReadyForQuery(.idle)
    }
}
