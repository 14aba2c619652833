// A comparison's other database behind TLS: whom pgbraid trusts, and what is told when it cannot.
import TestSupport
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct ReconcileTLSTests {
        private static let modes = ["disable", "prefer", "require", "verify-ca", "verify-full"]

        private func comparison(_ mode: String, _ server: TemporaryPostgreSQL, _ certificates: TLSCertificates) -> [String] {
            let root = mode.hasPrefix("verify") ? ", tls_root_certificate = \"\(certificates.authority)\"" : ""
            return [
                "[[reconciliation]]", "name = \"\(mode)\"", "source = \"SELECT 1 AS id, repeat('x', 100000) AS text\"",
                "source_database = { host = \"localhost\", port = \(server.port), tls = \"\(mode)\"\(root) }",
                "target = \"SELECT 1 AS id, repeat('x', 100000) AS text\"", "key = \"id\"",
            ]
        }

        private func letsLibpqIn(_ mode: String, _ server: TemporaryPostgreSQL, _ certificates: TLSCertificates) -> Bool {
            let target = "host=localhost hostaddr=127.0.0.1 port=\(server.port) user=postgres dbname=postgres sslmode=\(mode)"
            let root = mode.hasPrefix("verify") ? " sslrootcert=\(certificates.authority)" : ""
            return (try? TestProcess.run(PostgreSQLProgram.path("psql"), ["-XAtc", "SELECT 1", target + root])) != nil
        }

        @Test(.timeLimit(.minutes(2))) func theOtherDatabaseIsTrustedAsLibpqTrustsIt() throws {
            let certificates = try TLSCertificates()
            defer { certificates.remove() }
            let server = try TemporaryPostgreSQL(
                settings: TestServers.settings, hostBasedAuthentication: ["local all all trust", "hostssl all all 127.0.0.1/32 trust"])
            let cluster = try TestCluster(
                servers: [try TestServers.shared.get().single], settings: ["": Self.modes.flatMap { comparison($0, server, certificates) }])
            let expected: [[String: String]] = [
                Dictionary(uniqueKeysWithValues: Self.modes.map { ($0, ["disable", "prefer"].contains($0) ? "no pg_hba.conf entry" : "does not offer TLS") }),
                ["disable": "no pg_hba.conf entry"],
                ["disable": "no pg_hba.conf entry", "verify-full": "hostname mismatch"],
                ["disable": "no pg_hba.conf entry", "verify-ca": "self-signed certificate", "verify-full": "self-signed certificate"],
            ]
            for (pair, errors) in zip([nil, certificates.good, certificates.otherName, certificates.stranger], expected) {
                if let pair { try server.useTLS(pair) }
                for mode in Self.modes {
                    let run = try CommandRun(["reconcile", "--config", cluster.configurationPath, mode])
                    let isEqual = run.status == 0
                    #expect(isEqual == letsLibpqIn(mode, server, certificates), "\(mode) \(pair?.certificate ?? "without") \(run)")
                    #expect(isEqual == (errors[mode] == nil), "\(mode) \(run)")
                    if let error = errors[mode] { #expect("\(run)".contains(error), "\(mode) \(run)") }
                }
            }
        }
    }
}
