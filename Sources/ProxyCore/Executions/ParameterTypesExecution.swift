// ParameterTypesExecution: what types PostgreSQL gives to parameters that the client left open.
//
// A statement that is finished by another text than its own, or whose parts have texts of their own, must have the types that the
// whole gives: `$1 < $2` beside `n <> $1` compares numbers, and by itself it compares texts.
import Primitives
import QueryPlanning
import WireProtocol

final class ParameterTypesExecution: Execution {
    private let call: StatementCall
    private var wasSent = false
    /// OIDs, one for each parameter of the statement.
    private(set) var types: [UInt32] = []

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall) {
        self.call = call
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard !wasSent else { return }
        switch worker.enlist(session, shard: worker.anyShard(session), effect: .reads, takesSnapshot: false) {
        case .waiting: return
        case .failed(let message): finish(.failure(message))
        case .link(let link):
            wasSent = true
            let leg = addLeg(link: link)
            let output = worker.outputEndingUnnamed(ofLink: link)
            output.pointee.output.writeParse(name: "", text: String(decoding: call.text, as: UTF8.self), parameterTypes: call.parameterTypes)
            output.pointee.output.writeDescribe(.statement, name: "")
            output.pointee.output.writeSync()
            expectReady(leg)
        }
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        if type == BackendMessageType.parameterDescription, let message = try? ParameterDescriptionMessage(frame) {
            types = (0..<message.parameterCount).map { message.parameterType($0) }
        }
        collect(frame, type: type, leg: leg)
    }

    override func allReady() {
        let leg = legs[0]
        if !leg.isLost {
            worker.links.at(leg.link).pointee.task = nil
            if worker.sessions.at(session).pointee.detail?.transaction == nil { worker.giveBack(leg.link, from: session) }
        }
        if let failure { return finish(.failure(failure)) }
        finish(.success)
    }
}

extension StatementCall {
    /// Some parameter has no type yet.
    var hasOpenParameters: Bool {
        guard bind != nil, plan.parameterCount > 0 else { return false }
        return (0..<plan.parameterCount).contains { $0 >= parameterTypes.count || parameterTypes[$0] == 0 }
    }
}
