// Execution: something a session does that takes more than passing bytes through.
//
// While an execution has the session, the client's frames wait (but for COPY data it asks for). It talks to links as
// their task, frame by frame, and ends with exactly one `finish`. Executions nest: a script runs statements, a
// statement that wrote on several shards runs a commit; the inner one reports to its parent.
import Primitives
import WireProtocol

/// How an execution ended.
enum Outcome {
    case success
    /// Nothing of it was told to the client yet; whoever is outermost does.
    case failure(DatabaseMessage)
}

/// Base of all executions of a session.
class Execution: LinkTask {
    unowned let worker: Worker
    let session: Int32
    let parent: Execution?
    private(set) var legs: [Leg] = []
    /// The first error; later ones only follow from it.
    var failure: DatabaseMessage?
    private(set) var isFinished = false

    /// One link's part in the execution.
    struct Leg {
        let link: Int32
        let shard: ShardIndex
        /// ReadyForQuery messages still to come.
        var outstanding = 0
        var isLost = false
        var tag = ""
        var error: DatabaseMessage?
        var warnings: [DatabaseMessage] = []
        /// Rows in text, kept only where `keepsRows`.
        var rows: [[String?]] = []
    }

    init(worker: Worker, session: Int32, parent: Execution?) {
        self.worker = worker
        self.session = session
        self.parent = parent
    }

    /// Notices kept of one leg, beside what is told of replication; a function can raise any number of them.
    static let keptWarnings = 100

    // MARK: What subclasses say

    /// Rows are kept in `Leg.rows`; only for the proxy's own small queries.
    var keepsRows: Bool { false }
    /// Begins, or goes on after waiting for links.
    func resume() {}
    /// One frame other than ReadyForQuery from a leg.
    func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) { collect(frame, type: type, leg: leg) }
    /// A leg answered all it was asked; all its `outstanding` are in.
    func legReady(_ leg: Int) {}
    /// No leg has anything outstanding.
    func allReady() {}
    /// A frame from the client while the execution has the session; false when it must wait.
    func clientFrame(_ frame: UnsafeRawBufferPointer, type: UInt8) -> Bool { false }
    /// The client took what waited for it.
    func clientDrained() {}
    /// The execution has paused the link, and goes on reading when there is room.
    func pauses(_ link: Int32) -> Bool { false }
    /// A link took what waited for it.
    func linkDrained(_ link: Int32) {}
    /// A link passed all it owed straight to the client.
    func passedQuiet(_ link: Int32) {}
    /// A link that passed answers straight to the client broke.
    func passedLost(_ link: Int32, _ message: DatabaseMessage) {}
    /// COPY data is awaited from the client.
    var wantsClientFrames: Bool { false }
    /// The client left while its COPY data was awaited.
    func clientLeft() {}
    func childFinished(_ child: Execution, _ outcome: Outcome) {}

    // MARK: Legs

    func addLeg(link: Int32) -> Int {
        let record = worker.links.at(link)
        record.pointee.task = self
        legs.append(Leg(link: link, shard: record.pointee.shard))
        return legs.count - 1
    }

    func removeLegs() { legs = [] }

    func withLeg(_ leg: Int, _ change: (inout Leg) -> Void) { change(&legs[leg]) }

    /// Notes that the leg's link owes one more ReadyForQuery to this execution.
    func expectReady(_ leg: Int) {
        legs[leg].outstanding += 1
        let link = worker.links.at(legs[leg].link)
        link.pointee.task = self
        link.pointee.expectations.append(.task)
        worker.streams.markDirty(link.pointee.stream.index)
    }

    /// Sends one simple Query on a leg.
    func ask(_ leg: Int, _ text: String) {
        guard !legs[leg].isLost else { return }
        worker.outputEndingUnnamed(ofLink: legs[leg].link).pointee.output.writeQuery(text)
        expectReady(leg)
    }

    var hasOutstanding: Bool { legs.contains { $0.outstanding > 0 } }

    func received(_ frame: UnsafeRawBufferPointer, type: UInt8, from link: Int32) {
        guard let leg = legs.firstIndex(where: { $0.link == link }) else { return }
        guard type == BackendMessageType.readyForQuery else { return self.frame(frame, type: type, leg: leg) }
        legs[leg].outstanding -= 1
        if legs[leg].outstanding == 0 {
            legReady(leg)
            if !isFinished && !hasOutstanding { allReady() }
        }
    }

    func lost(_ link: Int32, reason: String) {
        guard let leg = legs.firstIndex(where: { $0.link == link }), !legs[leg].isLost else { return }
        legs[leg].isLost = true
        legs[leg].outstanding = 0
        let shard = legs[leg].shard
        let message = DatabaseMessage(
            error: .connectionFailure, "connection to shard \(shard) was lost: \(reason)",
            hint: "The shard may be restarting; the transaction was not committed there. Try again.")
        if legs[leg].error == nil { legs[leg].error = message }
        noteFailure(message)
        legReady(leg)
        if !isFinished && !hasOutstanding { allReady() }
    }

    /// Keeps what simple answers consist of.
    func collect(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        switch type {
        case BackendMessageType.commandComplete:
            if let message = try? CommandCompleteMessage(frame) { legs[leg].tag = message.tag.text }
        case BackendMessageType.parameterStatus where leg == 0: worker.noteParameterStatus(session, frame)
        case BackendMessageType.errorResponse:
            guard let message = try? DatabaseMessage(frame: frame) else { return }
            legs[leg].error = legs[leg].error ?? worker.told(message, session)
            noteFailure(message)
        case BackendMessageType.noticeResponse:
            guard let message = try? DatabaseMessage(frame: frame) else { return }
            let isFirstOfReplication = message.tellsOfReplication && !legs[leg].warnings.contains(where: \.tellsOfReplication)
            if isFirstOfReplication || legs[leg].warnings.count < Self.keptWarnings { legs[leg].warnings.append(message) }
        case BackendMessageType.dataRow where keepsRows:
            if let row = try? DataRowMessage(frame) { legs[leg].rows.append(row.texts) }
        default: break
        }
    }

    /// Pauses the leg's link while the client is slow; ends the statement when a portal holds too much.
    func pauseIfFull(_ leg: Int) {
        switch worker.room(ofSession: session) {
        case .free: return
        case .full:
            worker.output(ofSession: session).pointee.wantsDrained = true
            worker.streams.at(worker.links.at(legs[leg].link).pointee.stream.index).pointee.isReadPaused = true
        case .exceeded:
            noteFailure(tooManyPortalRows)
            cancelLegs()
        }
    }

    var tooManyPortalRows: DatabaseMessage {
        DatabaseMessage(
            error: .configurationLimitExceeded,
            "the portal's rows are over the limit of \(worker.settings.limits.mergeBytes) bytes",
            hint: "Fetch all rows at once, which streams them, or raise limits.merge.")
    }

    func noteFailure(_ message: DatabaseMessage) {
        if failure == nil { failure = worker.told(message, session) }
    }

    /// A row was not given because it is larger than a row that must be seen whole may be; what follows it is.
    func rowTooLarge(_ message: DatabaseMessage) {
        noteFailure(message)
        cancelLegs()
    }

    /// The client asks to stop.
    func cancelRequested() { cancelLegs() }

    /// Asks the shards to stop what the legs are doing.
    func cancelLegs(except: Int? = nil) {
        for (index, leg) in legs.enumerated() where leg.outstanding > 0 && index != except {
            worker.sendCancel(toLink: leg.link)
        }
    }

    /// Ends the execution; nothing of it runs afterwards.
    func finish(_ outcome: Outcome) {
        guard !isFinished else { return }
        isFinished = true
        for leg in legs {
            let link = worker.links.at(leg.link)
            if link.pointee.task === self { link.pointee.task = nil }
        }
        worker.executionFinished(self, outcome)
    }
}

extension DatabaseMessage {
    /// The warning that a commit did not wait for its standby, in whatever language.
    var tellsOfReplication: Bool { routine == "SyncRepWaitForLSN" }
}

extension DataRowMessage {
    /// The row's values as text; nil is NULL.
    var texts: [String?] {
        var result: [String?] = []
        result.reserveCapacity(fieldCount)
        forEachField { result.append($1.map(\.text)) }
        return result
    }
}
