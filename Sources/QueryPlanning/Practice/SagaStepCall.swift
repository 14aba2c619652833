// SagaStepCall: a SELECT of nothing but pgbraid.saga_step(saga, step, undo). The proxy draws the step's number on the shard of the saga's name,
// and has the step journalled on the shard that the transaction writes.
import CPGQuery
import Primitives
import ShardMap

/// One call, with the values it has in its text or takes from parameters.
public struct SagaStepCall: Sendable, Equatable {
    /// Saga, step and undo.
    public var arguments: [SettingCall.Operand?]
    /// Of the answer's one column.
    public var columnName: String

    /// Of an undo, and of a whole script.
    public static let maximumBytes = 1 << 20

    private static let carried = CarriedFunction(name: "pgbraid.saga_step", argumentNames: ["saga", "step", "undo"], neededCount: 2)

    /// nil for every other SELECT.
    /// - Throws: for a call that cannot be carried out as it is written.
    init?(_ select: Message<PgQuery__SelectStmt>) throws(Refusal) {
        guard StatementPlanner.isTargetListOnly(select.pointee) else { return nil }
        let targets = NodeList(select.pointee.target_list, select.pointee.n_target_list).nodes.compactMap(\.resTarget)
        let calls = targets.compactMap { Node($0.pointee.val)?.funcCall }
        guard let target = targets.first,
            let call = calls.first(where: { NodeList($0.pointee.funcname, $0.pointee.n_funcname).strings == ["pgbraid", "saga_step"] })
        else { return nil }
        guard targets.count == 1 else {
            throw Refusal("0A000", "pgbraid.saga_step must be the only thing a SELECT does", hint: "Use one SELECT a step.")
        }
        arguments = try Self.carried.arguments(of: call)
        columnName = nonEmptyText(target.pointee.name) ?? "saga_step"
    }

    /// What a saga does or undoes runs within the transaction that marks it in the journal, and must leave that to its runner.
    /// - Parameter name: what the text is, for the error: "the undo".
    /// - Throws: for a text that is too long or too deep or cannot be parsed, or has a statement that begins, ends or prepares a transaction.
    public static func check(_ text: String, called name: String = "the undo") throws(Refusal) {
        guard text.utf8.count <= maximumBytes else {
            throw Refusal("54000", "\(name) of a step is longer than \(maximumBytes) bytes", hint: "Make several steps of it, or a function.")
        }
        let limits = Limits()
        try Array(text.utf8).withBytes { (bytes) throws(Refusal) in
            try StatementGuard.check(bytes, depthLimit: limits.statementDepth, tokenLimit: limits.statementTokens)
        }
        for statement in try ParseTree(text).statements {
            guard let command = statement.node.transactionStmt?.pointee else { continue }
            switch command.kind {
            case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT, PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE,
                PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
                continue
            default:
                throw Refusal(
                    "0A000", "\(name) of a step cannot begin or end transactions", detail: "It runs in one, together with its mark in the journal.",
                    hint: "Leave BEGIN, COMMIT and the like out; \(name) may have several statements.")
            }
        }
    }

    /// Where the saga of this name is.
    public static func route(of saga: String) -> Route {
        .keys([KeyCondition(placement: KeyPlacement(keyType: .text, method: .hash), operands: [.constant(.text(Array(saga.utf8)))])])
    }
}

extension StatementPlanner {
    func sagaStepPlan(_ call: SagaStepCall) -> StatementPlan {
        StatementPlan(
            action: .sagaStep(call), effect: .writes, commandName: "SELECT", parameterCount: SettingCall.Operand.highestParameter(of: call.arguments),
            reason: "journals the undo of a step")
    }
}
