// Reply: what came in answer to one request, checked for being exactly one answer.
import Primitives
import WireProtocol

/// The answer to one request, up to its ReadyForQuery.
struct Reply {
    private(set) var error: SQLState?
    private(set) var errorText = ""
    private(set) var tags: [String] = []
    private(set) var rows: [[String?]] = []
    /// A WARNING that a commit is not on its standby.
    private(set) var isUnreplicated = false

    /// Takes one message; returns what is wrong with it.
    mutating func add(_ frame: UnsafeRawBufferPointer, type: UInt8) -> String? {
        switch type {
        case BackendMessageType.errorResponse:
            guard let message = try? DatabaseMessage(frame: frame) else { return "an error does not parse" }
            if let error { return "a second error \(message.sqlState.rawValue) \(message.message) after \(error.rawValue) \(errorText) in one answer" }
            error = message.sqlState
            errorText = message.message
        case BackendMessageType.commandComplete:
            guard let message = try? CommandCompleteMessage(frame) else { return "a tag does not parse" }
            if error != nil { return "the tag \(message.tag.text) after an error" }
            tags.append(message.tag.text)
        case BackendMessageType.dataRow:
            guard let row = try? DataRowMessage(frame) else { return "a row does not parse" }
            var fields: [String?] = []
            row.forEachField { _, value in fields.append(value.map { String(decoding: $0, as: UTF8.self) }) }
            rows.append(fields)
        case BackendMessageType.noticeResponse:
            guard let message = try? DatabaseMessage(frame: frame) else { return "a notice does not parse" }
            if message.message.contains("synchronous") { isUnreplicated = true }
        case BackendMessageType.rowDescription, BackendMessageType.noData, BackendMessageType.parseComplete,
            BackendMessageType.bindComplete:
            break
        default: return "a message of type \(type) in an answer"
        }
        return nil
    }

    /// What is wrong with the whole.
    func mistake(for request: Request) -> String? {
        if error != nil { return nil }
        return tags.count == request.calls.count ? nil : "\(tags.count) tags for \(request.calls.count) statements"
    }

    /// What each statement saw of single users; none for a request that adds up.
    func sights(of request: Request) -> [[(user: Int, balance: Int)]] {
        var rest = rows[...]
        return request.calls.map { call in
            if call.userLookedAt != nil { return sight(call, rest.popFirst()) }
            guard call.text.hasPrefix("SELECT user_id") else { return [] }
            let taken = rest.prefix(call.isOfSome ? 2 : rest.count)
            rest = rest.dropFirst(taken.count)
            return taken.compactMap { row in row[0].flatMap { Int($0) }.flatMap { user in row[1].flatMap { Int($0) }.map { (user, $0) } } }
        }
    }

    private func sight(_ call: Call, _ row: [String?]?) -> [(user: Int, balance: Int)] {
        guard let user = call.userLookedAt, let balance = row?[0].flatMap({ Int($0) }) else { return [] }
        return [(user, balance)]
    }

    /// The sum of all balances: the one value of sum(balance), or all of them added up; nil: rows of something else.
    func sum(of request: Request) -> Int? {
        guard tags.count == 1, tags[0].hasPrefix("SELECT"), !request.calls[0].isOfSome, let width = rows.first?.count else { return nil }
        return rows.reduce(0) { $0 + ($1[width - 1].flatMap { Int($0) } ?? 0) }
    }

    /// What this answer to the deciding request, or to one before it, says of the operation.
    func outcome(of request: Request, _ operation: Operation) -> Outcome {
        guard let error else {
            if tags.last == "ROLLBACK" { return .aborted }
            // On one shard, as on PostgreSQL itself, such a commit can be lost with the primary. A distributed one cannot.
            return isUnreplicated && operation.isSingleStatement ? .unknown : .committed
        }
        guard request.isFinal else { return .aborted }
        // A statement of its own was sent to its shard, and the connection broke: as with PostgreSQL itself. To a COMMIT, which is
        // the proxy's own affair, that answer means that nothing is committed.
        let isCommit = request.calls.last?.text == "COMMIT"
        if operation.isSingleStatement, !isCommit, error == .connectionFailure { return .unknown }
        return error.rawValue == "08007" ? .unknown : .aborted
    }
}

extension Request {
    /// The messages of the request.
    func write(into bytes: inout ByteQueue) {
        switch kind {
        case .simple: bytes.writeQuery(calls.map(\.text).joined(separator: "; "))
        case .extended:
            for call in calls {
                bytes.writeParse(name: "", text: call.text, parameterTypes: call.parameters.map { _ in 20 })
                let mark = bytes.beginFrame(FrontendMessageType.bind)
                bytes.append(UInt8(0))
                bytes.append(UInt8(0))
                bytes.append(formats: [])
                bytes.append(count: call.parameters.count)
                for parameter in call.parameters { bytes.append(value: "\(parameter)") }
                bytes.append(formats: [])
                bytes.endFrame(mark)
                bytes.writeDescribe(.portal, name: "")
                bytes.writeExecute(portal: "")
            }
            bytes.writeSync()
        }
    }
}
