// SagaRunCall: CALL pgbraid.saga_run(saga, script, timeout): the proxy stores the script as a saga and waits for its end, which comes without it, too.
import CPGQuery

/// One call, with the values it has in its text or takes from parameters.
public struct SagaRunCall: Sendable, Equatable {
    /// Saga, script and timeout.
    public var arguments: [SettingCall.Operand?]

    private static let carried = CarriedFunction(name: "pgbraid.saga_run", argumentNames: ["saga", "script", "timeout"], neededCount: 2, casts: ["jsonb", "interval"], verb: "CALL")

    /// nil for every other CALL.
    /// - Throws: for a call that cannot be carried out as it is written.
    init?(_ statement: Message<PgQuery__CallStmt>) throws(Refusal) {
        guard let call = statement.pointee.funccall.map({ Message($0) }), NodeList(call.pointee.funcname, call.pointee.n_funcname).strings == ["pgbraid", "saga_run"]
        else { return nil }
        arguments = try Self.carried.arguments(of: call)
    }
}

extension StatementClassifier {
    /// - Throws: for every CALL but this one, as `entry` says.
    func sagaRun(_ node: Node) throws(Refusal) -> StatementPlan? {
        guard let statement = node.callStmt, let call = try SagaRunCall(statement) else { return nil }
        return StatementPlan(
            action: .sagaRun(call), effect: .writes, commandName: "CALL", parameterCount: SettingCall.Operand.highestParameter(of: call.arguments),
            reason: "stores a saga, and waits for its end")
    }
}

extension SettingCall.Operand {
    /// The highest number of a parameter among arguments; 0: there is none.
    static func highestParameter(of arguments: [Self?]) -> Int {
        arguments.reduce(0) { highest, operand in
            if case .parameter(let number)? = operand { max(highest, number) } else { highest }
        }
    }
}
