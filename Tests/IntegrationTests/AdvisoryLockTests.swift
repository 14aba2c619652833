// Advisory locks of all clients are one server's: they exclude each other, outlive statements and blocks as in PostgreSQL, and a
// session keeps its link for them no longer than it holds one.
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct AdvisoryLockTests {
        /// A proxy with one link to each shard for the clients of a role that is not the admin's.
        private func cluster(links: Int) throws -> TestCluster {
            let cluster = try TestCluster(servers: try TestServers.shared.get().four, settings: ["proxy": ["pool_size = \(links)"]])
            try cluster.psql("DROP ROLE IF EXISTS locker; CREATE ROLE locker LOGIN")
            return cluster
        }

        private func client(_ cluster: TestCluster) throws -> WireClient { try WireClient(port: cluster.port, user: "locker") }

        /// Whether nobody keeps a link of the role.
        private func everyLinkIsBack(_ console: WireClient) throws -> Bool {
            try console.rows("SHOW POOLS").filter { $0[0] == "locker" }.allSatisfy { $0[2] == $0[3] }
        }

        /// While that server is down nobody gets a lock: another one's would exclude nobody.
        @Test(.timeLimit(.minutes(1))) func noOtherServerGivesThem() throws {
            let servers = try (0..<2).map { _ in try TemporaryPostgreSQL(settings: TestServers.settings) }
            let cluster = try TestCluster(servers: servers)
            let client = try WireClient(port: cluster.port)
            try client.rows("SELECT pg_advisory_lock(1), pg_advisory_unlock(1)")
            try servers[0].stopServer()
            try eventually("it is known to be down") { try cluster.console("SHOW SHARDS").first?[5] == "down" }
            for call in ["pg_advisory_lock(1)", "pg_try_advisory_lock(1)", "pg_advisory_xact_lock(1)", "pg_notify('a', 'b')"] {
                #expect(try client.run("SELECT \(call)").state == "08001", "\(call)")
            }
            #expect(try servers[1].psql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND objsubid = 1") == [["0"]])
        }

        /// Nor does the shard that something else in the statement belongs to.
        @Test(.timeLimit(.minutes(1))) func whatBelongsElsewhereIsRefusedBesideThem() throws {
            let cluster = try cluster(links: 2)
            let client = try WireClient(port: cluster.port)
            try client.rows("CREATE SEQUENCE IF NOT EXISTS lock_numbers; CREATE TEMP TABLE lock_numbers_here AS SELECT 7 AS id")
            let texts = [
                "SELECT nextval('lock_numbers'), pg_try_advisory_lock(7)", "SELECT pg_advisory_lock(id) FROM lock_numbers_here",
                "SELECT set_config('my.own', 'x', false), pg_advisory_xact_lock(7)",
            ]
            for text in texts { #expect(try client.run(text).state == "0A000", "\(text)") }
            #expect(try cluster.onShards("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND objsubid = 1").allSatisfy { $0 == [["0"]] })
            try client.rows("DROP SEQUENCE lock_numbers")
        }

        /// What takes locks, and what then gives the last one back.
        static let ways: [(takes: [String], gives: [String])] = [
            (["SELECT pg_advisory_lock(70)"], ["SELECT pg_advisory_unlock(70)"]),
            (["SELECT pg_try_advisory_lock(7, 0)"], ["SELECT pg_advisory_unlock_all()"]),
            (["SELECT pg_advisory_lock_shared(hashtext('a'))"], ["SELECT pg_advisory_unlock_shared(hashtext('a'))"]),
            (["BEGIN; SELECT pg_advisory_lock(71); COMMIT"], ["BEGIN; SELECT pg_advisory_unlock(71); COMMIT"]),
            (["BEGIN; SELECT pg_advisory_lock(72); ROLLBACK"], ["BEGIN", "SELECT pg_advisory_unlock(72)", "ROLLBACK"]),
            (["SELECT pg_advisory_lock(73)", "SELECT pg_advisory_lock(73)"], ["SELECT pg_advisory_unlock(73)", "SELECT pg_advisory_unlock(73)"]),
            (["SELECT pg_advisory_lock(74)"], ["SELECT pg_advisory_unlock_all(); RESET ALL"]),
            (["SELECT pg_advisory_lock(75)"], ["DISCARD ALL"]),
        ]

        @Test(.timeLimit(.minutes(1)), arguments: ways.indices) func theLinkGoesBackWithTheLastLock(way: Int) throws {
            let cluster = try cluster(links: 1)
            let (console, holder) = (try WireClient(port: cluster.port, database: "pgbraid"), try client(cluster))
            for text in Self.ways[way].takes { try holder.rows(text) }
            #expect(try !everyLinkIsBack(console))
            for text in Self.ways[way].gives.dropLast() { try holder.rows(text) }
            #expect(try !everyLinkIsBack(console))
            try holder.rows(Self.ways[way].gives.last ?? "")
            try eventually("the link is back") { try everyLinkIsBack(console) }
            // It can be had by somebody else, without any lock, and its owner goes on.
            #expect(try client(cluster).rows("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND objsubid = 1") == [["0"]])
            #expect(try holder.rows("SELECT 1") == [["1"]])
        }

        /// The links of the proxy hold a lock that shows its instance lives, also when clients give all of theirs back.
        @Test(.timeLimit(.minutes(1))) func theInstancesLockStays() throws {
            let cluster = try cluster(links: 1)
            let holder = try client(cluster)
            let ofInstance = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND objsubid = 2"
            #expect(try holder.rows(ofInstance) == [["1"]])
            try holder.rows("SELECT pg_advisory_unlock_all()")
            #expect(try holder.rows(ofInstance) == [["1"]])
        }

        @Test(.timeLimit(.minutes(1))) func theExtendedProtocolGivesBackToo() throws {
            let cluster = try cluster(links: 1)
            let (console, holder) = (try WireClient(port: cluster.port, database: "pgbraid"), try client(cluster))
            func call(_ function: String) throws -> [[String?]] {
                let key = BoundValue(bytes: Array("76".utf8))
                try holder.send(
                    FrontendFrame.parse("", [20], "SELECT \(function)($1)") + FrontendFrame.bind("", "", [key], resultFormats: [])
                        + FrontendFrame.execute("") + FrontendFrame.sync)
                return try holder.outcome().rows
            }
            #expect(try call("pg_try_advisory_lock") == [["t"]])
            #expect(try !everyLinkIsBack(console))
            #expect(try call("pg_advisory_unlock") == [["t"]])
            try eventually("the link is back") { try everyLinkIsBack(console) }
        }

        /// PostgreSQL keeps the lock of a statement that fails behind it; so does the session, and nobody else inherits it.
        @Test(.timeLimit(.minutes(1))) func aLockOutlivesTheStatementThatFails() throws {
            let cluster = try cluster(links: 4)
            let (holder, other) = (try client(cluster), try client(cluster))
            let outcome = try holder.run("SELECT 1 / length(pg_advisory_lock(77)::text)")
            #expect(outcome.state == "22012", "\(outcome)")
            for _ in 0..<4 { #expect(try other.rows("SELECT pg_try_advisory_lock(77)") == [["f"]]) }
            #expect(try holder.rows("SELECT pg_advisory_unlock(77)") == [["t"]])
            #expect(try other.rows("SELECT pg_try_advisory_lock(77)") == [["t"]])
        }

        @Test(.timeLimit(.minutes(1))) func clientsExcludeEachOther() throws {
            let cluster = try cluster(links: 4)
            let holder = try client(cluster)
            var other: WireClient? = try client(cluster)
            try holder.rows("SELECT pg_advisory_lock(78)")
            for _ in 0..<4 { #expect(try other?.rows("SELECT pg_try_advisory_xact_lock(78)") == [["f"]]) }
            let refused = try other?.run("SET lock_timeout = '50ms'; SELECT pg_advisory_lock(78)")
            #expect(refused?.state == "55P03")
            // A client that is gone holds nothing.
            try other?.rows("SELECT pg_advisory_lock(79)")
            #expect(try holder.rows("SELECT pg_try_advisory_lock(79)") == [["f"]])
            other = nil
            #expect(try holder.rows("SELECT pg_advisory_lock(79)") == [[""]])
        }

        @Test(.timeLimit(.minutes(1))) func theAdminDatabaseTellsWhoHoldsAndWhoWaits() throws {
            let cluster = try cluster(links: 4)
            let (console, holder, waiter) = (try WireClient(port: cluster.port, database: "pgbraid"), try client(cluster), try client(cluster))
            #expect(try console.rows("SHOW LOCKS").isEmpty)
            try holder.rows("SELECT pg_advisory_lock(-5), pg_advisory_lock_shared(-1, 2147483647)")
            try waiter.send(FrontendFrame.query("SELECT pg_advisory_lock(-5)"))
            try eventually("it waits") { try console.rows("SHOW LOCKS").count == 3 }
            let locks = try console.rows("SHOW LOCKS")
            #expect(locks.map { $0[0...3].map { $0 ?? "" }.joined(separator: "/") } == [
                "0/advisory -5/ExclusiveLock/waits", "0/advisory -1, 2147483647/ShareLock/held", "0/advisory -5/ExclusiveLock/held",
            ])
            // Sessions are told by what clients know as their process.
            let pid = { (client: WireClient) in try client.rows("SELECT pg_backend_pid()")[0][0] }
            #expect(locks[0][8] == locks[2][6] && locks[1][4] == locks[2][4] && locks[0][4] != locks[2][4] && locks.allSatisfy { $0[5] == "locker" })
            #expect(try pid(holder) == locks[2][6])
            try holder.rows("SELECT pg_advisory_unlock_all()")
            #expect(try waiter.outcome().error == nil)
        }

        @Test(.timeLimit(.minutes(1))) func aCircleEnds() throws {
            let cluster = try cluster(links: 4)
            let clients = [try client(cluster), try client(cluster)]
            for (place, client) in clients.enumerated() { try client.rows("BEGIN; SELECT pg_advisory_xact_lock(\(80 + place))") }
            for (place, client) in clients.enumerated() { try client.send(FrontendFrame.query("SELECT pg_advisory_xact_lock(\(81 - place))")) }
            let outcomes = try clients.map { try $0.outcome(deadlineSeconds: 10) }
            #expect(outcomes.compactMap(\.state) == ["40P01"], "\(outcomes)")
        }
    }
}
