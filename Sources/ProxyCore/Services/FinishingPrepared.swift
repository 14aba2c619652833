// FinishingPrepared: the statements that end a prepared transaction and find out how it was decided, for recovery, commits and RESOLVE.
import DistributedCommit
import Primitives
import WireProtocol

extension Worker {
    /// How long an answer to recovery may take before its link is given up: one silent shard must not keep the round
    /// from ending, and with it the others from being opened.
    static var recoveryPatience: Span { .seconds(10) }

    /// COMMIT PREPARED or ROLLBACK PREPARED as the admin user, under the owner's role where that is needed.
    /// - Parameter owner: nil: it is looked up.
    func finishPrepared(
        shard: ShardIndex, gid: String, verb: String, owner: String?, after delay: Span, completion: @escaping (FinishAnswer) -> Void
    ) {
        guard let owner else {
            return readOwner(shard, gid) { [self] owner in
                guard let owner else { return completion(.unreachable) }
                if owner.isEmpty { return completion(.notFound(sameHistory: true)) }
                finishPrepared(shard: shard, gid: gid, verb: verb, owner: owner, after: delay, completion: completion)
            }
        }
        let text = "\(verb) PREPARED \(quoteLiteral(gid))"
        if delay > .zero {
            timers.add(.finishPrepared(shard: shard, text: text, owner: owner, completion: completion), at: now + delay)
        } else {
            runFinish(shard, text, owner: owner, completion)
        }
    }

    /// Who prepared it: the role in force then, which SET ROLE and functions can make another than the session's. Empty: it is
    /// gone; nil: the shard does not answer.
    private func readOwner(_ shard: ShardIndex, _ gid: String, completion: @escaping (String?) -> Void) {
        runAdmin(shard, InternalSchema.listPrepared, limit: Self.recoveryPatience) { answer in
            guard answer.isSuccess, let rows = answer.rows(of: 0, columns: 4) else { return completion(nil) }
            completion(rows.first { $0[0] == gid }?[1] ?? "")
        }
    }

    /// - Parameter owner: only it, or a superuser, may end the prepared transaction.
    func runFinish(_ shard: ShardIndex, _ text: String, owner: String, _ completion: @escaping (FinishAnswer) -> Void) {
        let isOwn = owner == settings.adminUser.name
        let texts = isOwn ? [text] : ["SET ROLE \(quoteIdentifier(owner))", text, "RESET ROLE"]
        runAdmin(shard, texts, limit: Self.recoveryPatience) { answer in
            if answer.isLost { return completion(.unreachable) }
            switch answer.error?.sqlState.rawValue {
            case nil: completion(answer.warnings.isEmpty ? .done : .doneWithoutReplication)
            // Whether it is the same server still is for a coordinator to ask; recovery knows no earlier one.
            case "42704": completion(.notFound(sameHistory: true))
            case let state?: completion(.failed(sqlState: state))
            }
        }
    }

    /// Writes an abort row unless there is a decision, and reads which.
    func fenceAndRead(
        shard: ShardIndex, hash: TransactionHash, instance: String? = nil, completion: @escaping (DecisionStatus) -> Void
    ) {
        let text = InternalSchema.fenceAndRead(hash, instance: instance ?? cluster.instance)
        runAdmin(shard, [text], limit: Self.recoveryPatience) { answer in
            if answer.isLost { return completion(.unreachable) }
            guard answer.error == nil, answer.warnings.isEmpty, answer.tags.last == "COMMIT",
                let outcome = answer.rows(of: 0, columns: 1)?.first?[0].flatMap({ Decision(rawValue: $0) })
            else { return completion(.waiting) }
            completion(outcome == .commit ? .commit : .abort)
        }
    }
}
