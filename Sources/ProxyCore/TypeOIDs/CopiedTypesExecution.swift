// CopiedTypesExecution: whether values that COPY TO in binary format copies hold OIDs of types.
//
// COPY does not say of what types its columns are, so that its values cannot be translated as they pass. Where shards have OIDs of their
// own, what is copied is described first, and refused if it has columns that hold some.
import Primitives
import QueryPlanning
import WireProtocol

final class CopiedTypesExecution: Execution {
    private let query: String
    private var wasSent = false
    private var types: [UInt32] = []

    init(worker: Worker, session: Int32, parent: Execution?, query: String) {
        self.query = query
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
            output.pointee.output.writeParse(name: "", text: query)
            output.pointee.output.writeDescribe(.statement, name: "")
            output.pointee.output.writeSync()
            expectReady(leg)
        }
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        if type == BackendMessageType.rowDescription, let message = try? RowDescriptionMessage(frame) {
            types = message.fields.map(\.typeOID)
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
        let maps = (0..<worker.shardCount).compactMap { worker.translation(ShardIndex($0), session: session)?.toShard }
        guard let held = types.first(where: { type in maps.contains { $0.carriesOIDs(type) } }) else { return finish(.success) }
        finish(
            .failure(
                DatabaseMessage(
                    error: .featureNotSupported, "COPY in binary format of a column whose values hold the OIDs of other types is not supported",
                    detail: "The type with OID \(held) is an array, composite type or range of types that have another OID on each shard.",
                    hint: "Use the text or CSV format, or leave the column out.")))
    }
}
