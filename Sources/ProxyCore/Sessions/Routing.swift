// Routing: from a plan's route and the values of one execution to the shards that are needed, seen from a session.
import Primitives
import QueryPlanning
import ShardMap
import WireProtocol

/// What a route comes to for one execution.
enum RouteOutcome {
    case one(ShardIndex)
    case many(ShardSet)
    case refused(Refusal)
}

extension Worker {
    /// The shard of a statement whose shape is known; nil when the planner must be asked.
    @inline(__always)
    func hotTarget(
        _ text: UnsafeRawBufferPointer, session: UnsafeMutablePointer<Session>
    ) -> (shard: ShardIndex, effect: DataEffect)? {
        guard let plan = planner.lookUp(text: text, environment: session.pointee.environment), !plan.pointee.runsTriggers else { return nil }
        switch cluster.hotMap._withUnsafeGuaranteedRef({ planner.target(of: plan, text: text, map: $0) }) {
        case .shard(let shard): return (shard, plan.pointee.effect)
        case .any: return (preferredShard(session), plan.pointee.effect)
        case .unknown: return nil
        }
    }

    /// A shard for a statement that any shard can answer: one the session uses already, else the next in turn.
    @inline(__always)
    func preferredShard(_ session: UnsafeMutablePointer<Session>) -> ShardIndex {
        if session.pointee.isLinkReserved, session.pointee.link >= 0 { return links.at(session.pointee.link).pointee.shard }
        if !session.pointee.isPlain {
            if let participant = session.pointee.detail?.transaction?.participants.first { return participant.shard }
            if let pinned = session.pointee.detail?.pinnedLinks.first { return links.at(pinned.link).pointee.shard }
        }
        return nextShardInTurn()
    }

    func anyShard(_ index: Int32) -> ShardIndex { preferredShard(sessions.at(index)) }

    private func nextShardInTurn() -> ShardIndex {
        for _ in 0..<shardCount {
            nextAnyShard = nextAnyShard + 1 < shardCount ? nextAnyShard + 1 : 0
            if cluster.shards[nextAnyShard].isUp { break }
        }
        return ShardIndex(nextAnyShard)
    }

    /// Evaluates a prepared statement's route with the values of a Bind.
    @inline(__always)
    func resolve(
        _ route: Route, session index: Int32, statement: SharedStatement, bind: BindMessage, prefer: ShardIndex?
    ) -> RouteOutcome {
        statement.text.withUnsafeBytes {
            resolve(route, session: index, text: $0, bind: bind, parameterTypes: statement.routingTypes, prefer: prefer)
        }
    }

    /// Evaluates a route with the bound values of an execution.
    func resolve(
        _ route: Route, session index: Int32, text: UnsafeRawBufferPointer, bind: BindMessage?, parameterTypes: [UInt32],
        prefer: ShardIndex?
    ) -> RouteOutcome {
        parameterTypes.withUnsafeBufferPointer { types in
            let parameters = bind.map { BoundParameters(bind: $0, typeOIDs: types) } ?? .none
            let resolver = RouteResolver(
                map: cluster.map, text: text, parameters: parameters,
                usesServerEncoding: environments.at(sessions.at(index).pointee.environment)?.usesServerEncoding ?? true)
            do throws(Refusal) {
                switch try resolver.resolve(route) {
                case .any: return .one(prefer ?? anyShard(index))
                case .catalog: return .one(cluster.catalogShard)
                case .home: return .one(homeShard(index))
                case .participant: return try .one(shardThatDrew(index))
                case .writer: return .one(writtenShard(index, prefer: prefer))
                case .shards(let set):
                    if set.count == 1, let shard = set.first { return .one(shard) }
                    return .many(set)
                }
            } catch {
                return .refused(error)
            }
        }
    }

    /// The shard of the session's home link, where temp tables and the like are.
    private func homeShard(_ index: Int32) -> ShardIndex {
        let detail = sessions.at(index).pointee.detail
        if let pinned = detail?.pinnedLinks.first(where: { $0.reasons.contains(.temporaryTable) }) ?? detail?.pinnedLinks.first {
            return links.at(pinned.link).pointee.shard
        }
        return anyShard(index)
    }

    /// Where rows go that may be anywhere: what the transaction writes is then written on no further shard.
    func writtenShard(_ index: Int32, prefer: ShardIndex? = nil) -> ShardIndex {
        let participants = sessions.at(index).pointee.detail?.transaction?.participants ?? []
        return participants.first { $0.effect != .reads }?.shard ?? prefer ?? anyShard(index)
    }

    /// The one shard whose numbers currval and lastval tell of. Between transactions a link serves other sessions, whose
    /// numbers it would tell, unless it is the session's own.
    /// - Throws: if there is none, or it is not known which of several drew last.
    private func shardThatDrew(_ index: Int32) throws(Refusal) -> ShardIndex {
        let detail = sessions.at(index).pointee.detail
        if let transaction = detail?.transaction, !transaction.participants.isEmpty {
            // An idempotency key draws no number where nothing else is done.
            let participants = transaction.participants.filter { $0.effect != .reads || $0.shard != transaction.idempotentRequest?.home }
            if participants.count == 1, participants[0].effect != .reads { return participants[0].shard }
        } else if settings.poolMode == .session, let pinned = detail?.pinnedLinks, pinned.count == 1 {
            return links.at(pinned[0].link).pointee.shard
        }
        throw Refusal(
            "0A000", "currval and lastval are known only in a transaction block that has written on one shard and used no other",
            hint: "Use RETURNING of the statement that draws the number.")
    }

    /// Keeps a link for the session beyond the transaction.
    func pin(_ index: Int32, link: Int32, reasons: PinReasons) {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail else { return }
        session.pointee.isPlain = false
        if reasons.contains(.sessionAdvisoryLock) { detail.looksAfterLocks = true }
        links.at(link).pointee.isTainted = true
        if let place = detail.pinnedLinks.firstIndex(where: { $0.link == link }) {
            detail.pinnedLinks[place].reasons.formUnion(reasons)
        } else {
            detail.pinnedLinks.append((link, reasons))
        }
    }
}
