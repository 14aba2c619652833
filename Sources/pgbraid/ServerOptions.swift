// ServerOptions: where a command connects to, by the options that psql has, and by PGPASSWORD, PGSSLMODE and PGSSLROOTCERT.
import ArgumentParser
import DatabaseClient
import Foundation
import Primitives

struct ServerOptions: ParsableArguments {
    @Option(name: [.customShort("h"), .long], help: "Host of the proxy, or the directory of its unix socket.") var host = "127.0.0.1"
    @Option(name: [.customShort("p"), .long], help: "Port of the proxy.") var port = 6432
    @Option(name: [.customShort("U"), .long], help: "Role to log in as.") var user = "postgres"
    @Option(name: [.customShort("d"), .long], help: "Database to connect to.") var database = "postgres"

    /// Random bytes that SCRAM needs.
    private static let nonceBytes = 18

    /// - Throws: ConnectionLost, DatabaseMessage.
    func connect(to database: String) throws -> DatabaseConnection {
        var generator = SystemRandomNumberGenerator()
        let nonce = (0..<Self.nonceBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        let parameters = ConnectionParameters(
            address: .host(host, port: port), user: user, database: database, password: ProcessInfo.processInfo.environment["PGPASSWORD"],
            encryption: try Self.encryption(), settings: [("application_name", "pgbraid")])
        return try DatabaseConnection(parameters, nonce: nonce)
    }

    /// As libpq has it: TLS where the server offers it unless told otherwise, and with authorities at hand `require` has the certificate checked. `allow`,
    /// which would ask without TLS first, asks with it.
    /// - Throws: ValidationError for a word that is none.
    static func encryption() throws -> Encryption {
        let environment = ProcessInfo.processInfo.environment
        let (word, root) = (environment["PGSSLMODE"] ?? TLSMode.prefer.rawValue, environment["PGSSLROOTCERT"])
        guard let mode = word == "allow" ? .prefer : TLSMode(rawValue: word) else {
            throw ValidationError("PGSSLMODE is \"\(word)\", must be one of allow, \(TLSMode.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return Encryption(mode == .require && root != nil ? .verifyCA : mode, rootCertificateFile: root)
    }
}
