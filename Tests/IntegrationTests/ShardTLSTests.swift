// TLS and passwords towards the shards: whom the proxy trusts, how it logs in, and what clients hear when it cannot.
import Foundation
import TestSupport
import Testing

/// A server whose certificate changes; its databases are shards that are reached in different ways.
private struct ShardServer: @unchecked Sendable {
    static let shared = Result { try ShardServer() }
    /// `disable` is the lowest shard: the one that is always reached.
    static let modes = ["disable", "prefer", "require", "verify-ca", "verify-full"]

    let certificates: TLSCertificates
    let server: TemporaryPostgreSQL

    private init() throws {
        certificates = try TLSCertificates()
        server = try TemporaryPostgreSQL(
            settings: TestServers.settings,
            hostBasedAuthentication: [
                "local all all trust", "host all postgres 127.0.0.1/32 trust", "hostssl all anna 127.0.0.1/32 scram-sha-256",
                "host all bert 127.0.0.1/32 md5", "host all carl 127.0.0.1/32 password", "host all dora 127.0.0.1/32 trust",
            ])
        try server.psql(
            """
            CREATE ROLE anna LOGIN PASSWORD 'right'; CREATE ROLE carl LOGIN PASSWORD 'right'; CREATE ROLE dora LOGIN;
            SET password_encryption = md5; CREATE ROLE bert LOGIN PASSWORD 'right';
            CREATE DATABASE "disable"; CREATE DATABASE prefer; CREATE DATABASE "require"; CREATE DATABASE "verify-ca";
            CREATE DATABASE "verify-full";
            """)
    }

    /// The proxy's entries [[shard]], one a mode, or all with the same.
    func entries(_ mode: String? = nil) -> [[String]] {
        Self.modes.map { database in
            let mode = mode ?? database
            let root = mode.hasPrefix("verify") ? ["tls_root_certificate = \"\(certificates.authority)\""] : []
            return ["host = \"localhost\"", "port = \(server.port)", "dbname = \"\(database)\"", "tls = \"\(mode)\""] + root
        }
    }

    /// Whether libpq connects in this mode.
    func letsLibpqIn(_ mode: String) -> Bool {
        let target = "host=localhost hostaddr=127.0.0.1 port=\(server.port) user=postgres dbname=\(mode) sslmode=\(mode)"
        let root = mode.hasPrefix("verify") ? " sslrootcert=\(certificates.authority)" : ""
        return (try? TestProcess.run(PostgreSQLProgram.path("psql"), ["-XAtc", "SELECT 1", target + root])) != nil
    }
}

extension IntegrationTests {
    @Suite struct ShardTLSTests {
        private static let settings = ["proxy": ["database = \"one\""], "timeouts": ["reconnect_delay = \"50ms\""]]

        private func psql(_ cluster: TestCluster, _ user: String, _ statement: String, database: String = "one") throws -> [[String?]] {
            try Psql.rows(of: statement, host: "127.0.0.1", port: cluster.port, user: user, database: database)
        }

        @Test(.timeLimit(.minutes(3)))
        func shardsAreTrustedAsLibpqTrustsThem() throws {
            let place = try ShardServer.shared.get()
            let certificates = place.certificates
            for pair in [nil, certificates.good, certificates.otherName, certificates.stranger] {
                if let pair { try place.server.useTLS(pair) }
                let cluster = try TestCluster(servers: [], settings: Self.settings, shardEntries: place.entries(), isWaiting: false)
                let right = ShardServer.modes.map { place.letsLibpqIn($0) }
                try eventually("shards up as libpq would have them, \(pair?.certificate ?? "no TLS"): \(right)") {
                    // A shard that has neither come up nor failed is still being tried.
                    let shards = try cluster.console("SHOW SHARDS")
                    return shards.map { $0[5] == "up" } == right && zip(shards, right).allSatisfy { $1 || $0[8] != "" }
                }
                try checkErrors(cluster, right)
            }
        }

        /// A statement that needs a shard that is not there says why.
        private func checkErrors(_ cluster: TestCluster, _ right: [Bool]) throws {
            guard right.contains(false) else {
                #expect(try psql(cluster, "postgres", "SELECT 1") == [["1"]])
                return
            }
            let error = #expect(throws: TestProcessError.self) { try psql(cluster, "postgres", "CREATE TABLE t (user_id int)") }
            let output = error?.output ?? ""
            #expect(output.contains("shard") && (output.contains("TLS") || output.contains("certificate")), "\(output)")
        }

        @Test(.timeLimit(.minutes(2)), arguments: ["disable", "require", "verify-full"])
        func shardsGetThePasswordTheyAskFor(mode: String) throws {
            let place = try ShardServer.shared.get()
            try place.server.useTLS(place.certificates.good)
            let users = ["anna", "bert", "carl"].flatMap { ["[[user]]", "name = \"\($0)\"", "password = \"right\""] }
            let wrong = ["[[user]]", "name = \"dora\"", "password = \"not asked for\""]
            let cluster = try TestCluster(
                servers: [], settings: Self.settings.merging(["": users + wrong]) { $1 }, shardEntries: place.entries(mode), isWaiting: false)
            for user in ["bert", "carl", "dora"] + (mode == "disable" ? [] : ["anna"]) {
                try eventually("\(user) logs in") { try psql(cluster, user, "SELECT current_user") == [[user]] }
            }
            guard mode == "disable" else { return }
            let error = #expect(throws: TestProcessError.self) { try psql(cluster, "anna", "SELECT 1") }
            #expect(error?.output.contains("no pg_hba.conf entry for host") == true, "\(error?.output ?? "")")
        }

        @Test(.timeLimit(.minutes(1)), arguments: ["anna", "bert", "carl"])
        func aPasswordTheShardRefusesIsToldToTheClient(user: String) throws {
            let place = try ShardServer.shared.get()
            try place.server.useTLS(place.certificates.good)
            let entry = ["[[user]]", "name = \"\(user)\"", "password = \"wrong\""]
            let cluster = try TestCluster(
                servers: [], settings: Self.settings.merging(["": entry]) { $1 }, shardEntries: place.entries("require"), isWaiting: false)
            try eventually("the proxy serves clients") { try psql(cluster, "postgres", "SELECT 1") == [["1"]] }
            let error = #expect(throws: TestProcessError.self) { try psql(cluster, user, "SELECT 1") }
            #expect(error?.output.contains("password authentication failed for user \"\(user)\"") == true, "\(error?.output ?? "")")
        }

        @Test(.timeLimit(.minutes(1)))
        func aPasswordNobodyKnowsIsAskedForByName() throws {
            let place = try ShardServer.shared.get()
            try place.server.useTLS(place.certificates.good)
            let cluster = try TestCluster(servers: [], settings: Self.settings, shardEntries: place.entries("require"), isWaiting: false)
            try eventually("the proxy serves clients") { try psql(cluster, "postgres", "SELECT 1") == [["1"]] }
            let error = #expect(throws: TestProcessError.self) { try psql(cluster, "anna", "SELECT 1") }
            #expect(error?.output.contains("none is known for role \"anna\"; set shard_password under [[user]]") == true, "\(error?.output ?? "")")
        }
    }
}
