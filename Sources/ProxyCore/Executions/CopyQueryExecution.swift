// CopyQueryExecution: COPY (query) TO STDOUT where the query's rows must be put together from several shards.
//
// The query runs as a SELECT, its answer diverted into a buffer of `limits.merge`. Then one shard runs the client's COPY over
// these rows as constants, so that PostgreSQL itself reads the options and writes the data. All columns are texts there, which
// makes no difference to the text formats. In binary the shard's COPY has no rows and gives what stands around them: the rows of
// the format are those of DataRow with all columns in binary.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class CopyQueryExecution: DivertingExecution {
    private enum Step { case idle, fetching, passing, framing, writing }

    private let plan: CopyQueryPlan
    private var step = Step.idle
    /// The query's answer.
    private var fetched: PortalBuffer?
    private var columns: [FieldDescription] = []
    /// The COPY without rows, to be sent once there is a link.
    private var question: String?
    /// What goes before the first row's data: the binary format's header.
    private var header: [UInt8] = []
    private var rowCount: UInt64 = 0

    init(worker: Worker, session: Int32, parent: Execution?, plan: CopyQueryPlan) {
        self.plan = plan
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        if let question { return askForFrame(question) }
        guard step == .idle else { return }
        step = .fetching
        do throws(Refusal) {
            let text = Array(repeating: UInt8(ascii: " "), count: plan.charactersBefore) + Array(plan.query.utf8)
            let planned = try worker.planner.planOnce(
                text: text, parameterTypes: [], environment: worker.planningEnvironment(session), acrossShards: false)
            var query = StatementCall(plan: planned, text: text)
            if plan.isBinary { query.bind = Self.bindOfNothing(resultFormats: [.binary]) }
            fetched = divert()
            run(query)
        } catch {
            finish(.failure(DatabaseMessage(error)))
        }
    }

    private func run(_ call: StatementCall) {
        worker.start(StatementExecution(worker: worker, session: session, parent: self, call: call), on: session)
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        if step == .fetching { endDiversion() }
        if case .failure(let message) = outcome { return finish(.failure(explained(message))) }
        do throws(MergeError) {
            if step == .fetching { try copy() } else { finish(.success) }
        } catch {
            finish(.failure(explained(error.asError)))
        }
    }

    /// The limit is told in the words of this statement.
    private func explained(_ message: DatabaseMessage) -> DatabaseMessage {
        guard step == .fetching, message.sqlState == .configurationLimitExceeded else { return message }
        return DatabaseMessage(
            error: .configurationLimitExceeded,
            "the rows of COPY, which several shards make together, are over the limit of \(worker.settings.limits.mergeBytes) bytes",
            hint: "Bind the query to one sharding key, leave out what puts rows in order, or raise limits.merge.")
    }

    /// Takes the next frame out of a buffer.
    private func next(_ buffer: PortalBuffer?, _ body: (_ type: UInt8, _ frame: UnsafeRawBufferPointer) -> Void) -> Bool {
        guard let buffer, case .frame(let header) = FrameScanner.frame(in: buffer.stream.pointee.output.readable, at: 0, limit: .max)
        else { return false }
        body(header.type, UnsafeRawBufferPointer(rebasing: buffer.stream.pointee.output.readable[0..<header.length]))
        buffer.stream.pointee.output.consume(header.length)
        return true
    }

    // MARK: The COPY on one shard

    private func copy() throws(MergeError) {
        var isDescribed = false
        while !isDescribed {
            let isThere = next(fetched) { type, frame in
                if type == BackendMessageType.noticeResponse { tellClient(frame) }
                guard type == BackendMessageType.rowDescription else { return }
                isDescribed = true
                columns = (try? RowDescriptionMessage(frame))?.fields ?? []
            }
            guard isThere else { throw MergeError(.protocolViolation, "the rows of COPY were not described") }
        }
        if plan.isBinary {
            step = .framing
            return askForFrame("\(plan.textBefore)SELECT \(names { "NULL::pg_catalog.text AS \($1)" }) LIMIT 0\(plan.textAfter)")
        }
        let text = Array(plan.textBefore.utf8) + (try constants()) + Array(plan.textAfter.utf8)
        step = .passing
        run(StatementCall(plan: StatementPlan(action: .passThrough(.any), effect: .reads, commandName: "COPY"), text: text))
    }

    private func names(_ item: (_ column: String, _ name: String) -> String) -> String {
        columns.enumerated().map { item("c\($0 + 1)", SQLText.quoted(String(decoding: $1.name, as: UTF8.self))) }.joined(separator: ", ")
    }

    /// A SELECT of the rows.
    private func constants() throws(MergeError) -> [UInt8] {
        let collector = PartialCollector(columnCounts: [columns.count], sourceCount: 1, bounds: .init(worker.settings.limits))
        var problem: MergeError?
        while problem == nil, next(fetched, { type, frame in
            if type == BackendMessageType.noticeResponse { tellClient(frame) }
            guard type == BackendMessageType.dataRow else { return }
            do throws(MergeError) { try collector.dataRow(source: 0, frame: frame) } catch { problem = error }
        }) {}
        if let problem { throw problem }
        fetched = nil
        if columns.isEmpty { return Array("SELECT FROM pg_catalog.generate_series(1, \(collector.rowCount))".utf8) }
        // The grammar knows unnest of several arrays by its bare name only, and makes it pg_catalog's.
        var text = Array("SELECT \(names { "\($0) AS \($1)" }) FROM \(columns.count == 1 ? "pg_catalog." : "")unnest(".utf8)
        for (index, array) in collector.arrays.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            text.append(UInt8(ascii: "'"))
            for byte in array {
                if byte == UInt8(ascii: "'") { text.append(byte) }
                text.append(byte)
            }
            text += Array("'::pg_catalog.text[]".utf8)
        }
        return text + Array(") AS pgbraid_rows (\(names { column, _ in column }))".utf8)
    }

    // MARK: The binary format

    private func askForFrame(_ question: String) {
        self.question = question
        switch worker.enlist(session, shard: worker.anyShard(session), effect: .reads) {
        case .waiting: return
        case .failed(let message): finish(.failure(message))
        case .link(let link):
            self.question = nil
            ask(addLeg(link: link), question)
        }
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        switch type {
        case BackendMessageType.copyData: header += Array(frame[FrameHeader.bytes...])
        case BackendMessageType.copyOutResponse: tellClient(frame)
        case BackendMessageType.copyDone: break
        default: collect(frame, type: type, leg: leg)
        }
    }

    override func allReady() {
        if let leg = legs.first, !leg.isLost {
            worker.links.at(leg.link).pointee.task = nil
            if record.pointee.detail?.transaction == nil { worker.giveBack(leg.link, from: session) }
        }
        if let failure { return finish(.failure(failure)) }
        header.removeLast(min(Self.trailer.count, header.count))
        step = .writing
        writeRows()
    }

    /// A tuple of -1 fields ends the data.
    private static let trailer: [UInt8] = [0xFF, 0xFF]

    private func writeRows() {
        while worker.room(ofSession: session) != .full || record.pointee.phase == .leaving {
            let isThere = next(fetched) { type, frame in
                if type == BackendMessageType.noticeResponse { tellClient(frame) }
                guard type == BackendMessageType.dataRow else { return }
                rowCount &+= 1
                writeData(frame[FrameHeader.bytes...])
            }
            if !isThere { return end() }
        }
        worker.output(ofSession: session).pointee.wantsDrained = true
    }

    /// CopyData; the first has the header in front.
    private func writeData(_ data: some Sequence<UInt8>) {
        guard record.pointee.phase != .leaving else { return }
        let payload = header + Array(data)
        header = []
        payload.withUnsafeBytes { worker.output(ofSession: session).pointee.output.writeCopyData($0) }
    }

    override func clientDrained() {
        if step == .writing { writeRows() }
    }

    private func end() {
        fetched = nil
        writeData(Self.trailer)
        if record.pointee.phase != .leaving { worker.output(ofSession: session).pointee.output.writeCopyDone() }
        worker.tellComplete(session, "COPY \(rowCount)")
        finish(.success)
    }
}
