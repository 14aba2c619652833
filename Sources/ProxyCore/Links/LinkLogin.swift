// LinkLogin: how a link becomes usable: TLS if asked for, authentication, and what the server reports of itself.
import Primitives
import WireProtocol

/// The state of one link's login; dropped when it is idle for the first time.
final class LinkLogin {
    /// Reported parameters kept; PostgreSQL reports about 15, extensions may add some.
    static let keptParameters = 200

    var scram: ScramClient?
    /// The shard has shown that it knows the password, too.
    var isServerProven = false
    /// AuthenticationOk has come.
    var isAuthenticated = false
    var tls: TLSFacts?
    var parameterStatus: [(name: String, value: String)] = []
    /// The first error the shard sent.
    var error: DatabaseMessage?
}

extension Worker {
    /// Opens a link of `pool` to `shard`.
    func openLink(pool: Int32, shard: ShardIndex) {
        guard let index = links.take({ Link() }) else { return }
        let stream = streams.open(.link)
        streams.at(stream.index).pointee.owner = index
        let link = links.at(index)
        resetRecord(link)
        link.pointee.stream = stream
        link.pointee.pool = pool
        link.pointee.shardPool = pools[Int(pool)].shards + shard.int
        link.pointee.shard = shard
        setTranslation(ofLink: index)
        link.pointee.state = .connecting
        link.pointee.login = LinkLogin()
        link.pointee.connectedAt = now
        link.pointee.place = pools[Int(pool)].shards[shard.int].idle.open(index)
        pools[Int(pool)].shards[shard.int].linkCount += 1
        pools[Int(pool)].shards[shard.int].connectingCount += 1
        timers.add(.connect(link: index, generation: link.pointee.generation), at: now + settings.connectTimeout)
        effects.append(.connect(stream, shard))
    }

    private func resetRecord(_ link: UnsafeMutablePointer<Link>) {
        link.pointee.isOpen = true
        link.pointee.session = -1
        link.pointee.expectations.removeAll()
        link.pointee.status = TransactionStatus.idle.rawValue
        link.pointee.settings = 0
        link.pointee.frameRemaining = 0
        link.pointee.injectedFailed = false
        link.pointee.isErrorTold = false
        link.pointee.isCancelDelayed = false
        link.pointee.isTainted = false
        link.pointee.hasUnknownSettings = false
        link.pointee.cancelsUnderWay = 0
        link.pointee.isReleasePending = false
        link.pointee.isRetiring = false
        link.pointee.prepared.removeAll()
        link.pointee.isPreparedUnsure = false
        link.pointee.unnamedStatement = 0
        link.pointee.task = nil
        link.pointee.describing = []
        link.pointee.translatesOIDs = false
        link.pointee.translation = nil
    }

    func linkConnected(_ index: Int32) {
        let link = links.at(index)
        let shard = settings.shards[link.pointee.shard.int]
        if shard.tlsMode != .disable && !shard.host.hasPrefix("/") {
            link.pointee.state = .greeting
            output(ofLink: index).pointee.output.writeSSLRequest()
        } else {
            sendStartup(index)
        }
        streams.markDirty(link.pointee.stream.index)
    }

    /// The shard's one-byte answer to SSLRequest.
    func linkGreeted(_ index: Int32, answer: UInt8) {
        let link = links.at(index)
        let mode = settings.shards[link.pointee.shard.int].tlsMode
        if answer == UInt8(ascii: "S") {
            streams.at(link.pointee.stream.index).pointee.isReadPaused = false
            effects.append(.startClientTLS(link.pointee.stream, link.pointee.shard))
        } else if answer == UInt8(ascii: "N") && mode == .prefer {
            sendStartup(index)
        } else {
            breakLink(index, reason: "the shard offers no TLS, but tls = \"\(mode.rawValue)\" asks for it")
        }
    }

    func linkSecured(_ index: Int32, _ facts: TLSFacts) {
        links.at(index).pointee.login?.tls = facts
        sendStartup(index)
    }

    /// What the proxy itself writes is no matter of what roles and databases have by default: it may write, waits for standbys, and
    /// hears when it did not.
    private static let adminParameters = [("default_transaction_read_only", "off"), ("synchronous_commit", "on"), ("client_min_messages", "warning")]
        .map { StartupMessage.Parameter(name: $0, value: $1) }

    private func sendStartup(_ index: Int32) {
        let link = links.at(index)
        link.pointee.state = .authenticating
        let pool = pools[Int(link.pointee.pool)]
        var message = StartupMessage(parameters: [
            .init(name: "user", value: pool.user),
            .init(name: "database", value: settings.shards[link.pointee.shard.int].database),
            .init(name: "client_encoding", value: "UTF8"),
        ])
        if pool.index == adminPoolNumber { message.parameters += Self.adminParameters }
        output(ofLink: index).pointee.output.writeStartupMessage(message)
        streams.markDirty(link.pointee.stream.index)
    }

    /// One whole frame before the link is idle for the first time.
    func linkLoginFrame(_ index: Int32, _ frame: UnsafeRawBufferPointer, type: UInt8) {
        let link = links.at(index)
        guard let login = link.pointee.login else { return breakLink(index, reason: "unexpected message during login") }
        do throws(ProtocolViolation) {
            switch type {
            case BackendMessageType.authentication: try answerAuthentication(index, login, AuthenticationMessage(frame))
            case BackendMessageType.parameterStatus:
                let status = try ParameterStatusMessage(frame)
                guard login.parameterStatus.count < LinkLogin.keptParameters else { return }
                login.parameterStatus.append((status.name.text, status.value.text))
            case BackendMessageType.backendKeyData: link.pointee.cancelKey = try BackendKeyDataMessage(frame).key
            case BackendMessageType.errorResponse: login.error = try DatabaseMessage(frame: frame)
            case BackendMessageType.readyForQuery:
                guard login.isAuthenticated else { throw ProtocolViolation("the shard is ready before it has let in") }
                finishLogin(index, login)
            case BackendMessageType.noticeResponse, BackendMessageType.negotiateProtocolVersion: break
            default: breakLink(index, reason: "unexpected message of type \(type) during login")
            }
        } catch {
            breakLink(index, reason: "\(error)")
        }
    }

    private func answerAuthentication(
        _ index: Int32, _ login: LinkLogin, _ message: AuthenticationMessage
    ) throws(ProtocolViolation) {
        let link = links.at(index)
        let pool = pools[Int(link.pointee.pool)]
        let stream = output(ofLink: index)
        switch message {
        case .ok:
            // A server that asks by SCRAM and then lets in without its own proof is not the one that knows the password.
            guard login.scram == nil || login.isServerProven else { throw ProtocolViolation("the shard has not proven that it knows the password") }
            login.isAuthenticated = true
            return
        case .cleartextPassword:
            guard let password = pool.credentials.password else { return refuseCredentials(index) }
            stream.pointee.output.writePassword(Array(password.utf8))
        case .md5Password(let salt):
            guard let password = pool.credentials.password else { return refuseCredentials(index) }
            stream.pointee.output.writePassword(
                md5Response(user: pool.user, password: password, salt: salt))
        case .sasl(let mechanisms): beginSCRAM(index, login, mechanisms)
        case .saslContinue(let data):
            guard let answer = try login.scram?.receiveServerFirst(data) else {
                throw ProtocolViolation("unexpected SASL continuation")
            }
            stream.pointee.output.writeSASLResponse(answer)
        case .saslFinal(let data):
            guard login.scram != nil else { throw ProtocolViolation("unexpected end of a SASL exchange") }
            try login.scram?.receiveServerFinal(data)
            login.isServerProven = true
        case .unsupported(let method):
            breakLink(index, reason: "the shard asks for authentication method \(method), which is not supported")
        }
        streams.markDirty(link.pointee.stream.index)
    }

    private func beginSCRAM(_ index: Int32, _ login: LinkLogin, _ mechanisms: [String]) {
        let pool = pools[Int(links.at(index).pointee.pool)]
        let nonce = random.bytes(18)
        let credential = pool.credentials.password.map { ScramCredential.password(Array($0.utf8)) }
            ?? pool.credentials.scramKeys.map { .keys($0) }
        guard let credential else { return refuseCredentials(index) }
        do throws(ProtocolViolation) {
            let client = try ScramClient(
                mechanisms: mechanisms, credential: credential,
                channelBindingData: login.tls.flatMap { $0.serverEndPoint.isEmpty ? nil : $0.serverEndPoint }, nonce: nonce)
            login.scram = client
            output(ofLink: index).pointee.output.writeSASLInitialResponse(
                mechanism: client.mechanism.rawValue, response: client.clientFirst)
        } catch {
            breakLink(index, reason: error.message)
        }
    }

    private func md5Response(user: String, password: String, salt: [UInt8]) -> [UInt8] {
        MD5Password.verifier(password: Array(password.utf8), user: user).flatMap { MD5Password.response(verifier: $0, salt: salt) } ?? []
    }

    private func refuseCredentials(_ index: Int32) {
        let user = pools[Int(links.at(index).pointee.pool)].user
        breakLink(
            index, reason: "the shard asks for a password and none is known for role \"\(user)\"; set shard_password under [[user]]")
    }

    private func finishLogin(_ index: Int32, _ login: LinkLogin) {
        let link = links.at(index)
        let pool = pools[Int(link.pointee.pool)]
        let shardPool = pool.shards + link.pointee.shard.int
        shardPool.pointee.connectingCount -= 1
        shardPool.pointee.lastFailure = nil
        shardPool.pointee.retryAt = now
        link.pointee.status = TransactionStatus.idle.rawValue
        link.pointee.state = .leased
        LinkPreparation(worker: self, link: index, parameterStatus: login.parameterStatus).begin()
    }
}
