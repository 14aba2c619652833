// create_distributed_table and its kin: from the call and its parameters to the execution that moves the rows.
import QueryPlanning
import WireProtocol

extension StatementExecution {
    func place(_ placement: PlacementCall) {
        do throws(Refusal) {
            let request = try PlacementRequest(placement, bind: call.bind ?? [])
            let change = try PlacementPlanner.plan(request, worker.planningEnvironment(session))
            run(
                PlacementExecution(
                    worker: worker, session: session, parent: self, call: call, change: change, columnName: placement.columnName))
        } catch {
            fail(DatabaseMessage(error))
        }
    }
}

extension PlacementRequest {
    /// - Parameter bind: the client's Bind frame; empty without one.
    /// - Throws: for values that cannot be read.
    fileprivate init(_ call: PlacementCall, bind: [UInt8]) throws(Refusal) {
        var arguments: [String?] = []
        for operand in call.arguments { arguments.append(try operand.flatMap { (operand) throws(Refusal) in try Self.text(operand, bind) }) }
        self.init(function: call.function, arguments: arguments)
    }

    private static func text(_ operand: PlacementCall.Operand, _ bind: [UInt8]) throws(Refusal) -> String? {
        guard case .parameter(let number) = operand else {
            if case .constant(let text) = operand { return text }
            return nil
        }
        let value: String?? = bind.withUnsafeBytes { bytes in
            guard let message = try? BindMessage(bytes), number >= 1, number <= message.parameterCount else { return nil }
            guard let value = message.parameter(number - 1).value else { return .some(nil) }
            // Of a text both formats are the same bytes.
            return value.contains(0) ? nil : String(validating: value, as: UTF8.self).map { .some($0) }
        }
        guard let value else {
            throw Refusal("0A000", "the value of $\(number) cannot be read as a name", hint: "Bind it as a text in UTF-8.")
        }
        return value
    }
}
