// The edges of two-phase commit that PostgreSQL has, each on real servers: see docs/ARCHITECTURE.md, distributed commit.
import Foundation
import Testing
import TestSupport

extension IntegrationTests {
    @Suite struct SharpEdgeTests {
        // MARK: Success is the tag

        /// PREPARE TRANSACTION that ends a failed transaction answers ROLLBACK, without an error.
        @Test(.timeLimit(.minutes(1)), arguments: ["PREPARE TRANSACTION", "pgbraid.decide"])
        func anAnswerWithoutErrorIsNotYetSuccess(step: String) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            commits.relay.followOnce { $0.isQuery(step) ? .replace(FrontendFrame.query("ROLLBACK")) : .pass }
            let outcome = try client.run("BEGIN; \(commits.transfer); COMMIT")
            #expect(outcome.error != nil || outcome.tags.last == "ROLLBACK", "\(outcome)")
            #expect(!outcome.tags.contains("COMMIT"))
            try commits.expectUntouched()
        }

        @Test(.timeLimit(.minutes(1))) func oneFailingShardOfAStatementUndoesAll() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let rows = (61...80).map { "(\($0), 5)" } + ["(\(commits.keys[1]), 5)"]
            let outcome = try client.run("INSERT INTO account VALUES " + rows.joined(separator: ", "))
            #expect(outcome.state == "23505")
            try commits.expectUntouched()
        }

        // MARK: Constraints

        /// The decider's deferred triggers run before anything is decided.
        @Test(.timeLimit(.minutes(1)), arguments: [0, 1, 2]) func aDeferredTriggerFailsTheWhole(shard: Int) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let trigger = """
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not today''; END';
                CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON account DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()
                """
            try commits.servers[shard].psql(trigger)
            let outcome = try client.run("BEGIN; \(commits.transfer); COMMIT")
            #expect(outcome.state == "P0001" && outcome.error?.message == "not today", "\(outcome)")
            #expect(!commits.relay.takeQueries().contains { $0.text.contains("pgbraid.decide") })
            try commits.expectUntouched()
        }

        // MARK: Standbys

        /// Neither a time limit nor synchronous_commit of the session cuts the wait of a PREPARE for its standby short.
        @Test(.timeLimit(.minutes(1)), arguments: ["SET statement_timeout = '300ms'", "SET synchronous_commit = off"])
        func aPrepareWaitsForItsStandby(setting: String) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.rows(setting)
            try commits.loseStandby(1)
            defer { try? commits.forgetStandby(1) }
            try client.send(FrontendFrame.query("BEGIN; \(commits.transfer); COMMIT"))
            try commits.awaitStandbyWait(1, "PREPARE TRANSACTION", seconds: 0.6)
            try commits.forgetStandby(1)
            let outcome = try client.outcome()
            #expect(outcome.error == nil && outcome.warnings.isEmpty, "\(outcome)")
            try commits.expectApplied()
        }

        /// The decision itself is synchronous whatever the session says.
        @Test(.timeLimit(.minutes(1))) func theDecisionWaitsForItsStandby() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.rows("SET synchronous_commit = off")
            try commits.loseStandby(0)
            defer { try? commits.forgetStandby(0) }
            try client.send(FrontendFrame.query("BEGIN; \(commits.transfer); COMMIT"))
            try commits.awaitStandbyWait(0, "pgbraid.decide")
            try commits.forgetStandby(0)
            let outcome = try client.outcome()
            #expect(outcome.error == nil && outcome.warnings.isEmpty, "\(outcome)")
            try commits.expectApplied()
        }

        /// So is what the decision is kept for, whatever the session or its role says.
        @Test(.timeLimit(.minutes(1)), arguments: ["SET synchronous_commit = off", "ALTER ROLE hasty SET synchronous_commit = off"])
        func theCommitOfWhatIsPreparedWaitsForItsStandby(setting: String) throws {
            let commits = try CommitCluster()
            try commits.cluster.psql("DROP ROLE IF EXISTS hasty; CREATE ROLE hasty LOGIN")
            if setting.hasPrefix("ALTER") { try commits.cluster.psql(setting) }
            let client = try commits.client(user: "hasty")
            if setting.hasPrefix("SET") { try client.rows(setting) }
            let (isPrepared, isLost) = (Once(), Once())
            commits.relay.follow { frame in
                guard frame.shard == 1, frame.isQuery("COMMIT PREPARED"), isPrepared.claim() else { return .pass }
                let end = Date().addingTimeInterval(20)
                while !isLost.isDone, Date() < end { usleep(1_000) }
                return .pass
            }
            defer { try? commits.forgetStandby(1) }
            try client.send(FrontendFrame.query("BEGIN; \(commits.transfer); COMMIT"))
            try eventually("the participants are prepared") { isPrepared.isDone }
            try commits.loseStandby(1)
            _ = isLost.claim()
            try commits.awaitStandbyWait(1, "COMMIT PREPARED")
            try commits.forgetStandby(1)
            let outcome = try client.outcome()
            #expect(outcome.error == nil && outcome.warnings.isEmpty, "\(outcome)")
            try commits.expectApplied()
            #expect(try client.rows("SELECT current_setting('synchronous_commit') FROM account WHERE user_id = \(commits.keys[1])") == [["off"]])
        }

        /// A PREPARE whose wait was cancelled has only warned, in whatever language: it is a failure all the same.
        @Test(.timeLimit(.minutes(1)), arguments: zip(["synchronous replication", "synchrone Replikation.."], ["error", "warning"]))
        func aCancelledWaitOfAPrepareIsAnAbort(words: String, told: String) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.rows("SET client_min_messages = \(told)")
            commits.relay.follow { frame in
                let english = Array("synchronous replication".utf8)
                guard frame.direction == .fromShard, frame.frame.letter == "N", frame.frame.bytes.firstRange(of: english) != nil else { return .pass }
                return .replace(frame.frame.bytes.replacing(english, with: Array(words.utf8)))
            }
            try commits.loseStandby(1)
            defer { try? commits.forgetStandby(1) }
            try client.send(FrontendFrame.query("BEGIN; \(commits.transfer); COMMIT"))
            try commits.awaitStandbyWait(1, "PREPARE TRANSACTION")
            // Not by the proxy, who would know then.
            try commits.servers[1].psql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%PREPARE%'")
            // ROLLBACK PREPARED would wait as well.
            try eventually("the wait is over") { try commits.standbyWaiters(1, "PREPARE TRANSACTION") == 0 }
            try commits.forgetStandby(1)
            let outcome = try client.outcome()
            #expect(outcome.state != nil, "\(outcome)")
            try commits.expectUntouched()
        }

        /// The decider's commit is there but perhaps not on its standby: nobody is told before it is.
        @Test(.timeLimit(.minutes(1)), arguments: ["notice", "error"]) func aCancelledWaitOfTheDecisionIsInDoubt(told: String) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.rows("SET client_min_messages = \(told)")
            try commits.loseStandby(0)
            defer { try? commits.forgetStandby(0) }
            try client.send(FrontendFrame.query("BEGIN; \(commits.transfer); COMMIT"))
            try commits.awaitStandbyWait(0, "pgbraid.decide")
            try commits.servers[0].psql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%decide%'")
            // What looks the outcome up commits something itself, and waits too.
            try commits.awaitStandbyWait(0, "", seconds: 0.3)
            #expect(try commits.preparedCount() == 2, "participants were committed before the decision was safe")
            try commits.forgetStandby(0)
            let outcome = try client.outcome()
            #expect(outcome.error == nil, "\(outcome)")
            try commits.expectApplied()
        }

        /// COMMIT PREPARED is not cut short either, whether the session or its role sets the time limit, which holds again behind it.
        @Test(.timeLimit(.minutes(1)), arguments: ["SET statement_timeout = '300ms'", "SET work_mem = '5MB'"], ["transaction", "session"])
        func commitPreparedWaitsForItsStandby(setting: String, poolMode: String) throws {
            let role = "limited"
            for server in try CommitServers.shared.get().three {
                try server.psql("DROP ROLE IF EXISTS \(role); CREATE ROLE \(role) LOGIN; ALTER ROLE \(role) SET statement_timeout = '350ms'")
            }
            let commits = try CommitCluster(
                settings: CommitCluster.settings.merging(["proxy": ["pool_mode = \"\(poolMode)\""]]) { $1 })
            let client = try commits.client(user: role)
            try client.rows(setting)
            let limit = try client.rows("SHOW statement_timeout")
            let shared = UncheckedReference(commits)
            let isLost = Once()
            commits.relay.follow { frame in
                guard frame.isAnswer("COMMIT", to: "pgbraid.decide"), isLost.claim() else { return .pass }
                do { try shared.object.loseStandby(1) } catch { Issue.record(error) }
                return .pass
            }
            defer { try? commits.forgetStandby(1) }
            try client.send(FrontendFrame.query("BEGIN; \(commits.transfer); COMMIT"))
            try commits.awaitStandbyWait(1, "COMMIT PREPARED", seconds: 0.6)
            try commits.forgetStandby(1)
            let outcome = try client.outcome()
            #expect(outcome.error == nil && outcome.warnings.isEmpty, "\(outcome)")
            try commits.expectApplied()
            for key in commits.keys {
                let shown = "SELECT current_setting('statement_timeout') FROM account WHERE user_id = \(key)"
                #expect(try client.rows(shown) == limit)
                #expect(try commits.client(user: role).rows(shown) == [["350ms"]])
            }
        }

        // MARK: Beginning

        /// A shard ends BEGIN by itself: for statement_timeout, for example. The statement sent behind it would stay there.
        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func nothingIsCarriedOutBehindABeginThatFails(isExtended: Bool) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.rows("BEGIN")
            try client.rows(commits.update(0, -1))
            commits.relay.followOnce { frame in
                guard frame.shard == 1, frame.direction == .toShard, let place = frame.frame.bytes.firstRange(of: Array("BEGIN\0".utf8)) else { return .pass }
                var bytes = frame.frame.bytes
                bytes[place.lowerBound] = UInt8(ascii: "X")
                return .replace(bytes)
            }
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

        // MARK: Settings

        /// An abort leaves settings as they were before the block, also where its part was prepared already.
        @Test(.timeLimit(.minutes(1))) func settingsOfAnAbortedBlockAreForgotten() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.rows("SET work_mem = '5MB'")
            commits.relay.followOnce { $0.isQuery("pgbraid.decide") ? .replace(FrontendFrame.query("ROLLBACK")) : .pass }
            let outcome = try client.run("BEGIN; SET work_mem = '7MB'; \(commits.transfer); COMMIT")
            #expect(!outcome.tags.contains("COMMIT"), "\(outcome)")
            if outcome.error != nil { try client.rows("ROLLBACK") }
            for _ in 0..<3 {
                for shard in 0..<3 {
                    let setting = "SELECT current_setting('work_mem') FROM account WHERE user_id = \(commits.keys[shard])"
                    #expect(try client.rows(setting) == [["5MB"]])
                    #expect(try commits.client().rows(setting) == [["4MB"]])
                }
            }
            try commits.expectUntouched()
        }
    }
}
