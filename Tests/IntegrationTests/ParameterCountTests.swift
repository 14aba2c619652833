// Statements with as many parameters as Bind can carry.
import Testing

extension IntegrationTests {
    @Suite struct ParameterCountTests {
        private static let count = 65_535

        private func cluster() throws -> TestCluster {
            let cluster = try SharedClusters.shared.get().four
            try cluster.psql("DROP TABLE IF EXISTS counted; DROP TABLE IF EXISTS counted_copies")
            try cluster.psql("CREATE TABLE counted (user_id int PRIMARY KEY, v int); CREATE TABLE counted_copies (id int, v int)")
            try cluster.psql("INSERT INTO counted SELECT i, i FROM generate_series(1, 20) i")
            return cluster
        }

        /// Runs a statement with a type and the value 5 for each parameter.
        private func outcome(_ client: WireClient, _ text: String) throws -> StatementOutcome {
            let types = [UInt32](repeating: 23, count: Self.count)
            let values = [BoundValue](repeating: BoundValue(bytes: Array("5".utf8), isBinary: false), count: Self.count)
            try client.send(
                FrontendFrame.parse("", types, text) + FrontendFrame.bind("", "", values, resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            return try client.outcome()
        }

        @Test(
            .timeLimit(.minutes(1)),
            arguments: [
                "UPDATE counted SET v = b.v FROM counted b WHERE counted.v = b.user_id AND b.v = $65535",
                "DELETE FROM counted WHERE v IN (SELECT max(v) FROM counted WHERE v < $65535)",
                "MERGE INTO counted USING (SELECT v, user_id FROM counted WHERE v < $65535) s ON counted.user_id = s.v "
                    + "WHEN NOT MATCHED THEN INSERT VALUES (s.v, 1)",
                "SELECT count(*) FROM counted WHERE v IN (SELECT max(v) FROM counted WHERE v < $65535)",
            ])
        func leaveNoRoomForFetchedColumns(text: String) throws {
            let cluster = try cluster()
            let client = try WireClient(port: cluster.port)
            #expect(try outcome(client, text).state == "0A000")
            #expect(try client.run("SELECT count(*) FROM counted").rows == [["20"]])
        }

        @Test(.timeLimit(.minutes(1))) func areAllGivenToStatementsThatMoveRows() throws {
            let cluster = try cluster()
            let client = try WireClient(port: cluster.port)
            let copying = "INSERT INTO counted_copies SELECT user_id + $65535, v FROM counted WHERE v = $1"
            #expect(try outcome(client, copying).tags == ["INSERT 0 1"])
            #expect(try client.run("SELECT id, v FROM counted_copies").rows == [["10", "5"]])
            #expect(try outcome(client, "UPDATE counted SET user_id = $65535 + 100 WHERE v = $1").tags == ["UPDATE 1"])
            #expect(try client.run("SELECT user_id FROM counted WHERE v = 5").rows == [["105"]])
        }
    }
}
