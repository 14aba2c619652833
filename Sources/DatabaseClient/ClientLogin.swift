// ClientLogin: the client's side of a login (PostgreSQL manual, sections 55.2.1 and 55.3).
import Primitives
import WireProtocol

struct ClientLogin {
    private let parameters: ConnectionParameters
    private let nonce: [UInt8]
    private var scram: ScramClient?
    private var isServerProven = false

    init(_ parameters: ConnectionParameters, nonce: [UInt8]) {
        self.parameters = parameters
        self.nonce = nonce
    }

    var startup: StartupMessage {
        let own = [("user", parameters.user), ("database", parameters.database), ("client_encoding", "UTF8")]
        return StartupMessage(parameters: (own + parameters.settings.map { ($0.name, $0.value) }).map { StartupMessage.Parameter(name: $0.0, value: $0.1) })
    }

    /// - Throws: ConnectionLost for a password that is needed and not known, or a method that is not supported; ProtocolViolation.
    mutating func answer(_ request: AuthenticationMessage, _ output: inout ByteQueue) throws {
        switch request {
        case .ok:
            // Who does not know the password either has not shown it.
            if scram != nil, !isServerProven { throw ConnectionLost(description: "the server has not proved that it knows the password") }
        case .cleartextPassword: output.writePassword(Array(try password.utf8))
        case .md5Password(let salt):
            let verifier = MD5Password.verifier(password: Array(try password.utf8), user: parameters.user)
            output.writePassword(verifier.flatMap { MD5Password.response(verifier: $0, salt: salt) } ?? [])
        case .sasl(let mechanisms):
            let client = try ScramClient(mechanisms: mechanisms, credential: .password(Array(try password.utf8)), channelBindingData: nil, nonce: nonce)
            scram = client
            output.writeSASLInitialResponse(mechanism: client.mechanism.rawValue, response: client.clientFirst)
        case .saslContinue(let data):
            guard let response = try scram?.receiveServerFirst(data) else { throw ConnectionLost(description: "unexpected SASL continuation") }
            output.writeSASLResponse(response)
        case .saslFinal(let data):
            guard let scram else { throw ConnectionLost(description: "unexpected SASL message") }
            try scram.receiveServerFinal(data)
            isServerProven = true
        case .unsupported(let method): throw ConnectionLost(description: "the server asks for authentication method \(method), which is not supported")
        }
    }

    private var password: String {
        get throws {
            guard let password = parameters.password else { throw ConnectionLost(description: "the server asks for a password") }
            return password
        }
    }
}
