// PlacementExecution: moves the rows of a table to where they shall be, and stores where that is, all in one transaction.
//
// The table is locked on all shards, the lowest first. Rows that are on one shard only are copied to where else they are wanted
// (`RowTransferExecution`); then each shard deletes what is not its own. So a reference table that becomes a sharded one sends no
// row anywhere. A transaction that has moved rows of a table which others know commits only when nobody runs a statement that was
// planned for the old places (`PlanningPauseExecution`, begun by COMMIT).
import Primitives
import QueryPlanning
import WireProtocol

final class PlacementExecution: MultiShardExecution {
    private enum Step { case beginning, examining, transferring, removing, recording }

    private let change: PlacementChange
    private let columnName: String
    private var step = Step.beginning

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, change: PlacementChange, columnName: String) {
        self.change = change
        self.columnName = columnName
        super.init(worker: worker, session: session, parent: parent, call: call, shards: ShardSet.all(worker.shardCount).shards)
    }

    override var needsTransaction: Bool { true }
    override var keepsRows: Bool { true }
    override var asksLowestFirst: Bool { step == .beginning && legs.count > 1 }

    override func send(_ leg: Int) { ask(leg, change.beginning) }

    /// Every shard has done a step.
    override func answered() {
        if failure != nil { return end() }
        switch step {
        case .beginning:
            let isKnown = legs.contains { $0.rows.first?.first == "t" }
            if isKnown, change.movesRows { worker.sessions.at(session).pointee.detail?.transaction?.changesPlacement = true }
            guard change.movesRows else { return record() }
            step = .examining
            askAll { change.examination(shard: $0, of: worker.shardCount) }
        case .examining:
            if let problem { return stop(problem) }
            change.readsAllShards ? transfer() : remove()
        case .transferring: remove()
        case .removing: record()
        case .recording: end()
        }
    }

    private func askAll(_ text: (Int) -> String) {
        for leg in legs.indices {
            withLeg(leg) { $0.rows = [] }
            ask(leg, text(legs[leg].shard.int))
        }
    }

    private func transfer() {
        step = .transferring
        worker.start(
            RowTransferExecution(worker: worker, session: session, parent: self, change: change, links: legs.map(\.link)), on: session)
    }

    private func remove() {
        guard change.removal(shard: 0, of: worker.shardCount) != nil else { return record() }
        step = .removing
        askAll { change.removal(shard: $0, of: worker.shardCount) ?? "" }
    }

    private func record() {
        step = .recording
        askAll { _ in change.record }
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        guard child is RowTransferExecution else { return super.childFinished(child, outcome) }
        if case .failure(let message) = outcome { noteFailure(message) }
        answered()
    }

    private func stop(_ message: DatabaseMessage) {
        noteFailure(message)
        end()
    }

    // MARK: What the shards have found

    /// Why the rows cannot be moved.
    private var problem: DatabaseMessage? {
        let name = change.table.name
        let answers = legs.map { $0.rows.first ?? [] }
        guard answers.allSatisfy({ $0.count == 5 }) else { return DatabaseMessage(error: .internalError, "a shard has not examined the table") }
        if answers.contains(where: { $0[3] == "t" }) { return .columnsChanged }
        if let policy = answers.lazy.compactMap({ $0[4] }).first {
            return DatabaseMessage(
                error: .featureNotSupported, "policy \"\(policy)\" reads table \"\(name)\": each shard would see its own rows only",
                hint: "Drop the policy, or let it compare the row's columns with settings (current_setting), roles or reference tables.")
        }
        if answers.contains(where: { $0[0] == "t" }) {
            return DatabaseMessage(
                error: .notNullViolation, "column \"\(keyName)\" of relation \"\(name)\" contains null values",
                hint: "A row without a sharding key belongs to no shard: give it one, or delete it.")
        }
        if let place = answers.firstIndex(where: { $0[1] == "t" }) {
            return DatabaseMessage(
                error: .objectNotInPrerequisiteState, "table \"\(name)\" has rows on shard \(legs[place].shard) whose keys belong to others",
                hint: "They were not written through the proxy. Delete them there, and insert them through the proxy.")
        }
        guard answers.contains(where: { $0[2] != answers[0][2] }) else { return nil }
        return DatabaseMessage(
            error: .objectNotInPrerequisiteState, "the copies of reference table \"\(name)\" are not alike on all shards",
            hint: "Look for writes that did not come through the proxy.")
    }

    private var keyName: String {
        guard case .sharded(let index, _) = change.placement else { return "" }
        return change.table.columns[index].name
    }

    // MARK: The end

    override func succeeded() { commitOwn() }

    override func committed() {
        if worker.sessions.at(session).pointee.phase != .leaving {
            let output = worker.output(ofSession: session)
            if call.wantsDescription {
                output.pointee.output.writeRowDescription([FieldDescription(name: columnName, typeOID: Self.voidType, typeSize: 4)])
            }
            output.pointee.output.writeDataRow(text: [""])
        }
        worker.tellComplete(session, "SELECT 1")
        conclude(.success)
    }

    /// The OID of void (pg_type.dat).
    private static let voidType: UInt32 = 2278
}
