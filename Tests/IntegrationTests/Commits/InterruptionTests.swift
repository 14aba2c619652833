// What is cut short at a bad moment: the client cancels or leaves while a shard has not come to the statement yet.
import Testing
import TestSupport

extension IntegrationTests {
    @Suite struct InterruptionTests {
        /// Holds the first query with this text back on its way to a shard until `released` is claimed.
        private func hold(_ text: String, _ commits: CommitCluster) -> (held: Once, released: Once) {
            let (held, released) = (Once(), Once())
            commits.relay.follow { frame in
                guard frame.isQuery(text), held.claim() else { return .pass }
                do { try eventually("it may go on") { released.isDone } } catch { Issue.record(error) }
                return .pass
            }
            return (held, released)
        }

        /// The cancel ends the statement that waits for its link, not the next one.
        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func aCancelWhileSettingsAreReplayed(isExtended: Bool) throws {
            let commits = try CommitCluster(settings: CommitCluster.settings.merging(["proxy": ["pool_size = 1"]]) { $1 })
            let client = try commits.client()
            try client.rows("SET work_mem = '5MB'")
            let place = try #require(commits.relay.takeQueries().first { $0.text.hasPrefix("SET work_mem") }?.shard)
            let text = "SELECT balance + 7 FROM account WHERE user_id = \(commits.keys[(place + 1) % 3])"
            let gate = hold("pgbraid settings", commits)
            let batch = FrontendFrame.parse("", [], text) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync
            try client.send(isExtended ? batch : FrontendFrame.query(text))
            try eventually("its settings are on their way") { gate.held.isDone }
            try client.requestCancel(port: commits.cluster.port)
            _ = gate.released.claim()
            #expect(try client.outcome().state == "57014")
            #expect(try client.run(text).rows == [["7"]])
            #expect(try client.run("SHOW work_mem").rows == [["5MB"]])
        }

        /// The shard asks for rows that nobody will send.
        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func aClientThatLeavesBeforeItsCopyBegins(isExtended: Bool) throws {
            let commits = try CommitCluster(servers: [try CommitServers.shared.get().three[0]])
            let copy = "COPY account FROM STDIN"
            let reached = Once()
            let released = Once()
            commits.relay.follow { frame in
                guard frame.direction == .toShard, frame.frame.bytes.firstRange(of: Array(copy.utf8)) != nil, reached.claim() else { return .pass }
                do { try eventually("it may go on") { released.isDone } } catch { Issue.record(error) }
                return .pass
            }
            var client: WireClient? = try commits.client()
            let batch = FrontendFrame.parse("", [], copy) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync
            try client?.send(isExtended ? batch : FrontendFrame.query(copy))
            try eventually("it is on its way") { reached.isDone }
            client = nil
            try eventually("the client is gone") { try commits.cluster.console("SHOW CLIENTS").contains { $0.contains("leaving") } }
            _ = released.claim()
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY account%' AND state = 'active' AND pid <> pg_backend_pid()"
            try eventually("COPY is over", withinSeconds: 5) { try commits.servers[0].psql(waiting) == [["0"]] }
        }

        /// Shards that have the savepoint and shards that have not would go back to different ones.
        @Test(.timeLimit(.minutes(1)), arguments: ["SAVEPOINT s", "RELEASE s"]) func aSavepointOnSomeShardsOnly(command: String) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            #expect(try client.run("BEGIN; SAVEPOINT s; \(commits.transfer)\(command == "RELEASE s" ? "; SAVEPOINT s" : "")").error == nil)
            commits.relay.followOnce { $0.shard == 1 && $0.isQuery(command) ? .replace(FrontendFrame.query("SAVEPOINT")) : .pass }
            #expect(try client.run(command).state == "42601")
            #expect(try client.run("ROLLBACK TO s").state == "25P02")
            #expect(try client.run("COMMIT").tags == ["ROLLBACK"])
            try commits.expectUntouched()
        }

        /// The cancel of what it undoes can be late and hit ROLLBACK: a link that the session keeps is of use again all the same.
        @Test(.timeLimit(.minutes(1))) func aRollbackThatIsCancelled() throws {
            let commits = try CommitCluster(settings: CommitCluster.settings.merging(["proxy": ["pool_mode = \"session\""]]) { $1 })
            let client = try commits.client()
            for shard in 0..<3 { #expect(try client.run(commits.update(shard, 0)).error == nil) }
            commits.relay.followOnce { $0.shard == 1 && $0.isQuery("ROLLBACK") ? .replace(FrontendFrame.query("SELECT 1")) : .pass }
            #expect(try client.run("UPDATE account SET balance = 1 / 0").state == "22012")
            #expect(try client.run("SELECT balance FROM account WHERE user_id = \(commits.keys[1])").rows == [["0"]])
            try commits.expectUntouched()
        }
    }
}
