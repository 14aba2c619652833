// AdminTask: the proxy's own statements on a shard, as its admin user: one simple Query, its answers collected.
import Primitives
import WireProtocol

/// What a shard answered.
struct AdminAnswer {
    /// The rows of each statement that returned any, in order.
    var results: [[[String?]]] = []
    var tags: [String] = []
    var error: DatabaseMessage?
    var warnings: [DatabaseMessage] = []
    /// The link broke or could not be had.
    var isLost = false

    var isSuccess: Bool { error == nil && !isLost }

    /// The rows of the statement that came `result`-th among those that returned any; nil unless there is such an answer and
    /// each of its rows has `columns` values. What a shard sends is not trusted.
    func rows(of result: Int, columns: Int) -> [[String?]]? {
        guard results.indices.contains(result), results[result].allSatisfy({ $0.count == columns }) else { return nil }
        return results[result]
    }
}

final class AdminTask: LinkTask {
    let shard: ShardIndex
    /// Simple Queries sent in one write, each answered with its own ReadyForQuery.
    let texts: [String]
    private var outstanding = 0
    /// Nil once called: the timer of the task's limit keeps the task, and is not to keep all that hangs on the completion.
    private var completion: ((AdminAnswer) -> Void)?
    private unowned let worker: Worker
    private var answer = AdminAnswer()
    private var isDone = false
    /// The link it runs on; -1 while it waits for one.
    private var link: Int32 = -1

    init(worker: Worker, shard: ShardIndex, texts: [String], completion: @escaping (AdminAnswer) -> Void) {
        self.worker = worker
        self.shard = shard
        self.texts = texts
        self.completion = completion
    }

    func run(on link: Int32) {
        self.link = link
        let record = worker.links.at(link)
        record.pointee.state = .leased
        record.pointee.session = -1
        record.pointee.task = self
        record.pointee.askedSince = worker.now
        for text in texts {
            worker.outputEndingUnnamed(ofLink: link).pointee.output.writeQuery(text)
            record.pointee.expectations.append(.task)
        }
        outstanding = texts.count
        worker.streams.markDirty(record.pointee.stream.index)
    }

    func received(_ frame: UnsafeRawBufferPointer, type: UInt8, from link: Int32) {
        switch type {
        case BackendMessageType.rowDescription: answer.results.append([])
        case BackendMessageType.dataRow:
            if let row = try? DataRowMessage(frame), !answer.results.isEmpty { answer.results[answer.results.count - 1].append(row.texts) }
        case BackendMessageType.commandComplete:
            if let message = try? CommandCompleteMessage(frame) { answer.tags.append(message.tag.text) }
        case BackendMessageType.errorResponse: answer.error = answer.error ?? (try? DatabaseMessage(frame: frame))
        case BackendMessageType.noticeResponse:
            if let message = try? DatabaseMessage(frame: frame) { answer.warnings.append(message) }
        case BackendMessageType.readyForQuery:
            outstanding -= 1
            guard outstanding == 0 else { return }
            worker.links.at(link).pointee.task = nil
            worker.release(link)
            finish()
        default: break
        }
    }

    func lost(_ link: Int32, reason: String) {
        fail(DatabaseMessage(error: .connectionFailure, "connection to shard \(shard) was lost: \(reason)"))
    }

    /// No answer in time: the link is given up, or the place in the queue.
    func giveUp() {
        guard !isDone else { return }
        if link >= 0 { return worker.breakLink(link, reason: "no answer to a statement of the proxy") }
        worker.adminQueue[shard.int].removeAll { $0 === self }
        fail(worker.unreachable(shard, "no connection for a statement of the proxy"))
    }

    func fail(_ message: DatabaseMessage) {
        answer.isLost = true
        answer.error = answer.error ?? message
        finish()
    }

    private func finish() {
        guard !isDone else { return }
        isDone = true
        guard let completion else { return }
        let whole = answer
        self.completion = nil
        answer = AdminAnswer()
        completion(whole)
    }
}

extension Worker {
    /// The pool for the proxy's own work. Clients of the same role have another: they may need that work to get on, when a deadlock
    /// must be found among them, and must not have its links then.
    var adminPool: Pool {
        let number = adminPoolNumber ?? makePool(of: settings.adminUser.name)
        adminPoolNumber = number
        return pools[Int(number)]
    }

    /// Runs a statement of the proxy's own on a shard; the completion is called exactly once.
    func runAdmin(_ shard: ShardIndex, _ text: String, limit: Span? = nil, completion: @escaping (AdminAnswer) -> Void) {
        runAdmin(shard, [text], limit: limit, completion: completion)
    }

    /// Runs several statements, one after the other, on one link.
    /// - Parameter limit: after which the shard counts as lost; nil where it may take any time.
    func runAdmin(_ shard: ShardIndex, _ texts: [String], limit: Span? = nil, completion: @escaping (AdminAnswer) -> Void) {
        let task = AdminTask(worker: self, shard: shard, texts: texts, completion: completion)
        if let limit { timers.add(.adminLimit(task), at: now + limit) }
        let pool = adminPool
        let shardPool = pool.shards + shard.int
        let link = shardPool.pointee.idle.first
        if link >= 0 {
            shardPool.pointee.idle.remove(links.at(link).pointee.place)
            return task.run(on: link)
        }
        adminQueue[shard.int].append(task)
        if shardPool.pointee.retryAt > now, shardPool.pointee.linkCount == 0 {
            timers.add(.retry(pool: pool.index, shard: shard), at: shardPool.pointee.retryAt)
        } else if Int(shardPool.pointee.linkCount) < Self.adminLinks {
            openLink(pool: pool.index, shard: shard)
        }
    }

    /// Tries again to connect for work that waits, unless an attempt is under way.
    func openAdminLink(_ shard: ShardIndex) {
        let shardPool = adminPool.shards + shard.int
        guard !adminQueue[shard.int].isEmpty, shardPool.pointee.connectingCount == 0,
            Int(shardPool.pointee.linkCount) < Self.adminLinks
        else { return }
        openLink(pool: adminPool.index, shard: shard)
    }

    /// A link of the admin user is free: the proxy's own work goes first.
    func takeAdminWork(_ link: Int32) -> Bool {
        let shard = links.at(link).pointee.shard
        guard !adminQueue[shard.int].isEmpty, links.at(link).pointee.pool == adminPool.index else { return false }
        adminQueue[shard.int].removeFirst().run(on: link)
        return true
    }

    /// The shard cannot be reached: its queued work fails.
    func failAdminWork(_ shard: ShardIndex, _ message: DatabaseMessage) {
        let tasks = adminQueue[shard.int]
        adminQueue[shard.int] = []
        for task in tasks { task.fail(message) }
    }
}
