// DatabaseConnection: a client of PostgreSQL or of pgbraid for work in the background: it waits for each answer on the thread that asks.
//
// Simple queries for scripts, extended ones for values, a portal read in parts for results of any size. Not thread safe, except
// `interrupt`. Source: PostgreSQL manual, chapter 55.
import Primitives
import WireProtocol

/// The rows and the tag of one statement, in text format.
public struct StatementResult: Sendable, Equatable {
    public var columnNames: [String] = []
    /// nil is NULL.
    public var rows: [[String?]] = []
    public var tag = ""

    public init() {}

    /// How many rows the statement has changed or returned, by its tag.
    public var rowCount: Int { tag.split(separator: " ").last.flatMap { Int($0) } ?? 0 }
}

/// What a client says of itself.
public struct ConnectionParameters: Sendable {
    public var address: ServerAddress
    public var user: String
    public var database: String
    /// nil where the server asks for none.
    public var password: String?
    public var encryption = Encryption(.disable)
    /// Further parameters of the startup packet, such as application_name.
    public var settings: [(name: String, value: String)]

    public init(
        address: ServerAddress, user: String, database: String, password: String? = nil, encryption: Encryption = Encryption(.disable),
        settings: [(name: String, value: String)] = []
    ) {
        self.address = address
        self.encryption = encryption
        self.user = user
        self.database = database
        self.password = password
        self.settings = settings
    }
}

/// One session with a server.
public final class DatabaseConnection {
    /// How long a login may take where nothing else is said.
    public static let loginLimit = Duration.seconds(30)
    /// Notifications kept until somebody takes them; older ones are dropped, since each only says that there is something to look at.
    static let keptNotifications = 1000

    let socket: ClientSocket
    /// The largest frame taken from a server, in bytes, and so the largest row; at a larger one the connection ends. PostgreSQL's own limit is 1 GB.
    public var maximumFrameBytes = 1 << 30
    private let pool = BlockPool(keepCount: 4)
    var output: ByteQueue
    private var input: ByteQueue
    /// When waiting for an answer ends with ConnectionLost, behind which the connection is of no use.
    public var deadline: ContinuousClock.Instant?
    /// How long one request may take at most; also behind it the connection is of no use.
    public var requestLimit: Duration?
    /// When the present request ends.
    private var requestDeadline: ContinuousClock.Instant?
    public private(set) var transactionStatus = TransactionStatus.idle
    /// Channels that were notified since they were last taken.
    public private(set) var notifications: [(channel: String, payload: String)] = []

    /// Connects and logs in.
    /// - Parameters:
    ///   - nonce: 18 random bytes, for SCRAM.
    ///   - loginLimit: how long all of it may take.
    /// - Throws: ConnectionLost; DatabaseMessage where the server refuses.
    public init(_ parameters: ConnectionParameters, nonce: [UInt8], loginLimit: Duration = DatabaseConnection.loginLimit) throws {
        let limit = ContinuousClock.now + loginLimit
        socket = try ClientSocket.connect(parameters.address, encryption: parameters.encryption, by: limit)
        output = ByteQueue(pool: pool.reference)
        input = ByteQueue(pool: pool.reference)
        requestDeadline = limit
        var login = ClientLogin(parameters, nonce: nonce)
        output.writeStartupMessage(login.startup)
        try flush()
        var isReady = false
        while !isReady {
            try nextFrame { frame, type in
                switch type {
                case BackendMessageType.authentication: try login.answer(AuthenticationMessage(frame), &output)
                case BackendMessageType.errorResponse: throw try DatabaseMessage(frame: frame)
                case BackendMessageType.readyForQuery: isReady = true
                default: break
                }
            }
            try flush()
        }
    }

    deinit {
        output.free()
        input.free()
    }

    /// Says goodbye; the socket closes with the object.
    public func terminate() {
        begin()
        output.writeTerminate()
        try? flush()
    }

    /// Ends a wait of another thread in this connection, which then fails with ConnectionLost.
    public func interrupt() { socket.shutDown() }

    // MARK: Statements

    /// Runs the statements of a text; the results of those that have one.
    /// - Throws: DatabaseMessage for the first error, with the connection ready again; ConnectionLost.
    @discardableResult
    public func execute(_ text: String) throws -> [StatementResult] {
        begin()
        output.writeQuery(text)
        try flush()
        return try results()
    }

    /// Runs the statements of a text of which nothing but success is wanted: rows are dropped as they come, and COPY gets no data.
    /// - Throws: as `execute(_:)`.
    public func run(_ text: String) throws {
        begin()
        output.writeQuery(text)
        try flush()
        _ = try results(keepsRows: false)
    }

    /// Runs one statement with values for its parameters.
    /// - Throws: as `execute(_:)`.
    @discardableResult
    public func execute(_ text: String, _ values: [String?]) throws -> StatementResult {
        writeStatement(text, values)
        output.writeExecute()
        output.writeSync()
        try flush()
        return try results().last ?? StatementResult()
    }

    /// Reads a query's rows in parts, so that only one part is held at a time.
    /// - Parameter body: called with each row in order; what it throws ends the reading.
    /// - Throws: as `execute(_:)`, and what `body` throws.
    public func forEachRow(of text: String, _ values: [String?] = [], partRows: Int32 = 1000, _ body: ([String?]) throws -> Void) throws {
        writeStatement(text, values)
        var failure: (any Error)?
        var isSuspended = true
        while isSuspended, failure == nil {
            isSuspended = false
            begin()
            output.writeExecute(maximumRows: partRows)
            output.writeFlush()
            try flush()
            var isPartDone = false
            while !isPartDone {
                try nextFrame { frame, type in
                    switch type {
                    case BackendMessageType.dataRow: if failure == nil { do { try body(DataRowMessage(frame).texts) } catch { failure = error } }
                    case BackendMessageType.portalSuspended: (isSuspended, isPartDone) = (true, true)
                    case BackendMessageType.commandComplete, BackendMessageType.emptyQueryResponse: isPartDone = true
                    case BackendMessageType.errorResponse:
                        failure = try failure ?? DatabaseMessage(frame: frame)
                        isPartDone = true
                    default: break
                    }
                }
            }
        }
        output.writeSync()
        try flush()
        do { _ = try results() } catch let error as DatabaseMessage { failure = failure ?? error }
        if let failure { throw failure }
    }

    /// Waits for a notification, which `LISTEN` asks for.
    /// - Returns: whether there is one.
    public func awaitNotification(milliseconds: Int32) throws -> Bool {
        var isReadable = true
        while notifications.isEmpty, isReadable {
            while case .frame = FrameScanner.header(in: input.readable, at: 0, limit: maximumFrameBytes) {
                try nextFrame { frame, type in if type == BackendMessageType.errorResponse { throw try DatabaseMessage(frame: frame) } }
            }
            if notifications.isEmpty {
                isReadable = try socket.isReadable(within: milliseconds)
                if isReadable { input.commit(try socket.receive(into: input.prepare(16 << 10), by: deadline)) }
            }
        }
        return !notifications.isEmpty
    }

    public func takeNotifications() -> [(channel: String, payload: String)] {
        defer { notifications = [] }
        return notifications
    }

    func begin() {
        let limits = [deadline, requestLimit.map { .now + $0 }].compactMap { $0 }
        requestDeadline = limits.min()
    }

    private func writeStatement(_ text: String, _ values: [String?]) {
        begin()
        output.writeParse(name: "", text: text)
        output.writeBind(values: values.map { $0.map { Array($0.utf8) } })
        output.writeDescribe(.portal, name: "")
    }

    // MARK: Frames

    /// Everything up to ReadyForQuery.
    private func results(keepsRows: Bool = true) throws -> [StatementResult] {
        var results: [StatementResult] = []
        var current = StatementResult()
        var failure: DatabaseMessage?
        var isReady = false
        while !isReady {
            try nextFrame { frame, type in
                switch type {
                case BackendMessageType.rowDescription: current.columnNames = try RowDescriptionMessage(frame).fields.map(\.nameText)
                case BackendMessageType.dataRow: if keepsRows { current.rows.append(try DataRowMessage(frame).texts) }
                case BackendMessageType.commandComplete:
                    current.tag = try CommandCompleteMessage(frame).tag.text
                    results.append(current)
                    current = StatementResult()
                case BackendMessageType.errorResponse: failure = try failure ?? DatabaseMessage(frame: frame)
                case BackendMessageType.copyInResponse: output.writeCopyFail(reason: "there is no data")
                case BackendMessageType.readyForQuery: isReady = true
                default: break
                }
            }
            try flush()
        }
        if let failure { throw failure }
        return results
    }

    func flush() throws {
        if output.isEmpty { return }
        try socket.send(output.readable, by: requestDeadline)
        output.consume(output.count)
    }

    /// Waits for one frame; what any session may be sent at any time is noted here.
    func nextFrame(_ body: (UnsafeRawBufferPointer, UInt8) throws -> Void) throws {
        while true {
            switch FrameScanner.frame(in: input.readable, at: 0, limit: maximumFrameBytes) {
            case .violation(let header):
                if header.length <= maximumFrameBytes { throw ConnectionLost(description: "the server does not speak the protocol") }
                throw ConnectionLost(
                    description: "a row or another message of \(header.length) bytes is larger than the \(maximumFrameBytes) taken here", isTooLarge: true)
            case .frame(let header):
                defer { input.consume(header.length) }
                let frame = UnsafeRawBufferPointer(rebasing: input.readable[0..<header.length])
                try note(frame, header.type)
                return try body(frame, header.type)
            case .incomplete:
                let count = try socket.receive(into: input.prepare(16 << 10), by: requestDeadline)
                input.commit(count)
            }
        }
    }

    private func note(_ frame: UnsafeRawBufferPointer, _ type: UInt8) throws {
        if type == BackendMessageType.readyForQuery { transactionStatus = try ReadyForQueryMessage(frame).status }
        guard type == BackendMessageType.notificationResponse else { return }
        let message = try NotificationResponseMessage(frame)
        if notifications.count >= Self.keptNotifications { notifications.removeFirst() }
        notifications.append((message.channel.text, message.payload.text))
    }
}

extension DataRowMessage {
    /// The values as text, nil for NULL.
    fileprivate var texts: [String?] {
        var values: [String?] = []
        values.reserveCapacity(fieldCount)
        forEachField { _, value in values.append(value?.text) }
        return values
    }
}
