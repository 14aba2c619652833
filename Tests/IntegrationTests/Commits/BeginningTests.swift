// Parts of a transaction that fail to begin: nothing behind BEGIN may be carried out, since it would stay.
import Testing
import TestSupport

extension IntegrationTests {
    @Suite struct BeginningTests {
        /// Has the next BEGIN on the second shard fail, as it does for statement_timeout, for example.
        private func spoilBegin(_ commits: CommitCluster) {
            commits.relay.followOnce { frame in
                guard frame.shard == 1, frame.direction == .toShard, let place = frame.frame.bytes.firstRange(of: Array("BEGIN\0".utf8)) else { return .pass }
                var bytes = frame.frame.bytes
                bytes[place.lowerBound] = UInt8(ascii: "X")
                return .replace(bytes)
            }
        }

        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func nothingIsCarriedOutBehindABeginThatFails(isExtended: Bool) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.rows("BEGIN")
            try client.rows(commits.update(0, -1))
            spoilBegin(commits)
            let batch = FrontendFrame.parse("", [], commits.update(1, 1)) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("")
            // Twice: what is pipelined behind it must not be carried out either.
            let statement = isExtended ? batch + FrontendFrame.sync : FrontendFrame.query(commits.update(1, 1))
            try client.send(statement + statement)
            let outcome = try client.outcome()
            #expect(outcome.state == "08006", "\(outcome)")
            #expect(try client.outcome().state != nil)
            #expect(try client.run("COMMIT").tags == ["ROLLBACK"])
            try commits.expectUntouched()
        }

        /// Nor is what the proxy asks for itself behind a statement.
        @Test(.timeLimit(.minutes(1))) func aSequenceIsLeftAloneBehindABeginThatFails() throws {
            let commits = try CommitCluster()
            try commits.cluster.psql("CREATE SEQUENCE ticket; SELECT nextval('ticket')")
            let state = """
                SELECT s.increment_by, s.last_value, t.is_called, p.* FROM pg_sequences s, public.ticket t, pgbraid.sequence p WHERE s.sequencename = 'ticket'
                """
            let before = try commits.cluster.onShards(state)
            spoilBegin(commits)
            _ = commits.relay.takeQueries()
            let outcome = try commits.client().run("ALTER SEQUENCE ticket RESTART WITH 100")
            #expect(outcome.error != nil, "\(outcome)")
            #expect(!commits.relay.takeQueries().contains { $0.shard == 1 && $0.text.contains("share_new_sequences") })
            #expect(try commits.cluster.onShards(state) == before)
        }

        /// A block that the proxy has failed is not begun on a shard, which would say that it goes on.
        @Test(.timeLimit(.minutes(1))) func describeDoesNotReviveAFailedBlock() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.send(FrontendFrame.parse("s", [], "SELECT balance FROM account WHERE user_id = \(commits.keys[1])") + FrontendFrame.sync)
            #expect(try client.outcome().error == nil)
            #expect(try client.run("BEGIN").error == nil)
            #expect(try client.run("SELEC 1").state == "42601")
            try client.send(FrontendFrame.describe("S", "s") + FrontendFrame.sync)
            #expect(try client.outcome().state == "25P02")
            #expect(try client.run(commits.update(1, 1)).state == "25P02")
            #expect(try client.run("COMMIT").tags == ["ROLLBACK"])
            try commits.expectUntouched()
        }

        /// FunctionCall is not supported; what its batch has done so far is not kept, as in PostgreSQL where the function fails.
        @Test(.timeLimit(.minutes(1)), arguments: [true, false]) func aFunctionCallUndoesItsBatch(isInBlock: Bool) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            if isInBlock { #expect(try client.run("BEGIN").error == nil) }
            let batch = FrontendFrame.parse("", [], commits.update(1, 1)) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("")
            try client.send(batch + FrontendFrame.flush)
            while let frame = try client.next(), frame.letter != "C" {}
            try client.send(FrontendFrame.frame("F", FrontendFrame.integer(Int32(1299)) + [0, 0, 0, 0, 0, 0]) + FrontendFrame.sync)
            let answer = try client.next()
            #expect(answer?.letter == "E")
            #expect(try client.next() == nil, "the session goes on")
            try commits.expectUntouched()
        }
    }
}
