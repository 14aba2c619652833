// DescribingExecution: asks one shard what a statement takes and returns, by Parse and Describe. Base of what needs to know that.
import Primitives
import WireProtocol

class DescribingExecution: Execution {
    private let text: [UInt8]
    private let declaredTypes: [UInt32]
    private var wasSent = false
    /// The types of the statement's parameters; nil until PostgreSQL has told them.
    private(set) var parameterTypes: [UInt32]?
    /// The columns it returns; nil: it returns no rows.
    private(set) var columns: [FieldDescription]?

    /// - Parameters:
    ///   - text: the statement.
    ///   - declaredTypes: OIDs of types as its Parse declares them, as the client knows them; 0 or missing: open.
    init(worker: Worker, session: Int32, parent: Execution?, text: [UInt8], declaredTypes: [UInt32]) {
        self.text = text
        self.declaredTypes = declaredTypes
        super.init(worker: worker, session: session, parent: parent)
    }

    /// The statement is described, or `failure` says why not.
    func described() {}

    override func resume() {
        guard !wasSent else { return }
        // Parse takes the block's snapshot (`exec_parse_message` in src/backend/tcop/postgres.c).
        switch worker.enlist(session, shard: worker.anyShard(session), effect: .reads) {
        case .waiting: return
        case .failed(let message):
            failure = message
            described()
        case .link(let link):
            wasSent = true
            let leg = addLeg(link: link)
            let output = worker.outputEndingUnnamed(ofLink: link)
            let types = worker.links.at(link).pointee.translation?.translation.toShard.parameterTypes(declaredTypes) ?? declaredTypes
            text.withUnsafeBytes {
                output.pointee.output.writeParse(name: UnsafeRawBufferPointer(start: nil, count: 0), text: $0, parameterTypes: types)
            }
            output.pointee.output.writeDescribe(.statement, name: "")
            output.pointee.output.writeSync()
            expectReady(leg)
        }
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        switch type {
        case BackendMessageType.parameterDescription: parameterTypes = (try? ParameterDescriptionMessage(frame))?.parameterTypes
        case BackendMessageType.rowDescription: columns = (try? RowDescriptionMessage(frame))?.fields
        default: collect(frame, type: type, leg: leg)
        }
    }

    override func allReady() {
        let leg = legs[0]
        if !leg.isLost {
            worker.links.at(leg.link).pointee.task = nil
            if worker.sessions.at(session).pointee.detail?.transaction == nil { worker.giveBack(leg.link, from: session) }
        }
        described()
    }
}
