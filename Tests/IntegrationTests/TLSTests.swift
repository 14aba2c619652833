// TLS and passwords from end to end: client to proxy as client to PostgreSQL, and proxy to shard in every mode.
//
// One server with TLS is the judge of what clients see, and holds two databases that are the shards.
import Foundation
import TestSupport
import Testing

/// The server, its certificates and the proxies in front of it, started once.
private struct SecureServers: @unchecked Sendable {
    static let shared = Result { try SecureServers() }

    let certificates: TLSCertificates
    let server: TemporaryPostgreSQL
    let trusting: TestCluster
    let scram: TestCluster
    let md5: TestCluster

    static let authentication = [
        "local all all trust", "host all postgres 127.0.0.1/32 trust", "host all anna 127.0.0.1/32 scram-sha-256",
        "host all bert 127.0.0.1/32 md5", "host all carl 127.0.0.1/32 password", "host all dora 127.0.0.1/32 trust",
    ]

    private init() throws {
        certificates = try TLSCertificates()
        server = try TemporaryPostgreSQL(settings: TestServers.settings, hostBasedAuthentication: Self.authentication)
        try server.useTLS(certificates.good)
        try server.psql(
            """
            CREATE ROLE anna LOGIN PASSWORD 'secret a'; CREATE ROLE carl LOGIN PASSWORD 'secret c'; CREATE ROLE dora LOGIN;
            SET password_encryption = md5; CREATE ROLE bert LOGIN PASSWORD 'secret b';
            CREATE DATABASE one; CREATE DATABASE two;
            """)
        let entries = Self.entries(server, ["tls = \"verify-full\"", "tls_root_certificate = \"\(certificates.authority)\""])
        trusting = try TestCluster(
            servers: [], settings: Self.settings(certificates), shardEntries: Self.entries(server, []), isWaiting: false)
        let verifier = try server.psql("SELECT rolpassword FROM pg_authid WHERE rolname IN ('anna', 'bert') ORDER BY rolname").map { $0[0] ?? "" }
        let users = [
            "[[user]]", "name = \"anna\"", "verifier = \"\(verifier[0])\"", "shard_password = \"secret a\"",
            "[[user]]", "name = \"bert\"", "verifier = \"\(verifier[1])\"", "shard_password = \"secret b\"",
        ]
        scram = try TestCluster(
            servers: [], settings: Self.settings(certificates, ["auth = \"scram-sha-256\""], users: Array(users[..<4])),
            shardEntries: entries, isWaiting: false)
        md5 = try TestCluster(
            servers: [], settings: Self.settings(certificates, ["auth = \"md5\""], users: Array(users[4...])), shardEntries: entries, isWaiting: false)
        for (cluster, login) in [(trusting, "user=postgres"), (scram, "user=anna password='secret a'"), (md5, "user=bert password='secret b'")] {
            try eventually("the proxy serves clients: \(login)") { try Self.psql("\(login) host=127.0.0.1 port=\(cluster.port)").isEmpty == false }
        }
    }

    static func entries(_ server: TemporaryPostgreSQL, _ further: [String]) -> [[String]] {
        ["one", "two"].map { ["host = \"localhost\"", "port = \(server.port)", "dbname = \"\($0)\""] + further }
    }

    static func settings(_ certificates: TLSCertificates, _ proxy: [String] = [], users: [String] = []) -> [String: [String]] {
        let pair = certificates.good
        return [
            "proxy": ["database = \"one\""] + proxy, "": users, "timeouts": ["reconnect_delay = \"50ms\""],
            "tls": ["certificate = \"\(pair.certificate)\"", "key = \"\(pair.key)\""],
        ]
    }

    static func psql(_ target: String, _ further: [String] = ["-c", "SELECT 1"]) throws -> String {
        try TestProcess.run(PostgreSQLProgram.path("psql"), ["-XAt", "dbname=one connect_timeout=20 \(target)"] + further)
    }

    /// What psql prints, or its error without the address.
    static func said(_ target: String, _ further: [String] = ["-c", "SELECT 1"], port: Int) -> String {
        do {
            return try psql("hostaddr=127.0.0.1 port=\(port) \(target)", further)
        } catch let error as TestProcessError {
            return "status \(error.status): " + error.output.replacing("\(port)", with: "PORT")
        } catch {
            return "\(error)"
        }
    }
}

extension IntegrationTests {
    @Suite struct TLSTests {
        private static let logins = [
            "sslmode=disable", "sslmode=prefer", "sslmode=require", "host=localhost sslmode=verify-full sslrootcert=AUTHORITY",
            "host=localhost sslmode=verify-ca sslrootcert=AUTHORITY", "host=localhost sslmode=verify-full sslrootcert=STRANGER",
            "host=elsewhere.example sslmode=verify-full sslrootcert=AUTHORITY", "sslmode=require channel_binding=require",
            "host=localhost sslmode=verify-full sslrootcert=AUTHORITY channel_binding=require", "sslmode=disable channel_binding=require",
            "sslmode=require channel_binding=disable", "sslmode=require ssl_max_protocol_version=TLSv1.2 channel_binding=require",
            "sslmode=require ssl_min_protocol_version=TLSv1.3", "sslmode=require password=wrong", "sslmode=disable password=wrong",
            "sslmode=require gssencmode=disable application_name='over TLS'",
        ]

        @Test(.timeLimit(.minutes(2)), arguments: ["anna", "bert"])
        func clientsLogInAsToPostgreSQL(user: String) throws {
            let place = try SecureServers.shared.get()
            let cluster = user == "anna" ? place.scram : place.md5
            let password = user == "anna" ? "'secret a'" : "'secret b'"
            for login in Self.logins {
                let certificates = login.replacing("AUTHORITY", with: place.certificates.authority)
                    .replacing("STRANGER", with: place.certificates.stranger.certificate)
                let target = "user=\(user) password=\(password) \(certificates)"
                let statements = ["-c", "\\conninfo", "-c", "SELECT current_user, current_setting('application_name')"]
                let right = SecureServers.said(target, statements, port: place.server.port).replacing("\(place.server.port)", with: "PORT")
                let said = SecureServers.said(target, statements, port: cluster.port).replacing("\(cluster.port)", with: "PORT")
                #expect(said == right, "\(user): \(login)")
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func anUnknownUserLearnsNoMoreThanFromPostgreSQL() throws {
            let place = try SecureServers.shared.get()
            let target = "user=nobody_such password=x sslmode=require"
            let said = SecureServers.said(target, port: place.scram.port)
            #expect(said.contains("password authentication failed for user \"nobody_such\""), "\(said)")
        }

        private static let scenes = [
            "bytes_behind_the_request_are_not_taken_for_encrypted_ones", "a_handshake_and_frames_in_single_bytes",
            "terminate_and_close_right_behind_a_statement", "closed_without_goodbye_in_a_transaction", "cancelled_over_tls",
            "a_second_request_inside_tls",
        ]

        private func transcript(_ port: Int, _ scenes: [String]) throws -> String {
            let place = try SecureServers.shared.get()
            let script = "\(Driver.folder)/tls_client.py"
            return try TestProcess.run("/usr/bin/python3", ["-B", script, "\(port)", place.certificates.authority] + scenes)
        }

        @Test(.timeLimit(.minutes(2)))
        func oddClientsGetWhatPostgreSQLGivesThem() throws {
            let place = try SecureServers.shared.get()
            let table = "DROP TABLE IF EXISTS seen; CREATE TABLE seen (user_id int PRIMARY KEY, what text)"
            _ = try SecureServers.psql("host=127.0.0.1 user=postgres port=\(place.server.port)", ["-c", table])
            let right = try transcript(place.server.port, Self.scenes)
            _ = try SecureServers.psql("host=127.0.0.1 user=postgres port=\(place.server.port)", ["-c", "DROP TABLE seen"])
            _ = try SecureServers.psql("host=127.0.0.1 user=postgres port=\(place.trusting.port)", ["-c", table])
            let said = try transcript(place.trusting.port, Self.scenes)
            #expect(said == right)
        }

        @Test(.timeLimit(.minutes(1)))
        func tlsFromTheFirstByteNeedsTheProtocolsName() throws {
            let said = try transcript(try SecureServers.shared.get().trusting.port, ["direct_tls"])
            #expect(
                said == """
                    == direct_tls
                    ['postgresql'] postgresql True
                    [] refused
                    ['http/1.1'] refused
                    ['h2', 'postgresql'] postgresql True

                    """)
        }

        @Test(.timeLimit(.minutes(2)))
        func muchDataPassesUnharmed() throws {
            let place = try SecureServers.shared.get()
            let target = "host=127.0.0.1 user=postgres sslmode=require port=\(place.trusting.port)"
            let path = "\(place.trusting.directory)/rows"
            _ = try SecureServers.psql(target, ["-c", "CREATE TABLE much (user_id int PRIMARY KEY, line text)"])
            let lines = (0..<20_000).map { "\($0)\t\(String(repeating: "\($0) ", count: 100))" }
            try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: false, encoding: .utf8)
            #expect(try SecureServers.psql(target, ["-c", "\\copy much FROM '\(path)'"]) == "COPY 20000\n")
            let selected = try SecureServers.psql(target, ["-F", "\t", "-c", "SELECT * FROM much ORDER BY user_id"])
            #expect(selected.split(separator: "\n").elementsEqual(lines) { $0 == $1 })
            let copied = try SecureServers.psql(target, ["-c", "COPY much TO STDOUT"]).split(separator: "\n").map(String.init)
            #expect(copied.count == lines.count && Set(copied) == Set(lines))
            let repeated = try SecureServers.psql(target, ["-c", "SELECT repeat(line, 2000) FROM much WHERE user_id = 7"])
            #expect(repeated == String(repeating: String(repeating: "7 ", count: 100), count: 2000) + "\n")
        }
    }
}
