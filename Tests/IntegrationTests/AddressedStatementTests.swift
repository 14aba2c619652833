// SET pgbraid.shard, and the comment /* pgbraid: shard=n */: statements for one shard alone.
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct AddressedStatementTests {
        private static func prepared() throws -> (TestCluster, WireClient, counts: [String?]) {
            let cluster = try SharedClusters.shared.get().four
            let client = try WireClient(port: cluster.port)
            try client.rows(
                """
                DROP TABLE IF EXISTS dwelling, dwelling_kind;
                CREATE TABLE dwelling (user_id int PRIMARY KEY, v int NOT NULL DEFAULT 0);
                CREATE TABLE dwelling_kind (id int PRIMARY KEY, name text);
                INSERT INTO dwelling SELECT g FROM generate_series(1, 100) g; INSERT INTO dwelling_kind VALUES (1, 'flat')
                """)
            return (cluster, client, try cluster.onShards("SELECT count(*) FROM dwelling").map { $0[0][0] })
        }

        @Test(.timeLimit(.minutes(1))) func aSettingNamesTheShard() throws {
            let (_, client, counts) = try Self.prepared()
            for shard in 0..<4 {
                try client.rows("SET pgbraid.shard = \(shard)")
                #expect(try client.rows("SELECT count(*) FROM dwelling") == [[counts[shard]]])
                #expect(try client.rows("SELECT count(*) FROM dwelling a JOIN dwelling b ON a.v = b.v CROSS JOIN dwelling_kind") == [["\(Int(counts[shard] ?? "")! * Int(counts[shard] ?? "")!)"]])
                #expect(try client.run("UPDATE dwelling SET v = v + 1").tags == ["UPDATE \(counts[shard] ?? "")"])
                #expect(try client.rows("SHOW pgbraid.shard") == [["\(shard)"]])
            }
            try client.rows("RESET pgbraid.shard")
            #expect(try client.rows("SELECT count(*), sum(v) FROM dwelling") == [["100", "100"]])
        }

        @Test(.timeLimit(.minutes(1))) func aCommentNamesTheShard() throws {
            let (_, client, counts) = try Self.prepared()
            for shard in 0..<4 {
                #expect(try client.rows("/* pgbraid: shard=\(shard) */ SELECT count(*) FROM dwelling") == [[counts[shard]]])
                try client.send(
                    FrontendFrame.parse("", [], "/* pgbraid: shard=\(shard) */ SELECT count(*) FROM dwelling WHERE v = $1")
                        + FrontendFrame.bind("", "", [BoundValue(bytes: Array("0".utf8))], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
                #expect(try client.outcome().rows == [[counts[shard]]])
            }
            #expect(try client.rows("SELECT count(*) FROM dwelling") == [["100"]])
            // Other comments are no orders.
            #expect(try client.rows("/* shard=1 */ SELECT count(*) FROM dwelling") == [["100"]])
        }

        /// Of statements that are prepared under a name, each has the shard of its own text, or of the session as it is executed.
        @Test(.timeLimit(.minutes(1))) func preparedStatementsGoWhereTheSessionSays() throws {
            let (_, client, counts) = try Self.prepared()
            try client.send(FrontendFrame.parse("s", [], "SELECT count(*) FROM dwelling") + FrontendFrame.sync)
            #expect(try client.outcome().error == nil)
            for shard in [2, 0, 3] {
                try client.rows("SET pgbraid.shard = \(shard)")
                try client.send(FrontendFrame.bind("", "s", [], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
                #expect(try client.outcome().rows == [[counts[shard]]])
            }
            try client.rows("RESET pgbraid.shard")
            try client.send(FrontendFrame.bind("", "s", [], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            #expect(try client.outcome().rows == [["100"]])
        }

        @Test(.timeLimit(.minutes(1))) func aBlockMayAddressSeveralShards() throws {
            let (_, client, _) = try Self.prepared()
            try client.rows("BEGIN")
            for shard in 0..<4 { try client.rows("/* pgbraid: shard=\(shard) */ UPDATE dwelling SET v = \(shard + 1)") }
            try client.rows("COMMIT")
            #expect(try client.rows("SELECT DISTINCT v FROM dwelling ORDER BY v") == [["1"], ["2"], ["3"], ["4"]])
        }

        @Test(
            .timeLimit(.minutes(1)),
            arguments: [
                ("INSERT INTO dwelling VALUES (200)", "0A000"), ("UPDATE dwelling SET user_id = 200", "0A000"), ("UPDATE dwelling_kind SET name = 'x'", "0A000"),
                ("DELETE FROM dwelling_kind", "0A000"), ("CREATE TABLE dwelling_more (user_id int)", "0A000"), ("DROP TABLE dwelling", "0A000"),
                ("TRUNCATE dwelling", "0A000"), ("SELECT 1 INTO dwelling_more", "0A000"), ("COPY dwelling FROM STDIN", "0A000"),
                ("SELECT setval('s', 1)", "0A000"), ("SELECT pg_advisory_lock(1)", "0A000"), ("WITH w AS (DELETE FROM dwelling_kind RETURNING 1) SELECT 1", "0A000"),
                ("EXPLAIN ANALYZE DELETE FROM dwelling_kind", "0A000"), ("LOCK dwelling", "0A000"),
            ])
        func whatOneShardAloneMustNotDoIsRefused(text: String, state: String) throws {
            let (_, client, _) = try Self.prepared()
            try client.rows("SET pgbraid.shard = 1")
            #expect(try client.run(text).state == state)
            try client.rows("RESET pgbraid.shard")
            #expect(try client.rows("SELECT count(*), max(user_id) FROM dwelling") == [["100", "100"]])
            #expect(try client.rows("SELECT * FROM dwelling_kind") == [["1", "flat"]])
        }

        @Test(
            .timeLimit(.minutes(1)),
            arguments: [
                ("SET pgbraid.shard = 4", "22023"), ("SET pgbraid.shard = 'x'", "22023"), ("SET pgbraid.shard = -1", "22023"),
                ("/* pgbraid: shard=9 */ SELECT 1 FROM dwelling", "22023"), ("/* pgbraid: shard=x */ SELECT 1", "42601"), ("/* pgbraid: shrad=1 */ SELECT 1", "42601"),
                ("SELECT /* pgbraid: shard=1 */ 1", "42601"), ("/* pgbraid: shard=1 */ SELECT 1; SELECT 2", "0A000"), ("/* pgbraid: shard=1 */ BEGIN", "0A000"),
                ("/* pgbraid: shard=1 */ DECLARE c CURSOR FOR SELECT 1", "0A000"),
            ])
        func ordersThatCannotBeFollowedAreRefused(text: String, state: String) throws {
            let (_, client, _) = try Self.prepared()
            let said = try client.run(text)
            #expect(said.state == state && said.tags.isEmpty, "\(said)")
        }
    }
}
