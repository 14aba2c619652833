// QuickBind: Bind of a named statement to the unnamed portal where its parameters alone say which shard is meant, outside a
// block, with nothing sent before it: what a driver with prepared statements does nearly always.
//
// It does what `bind` in ExtendedQuery does then, on raw memory: no reference is counted and no message copied. Measured for
// pgbench -M prepared: 450 instructions instead of 1,000.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// Handles a Bind; nil when it is none of those above.
    @inline(__always)
    func bindQuickly(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer
    ) -> FrameResult? {
        guard session.pointee.isPlain, !hotSettings.isStrict, session.pointee.link < 0, session.pointee.heldParse == 0,
            !session.pointee.hasPortals,
            session.pointee.status != TransactionStatus.failed.rawValue, message.portal.isEmpty,
            !message.statement.isEmpty,
            let names = session.pointee.statementNames,
            let statement = statements.hot(names._withUnsafeGuaranteedRef { $0.number(of: message.statement) }),
            statement.pointee.environment == session.pointee.environment,
            case .shard(let shard) = target(of: statement, message)
        else { return nil }
        switch lease(index, shard: shard) {
        case .link(let link):
            session.pointee.link = link
            session.pointee.batchEffect = statement.pointee.plan.effect
            session.pointee.hasBatchExecuted = false
            session.pointee.unnamedPortalLink = link
            if statistics.isSampled(shard: shard) { sampleKey(statement, message) }
            session.pointee.askedAt = now
            let record = links.at(link)
            if !record.pointee.prepared.touch(statement.pointee.number) {
                prepare(statement.pointee.number, session, link)
            }
            if record.pointee.translatesOIDs {
                translate(statement.pointee.number, session, message, frame, to: link)
            } else {
                streams.at(record.pointee.stream.index).pointee.output.writeBind(
                    message, portal: message.portal, statement: statement.pointee.linkName)
            }
            sent(session, record, .passBind)
            return .consumed
        case .waiting: return .blocked
        case .failed(let error): return raise(index, error)
        }
    }

    @inline(__always)
    private func target(of statement: UnsafeMutablePointer<HotStatement>, _ message: BindMessage) -> HotTarget {
        let plan = UnsafeRawPointer(statement).assumingMemoryBound(to: HotPlan.self)
        return withUnsafePointer(to: message) { message in
            cluster.hotMap._withUnsafeGuaranteedRef {
                planner.target(of: plan, bind: message, typeOIDs: UnsafeBufferPointer(statement.pointee.parameterTypes), map: $0)
            }
        }
    }

    @inline(never)
    private func translate(
        _ number: UInt32, _ session: UnsafeMutablePointer<Session>, _ message: BindMessage, _ frame: UnsafeRawBufferPointer, to link: Int32
    ) {
        guard let statement = statements.at(number) else { return }
        writeTranslatedBind(session, message, frame, statement, to: link)
    }

    @inline(never)
    private func prepare(_ number: UInt32, _ session: UnsafeMutablePointer<Session>, _ link: Int32) {
        guard let statement = statements.at(number) else { return }
        ensurePrepared(session, link, statement, isUnnamed: false)
    }
}
