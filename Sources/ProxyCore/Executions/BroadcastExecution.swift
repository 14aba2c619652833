// BroadcastExecution: one text on links the session already has: SAVEPOINT and SET within a block.
// SerialExecution: one statement on one shard after the other: what PostgreSQL allows only outside a block.
import Primitives
import QueryPlanning
import WireProtocol

final class BroadcastExecution: Execution {
    private let text: String
    private let linksAsked: [Int32]
    private var wasSent = false
    private(set) var tag = ""

    init(worker: Worker, session: Int32, parent: Execution?, text: String, links: [Int32]) {
        self.text = text
        linksAsked = links
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard !wasSent else { return }
        wasSent = true
        for link in linksAsked { ask(addLeg(link: link), text) }
        if linksAsked.isEmpty { finish(.success) }
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        if type == BackendMessageType.noticeResponse {
            if leg == 0, worker.sessions.at(session).pointee.phase != .leaving {
                worker.output(ofSession: session).pointee.output.append(frame)
            }
            return
        }
        collect(frame, type: type, leg: leg)
    }

    override func allReady() {
        tag = legs.first?.tag ?? ""
        if let failure { return finish(.failure(failure)) }
        finish(.success)
    }
}

final class SerialExecution: Execution {
    private let call: StatementCall
    private let shards: [ShardIndex]
    private var position = 0
    private var isAsked = false

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, shards: [ShardIndex]) {
        self.call = call
        self.shards = shards
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard !isAsked else { return }
        guard position < shards.count else {
            worker.tellComplete(session, legs.last?.tag ?? call.plan.commandName)
            return finish(.success)
        }
        switch worker.lease(session, shard: shards[position]) {
        case .waiting: return
        case .failed(let message): finish(.failure(partial(message)))
        case .link(let link):
            isAsked = true
            ask(addLeg(link: link), String(decoding: call.text, as: UTF8.self))
        }
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        if type == BackendMessageType.noticeResponse, worker.sessions.at(session).pointee.phase != .leaving {
            worker.output(ofSession: session).pointee.output.append(frame)
            return
        }
        collect(frame, type: type, leg: leg)
    }

    override func allReady() {
        let leg = legs[legs.count - 1]
        isAsked = false
        if !leg.isLost {
            worker.links.at(leg.link).pointee.task = nil
            worker.giveBack(leg.link, from: session)
        }
        if let failure { return finish(.failure(partial(failure))) }
        position += 1
        resume()
    }

    /// Says how far the statement came, since it cannot be undone.
    private func partial(_ message: DatabaseMessage) -> DatabaseMessage {
        guard position > 0 else { return message }
        var message = message
        let done = shards[0..<position].map(\.description).joined(separator: ", ")
        message.detail = ([message.detail, "It ran on shard(s) \(done) and failed on shard \(shards[position])."] as [String?])
            .compactMap { $0 }.joined(separator: "\n")
        return message
    }
}
