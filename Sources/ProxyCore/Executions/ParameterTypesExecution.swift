// ParameterTypesExecution: what types PostgreSQL gives to parameters that the client left open.
//
// A statement that is finished by another text than its own, or whose parts have texts of their own, must have the types that the
// whole gives: `$1 < $2` beside `n <> $1` compares numbers, and by itself it compares texts. A type of the client's own may have another
// OID on each shard, so that all of them are asked when there is one.
import Primitives
import QueryPlanning
import WireProtocol

final class ParameterTypesExecution: Execution {
    private let call: StatementCall
    private var shards: [ShardIndex]
    private var sentCount = 0
    /// OIDs, one for each parameter of the statement, by shard.
    private var answers: [ShardIndex: [UInt32]] = [:]

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall) {
        self.call = call
        shards = [worker.anyShard(session)]
        super.init(worker: worker, session: session, parent: parent)
    }

    /// The types as the planner knows them, one for each parameter.
    var types: [UInt32] { answers[worker.cluster.catalogShard] ?? answers[shards[0]] ?? [] }

    /// What shards call these types that call them otherwise.
    var otherNumbers: [ShardIndex: [UInt32: UInt32]] {
        let known = types
        return answers.compactMapValues { answer in
            answer == known || answer.count != known.count ? nil : Dictionary(zip(known, answer)) { first, _ in first }
        }
    }

    override func resume() {
        guard !hasOutstanding else { return }
        while legs.count < shards.count {
            switch worker.enlist(session, shard: shards[legs.count], effect: .reads, takesSnapshot: false) {
            case .waiting: return
            case .failed(let message):
                noteFailure(message)
                return end()
            case .link(let link): _ = addLeg(link: link)
            }
        }
        for leg in sentCount..<legs.count { ask(leg) }
        sentCount = legs.count
    }

    private func ask(_ leg: Int) {
        let output = worker.outputEndingUnnamed(ofLink: legs[leg].link)
        output.pointee.output.writeParse(name: "", text: String(decoding: call.text, as: UTF8.self), parameterTypes: call.parameterTypes)
        output.pointee.output.writeDescribe(.statement, name: "")
        output.pointee.output.writeSync()
        expectReady(leg)
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        if type == BackendMessageType.parameterDescription, let message = try? ParameterDescriptionMessage(frame) {
            answers[shards[leg]] = (0..<message.parameterCount).map { message.parameterType($0) }
        }
        collect(frame, type: type, leg: leg)
    }

    override func allReady() {
        let hasOwnTypes = answers[shards[0]]?.contains { $0 >= Self.firstUserTypeOID } == true
        guard failure == nil, shards.count == 1, hasOwnTypes else { return end() }
        shards += ShardSet.all(worker.shardCount).shards.filter { $0 != shards[0] && worker.cluster.shards[$0.int].isUp }
        if shards.count == 1 { return end() }
        resume()
    }

    private func end() {
        for leg in legs where !leg.isLost {
            worker.links.at(leg.link).pointee.task = nil
            if worker.sessions.at(session).pointee.detail?.transaction == nil { worker.giveBack(leg.link, from: session) }
        }
        if let failure { return finish(.failure(failure)) }
        finish(.success)
    }

    private static let firstUserTypeOID: UInt32 = 16384
}

extension StatementCall {
    /// Some parameter has no type yet.
    var hasOpenParameters: Bool {
        guard bind != nil, plan.parameterCount > 0 else { return false }
        return (0..<plan.parameterCount).contains { $0 >= parameterTypes.count || parameterTypes[$0] == 0 }
    }
}
