// What cursors and portals leave on the shards, and what other statements change under them.
import Testing
import WireProtocol

/// A proxy that may hold little, on servers of its own tables.
private struct NarrowCluster: @unchecked Sendable {
    static let shared = Result { try NarrowCluster() }

    let cluster: TestCluster

    private init() throws {
        cluster = try TestCluster(
            servers: try TestServers.shared.get().four, settings: ["limits": ["merge = \"1MB\"", "merge_row = \"256kB\"", "output_high_water = \"64kB\"", "output_low_water = \"16kB\""]])
        try cluster.psql(
            """
            DROP TABLE IF EXISTS growing; CREATE TABLE growing (user_id int, n int, t text, PRIMARY KEY (user_id, n));
            INSERT INTO growing SELECT u, n, 'x' FROM generate_series(1, 12) u, generate_series(1, 180) n;
            UPDATE growing SET t = repeat(t, 60000) WHERE n >= 150
            """)
    }
}

extension IntegrationTests {
    @Suite struct CursorStateTests {
        private static func prepared() throws -> (TestCluster, WireClient) {
            let cluster = try SharedClusters.shared.get().four
            let client = try WireClient(port: cluster.port)
            try client.rows(
                """
                DROP TABLE IF EXISTS visited, visited_log;
                CREATE TABLE visited (user_id int PRIMARY KEY, at timestamptz NOT NULL, v int NOT NULL DEFAULT 0);
                INSERT INTO visited SELECT g, '2026-01-01 00:00+00'::timestamptz + make_interval(days => g) FROM generate_series(1, 40) g
                """)
            return (cluster, client)
        }

        private func bound(_ portal: String, _ text: String) -> [UInt8] {
            FrontendFrame.parse("", [], text) + FrontendFrame.bind(portal, "", [], resultFormats: [])
        }

        /// As pgjdbc does with a fetch size. The session's last link may be anybody's.
        @Test(.timeLimit(.minutes(1))) func declareMayHaveARowLimit() throws {
            let (cluster, client) = try Self.prepared()
            let other = try WireClient(port: cluster.port)
            for user in 1...8 {
                try other.rows("SELECT v FROM visited WHERE user_id = \(user % 4 + 1)")
                try client.rows("BEGIN")
                try client.send(
                    bound("", "DECLARE c CURSOR FOR SELECT user_id FROM visited WHERE user_id = \(user)")
                        + FrontendFrame.execute("", maximumRows: 5) + FrontendFrame.sync)
                #expect(try client.outcome().tags == ["DECLARE CURSOR"])
                #expect(try client.rows("FETCH ALL FROM c") == [["\(user)"]])
                #expect(try client.run("CLOSE ALL; COMMIT").tags == ["CLOSE CURSOR ALL", "COMMIT"])
            }
        }

        @Test(.timeLimit(.minutes(1))) func portalsThatAreReplacedAreClosedOnTheShards() throws {
            let (_, client) = try Self.prepared()
            try client.rows("BEGIN")
            for _ in 0..<3 {
                try client.send(
                    bound("", "SELECT user_id FROM visited ORDER BY 1") + FrontendFrame.execute("", maximumRows: 2) + FrontendFrame.sync)
                #expect(try client.outcome().rows == [["1"], ["2"]])
            }
            // Named ones are open until they are closed.
            try client.send(bound("p", "SELECT count(*) FROM pg_cursors WHERE name LIKE 'pgbraid%'") + FrontendFrame.execute("p") + FrontendFrame.sync)
            #expect(try client.outcome().rows == [["1"]])
            #expect(try client.rows("SELECT count(*) FROM pg_cursors WHERE name LIKE 'pgbraid%'") == [["0"]])
            #expect(try client.run("TRUNCATE visited").error == nil)
            try client.rows("ROLLBACK")
        }

        @Test(.timeLimit(.minutes(1))) func portalsThatAreClosedAreClosedOnTheShards() throws {
            let (_, client) = try Self.prepared()
            try client.rows("BEGIN")
            try client.send(
                bound("p", "SELECT user_id FROM visited ORDER BY 1") + FrontendFrame.describe("P", "p")
                    + FrontendFrame.execute("p", maximumRows: 2) + FrontendFrame.sync)
            #expect(try client.outcome().rows == [["1"], ["2"]])
            try client.send(FrontendFrame.close("P", "p") + FrontendFrame.sync)
            #expect(try client.outcome().error == nil)
            #expect(try client.run("TRUNCATE visited").error == nil)
            try client.rows("ROLLBACK")
        }

        @Test(.timeLimit(.minutes(1)), arguments: [false, true])
        func portalsThatAreNeverExecutedAreClosedOnTheShards(isClosedLater: Bool) throws {
            let (_, client) = try Self.prepared()
            try client.rows("BEGIN")
            try client.send(
                bound("p", "SELECT user_id FROM visited ORDER BY 1") + FrontendFrame.describe("P", "p") + (isClosedLater ? FrontendFrame.sync : [])
                    + FrontendFrame.close("P", "p") + FrontendFrame.sync)
            #expect(try client.outcome().error == nil)
            if isClosedLater { #expect(try client.outcome().error == nil) }
            #expect(try client.run("TRUNCATE visited").error == nil)
            try client.rows("ROLLBACK")
        }

        /// Items that each read the one before twice: who reads the first in the end is asked once.
        @Test(.timeLimit(.minutes(1))) func manyItemsThatNothingReadsArePlannedAtOnce() throws {
            let (_, client) = try Self.prepared()
            let items = (2...40).map { "a\($0) AS (SELECT p.v FROM a\($0 - 1) p, a\($0 - 1) q)" }
            let text = "WITH a1 AS (SELECT v FROM visited), \(items.joined(separator: ", ")) SELECT count(*) FROM visited p JOIN visited q ON q.v = p.user_id"
            #expect(try client.rows(text) == [["0"]])
        }

        @Test(
            .timeLimit(.minutes(1)),
            arguments: ["SCROLL CURSOR FOR SELECT at FROM visited ORDER BY user_id", "CURSOR FOR SELECT at FROM visited ORDER BY user_id"])
        func heldRowsAreNotGivenBySettingsTheyWereNotWrittenBy(declaration: String) throws {
            let (_, client) = try Self.prepared()
            try client.rows("SET TimeZone = 'UTC'; BEGIN")
            try client.rows("DECLARE c \(declaration)")
            #expect(try client.rows("FETCH 1 FROM c") == [["2026-01-02 00:00:00+00"]])
            try client.rows("SET TimeZone = 'Asia/Tokyo'; SAVEPOINT s")
            #expect(try client.run("FETCH 1 FROM c").state == "0A000")
            try client.rows("ROLLBACK TO s; SET TimeZone = 'UTC'")
            #expect(try client.rows("FETCH 1 FROM c") == [["2026-01-03 00:00:00+00"]])
            try client.rows("ROLLBACK")
        }

        @Test(.timeLimit(.minutes(1))) func aTimeZoneThatIsNoConstantIsAnotherOne() throws {
            let (_, client) = try Self.prepared()
            try client.rows("SET TimeZone = 'UTC'; BEGIN")
            try client.rows("DECLARE c SCROLL CURSOR FOR SELECT at FROM visited ORDER BY user_id")
            try client.rows("SET TIME ZONE INTERVAL '+09:00' HOUR TO MINUTE")
            #expect(try client.run("FETCH 1 FROM c").state == "0A000")
            try client.rows("ROLLBACK")
        }

        @Test(.timeLimit(.minutes(1))) func rowsThatAreNotReadYetAreWrittenByTheSettingsOfNow() throws {
            let (_, client) = try Self.prepared()
            try client.rows("SET TimeZone = 'UTC'; BEGIN")
            try client.rows("DECLARE c CURSOR FOR SELECT at FROM visited WHERE user_id IN (1, 2, 3, 4)")
            let first = try client.rows("FETCH 1 FROM c")
            try client.rows("SET TimeZone = 'Asia/Tokyo'")
            let rest = try client.rows("FETCH ALL FROM c")
            #expect(first.allSatisfy { $0[0]?.hasSuffix("00:00:00+00") == true } && rest.count == 3)
            #expect(rest.allSatisfy { $0[0]?.hasSuffix("09:00:00+09") == true }, "\(rest)")
            try client.rows("ROLLBACK")
        }

        @Test(.timeLimit(.minutes(1))) func portalsAreNotGoneOnWithByOtherSettings() throws {
            let (_, client) = try Self.prepared()
            try client.rows("SET TimeZone = 'UTC'; BEGIN")
            try client.send(
                bound("p", "SELECT at, count(*) FROM visited GROUP BY at ORDER BY at") + FrontendFrame.execute("p", maximumRows: 1) + FrontendFrame.sync)
            #expect(try client.outcome().rows == [["2026-01-02 00:00:00+00", "1"]])
            try client.rows("SET TimeZone = 'Asia/Tokyo'")
            try client.send(FrontendFrame.execute("p", maximumRows: 1) + FrontendFrame.sync)
            #expect(try client.outcome().state == "0A000")
            try client.rows("ROLLBACK")
        }

        @Test(.timeLimit(.minutes(1))) func explainMakesNoTables() throws {
            let (_, client) = try Self.prepared()
            #expect(try client.run("EXPLAIN ANALYZE CREATE TABLE visited_log AS SELECT * FROM visited").state == "0A000")
            #expect(try client.run("EXPLAIN (ANALYZE) CREATE TEMP TABLE visited_log AS SELECT 1 AS a").state == "0A000")
            #expect(try client.rows("SELECT to_regclass('visited_log')") == [[nil]])
        }

        /// Close waits for what the batch does on another shard.
        @Test(.timeLimit(.minutes(1))) func aCursorThatIsClosedBehindAnotherShardsStatementIsClosed() throws {
            let (_, client) = try Self.prepared()
            for user in 2...6 {
                try client.rows("BEGIN")
                try client.rows("DECLARE c CURSOR FOR SELECT v FROM visited WHERE user_id = 1")
                try client.send(
                    bound("", "SELECT v FROM visited WHERE user_id = \(user)") + FrontendFrame.execute("") + FrontendFrame.close("P", "c")
                        + FrontendFrame.sync)
                #expect(try client.outcome().error == nil)
                #expect(try client.run("DECLARE c CURSOR FOR SELECT v FROM visited WHERE user_id = 1").error == nil)
                try client.rows("ROLLBACK")
            }
        }

        @Test(.timeLimit(.minutes(1))) func aBlockWithHeldRowsIsNotPrepared() throws {
            let (_, client) = try Self.prepared()
            try client.rows("BEGIN")
            try client.rows("DECLARE c CURSOR WITH HOLD FOR SELECT user_id FROM visited ORDER BY 1")
            let refused = try client.run("PREPARE TRANSACTION 'held_rows'")
            #expect(refused.error?.message == "cannot PREPARE a transaction that has created a cursor WITH HOLD")
            #expect(try client.rows("SELECT count(*) FROM pg_prepared_xacts WHERE gid LIKE '%held_rows%'") == [["0"]])
        }

        /// The unnamed portal of the shard is the proxy's own by then.
        @Test(.timeLimit(.minutes(1))) func theUnnamedPortalIsNotTakenForTheProxys() throws {
            let (_, client) = try Self.prepared()
            try client.rows(
                """
                CREATE OR REPLACE FUNCTION visited_noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := NEW.v + 100; RETURN NEW; END';
                CREATE OR REPLACE TRIGGER noted BEFORE INSERT ON visited FOR EACH ROW EXECUTE FUNCTION visited_noted(); BEGIN
                """)
            try client.send(
                FrontendFrame.parse("all", [], "SELECT user_id FROM visited ORDER BY 1")
                    + bound("", "INSERT INTO visited (user_id, at) VALUES (101, now())")
                    + FrontendFrame.bind("p", "all", [], resultFormats: []) + FrontendFrame.execute("p")
                    + FrontendFrame.bind("q", "all", [], resultFormats: []) + FrontendFrame.execute("q") + FrontendFrame.execute("")
                    + FrontendFrame.sync)
            let said = try client.outcome()
            #expect(said.tags == ["SELECT 40", "SELECT 40", "INSERT 0 1"] || said.state == "34000", "\(said)")
            if said.error == nil { #expect(try client.rows("SELECT v FROM visited WHERE user_id = 101") == [["100"]]) }
            try client.rows("ROLLBACK")
        }

        @Test(.timeLimit(.minutes(1)), arguments: ["", "ORDER BY n, user_id"])
        func rowsThatGrowAreReadAsASelectReadsThem(order: String) throws {
            let client = try WireClient(port: try NarrowCluster.shared.get().cluster.port)
            let right = try client.rows("SELECT n, user_id, length(t) FROM growing \(order)")
            try client.rows("BEGIN")
            try client.rows("DECLARE c CURSOR FOR SELECT n, user_id, t FROM growing \(order)")
            var rows = try client.rows("FETCH 200 FROM c")
            rows += try client.rows("FETCH ALL FROM c")
            let read = rows.map { [$0[0], $0[1], $0[2].map { "\($0.utf8.count)" }] }
            #expect(read.count == right.count)
            #expect(order.isEmpty ? Set(read) == Set(right) : read == right)
            try client.rows("ROLLBACK")
        }

        /// Rows of one shard come first, and are as long as a client's output may be before a shard waits for it.
        @Test(.timeLimit(.minutes(1)), arguments: ["", "ORDER BY k"])
        func longRowsOfOneShardAfterTheOthersAreAllRead(order: String) throws {
            let cluster = try NarrowCluster.shared.get().cluster
            try cluster.psql("DROP TABLE IF EXISTS lengthy; CREATE TABLE lengthy (user_id int, k int, t text, PRIMARY KEY (user_id, k))")
            for user in 1...8 { try cluster.psql("INSERT INTO lengthy SELECT \(user), \(user) * 1000 + k, 'x' FROM generate_series(1, 90) k") }
            try cluster.psql("UPDATE lengthy SET t = repeat(t, 100000)")
            let right = try cluster.psql("SELECT k FROM lengthy ORDER BY k").map { $0[0] }
            let client = try WireClient(port: cluster.port)
            try client.rows("BEGIN")
            try client.rows("DECLARE c CURSOR FOR SELECT k, t FROM lengthy \(order)")
            var read: [String?] = []
            for count in [1, 64, 64, 300] { read += try client.rows("FETCH \(count) FROM c").map { $0[0] } }
            read += try client.rows("FETCH ALL FROM c").map { $0[0] }
            #expect(order.isEmpty ? Set(read) == Set(right) && read.count == right.count : read == right)
            try client.rows("ROLLBACK")
        }

        @Test(.timeLimit(.minutes(1))) func rowsThatArePassedOverDoNotStandStill() throws {
            let client = try WireClient(port: try NarrowCluster.shared.get().cluster.port)
            try client.rows("BEGIN")
            try client.rows("DECLARE c CURSOR FOR SELECT n, t FROM growing WHERE n >= 150 ORDER BY n, user_id")
            let said = try client.run("MOVE 100 FROM c; MOVE 200 FROM c; MOVE ALL FROM c")
            #expect(said.tags == ["MOVE 100", "MOVE 200", "MOVE 72"], "\(said)")
            try client.rows("ROLLBACK")
        }

        @Test(.timeLimit(.minutes(1))) func portalsOfAHeldCursorAreLimited() throws {
            let client = try WireClient(port: try NarrowCluster.shared.get().cluster.port)
            try client.rows("BEGIN")
            try client.rows("DECLARE c SCROLL CURSOR FOR SELECT t FROM growing WHERE n BETWEEN 150 AND 150 AND user_id < 6")
            var states: [String?] = []
            for portal in 0..<5 where states.last.map({ $0 == nil }) ?? true {
                try client.send(
                    bound("p\(portal)", "FETCH ALL FROM c") + FrontendFrame.execute("p\(portal)", maximumRows: 1) + FrontendFrame.sync)
                states.append(try client.outcome().state)
                if states.last! == nil { try client.rows("MOVE ABSOLUTE 0 FROM c") }
            }
            #expect(states.last == "53400", "\(states)")
            try client.rows("ROLLBACK")
        }

        /// Rows that were read ahead keep neither a lock that was given up, nor what the block has changed meanwhile from being seen.
        @Test(.timeLimit(.minutes(1)), arguments: ["UPDATE visited SET v = 1 WHERE user_id = 30", "UPDATE visited SET v = 1", "ROLLBACK TO s"])
        func rowsThatWereLockedAheadAreNotGivenBehindChanges(between: String) throws {
            let (_, client) = try Self.prepared()
            try client.rows("BEGIN; DECLARE c CURSOR FOR SELECT user_id FROM visited ORDER BY 1 FOR UPDATE; SAVEPOINT s")
            #expect(try client.rows("FETCH 3 FROM c") == [["1"], ["2"], ["3"]])
            try client.rows("SELECT count(*) FROM visited")
            #expect(try client.rows("FETCH 3 FROM c") == [["4"], ["5"], ["6"]])
            try client.rows(between)
            #expect(try client.run("FETCH 3 FROM c").state == "0A000")
            try client.rows("ROLLBACK")
        }

        @Test(.timeLimit(.minutes(1))) func rowsWithoutAnOrderAreLockedAsTheyAreFetched() throws {
            let (cluster, client) = try Self.prepared()
            try client.rows("BEGIN; DECLARE c CURSOR FOR SELECT user_id FROM visited FOR UPDATE")
            let first = try client.rows("FETCH 3 FROM c").map { $0[0] }
            #expect(try WireClient(port: cluster.port).rows("SELECT user_id FROM visited FOR UPDATE SKIP LOCKED").count == 37)
            try client.rows("DELETE FROM visited WHERE user_id > 20")
            let rest = try client.rows("FETCH ALL FROM c").map { $0[0] }
            #expect(Set(first + rest).count == first.count + rest.count && rest.allSatisfy { Int($0 ?? "").map { $0 <= 20 } == true }, "\(rest)")
            try client.rows("ROLLBACK")
        }

        @Test(.timeLimit(.minutes(1)), arguments: ["CLOSE c", "CLOSE ALL", "rollback"])
        func aLinkIsNotKeptForAHeldCursorThatIsGone(end: String) throws {
            let cluster = try TestCluster(servers: try TestServers.shared.get().two, settings: ["proxy": ["pool_size = 1"]])
            try cluster.psql("DROP TABLE IF EXISTS kept_open; CREATE TABLE kept_open (user_id int PRIMARY KEY); INSERT INTO kept_open VALUES (1), (2), (3)")
            let client = try WireClient(port: cluster.port)
            try client.rows("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT user_id FROM kept_open WHERE user_id = 1")
            try client.rows(end == "rollback" ? "ROLLBACK" : "COMMIT")
            if end != "rollback" { try client.rows(end) }
            let other = try WireClient(port: cluster.port)
            #expect(try other.rows("SELECT user_id FROM kept_open WHERE user_id = 1", deadlineSeconds: 20) == [["1"]])
        }

        @Test(.timeLimit(.minutes(1))) func explainRunsNoWriteThatCopiesMustAgreeOn() throws {
            let (_, client) = try Self.prepared()
            try client.rows("DROP TABLE IF EXISTS visited_kind; CREATE TABLE visited_kind (id int PRIMARY KEY, name text); SELECT create_reference_table('visited_kind'); INSERT INTO visited_kind VALUES (1, 'a')")
            #expect(try client.run("EXPLAIN ANALYZE UPDATE visited_kind SET name = 'b' WHERE id = 1").state == "0A000")
            #expect(try client.run("EXPLAIN UPDATE visited_kind SET name = 'b' WHERE id = 1").error == nil)
        }
    }
}
