// FetchedInsertExecution: INSERT ... SELECT whose rows go to other shards than they come from.
//
// All in one transaction: the query runs, with its answers diverted into a buffer of `limits.merge`; then its rows are inserted
// as VALUES, a part at a time, each part planned anew. So sequences, defaults, ON CONFLICT and RETURNING are as in any INSERT.
import Primitives
import QueryPlanning
import WireProtocol

final class FetchedInsertExecution: CompoundExecution {
    /// Rows in one statement.
    static let partRows = 500
    static let partBytes = 1 << 20

    private enum Step { case idle, fetching, inserting }

    private let call: StatementCall
    private let plan: FetchedInsertPlan
    private var step = Step.idle
    /// The query's rows that are yet to be inserted.
    private var fetched: PortalBuffer?
    private var types: [UInt32] = []
    private var insertedRows: UInt64 = 0
    private var partCount = 0
    /// Values of the present part that are being drawn.
    private var drawing: DrawPlan?
    /// How often values were drawn for the present part.
    private var draws = 0
    /// The answer to the present part.
    private var answer: PortalBuffer?

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, plan: FetchedInsertPlan) {
        self.call = call
        self.plan = plan
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard step == .idle else { return }
        step = .fetching
        openOwnTransaction { worker.openTransaction(session, isExplicit: false, modes: "") }
        attempt { () throws(Refusal) in try fetch() }
    }

    private func attempt(_ body: () throws(Refusal) -> Void) {
        do throws(Refusal) {
            try body()
        } catch {
            end(told(DatabaseMessage(error)))
        }
    }

    // MARK: The query

    private func fetch() throws(Refusal) {
        let text = Array(plan.query.utf8)
        var query = try planned(text, acrossShards: false)
        fetched = divert()
        if case .passThrough(let route) = query.plan.action {
            switch worker.resolve(route, of: query, session: session) {
            case .one(let shard): return run(on: [shard], [query.text], query)
            case .refused(let refusal): throw refusal
            case .many: query = try planned(text, acrossShards: true)
            }
        }
        worker.start(StatementExecution(worker: worker, session: session, parent: self, call: query), on: session)
    }

    /// The query as a statement of its own: the client's values for it, and rows in text whatever the client wants of RETURNING.
    private func planned(_ text: [UInt8], acrossShards: Bool) throws(Refusal) -> StatementCall {
        let kept = parametersMentioned(in: text)
        let count = max(call.parameterTypes.count, call.plan.parameterCount)
        let types: [UInt32] = (1...max(1, count)).prefix(count).map { number in
            kept.contains(number) ? (number <= call.parameterTypes.count ? call.parameterTypes[number - 1] : 0) : TypeOIDs.text
        }
        let plan = try worker.planner.planOnce(
            text: text, parameterTypes: types, environment: worker.planningEnvironment(session), acrossShards: acrossShards)
        var query = StatementCall(plan: plan, text: text)
        query.parameterTypes = types
        query.describedTypes = call.describedTypes
        query.bind = call.bind.map { Self.bind($0, keeping: kept, resultFormats: []) }
        return query
    }

    private enum TypeOIDs { static let text: UInt32 = 25 }

    /// A Bind frame with the same values, and NULL for those that are not kept.
    private static func bind(_ frame: [UInt8], keeping kept: Set<Int>, resultFormats: [FormatCode]) -> [UInt8] {
        let pool = BlockPool()
        var queue = ByteQueue(pool: pool.reference)
        defer { queue.free() }
        frame.withUnsafeBytes { bytes in
            guard let message = try? BindMessage(bytes) else { return }
            queue.writeBind(message, keeping: kept, resultFormats: resultFormats)
        }
        return Array(queue.readable)
    }

    private func run(
        on shards: [ShardIndex], _ texts: [[UInt8]], _ call: StatementCall, inputRows: [[Int]]? = nil, tag: TagCombination = .sum
    ) {
        let execution = ModifyExecution(
            worker: worker, session: session, parent: self, call: call, shards: shards, texts: texts, tag: tag)
        if let inputRows, shards.count > 1 { execution.restoreOrder(inputRows) }
        worker.start(execution, on: session)
    }

    override func stepFinished(_ child: Execution, _ outcome: Outcome) {
        if case .failure(let message) = outcome {
            if step == .fetching, plan.movesRows, message.sqlState == .cannotCoerce, !worker.cluster.isCatalogOld { worker.catalogChanged() }
            return end(told(explained(message)))
        }
        attempt { () throws(Refusal) in
            if let draw = child as? DrawExecution { return try insertDrawn(draw.values) }
            if step == .inserting { takeAnswer() } else { try beginInserting() }
            try insertPart()
        }
    }

    /// The limit is told in the words of this statement, and that the table has got columns since it was planned (`KeyChange`).
    private func explained(_ message: DatabaseMessage) -> DatabaseMessage {
        if step == .fetching, plan.movesRows, message.sqlState == .cannotCoerce { return .columnsChanged }
        guard step == .fetching, message.sqlState == .configurationLimitExceeded else { return message }
        return DatabaseMessage(
            error: .configurationLimitExceeded,
            "the rows of \(plan.movesRows ? "an UPDATE of sharding keys" : "INSERT ... SELECT") are over the limit of \(worker.settings.limits.mergeBytes) bytes",
            hint: "\(plan.movesRows ? "Change" : "Insert") them in parts, or raise limits.merge.")
    }

    private func beginInserting() throws(Refusal) {
        step = .inserting
        guard let fetched else { return }
        while case .frame(let header) = FrameScanner.frame(in: fetched.stream.pointee.output.readable, at: 0, limit: .max) {
            let frame = UnsafeRawBufferPointer(rebasing: fetched.stream.pointee.output.readable[0..<header.length])
            if header.type == BackendMessageType.dataRow { return }
            switch header.type {
            case BackendMessageType.rowDescription:
                types = (try? RowDescriptionMessage(frame))?.fields.map(\.typeOID) ?? []
            case BackendMessageType.noticeResponse: tellClient(frame)
            default: break
            }
            fetched.stream.pointee.output.consume(header.length)
        }
    }

    // MARK: The rows

    /// - Throws: for values in another encoding, which would not survive becoming a part of a statement.
    private func nextRows() throws(Refusal) -> [[String?]] {
        guard let fetched else { return [] }
        var rows: [[String?]] = []
        var bytes = 0
        // A row by itself would get the time of its own shard's transaction where a default says now(): it goes with another one.
        while rows.count < Self.partRows && (bytes < Self.partBytes || rows.count < 2) || rows.count > 1 && fetched.holdsOneRow,
            case .frame(let header) = FrameScanner.frame(in: fetched.stream.pointee.output.readable, at: 0, limit: .max)
        {
            let frame = UnsafeRawBufferPointer(rebasing: fetched.stream.pointee.output.readable[0..<header.length])
            if header.type == BackendMessageType.dataRow, let row = try? DataRowMessage(frame) {
                guard let texts = row.validTexts else {
                    throw Refusal(
                        "0A000", "rows of texts that are not UTF8 in this session cannot go to other shards",
                        hint: "SET client_encoding TO UTF8.")
                }
                rows.append(texts)
            }
            bytes += header.length
            fetched.stream.pointee.output.consume(header.length)
        }
        return rows
    }

    /// Inserts the next part; with no rows at all a statement that inserts none still has its columns checked.
    private func insertPart() throws(Refusal) {
        let rows = try nextRows()
        if rows.isEmpty, partCount > 0 { return end(nil) }
        partCount += 1
        draws = 0
        if partCount > 1, plan.updatesOnConflict {
            throw Refusal(
                "0A000", "INSERT ... SELECT ... ON CONFLICT DO UPDATE of more than \(Self.partRows) rows would move rows between shards",
                hint: "Insert them in parts.")
        }
        let text = Array(plan.text(rows: rows, typeNames: try plan.typeNames(types)).utf8)
        if rows.isEmpty {
            answer = divert()
            return run(on: [worker.anyShard(session)], [text], insertCall(call.plan, text))
        }
        try insert(text)
    }

    private func insertDrawn(_ values: [String?]) throws(Refusal) {
        guard let drawing else { return end(DatabaseMessage(error: .internalError, "nothing was drawn")) }
        self.drawing = nil
        draws += 1
        try insert(Array(drawing.text(values: values).utf8))
    }

    private func insert(_ text: [UInt8]) throws(Refusal) {
        let plan = try worker.planner.planOnce(
            text: text, parameterTypes: [], environment: worker.planningEnvironment(session), acrossShards: true)
        if let drawing = plan.drawing {
            // The key first, and then what all shards must have alike.
            guard draws < 2 else { throw Refusal("XX000", "drawn values are to be drawn again") }
            self.drawing = drawing
            return worker.start(DrawExecution(worker: worker, session: session, parent: self, query: drawing.query), on: session)
        }
        let part = insertCall(plan, text)
        switch plan.action {
        case .insertRows(let rows):
            let split = try worker.split(rows, call: part, session: session)
            answer = divert()
            run(on: split.shards, split.texts, part, inputRows: rows.hasReturning ? split.inputRows : nil)
        case .passThrough(let route):
            guard case .one(let shard) = worker.resolve(route, of: part, session: session) else { throw Refusal("XX000", "one row has several shards") }
            answer = divert()
            run(on: [shard], [text], part)
        case .modify(_, nil, .first):
            answer = divert()
            run(on: ShardSet.all(worker.shardCount).shards, [text], part, tag: .first)
        case .refuse(let refusal): throw refusal
        default: throw Refusal("XX000", "rows of values are not inserted as such")
        }
    }

    /// A part has no parameters, but the formats the client wants RETURNING in.
    private func insertCall(_ plan: StatementPlan, _ text: [UInt8]) -> StatementCall {
        var part = StatementCall(plan: plan, text: text)
        part.bind = call.bind.map { _ in Self.bindOfNothing(resultFormats: call.resultFormats) }
        part.wantsDescription = call.wantsDescription && partCount == 1
        return part
    }

    /// Rows of RETURNING and notices go to the client, the tag's count into the sum.
    private func takeAnswer() {
        guard let answer else { return }
        self.answer = nil
        while case .frame(let header) = FrameScanner.frame(in: answer.stream.pointee.output.readable, at: 0, limit: .max) {
            let frame = UnsafeRawBufferPointer(rebasing: answer.stream.pointee.output.readable[0..<header.length])
            if header.type == BackendMessageType.commandComplete {
                insertedRows += (try? CommandCompleteMessage(frame))?.rowCount ?? 0
            } else {
                tellClient(frame)
            }
            answer.stream.pointee.output.consume(header.length)
        }
    }

    // MARK: The end

    /// An error may speak of a text that is not the client's.
    private func told(_ message: DatabaseMessage) -> DatabaseMessage { plan.movesRows ? message.withoutPosition : message }

    override func concluded(_ problem: DatabaseMessage?) {
        fetched = nil
        if let problem { return finish(.failure(problem)) }
        worker.statistics.fetchedWrites &+= 1
        worker.tellComplete(session, (plan.movesRows ? "UPDATE " : "INSERT 0 ") + "\(insertedRows)")
        finish(.success)
    }
}

extension DataRowMessage {
    /// The row's values as text, nil is NULL; nil for all where one is not UTF-8.
    fileprivate var validTexts: [String?]? {
        var result: [String?] = []
        var isValid = true
        forEachField { _, value in
            let text = value.flatMap { String(validating: $0, as: UTF8.self) }
            isValid = isValid && (value == nil) == (text == nil)
            result.append(text)
        }
        return isValid ? result : nil
    }
}

extension PortalBuffer {
    /// One row is left, and nothing but the end behind it.
    fileprivate var holdsOneRow: Bool {
        let bytes = stream.pointee.output.readable
        guard case .frame(let first) = FrameScanner.frame(in: bytes, at: 0, limit: .max), first.type == BackendMessageType.dataRow else { return false }
        guard case .frame(let second) = FrameScanner.frame(in: bytes, at: first.length, limit: .max) else { return true }
        return second.type != BackendMessageType.dataRow
    }
}
