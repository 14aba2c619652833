// What one session leaves on a link, or has prepared there, means nothing to the next one that has it.
import Foundation
import Testing

extension IntegrationTests {
    @Suite struct SharedLinkTests {
        private func cluster(_ settings: [String] = []) throws -> TestCluster {
            let cluster = try TestCluster(servers: try TestServers.shared.get().four, settings: ["proxy": ["workers = 1"] + settings])
            try cluster.psql("DROP TABLE IF EXISTS shared_row; CREATE TABLE shared_row (user_id int PRIMARY KEY, moment timestamptz)")
            try cluster.psql("INSERT INTO shared_row SELECT i FROM generate_series(1, 40) i")
            return cluster
        }

        private func keys(_ cluster: TestCluster) throws -> [String] {
            try cluster.onShards("SELECT min(user_id) FROM shared_row").compactMap { $0[0][0] }
        }

        /// PostgreSQL makes a literal a constant when it prepares the statement, by the settings at that time.
        @Test(.timeLimit(.minutes(1))) func aPreparedLiteralIsReadByTheOwnTimeZone() throws {
            let cluster = try cluster(["pool_size = 1"])
            let key = try keys(cluster)[0]
            let text = "UPDATE shared_row SET moment = '2024-01-01 10:00' WHERE user_id = $1"
            for (zone, moment) in [("UTC", "2024-01-01 10:00:00+00"), ("Asia/Tokyo", "2024-01-01 01:00:00+00")] {
                let client = try WireClient(port: cluster.port)
                try client.rows("SET timezone TO '\(zone)'")
                try client.send(
                    FrontendFrame.parse("own", [], text) + FrontendFrame.bind("", "own", [BoundValue(bytes: Array(key.utf8))], resultFormats: [])
                        + FrontendFrame.execute("") + FrontendFrame.sync)
                #expect(try client.outcome().tags == ["UPDATE 1"])
                try client.rows("SET timezone TO 'UTC'")
                #expect(try client.rows("SELECT moment FROM shared_row WHERE user_id = \(key)") == [[moment]])
            }
        }

        /// The proxy itself says that it is prepared, behind the BEGIN of a block that the link joins with it.
        @Test(.timeLimit(.minutes(1))) func aBlockBeginsWithAStatementThatTheLinkKnows() throws {
            let cluster = try cluster(["pool_size = 1"])
            let key = try keys(cluster)[0]
            for modes in ["", " ISOLATION LEVEL REPEATABLE READ", "; SET LOCAL work_mem TO '5MB'"] {
                for _ in 0..<2 {
                    let client = try WireClient(port: cluster.port)
                    try client.rows("BEGIN" + modes)
                    try client.send(
                        FrontendFrame.parse("own", [], "SELECT user_id FROM shared_row WHERE user_id = $1") + FrontendFrame.describe("S", "own")
                            + FrontendFrame.bind("", "own", [BoundValue(bytes: Array(key.utf8))], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
                    let outcome = try client.outcome()
                    #expect(outcome.rows == [[key]] && outcome.error == nil, "\(outcome)")
                    try client.rows("COMMIT")
                }
            }
        }

        /// PostgreSQL reads a Query in the encoding that is in force when it arrives: that of the session which had the link before.
        @Test(.timeLimit(.minutes(1))) func settingsAreReplayedInTheirOwnEncoding() throws {
            let cluster = try cluster(["pool_size = 1"])
            let client = try WireClient(port: cluster.port)
            let western = try WireClient(port: cluster.port, parameters: [("client_encoding", "LATIN1")])
            try client.rows("SET my.tenant TO 'J\u{fc}rgen'")
            for key in try keys(cluster) {
                try western.rows("SELECT 1 FROM shared_row WHERE user_id = \(key)")
                #expect(try client.rows("SELECT current_setting('my.tenant') FROM shared_row WHERE user_id = \(key)") == [["J\u{fc}rgen"]])
            }
        }

        /// What a batch has set is undone with it when its client leaves within it.
        @Test(.timeLimit(.minutes(1))) func settingsOfAnUnendedBatchAreNotKept() throws {
            let cluster = try cluster(["pool_size = 1"])
            let keys = try keys(cluster)
            for server in cluster.servers { try server.psql("DO $$ BEGIN CREATE ROLE shared_reader; EXCEPTION WHEN duplicate_object THEN END $$") }
            try cluster.psql("GRANT SELECT ON shared_row TO shared_reader")
            func batch(_ text: String) -> [UInt8] {
                FrontendFrame.parse("", [], text) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("")
            }
            var leaving: WireClient? = try WireClient(port: cluster.port)
            try leaving?.send(batch("SET ROLE shared_reader") + batch("SELECT pg_sleep(0.5) FROM shared_row WHERE user_id = \(keys[0])") + FrontendFrame.flush)
            try eventually("it sleeps") { try cluster.onShards("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.5)%' AND state = 'active' AND pid <> pg_backend_pid()").contains([["1"]]) }
            leaving = nil
            let client = try WireClient(port: cluster.port)
            try client.rows("SET ROLE shared_reader")
            for key in keys {
                #expect(try client.rows("SELECT current_user FROM shared_row WHERE user_id = \(key)") == [["shared_reader"]])
            }
        }

        @Test(.timeLimit(.minutes(1))) func aCommentBehindSETEndsWithItsLine() throws {
            let cluster = try cluster()
            for server in cluster.servers { try server.psql("DO $$ BEGIN CREATE ROLE shared_reader; EXCEPTION WHEN duplicate_object THEN END $$") }
            let client = try WireClient(port: cluster.port)
            try client.rows("SET lock_timeout TO '7s' -- note")
            try client.rows("SET ROLE shared_reader")
            for key in try keys(cluster) {
                let outcome = try client.run("SELECT current_user, current_setting('lock_timeout'), 1 / count(*) FROM shared_row WHERE user_id = \(key)")
                // The role may not read the table.
                #expect(outcome.state == "42501", "\(outcome)")
            }
            try client.rows("RESET ROLE")
            try client.rows("BEGIN; SET LOCAL statement_timeout TO '8s' -- note")
            try client.rows("SET LOCAL idle_in_transaction_session_timeout TO '9s'")
            for key in try keys(cluster) {
                let names = ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"]
                let text = "SELECT \(names.map { "current_setting('\($0)')" }.joined(separator: ", ")) FROM shared_row WHERE user_id = \(key)"
                #expect(try client.rows(text) == [["7s", "8s", "9s"]])
            }
            try client.rows("COMMIT")
        }

        /// Both statements have one text, and mean tables of one name.
        @Test(.timeLimit(.minutes(1))) func aTemporaryTableOfTheSameNameIsAnotherOne() throws {
            let cluster = try cluster()
            let client = try WireClient(port: cluster.port)
            let text = "INSERT INTO shared_scratch VALUES ($1)"
            try client.rows("CREATE TEMP TABLE shared_scratch (v date)")
            try client.send(FrontendFrame.parse("first", [], text) + FrontendFrame.describe("S", "first") + FrontendFrame.sync)
            #expect(try client.outcome().error == nil)
            try client.rows("DROP TABLE shared_scratch; CREATE TEMP TABLE shared_scratch (v timestamp)")
            try client.send(
                FrontendFrame.parse("second", [], text)
                    + FrontendFrame.bind("", "second", [BoundValue(bytes: Array("2024-01-01 10:00".utf8))], resultFormats: [])
                    + FrontendFrame.execute("") + FrontendFrame.sync)
            #expect(try client.outcome().tags == ["INSERT 0 1"])
            #expect(try client.rows("SELECT v FROM shared_scratch") == [["2024-01-01 10:00:00"]])
        }

        /// What PREPARE has kept of a block's settings is not the session's when the block is rolled back.
        @Test(.timeLimit(.minutes(1))) func aRolledBackSettingIsNotLeftOnKeptLinks() throws {
            let cluster = try cluster(["pool_mode = \"session\""])
            try cluster.psql("DROP TABLE IF EXISTS shared_part, shared_kind; CREATE TABLE shared_kind (id int PRIMARY KEY)")
            try cluster.psql("CREATE TABLE shared_part (user_id int, kind int REFERENCES shared_kind DEFERRABLE INITIALLY DEFERRED)")
            try cluster.psql("INSERT INTO shared_kind VALUES (1)")
            let keys = try keys(cluster)
            for wrong in keys.indices {
                let client = try WireClient(port: cluster.port)
                try client.rows("BEGIN; SET lock_timeout TO '7s'")
                for (shard, key) in keys.enumerated() { try client.rows("INSERT INTO shared_part VALUES (\(key), \(shard == wrong ? 2 : 1))") }
                #expect(try client.run("COMMIT").state == "23503")
                for key in keys {
                    #expect(try client.rows("SELECT current_setting('lock_timeout') FROM shared_row WHERE user_id = \(key)") == [["0"]])
                }
            }
        }

        /// The answer of one shard is on its way when another one loses its part.
        @Test(.timeLimit(.minutes(1))) func aLostPartIsNotForgottenForAnAnswer() throws {
            let cluster = try cluster()
            let keys = try keys(cluster)
            let client = try WireClient(port: cluster.port)
            try client.rows("BEGIN; UPDATE shared_row SET moment = now() WHERE user_id = \(keys[0])")
            try client.rows("SELECT 1 FROM shared_row WHERE user_id = \(keys[1])")
            try client.send(FrontendFrame.query("SELECT pg_sleep(1) FROM shared_row WHERE user_id = \(keys[1])"))
            try eventually("it sleeps") {
                try cluster.servers[1].psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE 'SELECT pg_sleep(1)%'") == [["1"]]
            }
            try cluster.servers[0].psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%UPDATE shared_row%'")
            #expect(try client.outcome().error == nil)
            let outcome = try client.run("SELECT moment FROM shared_row WHERE user_id = \(keys[0])")
            #expect(["57P01", "08006"].contains(outcome.state), "\(outcome)")
            #expect(try client.run("SELECT 1 FROM shared_row WHERE user_id = \(keys[1])").state == "25P02")
            #expect(try client.run("COMMIT").tags == ["ROLLBACK"])
            #expect(try client.rows("SELECT count(*) FROM shared_row WHERE moment IS NOT NULL") == [["0"]])
        }
    }
}
