// CursorMessages: Describe and Execute of the extended protocol where they concern a cursor over several shards, which no link knows.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

extension Worker {
    /// The cursor over several shards that a FETCH reads.
    func fetchedCursor(_ plan: StatementPlan, _ detail: SessionDetail) -> ShardedCursor? {
        guard case .cursor(.fetch(let name, _)) = plan.action else { return nil }
        return detail.cursors.sharded(name)
    }

    /// The cursor or portal of this name whose rows stay on the shards.
    func streamedCursor(_ name: UnsafeRawBufferPointer, _ detail: SessionDetail) -> StreamedCursor? {
        detail.portals[Array(name)]?.cursor
            ?? (name.isEmpty || detail.cursors.isEmpty ? nil : detail.cursors.sharded(name.text) as? StreamedCursor)
    }

    /// Describes a cursor's rows.
    /// - Parameters:
    ///   - formats: as in Bind: none (all text), one for all, or one a column.
    ///   - isStatement: a statement's parameters are described too; FETCH has none.
    func describe(
        _ cursor: ShardedCursor, formats: [FormatCode], _ index: Int32, _ session: UnsafeMutablePointer<Session>, isStatement: Bool
    ) -> FrameResult {
        if let result = settleHeldParse(index, session) { return result }
        guard isDrained(session) else { return .blocked }
        let output = output(ofSession: index)
        if isStatement { output.pointee.output.writeParameterDescription([]) }
        output.pointee.output.writeRowDescription(cursor.fields.asked(formats))
        return .consumed
    }

    func resultFormats(of portal: Portal) -> [FormatCode] {
        portal.bind.withUnsafeBytes { bytes in
            guard let message = try? BindMessage(bytes) else { return [] }
            return (0..<message.resultFormatCount).map { message.resultFormatCode($0) }
        }
    }

    /// Execute of a cursor as if it were a portal: rows from where it stands.
    func execute(_ cursor: ShardedCursor, _ maximumRows: Int32, _ index: Int32) -> FrameResult {
        guard isQuiescent(index) else { return .blocked }
        let movement = CursorMovement(.forward, maximumRows > 0 ? Int64(maximumRows) : CursorMovement.all)
        let plan = StatementPlan(
            action: .cursor(.execute(name: cursor.name, movement)), effect: .unknown, commandName: "FETCH", reason: "portal of a cursor")
        var call = StatementCall(plan: plan, text: [])
        call.wantsDescription = false
        start(BatchStatementExecution(worker: self, session: index, call: call), on: index)
        return .consumed
    }
}
