// StatementCall: one statement about to be carried out: its plan, its text and what was bound to it.
import Primitives
import QueryPlanning
import WireProtocol

/// One execution of one statement.
struct StatementCall {
    let plan: StatementPlan
    /// The exact text of this statement alone.
    let text: [UInt8]
    var parameterTypes: [UInt32] = []
    /// The client's Bind frame; nil for a simple Query.
    var bind: [UInt8]?
    /// A simple Query's rows come with their description; in the extended protocol the client asks for it apart.
    var wantsDescription = true
    /// Rows Execute asks for at a time; 0: all.
    var maximumRows: Int32 = 0

    /// The result formats of Bind, as many as it gave.
    var resultFormats: [FormatCode] {
        guard let bind else { return [] }
        return bind.withUnsafeBytes { bytes in
            guard let message = try? BindMessage(bytes) else { return [] }
            return (0..<message.resultFormatCount).map { message.resultFormatCode($0) }
        }
    }
}

extension ByteQueue {
    /// Parse, Bind, Describe, Flush, Execute and Sync of a statement on unnamed objects.
    ///
    /// Flush behind Describe: PostgreSQL takes the snapshot at Bind and answers it at once, however long Execute runs.
    /// - Parameter keptParameters: which parameters the text still has; the others are sent as NULL of type text, since
    ///   PostgreSQL wants a type for each. Nil: all.
    mutating func writeCall(
        _ call: StatementCall, text: [UInt8], resultFormats: [FormatCode], keptParameters: Set<Int>? = nil
    ) {
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        let mark = beginFrame(FrontendMessageType.parse)
        append(UInt8(0))
        append(text)
        append(UInt8(0))
        writeTypes(call, keptParameters)
        endFrame(mark)
        if let bind = call.bind {
            bind.withUnsafeBytes { bytes in
                guard let message = try? BindMessage(bytes) else { return }
                if let keptParameters {
                    writeBind(message, keeping: keptParameters, resultFormats: resultFormats)
                } else {
                    writeBind(message, portal: empty, statement: empty, resultFormats: resultFormats)
                }
            }
        } else {
            writeBind(resultFormats: resultFormats)
        }
        writeDescribe(.portal, name: empty)
        writeFlush()
        writeExecute(portal: empty)
        writeSync()
    }
}

extension ByteQueue {
    private mutating func writeTypes(_ call: StatementCall, _ keptParameters: Set<Int>?) {
        guard let keptParameters else {
            append(count: call.parameterTypes.count)
            for type in call.parameterTypes { append(integer: type) }
            return
        }
        let count = max(call.parameterTypes.count, call.plan.parameterCount)
        append(count: count)
        for number in 1...max(1, count) where number <= count {
            let declared = number <= call.parameterTypes.count ? call.parameterTypes[number - 1] : 0
            append(integer: keptParameters.contains(number) ? declared : 25)
        }
    }

    private mutating func writeBind(_ message: BindMessage, keeping kept: Set<Int>, resultFormats: [FormatCode]) {
        let mark = beginFrame(FrontendMessageType.bind)
        append(UInt8(0))
        append(UInt8(0))
        append(formats: (0..<message.parameterCount).map { kept.contains($0 + 1) ? message.parameterFormat($0) : .text })
        append(count: message.parameterCount)
        for index in 0..<message.parameterCount {
            append(value: kept.contains(index + 1) ? message.parameter(index).value : nil)
        }
        append(formats: resultFormats)
        endFrame(mark)
    }
}

/// The numbers of the parameters a text mentions; `$n` inside quotes counts too, which does no harm.
func parametersMentioned(in text: [UInt8]) -> Set<Int> {
    var numbers: Set<Int> = []
    var index = 0
    while index < text.count {
        guard text[index] == UInt8(ascii: "$") else {
            index += 1
            continue
        }
        index += 1
        var number = 0
        while index < text.count, text[index] >= UInt8(ascii: "0"), text[index] <= UInt8(ascii: "9"), number < 100_000 {
            number = number * 10 + Int(text[index] - UInt8(ascii: "0"))
            index += 1
        }
        if number > 0 { numbers.insert(number) }
    }
    return numbers
}

/// Base of executions that run one statement on several shards.
class MultiShardExecution: Execution {
    let call: StatementCall
    let shards: [ShardIndex]
    private var nextShard = 0
    /// The block was opened for this statement alone.
    private(set) var ownsTransaction = false
    private var wasSent = false

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, shards: [ShardIndex]) {
        self.call = call
        self.shards = shards
        super.init(worker: worker, session: session, parent: parent)
    }

    /// The statement must be all or nothing: outside a block it gets one of its own.
    var needsTransaction: Bool { false }
    /// Sends the statement on a leg; every leg has its link.
    func send(_ leg: Int) {}
    /// Everything was answered without an error.
    func succeeded() { finish(.success) }

    override func resume() {
        guard !wasSent else { return }
        let record = worker.sessions.at(session)
        if needsTransaction, record.pointee.detail?.transaction == nil {
            worker.openTransaction(session, isExplicit: false, modes: "")
            ownsTransaction = true
        }
        while nextShard < shards.count {
            switch worker.enlist(session, shard: shards[nextShard], effect: call.plan.effect) {
            case .link(let link):
                _ = addLeg(link: link)
                nextShard += 1
            case .waiting: return
            case .failed(let message):
                noteFailure(message)
                return end()
            }
        }
        wasSent = true
        for leg in legs.indices {
            worker.statistics.countStatement(shard: legs[leg].shard)
            send(leg)
        }
    }

    override func allReady() { end() }

    /// Succeeds, or undoes what was done for this statement alone.
    func end() {
        if failure == nil { return succeeded() }
        fail()
    }

    func fail() {
        guard ownsTransaction else { return conclude(.failure(failure ?? DatabaseMessage(error: .internalError, "no failure"))) }
        worker.start(RollbackExecution(worker: worker, session: session, parent: self), on: session)
    }

    /// Commits the statement's own block, if it has one; `committed` follows.
    func commitOwn() {
        guard ownsTransaction else { return committed() }
        worker.start(CommitExecution(worker: worker, session: session, parent: self), on: session)
    }

    /// The statement's effects are there.
    func committed() { conclude(.success) }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        if child is RollbackExecution {
            return conclude(.failure(failure ?? DatabaseMessage(error: .internalError, "no failure")))
        }
        guard let commit = child as? CommitExecution else { return }
        if case .failure(let message) = outcome { return conclude(.failure(message)) }
        if !commit.didCommit {
            return conclude(.failure(DatabaseMessage(error: .transactionRollback, "the statement was rolled back on a shard")))
        }
        committed()
    }

    /// Gives back links that are nobody's beyond this statement, and ends.
    func conclude(_ outcome: Outcome) {
        let detail = worker.sessions.at(session).pointee.detail
        let kept = (detail?.transaction?.participants.map(\.link) ?? []) + (detail?.pinnedLinks.map(\.link) ?? [])
        let released = legs.filter { !$0.isLost && !kept.contains($0.link) && !ownsTransaction }.map(\.link)
        finish(outcome)
        for link in released where worker.links.at(link).pointee.session == session { worker.release(link) }
    }
}
