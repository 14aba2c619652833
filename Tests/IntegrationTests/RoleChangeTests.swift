// What PostgreSQL gives a session at its login only (who the role is, its defaults, postgresql.conf): a client that logs in has it as
// it is then, however old the links are.
import Foundation
import TestSupport
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct RoleChangeTests {
        private func cluster(on servers: [TemporaryPostgreSQL]? = nil, settings: [String: [String]] = [:]) throws -> TestCluster {
            let cluster = try TestCluster(servers: servers ?? TestServers.shared.get().four, settings: settings)
            try cluster.psql("DROP TABLE IF EXISTS owned_thing; CREATE TABLE owned_thing (user_id int PRIMARY KEY)")
            try cluster.psql("INSERT INTO owned_thing SELECT generate_series(1, 20)")
            return cluster
        }

        private func makeRoles(_ roles: String..., on cluster: TestCluster) throws {
            for server in cluster.servers {
                for role in roles {
                    try server.psql("DO $$BEGIN IF to_regrole('\(role)') IS NOT NULL THEN DROP OWNED BY \(role); DROP ROLE \(role); END IF; END$$")
                }
                try server.psql("CREATE ROLE \(roles[0]) LOGIN")
            }
        }

        /// What a client that logs in is told, by name.
        private func told(_ cluster: TestCluster, user: String) throws -> [String: String] {
            let client = try WireClient(connectingTo: cluster.port)
            try client.send(FrontendFrame.startup(parameters: [("user", user), ("database", "postgres")]))
            var told: [String: String] = [:]
            while let frame = try client.next(), frame.letter != "Z" {
                guard frame.letter == "S" else { continue }
                try frame.bytes.withUnsafeBytes {
                    let status = try ParameterStatusMessage($0)
                    told[status.name.text] = status.value.text
                }
            }
            try client.send(FrontendFrame.terminate)
            return told
        }

        private static let whoAmI = "SELECT current_user, session_user, count(*) FROM owned_thing"

        /// A link that logged in as the role that is called boss now would give the new clerk what boss may do.
        @Test(.timeLimit(.minutes(1)), arguments: [1, 2]) func aRoleByTheNameOfARenamedOneIsItself(workers: Int) throws {
            let cluster = try cluster(settings: ["proxy": ["workers = \(workers)"]])
            try makeRoles("clerk", "boss", on: cluster)
            try cluster.psql("GRANT SELECT ON owned_thing TO clerk")
            let old = try (0..<4).map { _ in try WireClient(port: cluster.port, user: "clerk") }
            for client in old { #expect(try client.rows(Self.whoAmI) == [["clerk", "clerk", "20"]]) }
            try cluster.psql("ALTER ROLE clerk RENAME TO boss; CREATE ROLE clerk LOGIN")
            for _ in 0..<4 {
                let client = try WireClient(port: cluster.port, user: "clerk")
                #expect(try client.rows("SELECT current_user, session_user") == [["clerk", "clerk"]])
                #expect(try client.run(Self.whoAmI).state == "42501")
            }
            #expect(try cluster.psql(Self.whoAmI, user: "boss") == [["boss", "boss", "20"]])
            // Whoever logged in as the former clerk is told so, and does not go on as the new one.
            for client in old { #expect(try client.next()?.letter == "E") }
        }

        @Test(.timeLimit(.minutes(1))) func aRoleThatIsMadeAnewIsItself() throws {
            let cluster = try cluster()
            try makeRoles("phoenix", on: cluster)
            try cluster.psql("GRANT SELECT ON owned_thing TO phoenix")
            for _ in 0..<3 {
                #expect(try cluster.psql(Self.whoAmI, user: "phoenix") == [["phoenix", "phoenix", "20"]])
                try cluster.psql("DROP OWNED BY phoenix; DROP ROLE phoenix; CREATE ROLE phoenix LOGIN; GRANT SELECT ON owned_thing TO phoenix")
            }
            try cluster.psql("DROP OWNED BY phoenix; DROP ROLE phoenix")
            #expect(throws: (any Error).self) { try WireClient(port: cluster.port, user: "phoenix") }
        }

        /// The proxy is not told by anybody.
        @Test(.timeLimit(.minutes(1))) func rolesThatAreChangedOnTheShardsAreSeen() throws {
            let cluster = try cluster()
            try makeRoles("porter", "chief", on: cluster)
            #expect(try cluster.psql("SELECT current_user", user: "porter") == [["porter"]])
            _ = try cluster.onShards("ALTER ROLE porter RENAME TO chief; CREATE ROLE porter LOGIN")
            try eventually("new clients are the new role") {
                try (try? WireClient(port: cluster.port, user: "porter").rows("SELECT current_user")) == [["porter"]]
            }
        }

        /// The former role's client gets no link that has logged in as the new one, who may read nothing. The servers are its own, as
        /// the proxies' processes on them are stopped.
        @Test(.timeLimit(.minutes(1))) func aFreshLinkOfANewRoleIsNotTheFormerOnes() throws {
            let cluster = try cluster(on: (0..<2).map { _ in try TemporaryPostgreSQL(settings: TestServers.settings) })
            try makeRoles("lodger", "landlord", on: cluster)
            try cluster.psql("GRANT SELECT ON owned_thing TO lodger")
            let client = try WireClient(port: cluster.port, user: "lodger")
            #expect(try client.rows(Self.whoAmI) == [["lodger", "lodger", "20"]])
            for server in cluster.servers {
                try server.psql("ALTER ROLE lodger RENAME TO landlord; CREATE ROLE lodger LOGIN")
                try server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'landlord'")
            }
            // The proxy's own question comes to nothing meanwhile.
            let keepers = try cluster.onShards("SELECT pid FROM pg_stat_activity WHERE query LIKE '%pgbraid: logins%' AND pid <> pg_backend_pid()")
            let stopped = keepers.joined().compactMap { $0[0].flatMap { pid_t($0) } }
            #expect(stopped.count == cluster.servers.count)
            for process in stopped { kill(process, SIGSTOP) }
            defer { for process in stopped { kill(process, SIGCONT) } }
            #expect(try client.run("SELECT count(*) FROM owned_thing WHERE user_id = 1").state == "57P01")
        }

        @Test(.timeLimit(.minutes(1))) func newClientsHaveTheRolesNewDefaults() throws {
            let cluster = try cluster()
            try makeRoles("chooser", on: cluster)
            try cluster.psql("GRANT SELECT ON owned_thing TO chooser")
            let question = "SELECT current_setting('work_mem'), current_setting('timezone'), date '2020-03-04' FROM owned_thing WHERE user_id < 3"
            #expect(try cluster.psql(question, user: "chooser") != [])
            let steps = [
                ("ALTER ROLE chooser SET work_mem TO '7MB'; ALTER ROLE chooser SET timezone TO 'Asia/Tokyo'", ["7MB", "Asia/Tokyo", "2020-03-04"]),
                ("BEGIN; ALTER ROLE chooser SET datestyle TO 'SQL, DMY'; ALTER ROLE chooser SET timezone TO 'Europe/Rome'; COMMIT", ["7MB", "Europe/Rome", "04/03/2020"]),
                ("ALTER ROLE chooser RESET ALL; ALTER ROLE chooser SET timezone TO 'Asia/Tokyo'", ["4MB", "Asia/Tokyo", "2020-03-04"]),
            ]
            for (change, expected) in steps {
                try cluster.psql(change)
                let told = try told(cluster, user: "chooser")
                #expect(told["TimeZone"] == expected[1])
                #expect(told["DateStyle"]?.hasPrefix(expected[2].contains("/") ? "SQL" : "ISO") == true)
                #expect(try cluster.psql(question, user: "chooser") == [expected, expected])
            }
        }

        @Test(.timeLimit(.minutes(1))) func anotherProxyHearsOfIt() throws {
            let (one, other) = (try cluster(), try TestCluster(servers: try TestServers.shared.get().four))
            try makeRoles("traveler", on: one)
            #expect(try other.psql("SHOW work_mem", user: "traveler") == [["4MB"]])
            try one.psql("ALTER ROLE traveler SET work_mem TO '9MB'")
            try eventually("the other proxy's clients have the new default") { try other.psql("SHOW work_mem", user: "traveler") == [["9MB"]] }
        }

        /// A client that is there keeps its session, and its statements mean what they mean on the links it gets then.
        @Test(.timeLimit(.minutes(1))) func aClientThatIsThereGoesOn() throws {
            let cluster = try cluster()
            try makeRoles("stayer", on: cluster)
            try cluster.psql("DROP SCHEMA IF EXISTS stayers CASCADE; CREATE SCHEMA stayers; CREATE TABLE stayers.owned_thing (n int); INSERT INTO stayers.owned_thing VALUES (1)")
            try cluster.psql("GRANT ALL ON SCHEMA stayers TO stayer; GRANT ALL ON stayers.owned_thing, owned_thing TO stayer")
            let client = try WireClient(port: cluster.port, user: "stayer")
            let block = try WireClient(port: cluster.port, user: "stayer")
            #expect(try client.rows("SELECT count(*) FROM owned_thing") == [["20"]])
            #expect(try block.rows("BEGIN; SELECT count(*) FROM owned_thing") == [["20"]])
            // This one has yet to be on other shards.
            let late = try WireClient(port: cluster.port, user: "stayer")
            #expect(try late.rows("BEGIN; SELECT count(*) FROM owned_thing WHERE user_id = 1") == [["1"]])
            try cluster.psql("ALTER ROLE stayer SET search_path TO stayers")
            for _ in 0..<3 { #expect(try client.rows("SELECT count(*) FROM owned_thing") == [["1"]]) }
            #expect(try block.rows("SELECT count(*) FROM owned_thing") == [["20"]])
            #expect(try late.run("SELECT count(*) FROM owned_thing").state == "40001")
            #expect(try block.rows("COMMIT; SELECT count(*) FROM owned_thing") == [["1"]])
        }

        /// A server of its own: what postgresql.conf says is for all suites on it.
        @Test(.timeLimit(.minutes(1))) func aConfigurationThatIsReadAgainIsSeen() throws {
            let servers = try (0..<2).map { _ in try TemporaryPostgreSQL(settings: TestServers.settings) }
            let cluster = try TestCluster(servers: servers)
            try cluster.psql("CREATE SCHEMA other; CREATE TABLE other.place (id int PRIMARY KEY); CREATE TABLE place (user_id int)")
            try cluster.psql("INSERT INTO other.place SELECT generate_series(1, 5); INSERT INTO place SELECT generate_series(1, 3)")
            let client = try WireClient(port: cluster.port)
            #expect(try client.rows("SELECT count(*) FROM place") == [["3"]])
            for statement in ["ALTER SYSTEM SET search_path TO other, public", "ALTER SYSTEM SET default_transaction_read_only TO on"] {
                for server in servers { try server.psql(statement) }
            }
            for server in servers { try server.psql("SELECT pg_reload_conf()") }
            try eventually("statements mean what they mean now") { try client.rows("SELECT count(*) FROM place") == [["5"]] }
            #expect(try cluster.psql("SELECT count(*) FROM place") == [["5"]])
            #expect(try told(cluster, user: "postgres")["default_transaction_read_only"] == "on")
            for server in servers { try server.psql("SET default_transaction_read_only TO off; ALTER SYSTEM RESET ALL") }
            for server in servers { try server.psql("SELECT pg_reload_conf()") }
            try eventually("and again") { try told(cluster, user: "postgres")["default_transaction_read_only"] == "off" }
            #expect(try client.rows("SELECT count(*) FROM place") == [["3"]])
        }
    }
}
