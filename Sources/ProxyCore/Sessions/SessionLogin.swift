// SessionLogin: from the first byte of a client to its first ReadyForQuery (PostgreSQL manual, section 55.2.1).
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// How many connections a worker takes beyond max_clients: who asks for a cancel or the admin database is not counted, and of others
    /// it is not known before their startup packet which they are.
    static let uncountedSessions = 100

    func openSession(_ stream: StreamID, facts: AcceptFacts) {
        guard let index = sessions.take({ Session() }) else {
            return rejectStream(stream, Self.tooManyClients)
        }
        let session = sessions.at(index)
        let generation = session.pointee.generation
        session.pointee = Session()
        session.pointee.generation = generation
        session.pointee.stream = stream
        session.pointee.lastActive = now
        session.pointee.detail = SessionDetail(facts: facts)
        streams.at(stream.index).pointee.owner = index
        timers.add(.login(session: index, generation: generation), at: now + settings.clientLoginTimeout)
        if sessions.takenCount > settings.maximumClients + Self.uncountedSessions { endSession(index, Self.tooManyClients) }
    }

    private static var tooManyClients: DatabaseMessage {
        DatabaseMessage(fatal: .tooManyConnections, "sorry, too many clients already")
    }

    private func rejectStream(_ stream: StreamID, _ message: DatabaseMessage) {
        streams.at(stream.index).pointee.output.writeErrorResponse(message)
        streams.markDirty(stream.index)
        effects.append(.close(stream))
    }

    /// Bytes of a session that is not ready yet; returns how many were consumed.
    func loginReceived(_ index: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        let session = sessions.at(index)
        let generation = session.pointee.generation
        var position = 0
        while session.pointee.generation == generation, position < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
            let count: Int
            switch session.pointee.phase {
            case .starting: count = startupReceived(index, rest)
            case .authenticating: count = passwordReceived(index, rest)
            case .loggingIn:
                streams.at(session.pointee.stream.index).pointee.isReadPaused = true
                return position
            case .ready, .console: return position + sessionReceived(index, rest)
            case .leaving: return bytes.count
            }
            if count == 0 { return position }
            position += count
            // Bytes behind an accepted SSLRequest came before the handshake: the host refuses them (CVE-2021-23214).
            if session.pointee.generation == generation, session.pointee.detail?.awaitsTLS == true { return position }
        }
        return session.pointee.generation == generation ? position : bytes.count
    }

    private func startupReceived(_ index: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        let session = sessions.at(index)
        switch StartupPacket.scan(bytes) {
        case .incomplete: return 0
        case .violation:
            dropSession(index)
            return bytes.count
        case .packet(let length):
            do throws(ProtocolViolation) {
                try startup(index, StartupPacket(UnsafeRawBufferPointer(rebasing: bytes[0..<length])))
            } catch {
                endSession(index, error.asFatal)
            }
            _ = session
            return length
        }
    }

    private func startup(_ index: Int32, _ packet: StartupPacket) {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail else { return }
        let stream = session.pointee.stream
        switch packet {
        case .sslRequest where detail.tls != nil || detail.encryptionRequests.contains(.tls):
            refuseProtocol(index, major: 1234, minor: 5679)
        case .gssEncryptionRequest where detail.tls != nil || detail.encryptionRequests.contains(.gss):
            refuseProtocol(index, major: 1234, minor: 5680)
        case .sslRequest:
            detail.encryptionRequests.insert(.tls)
            let offered = detail.facts.offersTLS && detail.tls == nil
            streams.at(stream.index).pointee.output.append(UInt8(ascii: offered ? "S" : "N"))
            streams.markDirty(stream.index)
            detail.awaitsTLS = offered
            if offered { effects.append(.startServerTLS(stream)) }
        case .gssEncryptionRequest:
            detail.encryptionRequests.insert(.gss)
            streams.at(stream.index).pointee.output.append(UInt8(ascii: "N"))
            streams.markDirty(stream.index)
        case .cancelRequest(let key):
            cancelSession(key)
            effects.append(.tellWorkers(.cancel(process: key.processID, secret: key.secretKey)))
            dropSession(index)
        case .startup(let message): begin(index, detail, message)
        }
    }

    /// Also the answer to a request for encryption that was answered before: PostgreSQL takes it for a version.
    private func refuseProtocol(_ index: Int32, major: Int, minor: Int) {
        endSession(
            index,
            DatabaseMessage(
                fatal: .featureNotSupported, "unsupported frontend protocol \(major).\(minor): server supports 3.0 to 3.0"))
    }

    private func begin(_ index: Int32, _ detail: SessionDetail, _ message: StartupMessage) {
        let session = sessions.at(index)
        guard message.version.major == 3 else {
            return refuseProtocol(index, major: Int(message.version.major), minor: Int(message.version.minor))
        }
        if let negotiation = message.negotiation {
            streams.at(session.pointee.stream.index).pointee.output.writeNegotiateProtocolVersion(negotiation)
            streams.markDirty(session.pointee.stream.index)
        }
        guard let user = message.user, !user.isEmpty else {
            return endSession(
                index,
                DatabaseMessage(fatal: .invalidAuthorizationSpecification, "no PostgreSQL user name specified in startup packet"))
        }
        detail.user = Self.truncated(user)
        detail.database = Self.truncated(message.database ?? user)
        detail.startupParameters = message.parameters.filter { $0.name != "user" && $0.name != "database" }
            .map { ($0.name, $0.value) }
        if let refusal = admissionRefusal(detail) { return endSession(index, refusal) }
        if detail.database != settings.adminDatabase, detail.facts.ownRole == nil {
            guard sessionTable.admitClient(limit: settings.maximumClients) else { return endSession(index, Self.tooManyClients) }
            detail.isAdmitted = true
        }
        if let role = detail.facts.ownRole, role == detail.user { return authenticated(index) }
        authenticate(index, detail)
    }

    /// A name as PostgreSQL keeps it: 63 bytes at most (ProcessStartupPacket).
    private static func truncated(_ name: String) -> String {
        var name = name
        while name.utf8.count > 63 { name.unicodeScalars.removeLast() }
        return name
    }

    /// Why the client may not log in, before any password is asked for.
    private func admissionRefusal(_ detail: SessionDetail) -> DatabaseMessage? {
        if isShuttingDown { return DatabaseMessage(fatal: .cannotConnectNow, "the database system is shutting down") }
        for name in [detail.user, detail.database] where !name.hasOneForm { return DatabaseMessage(.ambiguousName(name)).asFatal }
        let replication = detail.startupParameters.last { $0.name == "replication" }?.value
        if let replication, replication != "database", SettingValues.boolean(replication) == nil {
            return DatabaseMessage(
                fatal: .invalidParameterValue, "invalid value for parameter \"replication\": \"\(replication)\"",
                hint: "Valid values are: \"false\", 0, \"true\", 1, \"database\".")
        }
        if let replication, SettingValues.boolean(replication) != false {
            return DatabaseMessage(
                fatal: .featureNotSupported, "replication connections are not supported",
                hint: "Connect to the shard itself for replication.")
        }
        if !isReady && detail.database != settings.adminDatabase {
            return DatabaseMessage(fatal: .cannotConnectNow, "the database system is starting up")
        }
        return nil
    }

    /// The client proved who it is.
    func authenticated(_ index: Int32) {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail else { return }
        detail.authentication = nil
        let output = streams.at(session.pointee.stream.index)
        if detail.database == settings.adminDatabase {
            guard mayUseConsole(detail.user) else {
                return endSession(
                    index,
                    DatabaseMessage(
                        fatal: .insufficientPrivilege, "role \"\(detail.user)\" may not use the admin database",
                        hint: "List it under admin_users in proxy.conf."))
            }
            output.pointee.output.writeAuthenticationOk()
            return enterConsole(index)
        }
        output.pointee.output.writeAuthenticationOk()
        guard detail.database == settings.database else {
            return endSession(
                index, DatabaseMessage(fatal: .invalidCatalogName, "database \"\(detail.database)\" does not exist"))
        }
        guard poolNumbers[detail.user] != nil || pools.count < Self.maximumPools else {
            return endSession(
                index,
                DatabaseMessage(
                    fatal: .tooManyConnections, "too many roles have logged in",
                    detail: "Connections are kept for \(Self.maximumPools) roles at most, those of roles that are no more among them.", hint: "Restart the proxy."))
        }
        streams.markDirty(session.pointee.stream.index)
        session.pointee.pool = poolNumber(of: detail.user)
        session.pointee.shardPools = pools[Int(session.pointee.pool)].shards
        session.pointee.phase = .loggingIn
        continueLogin(index)
    }

    /// Goes on once the role has been seen on every shard that lets it in: before, nobody knows what its sessions report, nor
    /// whether its defaults are alike everywhere.
    func continueLogin(_ index: Int32) {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail else { return }
        let pool = pools[Int(session.pointee.pool)]
        // Who the role is may have changed by DDL that has been answered.
        if awaitsLoginFacts { return }
        guard !pool.parameterStatus.isEmpty else { return openFirstLinks(of: pool) }
        if awaitsDefaults(of: pool) { return }
        do throws(Refusal) {
            for (name, value) in try requestedSettings(detail) { try SettingValues.check(startup: name, value: value) }
            detail.settings = startupSettings(detail)
        } catch {
            return endSession(index, DatabaseMessage(error).asFatal)
        }
        let number = settingsTable.number(of: detail.settings)
        if number == 0 || pool.reported[number] != nil && !pool.staleReports.contains(number) {
            session.pointee.settings = number
            return finishLogin(index)
        }
        let probe = StartupSettingsExecution(worker: self, session: index, parent: nil)
        probe.number = number
        start(probe, on: index)
    }

    /// A shard whose defaults for the role are not known is about to tell them.
    private func awaitsDefaults(of pool: Pool) -> Bool {
        guard pool.defaultsByShard.contains(where: { $0 == nil }) else { return false }
        return (0..<links.highWater).contains { index in
            let link = links.at(index)
            return link.pointee.isOpen && link.pointee.pool == pool.index && link.pointee.login != nil
                && pool.defaultsByShard[link.pointee.shard.int] == nil
        }
    }

    private func openFirstLinks(of pool: Pool) {
        guard !(0..<shardCount).contains(where: { pool.shards[$0].connectingCount > 0 }) else { return }
        for shard in 0..<shardCount { openLink(pool: pool.index, shard: ShardIndex(shard)) }
    }

    /// A link of the pool logged in.
    func loginsWaiting(on pool: Pool) {
        forEachLoggingIn(pool) { if sessions.at($0).pointee.detail?.execution == nil { continueLogin($0) } }
    }

    /// No shard lets the role in.
    func failLoginsWaiting(on pool: Pool, _ message: DatabaseMessage) {
        let mayStillWork = (0..<links.highWater).contains { index in
            let link = links.at(index)
            return link.pointee.isOpen && link.pointee.pool == pool.index && link.pointee.login != nil
        }
        guard pool.parameterStatus.isEmpty else { return loginsWaiting(on: pool) }
        guard !mayStillWork else { return }
        forEachLoggingIn(pool) { index in
            var fatal = message
            fatal.severity = .fatal
            endSession(index, fatal)
        }
    }

    private func forEachLoggingIn(_ pool: Pool, _ body: (Int32) -> Void) {
        for index in 0..<sessions.highWater {
            let session = sessions.at(index)
            if session.pointee.phase == .loggingIn, session.pointee.detail != nil, session.pointee.pool == pool.index { body(index) }
        }
    }

    /// Settings of the client's startup packet by their names: those of `options` first, which the others override
    /// (process_startup_options in PostgreSQL's postinit.c).
    /// - Throws: for options that cannot be read.
    private func requestedSettings(_ detail: SessionDetail) throws(Refusal) -> [(name: String, value: String)] {
        let named = detail.startupParameters.filter { !$0.name.hasPrefix("_pq_.") && $0.name != "replication" && $0.name != "options" }
        let options = try StartupOptions.parse(detail.startupParameters.last { $0.name == "options" }?.value ?? "")
        return options + named.map { ($0.name, $0.value) }
    }

    /// Settings the client asked for in its startup packet, as SET statements. The links' own defaults need none.
    func startupSettings(_ detail: SessionDetail) -> SettingList {
        var list = SettingList()
        // Options that cannot be read have ended the login.
        for (name, value) in (try? requestedSettings(detail)) ?? [] {
            switch name.lowercased() {
            case "client_encoding" where ["UTF8", "UTF-8", "UNICODE"].contains(value.uppercased()): list.reset("client_encoding")
            case "application_name":
                detail.applicationName = value
                list.reset("application_name")
                if !value.isEmpty { list.set("application_name", statement: "SET application_name TO \(quoteLiteral(value))") }
            default: list.set(startup: name.lowercased(), value: value)
            }
        }
        return list
    }

    /// Tells the client what its session looks like and that it may begin.
    func finishLogin(_ index: Int32) {
        let session = sessions.at(index)
        let pool = pools[Int(session.pointee.pool)]
        let output = streams.at(session.pointee.stream.index)
        for (name, value) in loginStatus(pool, settings: session.pointee.settings) {
            output.pointee.output.writeParameterStatus(name: name, value: value)
            session.pointee.detail?.toldStatus[name] = value
        }
        session.pointee.cancelSecret = Int32(bitPattern: random.number32())
        output.pointee.output.writeBackendKeyData(cancelKey(of: index))
        output.pointee.output.writeReadyForQuery(.idle)
        streams.markDirty(session.pointee.stream.index)
        session.pointee.phase = .ready
        session.pointee.activity = .idle
        session.pointee.lastActive = now
        renewEnvironment(of: index)
        session.pointee.isPlain = isPlainAtRest(index)
        resumeReading(session.pointee.stream)
    }

    func cancelKey(of index: Int32) -> CancelKey {
        CancelKey(processID: Int32(number) << 20 | (index + 1), secretKey: sessions.at(index).pointee.cancelSecret)
    }

    /// Roles a worker has pools for.
    private static let maximumPools = 10_000

    /// The pool of a role, made on first use.
    func poolNumber(of user: String) -> Int32 {
        if let number = poolNumbers[user] { return number }
        let number = makePool(of: user)
        poolNumbers[user] = number
        return number
    }

    func makePool(of user: String) -> Int32 {
        let configured = settings.users.first { $0.name == user } ?? (user == settings.adminUser.name ? settings.adminUser : nil)
        let plain = configured.flatMap { $0.shardPassword ?? (Self.isVerifier($0.password) ? nil : $0.password) }
        let number = Int32(pools.count)
        pools.append(
            Pool(index: number, user: user, shardCount: shardCount, credentials: ShardCredentials(password: plain)))
        return number
    }

    static func isVerifier(_ password: String?) -> Bool {
        guard let password else { return false }
        return password.hasPrefix("SCRAM-SHA-256$") || password.hasPrefix("md5") && password.utf8.count == 35
    }
}

extension DatabaseMessage {
    /// The same as the end of a session.
    fileprivate var asFatal: DatabaseMessage {
        var message = self
        message.severity = .fatal
        return message
    }
}
