// ParameterTypesExecution: what types PostgreSQL gives to parameters that the client left open.
//
// A statement that is finished by another text than its own, or whose parts have texts of their own, must have the types that the
// whole gives: `$1 < $2` beside `n <> $1` compares numbers, and by itself it compares texts.
import Primitives
import QueryPlanning
import WireProtocol

final class ParameterTypesExecution: DescribingExecution {
    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall) {
        super.init(worker: worker, session: session, parent: parent, text: call.text, declaredTypes: call.parameterTypes)
    }

    /// OIDs, one for each parameter of the statement.
    var types: [UInt32] { parameterTypes ?? [] }

    override func described() {
        if let failure { return finish(.failure(failure)) }
        finish(.success)
    }
}

extension StatementCall {
    /// A simple Query has no values for parameters.
    var lacksParameters: Bool { bind == nil && plan.parameterCount > 0 }

    /// Some parameter has no type yet.
    var hasOpenParameters: Bool {
        guard bind != nil, plan.parameterCount > 0 else { return false }
        return (0..<plan.parameterCount).contains { $0 >= parameterTypes.count || parameterTypes[$0] == 0 }
    }
}
