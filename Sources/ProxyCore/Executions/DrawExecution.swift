// DrawExecution: has one shard choose values that must be the same, or known, wherever a statement runs: numbers of a
// sequence, the time, random values. The statement is then planned anew with the values in its text.
import Primitives
import QueryPlanning
import WireProtocol

final class DrawExecution: Execution {
    private let query: String
    private var wasSent = false

    override var keepsRows: Bool { true }

    /// The values drawn, in text format; nil is NULL.
    var values: [String?] { legs.first?.rows.flatMap { $0 } ?? [] }

    init(worker: Worker, session: Int32, parent: Execution?, query: String) {
        self.query = query
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard !wasSent else { return }
        switch worker.enlist(session, shard: worker.cluster.catalogShard, effect: .unknown) {
        case .waiting: return
        case .failed(let message): finish(.failure(message))
        case .link(let link):
            wasSent = true
            ask(addLeg(link: link), query)
        }
    }

    override func allReady() {
        let leg = legs[0]
        let detail = worker.sessions.at(session).pointee.detail
        if !leg.isLost {
            worker.links.at(leg.link).pointee.task = nil
            if detail?.transaction == nil { worker.giveBack(leg.link, from: session) }
        }
        if let failure { return finish(.failure(failure)) }
        finish(.success)
    }
}
