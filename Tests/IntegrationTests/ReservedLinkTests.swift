// A session that has waited for a link is given one, and asks for something else first: the link is neither lost nor missing.
import Testing

extension IntegrationTests {
    @Suite struct ReservedLinkTests {
        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func aLinkOutlastsALookAtTheStatementsColumns(isInBlock: Bool) throws {
            let cluster = try TestCluster(servers: try TestServers.shared.get().four, settings: ["proxy": ["pool_size = 1"]])
            let other = try TestCluster(servers: cluster.servers)
            // Not the admin user, whose pool has links for the proxy's own work too.
            try cluster.psql("DROP ROLE IF EXISTS reserver; CREATE ROLE reserver LOGIN SUPERUSER")
            try cluster.psql("DROP TABLE IF EXISTS kept, newer; CREATE TABLE kept (user_id int PRIMARY KEY, n int); INSERT INTO kept VALUES (1, 7)")
            let console = try WireClient(port: cluster.port, database: "pgbraid")
            let holder = try WireClient(port: cluster.port, user: "reserver")
            let waiter = try WireClient(port: cluster.port, user: "reserver")
            try waiter.send(
                FrontendFrame.parse("look", [], "SELECT n FROM kept WHERE user_id = $1") + FrontendFrame.describe("S", "look") + FrontendFrame.sync)
            #expect(try waiter.outcome().error == nil)
            if isInBlock { try waiter.rows("BEGIN") }

            try holder.rows("BEGIN; UPDATE kept SET n = n WHERE user_id = 1")
            let key = BoundValue(bytes: Array("1".utf8))
            try waiter.send(FrontendFrame.bind("", "look", [key], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            try eventually("it waits for the only link") { try console.rows("SHOW POOLS").contains { $0[5] == "1" } }
            // What the proxy knows of tables is new, so that it looks at the described statement once more.
            try other.psql("CREATE TABLE newer (user_id int); INSERT INTO newer SELECT generate_series(1, 40)")
            try eventually("the proxy has read the catalog") { try cluster.psql("SELECT count(*) FROM newer") == [["40"]] }
            try holder.rows("COMMIT")
            let answer = try waiter.outcome()
            #expect(answer.error == nil && answer.rows == [["7"]], "\(answer)")
            if isInBlock { try waiter.rows("COMMIT") }
            #expect(try holder.rows("SELECT n FROM kept WHERE user_id = 1") == [["7"]])
        }

        enum Asked: CaseIterable { case query, script, extended }

        /// The block has failed while it waited, which is told first: what cut the wait short must not be the next statement's answer.
        @Test(.timeLimit(.minutes(1)), arguments: Asked.allCases) func aWaitThatIsCutShortEndsWithWhatWaited(asked: Asked) throws {
            let cluster = try TestCluster(servers: try TestServers.shared.get().four, settings: ["proxy": ["pool_size = 1"]])
            try cluster.psql("DROP ROLE IF EXISTS reserver; CREATE ROLE reserver LOGIN SUPERUSER")
            try cluster.psql("DROP TABLE IF EXISTS kept; CREATE TABLE kept (user_id int PRIMARY KEY, n int)")
            try cluster.psql("INSERT INTO kept SELECT generate_series(1, 40), 0")
            let keys = try cluster.onShards("SELECT min(user_id) FROM kept").compactMap { $0[0][0] }
            let console = try WireClient(port: cluster.port, database: "pgbraid")
            let holder = try WireClient(port: cluster.port, user: "reserver")
            let waiter = try WireClient(port: cluster.port, user: "reserver")
            try holder.rows("BEGIN; UPDATE kept SET n = n WHERE user_id = \(keys[1])")
            try waiter.rows("BEGIN; UPDATE kept SET n = n WHERE user_id IN (\(keys[0]), \(keys[2]))")
            let update = "UPDATE kept SET n = n WHERE user_id = "
            switch asked {
            case .query: try waiter.send(FrontendFrame.query(update + keys[1]))
            case .script: try waiter.send(FrontendFrame.query(update + keys[1] + "; " + update + keys[0]))
            case .extended:
                let key = BoundValue(bytes: Array(keys[1].utf8))
                try waiter.send(
                    FrontendFrame.parse("", [], update + "$1") + FrontendFrame.bind("", "", [key], resultFormats: []) + FrontendFrame.execute("")
                        + FrontendFrame.sync)
            }
            try eventually("it waits for the only link") { try console.rows("SHOW POOLS").contains { $0[5] == "1" } }
            try cluster.servers[0].psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reserver'")
            try eventually("its block has lost a part") { try !console.rows("SHOW SERVERS").contains { $0[1] == "reserver" && $0[2] == "0" && $0[5] != nil } }
            try waiter.requestCancel(port: cluster.port)
            let answer = try waiter.outcome()
            #expect(["08006", "57014"].contains(answer.state), "\(answer)")
            let end = try waiter.run("ROLLBACK")
            #expect(end.error == nil && end.tags == ["ROLLBACK"], "\(end)")
            try holder.rows("COMMIT")
            #expect(try waiter.run(update + keys[1]).tags == ["UPDATE 1"])
        }

        /// The session gets its link while the catalog is being read, which lasts as long as somebody has locked what a view reads.
        @Test(.timeLimit(.minutes(1))) func aSessionWithALinkIsWokenByTheCatalog() throws {
            let cluster = try TestCluster(servers: try TestServers.shared.get().four, settings: ["proxy": ["pool_size = 1"]])
            let other = try TestCluster(servers: cluster.servers)
            try cluster.psql("DROP ROLE IF EXISTS reserver; CREATE ROLE reserver LOGIN SUPERUSER; DROP VIEW IF EXISTS seen")
            try cluster.psql("DROP TABLE IF EXISTS kept, newer, watched; CREATE TABLE kept (user_id int PRIMARY KEY, n int); INSERT INTO kept VALUES (1, 7)")
            try cluster.psql("CREATE TABLE watched (user_id int); CREATE VIEW seen AS SELECT user_id FROM watched")
            let console = try WireClient(port: cluster.port, database: "pgbraid")
            var holder: WireClient? = try WireClient(port: cluster.port, user: "reserver")
            let waiter = try WireClient(port: cluster.port, user: "reserver")
            try waiter.send(
                FrontendFrame.parse("look", [], "SELECT n FROM kept WHERE user_id = $1") + FrontendFrame.describe("S", "look") + FrontendFrame.sync)
            #expect(try waiter.outcome().error == nil)
            try holder?.rows("BEGIN; UPDATE kept SET n = n WHERE user_id = 1")
            let key = BoundValue(bytes: Array("1".utf8))
            try waiter.send(FrontendFrame.bind("", "look", [key], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            try eventually("it waits for the only link") { try console.rows("SHOW POOLS").contains { $0[5] == "1" } }

            let locker = try WireClient(port: cluster.servers[0].port)
            try locker.rows("BEGIN; LOCK TABLE watched")
            let changer = try WireClient(port: other.port)
            try changer.send(FrontendFrame.query("CREATE TABLE newer (user_id int)"))
            // And so do proxies of other suites on these servers.
            try eventually("both proxies read the catalog") {
                try cluster.servers[0].psql("SELECT count(*) >= 2 FROM pg_locks WHERE NOT granted AND relation = 'watched'::regclass") == [["t"]]
            }
            holder = nil
            try eventually("it has the link") { try console.rows("SHOW POOLS").allSatisfy { $0[5] == "0" } }
            try locker.rows("COMMIT")
            let answer = try waiter.outcome()
            #expect(answer.error == nil && answer.rows == [["7"]], "\(answer)")
            #expect(try changer.outcome().error == nil)
        }
    }
}
