// AskExecution: the proxy's own small question to some shards, within the session's transaction. The client hears nothing of it.
import Primitives
import QueryPlanning
import WireProtocol

final class AskExecution: Execution {
    private let shards: [ShardIndex]
    private let text: String
    private let effect: DataEffect

    /// - Parameter text: a simple Query, which may have several statements.
    init(worker: Worker, session: Int32, parent: Execution?, shards: [ShardIndex], text: String, effect: DataEffect = .reads) {
        self.effect = effect
        self.shards = shards
        self.text = text
        super.init(worker: worker, session: session, parent: parent)
    }

    override var keepsRows: Bool { true }

    /// The rows each shard answered with, in the order of the shards.
    var rows: [[[String?]]] { legs.map(\.rows) }

    override func resume() {
        guard !hasOutstanding else { return }
        while legs.count < shards.count {
            switch worker.enlist(session, shard: shards[legs.count], effect: effect) {
            case .link(let link): _ = addLeg(link: link)
            case .waiting: return
            case .failed(let message): return finish(.failure(message))
            }
        }
        for leg in legs.indices { ask(leg, text) }
    }

    override func allReady() { finish(failure.map(Outcome.failure) ?? .success) }
}
