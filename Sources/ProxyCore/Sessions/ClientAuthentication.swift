// ClientAuthentication: how a client proves who it is: trust, md5, scram-sha-256 (PostgreSQL manual, section 21.5).
//
// An unknown user goes through the same exchange as a known one and fails at its end, so that names cannot be probed.
import Primitives
import WireProtocol

/// An exchange under way.
enum ClientAuthentication {
    case md5(salt: [UInt8], verifier: [UInt8]?)
    /// The mechanisms were offered; the client has not chosen.
    case scramOffered(ScramVerifier?)
    case scram(ScramServer)
}

extension Worker {
    /// Begins the exchange the configuration asks for.
    func authenticate(_ index: Int32, _ detail: SessionDetail) {
        let session = sessions.at(index)
        let configured = settings.users.first { $0.name == detail.user }
            ?? (detail.user == settings.adminUser.name ? settings.adminUser : nil)
        let output = output(ofSession: index)
        switch settings.authentication {
        case .trust:
            guard configured != nil || settings.allowsUnlistedUsers else {
                return endSession(
                    index,
                    DatabaseMessage(fatal: .invalidAuthorizationSpecification, "role \"\(detail.user)\" does not exist"))
            }
            return authenticated(index)
        case .md5:
            let salt = random.bytes(4)
            let verifier = configured?.password.flatMap { StoredPassword($0).md5Verifier(user: detail.user) }
            detail.authentication = .md5(salt: salt, verifier: verifier)
            output.pointee.output.writeAuthenticationMD5Password(salt: salt)
        case .scramSHA256:
            detail.authentication = .scramOffered(configured.flatMap { scramVerifier(of: $0) })
            output.pointee.output.writeAuthenticationSASL(
                mechanisms: ScramMechanism.offered(channelBinding: detail.tls?.serverEndPoint.isEmpty == false))
        }
        session.pointee.phase = .authenticating
    }

    /// The user's verifier; one made from a plain password is kept, since making it takes thousands of hashes.
    private func scramVerifier(of user: UserSettings) -> ScramVerifier? {
        guard let password = user.password else { return nil }
        if let known = verifiers[user] { return known }
        let verifier = StoredPassword(password).scramVerifier(salt: random.bytes(ScramVerifier.defaultSaltBytes))
        verifiers[user] = verifier
        return verifier
    }

    /// Handles the client's next step; returns how many bytes were consumed.
    func passwordReceived(_ index: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        let scan = FrameScanner.frame(in: bytes, at: 0, limit: settings.limits.startupFrameBytes)
        switch scan {
        case .incomplete: return 0
        case .violation:
            endSession(index, DatabaseMessage(fatal: .protocolViolation, "invalid message length"))
            return bytes.count
        case .frame(let header):
            guard header.type == FrontendMessageType.password else {
                endSession(index, DatabaseMessage(fatal: .protocolViolation, "expected password response, got message type \(header.type)"))
                return bytes.count
            }
            takeStep(index, UnsafeRawBufferPointer(rebasing: bytes[0..<header.length]))
            return header.length
        }
    }

    private func takeStep(_ index: Int32, _ frame: UnsafeRawBufferPointer) {
        guard let detail = sessions.at(index).pointee.detail, let exchange = detail.authentication else { return }
        do {
            switch exchange {
            case .md5(let salt, let verifier):
                let response = try PasswordMessage(frame).password
                guard let verifier, MD5Password.accepts(response, verifier: verifier, salt: salt) else {
                    throw DatabaseMessage.passwordAuthenticationFailed(user: detail.user)
                }
                authenticated(index)
            case .scramOffered(let verifier):
                let message = try SASLInitialResponseMessage(frame)
                var server = try ScramServer(
                    mechanismName: message.mechanism, verifier: verifier, user: detail.user,
                    channelBindingData: detail.tls.flatMap { $0.serverEndPoint.isEmpty ? nil : $0.serverEndPoint },
                    nonce: random.bytes(18), mockSecret: mockSecret)
                let reply = try server.receive(message.response)
                detail.authentication = .scram(server)
                answer(index, reply)
            case .scram(var server):
                let reply = try server.receive(try SASLResponseMessage(frame).response)
                detail.authentication = .scram(server)
                answer(index, reply)
            }
        } catch let violation as ProtocolViolation {
            endSession(index, DatabaseMessage(fatal: .protocolViolation, violation.message))
        } catch let message as DatabaseMessage {
            if message.sqlState == .invalidPassword {
                logger.info("login failed", metadata: ["user": "\(detail.user)", "address": "\(detail.facts.address)"])
            }
            endSession(index, message)
        } catch {
            endSession(index, DatabaseMessage(fatal: .internalError, "authentication failed"))
        }
    }

    private func answer(_ index: Int32, _ reply: ScramServer.Reply) {
        let output = output(ofSession: index)
        switch reply {
        case .challenge(let data): output.pointee.output.writeAuthenticationSASLContinue(data)
        case .success(let final, let keys):
            output.pointee.output.writeAuthenticationSASLFinal(final)
            if let user = sessions.at(index).pointee.detail?.user { rememberKeys(keys, of: user) }
            authenticated(index)
        }
    }

    /// The keys a client has shown log in to shards that store the same verifier.
    private func rememberKeys(_ keys: ScramKeys, of user: String) {
        let pool = pools[Int(poolNumber(of: user))]
        if pool.credentials.password == nil { pool.credentials.scramKeys = keys }
    }

    func mayUseConsole(_ user: String) -> Bool {
        user == settings.adminUser.name || settings.adminDatabaseUsers.contains(user)
    }

    func refreshCredentials(of pool: Pool) {
        guard let user = settings.users.first(where: { $0.name == pool.user })
            ?? (pool.user == settings.adminUser.name ? settings.adminUser : nil)
        else { return }
        pool.credentials.password = user.shardPassword ?? (Self.isVerifier(user.password) ? nil : user.password)
    }
}
