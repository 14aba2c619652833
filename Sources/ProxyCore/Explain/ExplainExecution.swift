// ExplainExecution: EXPLAIN of a statement over several shards: first the shards explain their parts; then, with ANALYZE, the query that
// makes the final rows is explained over real partial rows; then all is told as one plan.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class ExplainExecution: DivertingExecution {
    private enum Step { case idle, shards, finisher }

    private let call: StatementCall
    private let plan: ExplainPlan
    private var step = Step.idle
    private let startedAt: Instant
    /// The final rows are made of the shards' rows, and not these rows.
    private var combinesRows = false
    /// The plan as far as it is told.
    private var node = ExplainNode("Distributed Plan")
    /// The steps around `node`, the outermost last.
    private var outer: [ExplainNode] = []
    /// What makes the final rows, to be explained yet.
    private var finishing: (plan: ScatterPlan, shards: [ShardIndex])?
    private var answer: PortalBuffer?

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, plan: ExplainPlan) {
        self.call = call
        self.plan = plan
        startedAt = worker.now
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard step == .idle else { return }
        step = .shards
        do throws(Refusal) {
            if let drawing = plan.statement.drawing { return tellDrawing(drawing) }
            try begin(plan.statement, call, text: call.text[plan.range])
        } catch {
            finish(.failure(DatabaseMessage(error)))
        }
    }

    // MARK: The shards' parts

    private func begin(_ statement: StatementPlan, _ call: StatementCall, text: ArraySlice<UInt8>) throws(Refusal) {
        switch statement.action {
        case .passThrough(let route):
            switch worker.resolve(route, of: call, session: session) {
            case .one(let shard): ask([shard], [text], call)
            case .refused(let refusal): throw refusal
            case .many: try begin(try planned(Array(text), call, acrossShards: true), call, text: text)
            }
        case .scatter(let route, let scatter):
            node = ExplainNode(scatter, reason: statement.reason)
            combinesRows = scatter.finisher?.isGather == false || scatter.merge.aggregate != nil
            let shards = try shards(route, call)
            if scatter.finisher != nil, plan.runs, statement.effect == .reads { finishing = (scatter, shards) }
            ask(shards, [Array(scatter.shardText.utf8)[...]], call)
        case .modify(let route, let changed, let tag):
            node = ExplainNode(tag, command: statement.commandName, reason: statement.reason)
            node.add("Shard Query", changed ?? String(decoding: text, as: UTF8.self))
            ask(try shards(route, call), [changed.map { Array($0.utf8)[...] } ?? text], call, isLowestFirst: tag == .first)
        case .insertRows(let rows):
            node = ExplainNode(.sum, command: "Insert", reason: statement.reason)
            let split = try worker.split(rows, call: call, session: session)
            ask(split.shards, split.texts.map { $0[...] }, call)
        case .insertFetched(let insert): try begin(insert, statement)
        case .modifyFetched(let route, let fetched): try begin(fetched, statement, route)
        case .modifyReplayed(let replay):
            node = ExplainNode(command: statement.commandName, reason: statement.reason)
            node.add("Shard Query", replay.text)
            node.add("Replay Query", replay.replayText)
            ask([ShardIndex(0)], [Array(replay.text.utf8)[...]], call)
        default: throw Refusal("XX000", "the statement is not explained")
        }
    }

    private func shards(_ route: Route, _ call: StatementCall) throws(Refusal) -> [ShardIndex] {
        switch worker.resolve(route, of: call, session: session) {
        case .one(let shard): return [shard]
        case .many(let set): return set.shards
        case .refused(let refusal): throw refusal
        }
    }

    /// The query of an INSERT is explained; its rows are not there to be inserted.
    private func begin(_ insert: FetchedInsertPlan, _ statement: StatementPlan) throws(Refusal) {
        var outer = ExplainNode(command: statement.commandName, reason: statement.reason)
        outer.add("Insert", insert.textBefore.trimming { $0.isWhitespace } + " VALUES ... " + insert.textAfter)
        self.outer = [outer]
        let text = Array(insert.query.utf8)
        let kept = parametersMentioned(in: text)
        var query = StatementCall(plan: call.plan, text: text)
        query.bind = call.bind
        query.parameterTypes = (0..<max(call.parameterTypes.count, call.plan.parameterCount)).map { index in
            kept.contains(index + 1) ? (index < call.parameterTypes.count ? call.parameterTypes[index] : 0) : Self.textType
        }
        node = ExplainNode("Query on one Shard")
        node.add("Shard Query", insert.query)
        try begin(try planned(text, query, acrossShards: false), query, text: text[...])
    }

    private static let textType: UInt32 = 25

    /// The fetch of the rows is explained; what is changed with them needs them.
    private func begin(_ fetched: FetchedModificationPlan, _ statement: StatementPlan, _ route: Route) throws(Refusal) {
        var outer = ExplainNode(fetched.tag, command: statement.commandName, reason: statement.reason)
        outer.add("Shard Query", fetched.text)
        outer.add("Shards", try shards(route, call).map { "\($0)" })
        self.outer = [outer]
        node = ExplainNode("Fetch")
        node.add("Shard Query", fetched.shardText)
        ask(ShardSet.all(worker.shardCount).shards, [Array(fetched.shardText.utf8)[...]], call)
    }

    private func planned(_ text: [UInt8], _ call: StatementCall, acrossShards: Bool) throws(Refusal) -> StatementPlan {
        try worker.planner.planOnce(
            text: text, parameterTypes: call.parameterTypes, environment: worker.planningEnvironment(session), acrossShards: acrossShards)
    }

    private func ask(_ shards: [ShardIndex], _ texts: [ArraySlice<UInt8>], _ call: StatementCall, isLowestFirst: Bool = false) {
        node.properties.append(("Shards", .list(shards.map { "\($0)" })))
        let isSplit = texts.count > 1
        for (position, shard) in shards.enumerated() {
            var child = ExplainNode("Shard \(shard)")
            if isSplit { child.add("Shard Query", String(decoding: texts[position], as: UTF8.self)) }
            node.children.append(child)
        }
        let command = Array((plan.command + " ").utf8)
        worker.start(
            ExplainShardsExecution(
                worker: worker, session: session, parent: self, call: call, shards: shards, texts: texts.map { command + $0 },
                writes: plan.runs && self.call.plan.effect == .writes, isLowestFirst: plan.runs && isLowestFirst), on: session)
    }

    // MARK: The final query

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        endDiversion()
        if case .failure(let message) = outcome { return finish(.failure(message)) }
        if let shards = child as? ExplainShardsExecution {
            for position in node.children.indices { node.children[position].output = shards.lines[position] }
            let parts = node.children.map { ExplainEstimate($0.output, isJSON: plan.isJSON) }
            node.estimate = ExplainEstimate(parts, rows: combinesRows ? .most : .sum)
        } else if let answer {
            takeFinisher(answer)
        }
        if let finishing { return explainFinisher(finishing.plan, finishing.shards) }
        tell()
    }

    private func explainFinisher(_ scatter: ScatterPlan, _ shards: [ShardIndex]) {
        finishing = nil
        guard var finisher = scatter.finisher else { return tell() }
        step = .finisher
        finisher.text = plan.command + " " + finisher.text
        var explained = scatter
        explained.finisher = finisher
        var call = self.call
        call.wantsDescription = false
        call.bind = call.bind.map { _ in call.withResultFormats([]) }
        answer = divert()
        worker.start(
            FinisherExecution(
                worker: worker, session: session, parent: self, call: call, plan: explained, finisher: finisher, shards: shards),
            on: session)
    }

    private func takeFinisher(_ answer: PortalBuffer) {
        var child = ExplainNode("Final Query")
        var offset = 0
        let bytes = answer.stream.pointee.output.readable
        while case .frame(let header) = FrameScanner.frame(in: bytes, at: offset, limit: .max) {
            let frame = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + header.length])
            offset += header.length
            guard header.type == BackendMessageType.dataRow, let line = (try? DataRowMessage(frame))?.field(0) else { continue }
            child.output += line.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Array($0) }
        }
        self.answer = nil
        node.children.insert(child, at: 0)
    }

    // MARK: The answer

    /// What is to be inserted is known once values are drawn, which EXPLAIN alone does not do.
    private func tellDrawing(_ drawing: DrawPlan) {
        node = ExplainNode("Distributed Insert")
        node.add("Reason", plan.statement.reason)
        node.add("Draw Query", drawing.query)
        node.add("Then", "the statement is planned anew with the drawn values in its text")
        tell()
    }

    private func tell() {
        for var outer in outer {
            outer.estimate = node.estimate.map { ExplainEstimate(startupCost: $0.startupCost, totalCost: $0.totalCost, rows: 0, width: 0) }
            outer.children = [node]
            node = outer
        }
        if record.pointee.phase != .leaving {
            let output = worker.output(ofSession: session)
            if call.wantsDescription {
                output.pointee.output.writeRowDescription([FieldDescription(name: "QUERY PLAN", typeOID: plan.isJSON ? 114 : 25)])
            }
            for row in rows { output.pointee.output.writeDataRow([row]) }
            output.pointee.output.writeCommandComplete("EXPLAIN")
        }
        finish(.success)
    }

    private var rows: [[UInt8]] {
        let time = plan.showsTime ? Self.milliseconds(worker.now - startedAt) : nil
        if plan.isJSON { return [node.json(time: time)] }
        return node.lines() + (time.map { [Array("Execution Time: \($0) ms".utf8)] } ?? [])
    }

    /// With three decimals, as PostgreSQL has it.
    private static func milliseconds(_ span: Span) -> String {
        let microseconds = max(0, span.nanoseconds / 1000)
        let decimals = "\(microseconds % 1000 + 1000)".dropFirst()
        return "\(microseconds / 1000).\(decimals)"
    }
}
