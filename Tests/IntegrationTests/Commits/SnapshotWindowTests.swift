// Snapshots of several shards at one instant, when a shard is too slow for the window.
import Testing

extension IntegrationTests {
    @Suite struct SnapshotWindowTests {
        /// Holds the first frame that matches back until a snapshot window has been given up.
        private func delay(_ commits: CommitCluster, _ matches: @escaping @Sendable (PassingFrame) -> Bool) -> Once {
            let delayed = Once()
            let cluster = UncheckedReference(commits.cluster)
            commits.relay.follow { frame in
                guard matches(frame), delayed.claim() else { return .pass }
                do {
                    try eventually("a window is given up") {
                        try cluster.object.console("SHOW STATS").contains { $0[0] == "snapshot_retries" && $0[1] != "0" }
                    }
                } catch {
                    Issue.record(error)
                }
                return .pass
            }
            return delayed
        }

        @Test(.timeLimit(.minutes(1))) func aBlockBeginsAnewWhenItsSnapshotsCameTooLate() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let delayed = delay(commits) { $0.shard == 1 && $0.isQuery("SELECT 1") }
            try client.rows("BEGIN ISOLATION LEVEL REPEATABLE READ")
            let outcome = try client.run("SELECT sum(balance) FROM account")
            #expect(delayed.isDone && outcome.error == nil && outcome.rows == [["0"]], "\(outcome)")
            #expect(try client.run("COMMIT").tags == ["COMMIT"])
        }

        /// What was locked before must not be unlocked unseen.
        @Test(.timeLimit(.minutes(1))) func aBlockThatHasLockedFailsInstead() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.rows("BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE account IN SHARE MODE")
            let delayed = delay(commits) { $0.shard == 1 && $0.isQuery("SELECT 1") }
            let outcome = try client.run("SELECT sum(balance) FROM account")
            #expect(delayed.isDone && outcome.state == "40001", "\(outcome)")
            #expect(try client.run("COMMIT").tags == ["ROLLBACK"])
            #expect(try client.run("SELECT sum(balance) FROM account").rows == [["0"]])
        }

        /// Shard 1 takes its snapshot long after shard 0, and the client cancels in between: no later query of the block can have both.
        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func aBlockWhoseSnapshotsWereCancelledTakesNoOthers(isExtended: Bool) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let waiting = UncheckedReference(client)
            let port = commits.cluster.port
            let delayed = delay(commits) {
                guard $0.shard == 1, $0.isQuery("SELECT 1") else { return false }
                do { try waiting.object.requestCancel(port: port) } catch { Issue.record(error) }
                return true
            }
            try client.rows("BEGIN ISOLATION LEVEL REPEATABLE READ; SAVEPOINT a")
            let query = "SELECT sum(balance) FROM account"
            if isExtended {
                try client.send(
                    FrontendFrame.parse("", [], query) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            } else {
                try client.send(FrontendFrame.query(query))
            }
            let outcome = try client.outcome()
            #expect(delayed.isDone && outcome.state == "57014", "\(outcome)")
            #expect(try client.run("ROLLBACK TO a").tags == ["ROLLBACK"])
            #expect(try client.run(query).state == "40001")
            #expect(try client.run("COMMIT").tags == ["ROLLBACK"])
            #expect(try client.run(query).rows == [["0"]])
        }

        /// A statement that is looked at again before it is bound takes the block's snapshot there: all of them are taken first.
        @Test(.timeLimit(.minutes(1))) func whatIsDescribedAnewIsReadAtOneInstant() throws {
            let commits = try CommitCluster()
            let writer = try commits.client()
            let readers = try (0..<6).map { _ in try commits.client() }
            for reader in readers {
                try reader.send(FrontendFrame.parse("s", [], "SELECT sum(balance) FROM account") + FrontendFrame.describe("S", "s") + FrontendFrame.sync)
                #expect(try reader.outcome().error == nil)
            }
            try commits.cluster.psql("CREATE TABLE news (user_id int)")
            let (held, released) = (Once(), Once())
            commits.relay.follow { frame in
                guard frame.shard > 0, frame.isQuery("COMMIT PREPARED") else { return .pass }
                _ = held.claim()
                do { try eventually("it may go on") { released.isDone } } catch { Issue.record(error) }
                return .pass
            }
            try writer.rows("BEGIN; \(commits.transfer)")
            try writer.send(FrontendFrame.query("COMMIT"))
            try eventually("it is committed on the decider") { held.isDone }
            for reader in readers {
                try reader.rows("BEGIN ISOLATION LEVEL REPEATABLE READ")
                try reader.send(FrontendFrame.bind("", "s", [], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            }
            // What the readers' statements ask of the shards has come there before this.
            let witness = try commits.client()
            for key in commits.keys + commits.keys { try witness.rows("SELECT balance FROM account WHERE user_id = \(key)") }
            _ = released.claim()
            _ = try writer.outcome()
            for reader in readers {
                let outcome = try reader.outcome()
                #expect(outcome.error == nil && outcome.rows == [["0"]], "\(outcome)")
            }
        }

        /// Each shard inserts what it reads itself, while a transfer is committed on its decider only.
        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func whatIsInsertedIsReadAtOneInstant(isExtended: Bool) throws {
            let commits = try CommitCluster()
            try commits.cluster.psql("CREATE TABLE archive (user_id int, balance int)")
            let (client, copier) = (try commits.client(), try commits.client())
            let (held, released) = (Once(), Once())
            commits.relay.follow { frame in
                guard frame.shard == 2, frame.isQuery("COMMIT PREPARED"), held.claim() else { return .pass }
                do { try eventually("it may go on") { released.isDone } } catch { Issue.record(error) }
                return .pass
            }
            try client.rows("BEGIN; \(commits.transfer)")
            try client.send(FrontendFrame.query("COMMIT"))
            try eventually("it is committed on the decider") { held.isDone }
            let text = "INSERT INTO archive SELECT * FROM account"
            try copier.send(
                isExtended
                    ? FrontendFrame.parse("", [], text) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync
                    : FrontendFrame.query(text))
            let early = try? copier.outcome(deadlineSeconds: 0.5)
            _ = released.claim()
            let outcome = try early ?? copier.outcome()
            #expect(outcome.tags == ["INSERT 0 60"], "\(outcome)")
            #expect(try client.outcome().error == nil)
            #expect(try copier.rows("SELECT sum(balance) FROM archive") == [["0"]])
        }

        @Test(.timeLimit(.minutes(1))) func aStatementIsTriedAgain() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let delayed = delay(commits) { $0.shard == 1 && $0.direction == .toShard && $0.frame.letter == "B" }
            let outcome = try client.run("SELECT sum(balance) FROM account")
            #expect(delayed.isDone && outcome.error == nil && outcome.rows == [["0"]], "\(outcome)")
        }
    }
}
