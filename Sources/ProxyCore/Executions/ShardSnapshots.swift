// ShardSnapshots: makes the snapshots of one statement on several shards be of one instant.
//
//     atGate ──> open ──> (held ──>) over             every shard has its snapshot: rows are looked at
//       ▲          └──> discarding ──> locking ──┐    too slow: cancelled, nothing of it reached the client
//       └────────────────────────────────────────┘    the locks it waited for are taken outside the window
//
// A link whose snapshot is taken is not read from before the others have theirs, so that nothing was looked at when an
// attempt is given up. In a block a savepoint is set before the statement and released behind it, in the same write: a
// cancelled attempt is undone with it. Where a second snapshot follows on one of the links, the window is held for it.
import DistributedCommit
import Primitives
import WireProtocol

final class ShardSnapshots: SnapshotWindowOwner {
    private enum Phase { case atGate, open, held, discarding, locking, over }

    /// Not a name that a client would choose for its own.
    private static let savepoint = "\"pgbraid snapshot\""

    private unowned let execution: MultiShardExecution
    private let isInBlock: Bool
    private var phase = Phase.atGate
    private var isTaken: [Bool]
    private var pausedLinks: [Int32] = []
    /// ReadyForQuery messages since the attempt began: in a block the savepoint's comes first, then the statement's, then
    /// that of the savepoint's release.
    private var readyCounts: [Int]
    private var isUndone = false
    private var worker: Worker { execution.worker }

    private lazy var window = SnapshotWindow(
        worker: execution.worker, owner: self, shards: ShardSet(execution.legs.map(\.shard)))

    /// - Parameter isInBlock: the legs are in a transaction, which a failed attempt must leave as it was.
    init(_ execution: MultiShardExecution, isInBlock: Bool) {
        self.execution = execution
        self.isInBlock = isInBlock
        isTaken = Array(repeating: false, count: execution.legs.count)
        readyCounts = Array(repeating: 0, count: execution.legs.count)
    }

    /// The snapshots are not yet there.
    var isPending: Bool { phase != .over }

    /// It keeps the link from being read until the snapshots are taken.
    func holdsBack(_ link: Int32) -> Bool { pausedLinks.contains(link) }

    func begin() {
        phase = .atGate
        window.request()
    }

    // MARK: The window

    func windowOpened() {
        phase = .open
        isUndone = false
        for leg in execution.legs.indices {
            isTaken[leg] = false
            readyCounts[leg] = 0
            worker.statistics.countStatement(shard: execution.legs[leg].shard)
            if isInBlock { execution.ask(leg, "SAVEPOINT \(Self.savepoint)") }
            execution.send(leg)
            if isInBlock { execution.ask(leg, "RELEASE SAVEPOINT \(Self.savepoint)") }
        }
    }

    func windowRefused(_ message: DatabaseMessage) {
        phase = .over
        execution.noteFailure(message)
        execution.end()
    }

    func windowOverran() {
        phase = .discarding
        readOn()
        for (leg, part) in execution.legs.enumerated() where part.outstanding > 0 { discard(leg) }
    }

    /// Cancels an attempt on a leg, once its savepoint is set: the cancel must not hit that.
    private func discard(_ leg: Int) {
        if isInBlock, readyCounts[leg] == 0 { return }
        worker.sendCancel(toLink: execution.legs[leg].link)
    }

    /// A frame of a leg; false: it is not the statement's.
    func takes(_ type: UInt8, leg: Int) -> Bool {
        let isReady = type == BackendMessageType.readyForQuery
        let isError = type == BackendMessageType.errorResponse
        let isStatement = !isInBlock || readyCounts[leg] == 1 || readyCounts[leg] > 2
        if isReady {
            readyCounts[leg] += 1
            if phase == .discarding, isInBlock, !isUndone, readyCounts[leg] == 1 { discard(leg) }
        }
        switch phase {
        case .over, .held: return isReady || isError || isStatement
        case .atGate, .discarding: return isReady
        case .locking: return isReady || isError
        case .open: break
        }
        if isError || isReady && isStatement {
            take(leg)
        } else if isStatement, isProof(type) {
            pause(leg)
            take(leg)
        }
        return isReady || isError || isStatement
    }

    /// The frame cannot have been sent before the snapshot was taken.
    private func isProof(_ type: UInt8) -> Bool {
        switch execution.snapshotMoment {
        case .bind: type == BackendMessageType.bindComplete
        case .firstAnswer: type != BackendMessageType.noticeResponse && type != BackendMessageType.parameterStatus
        case .completion: type == BackendMessageType.commandComplete
        case .unwatched: false
        }
    }

    private func take(_ leg: Int) {
        isTaken[leg] = true
        closeIfTaken()
    }

    private func closeIfTaken() {
        guard phase == .open, !isTaken.contains(false) else { return }
        phase = execution.holdsWindow && execution.failure == nil ? .held : .over
        readOn()
        if phase == .over { window.leave() }
    }

    /// The window was held for a snapshot that is now there.
    func release() {
        guard phase == .held else { return }
        leave()
    }

    private func pause(_ leg: Int) {
        guard !isTaken[leg], isTaken.count(where: { !$0 }) > 1 else { return }
        let link = execution.legs[leg].link
        worker.streams.at(worker.links.at(link).pointee.stream.index).pointee.isReadPaused = true
        pausedLinks.append(link)
    }

    private func readOn() {
        let links = pausedLinks
        pausedLinks = []
        for link in links where worker.links.at(link).pointee.isOpen { worker.readOn(link) }
    }

    func lost(_ leg: Int) {
        pausedLinks.removeAll { $0 == execution.legs[leg].link }
        if phase == .open { take(leg) }
    }

    // MARK: Another attempt

    /// No leg owes anything. True: nothing is left to do here, the statement is answered.
    func isOver() -> Bool {
        switch phase {
        case .over, .held: return true
        case .atGate where execution.failure == nil: return false
        case .open, .atGate:
            leave()
            return true
        case .discarding, .locking: goOn()
        }
        return false
    }

    /// Goes on with what follows a given-up attempt, as far as the legs are ready for it.
    func goOn() {
        guard phase == .discarding || phase == .locking, !execution.hasOutstanding else { return }
        let links = execution.legs.filter { !$0.isLost }.map(\.link)
        guard links.allSatisfy({ worker.links.at($0).pointee.cancelsUnderWay == 0 }) else { return }
        guard execution.failure == nil else {
            phase = .over
            return execution.answered()
        }
        if phase == .locking { return tryAgain() }
        guard !undoFailed() else { return }
        phase = .locking
        for leg in execution.legs.indices { sendExplain(leg) }
        if !execution.hasOutstanding { tryAgain() }
    }

    /// Brings legs that the cancel has failed back to the savepoint; false when none needs it.
    private func undoFailed() -> Bool {
        let failed = execution.legs.indices.filter {
            worker.links.at(execution.legs[$0].link).pointee.status == TransactionStatus.failed.rawValue
        }
        if failed.isEmpty { return false }
        if isUndone {
            // The cancel came before the savepoint was set.
            windowRefused(DatabaseMessage(error: .serializationFailure, "a snapshot of all shards could not be taken in time", hint: "Run the transaction again."))
            return true
        }
        isUndone = true
        for leg in failed {
            execution.ask(leg, "ROLLBACK TO SAVEPOINT \(Self.savepoint);RELEASE SAVEPOINT \(Self.savepoint)")
        }
        return true
    }

    /// EXPLAIN plans the statement and takes its locks, and waits as long as that takes, but outside any window.
    private func sendExplain(_ leg: Int) {
        guard let locking = execution.lockingText(leg) else { return }
        let text = Array("EXPLAIN ".utf8) + locking
        let link = worker.outputEndingUnnamed(ofLink: execution.legs[leg].link)
        link.pointee.output.writeCall(execution.call(execution.call, for: leg), text: text, resultFormats: [])
        execution.expectReady(leg)
    }

    private func tryAgain() {
        execution.startOver()
        begin()
    }

    // MARK: The end

    /// The client cancels.
    func cancel() {
        if phase == .open || phase == .held { return execution.cancelLegs() }
        execution.noteFailure(DatabaseMessage(error: .queryCanceled, "canceling statement due to user request"))
        if phase == .atGate {
            leave()
            return execution.end()
        }
        execution.cancelLegs()
    }

    func leave() {
        phase = .over
        readOn()
        window.leave()
    }
}
