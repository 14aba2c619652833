// ReplyHold: with `consistent_reads = strict`, what a shard answers while a commit over several shards is half done there.
//
// The answer may show the commit although another shard does not yet. So it is kept from the client until the commits
// that were under way on its shard are done, and nothing the client has sent behind it is looked at before.
import DistributedCommit
import Primitives
import QueryPlanning

/// One session's answers; it ends when the last of its tickets has come back from the gate.
final class ReplyHold: GateVisitor {
    private unowned let worker: Worker
    private let session: Int32
    private let generation: UInt32
    private let stream: StreamID
    private var tickets: Set<UInt64> = []

    init(worker: Worker, session: Int32) {
        self.worker = worker
        self.session = session
        generation = worker.sessions.at(session).pointee.generation
        stream = worker.sessions.at(session).pointee.stream
    }

    func add(_ ticket: GateTicket) {
        tickets.insert(ticket.serial)
        worker.gateVisitors[ticket.serial] = self
    }

    func gateEntered(_ ticket: GateTicket) {
        worker.gateVisitors[ticket.serial] = nil
        tickets.remove(ticket.serial)
        guard tickets.isEmpty else { return }
        // The client may have left meanwhile, or be about to be closed behind its last words.
        if let record = worker.streams.find(stream) {
            record.pointee.isHeld = false
            worker.streams.markDirty(stream.index)
        }
        guard worker.sessions.at(session).pointee.generation == generation else { return }
        worker.repliesReleased(session, self)
    }

    func gateLimitIsOver() {}
}

extension Worker {
    /// A shard has answered something for a session: keeps it back if it may show half of a commit.
    @inline(never)
    func holdReplies(toSession index: Int32, from shard: ShardIndex) {
        let session = sessions.at(index)
        guard session.pointee.phase != .leaving, let detail = session.pointee.detail else { return }
        lastGateSerial += 1
        let ticket = GateTicket(worker: number, serial: lastGateSerial)
        if gate.mayTell(ticket, answerOf: shard) { return }
        statistics.gateWaits &+= 1
        let hold = detail.replyHold ?? ReplyHold(worker: self, session: index)
        detail.replyHold = hold
        hold.add(ticket)
        streams.at(session.pointee.stream.index).pointee.isHeld = true
    }

    /// The answers are on their way: what the client has sent behind them is looked at, and a script goes on.
    fileprivate func repliesReleased(_ index: Int32, _ hold: ReplyHold) {
        guard let detail = sessions.at(index).pointee.detail, detail.replyHold === hold else { return }
        detail.replyHold = nil
        (detail.execution as? ScriptExecution)?.resume()
        guard sessions.at(index).pointee.detail === detail else { return }
        unpause(index)
    }

    /// Outside a block this statement may write, and with `consistent_reads = strict` it needs a COMMIT that can wait at the gate.
    @inline(__always)
    func needsOwnCommit(_ effect: DataEffect, _ session: UnsafeMutablePointer<Session>) -> Bool {
        hotSettings.isStrict && effect != .reads && session.pointee.detail?.transaction == nil
    }
}
