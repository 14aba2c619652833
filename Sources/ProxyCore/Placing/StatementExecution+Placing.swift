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
        for operand in call.arguments { arguments.append(try operand.flatMap { (operand) throws(Refusal) in try operand.text(bind) }) }
        self.init(function: call.function, arguments: arguments)
    }
}
