// Commits over several shards that have synchronous standbys: what may be lost in a failover is not told as done.
import Foundation
import Testing
import TestSupport

extension IntegrationTests {
    @Suite struct StandbyTests {
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
        @Test(.timeLimit(.minutes(1)), arguments: [
            "SET synchronous_commit = off", "ALTER ROLE hasty SET synchronous_commit = off", "SELECT set_config('synchronous_commit', 'off', false)",
        ]) func theCommitOfWhatIsPreparedWaitsForItsStandby(setting: String) throws {
            let commits = try CommitCluster()
            try commits.cluster.psql("DROP ROLE IF EXISTS hasty; CREATE ROLE hasty LOGIN")
            if setting.hasPrefix("ALTER") { try commits.cluster.psql(setting) }
            if setting.hasPrefix("SELECT") { try addTrigger(commits, "PERFORM \(setting.dropFirst("SELECT ".count))") }
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
            guard !setting.hasPrefix("SELECT") else { return }
            #expect(try client.rows("SELECT current_setting('synchronous_commit') FROM account WHERE user_id = \(commits.keys[1])") == [["off"]])
        }

        /// A PREPARE whose wait was cancelled has only warned, in whatever language: it is a failure all the same.
        @Test(.timeLimit(.minutes(1)), arguments: zip(["synchronous replication", "synchrone Replikation.."], [("error", 0), ("warning", 150)]))
        func aCancelledWaitOfAPrepareIsAnAbort(words: String, session: (told: String, notices: Int)) throws {
            let (told, notices) = session
            let commits = try CommitCluster()
            // More than is kept of what a part has told.
            if notices > 0 { try addTrigger(commits, "FOR i IN 1..\(notices) LOOP RAISE WARNING 'much to tell'; END LOOP", isDeferred: true) }
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

        /// What the block alone had set is over when COMMIT PREPARED is sent.
        @Test(.timeLimit(.minutes(1))) func aCancelledWaitOfCommitPreparedIsTold() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.rows("SET client_min_messages = error")
            let isLost = Once()
            let shared = UncheckedReference(commits)
            commits.relay.follow { frame in
                guard frame.isAnswer("COMMIT", to: "pgbraid.decide"), isLost.claim() else { return .pass }
                do { try shared.object.loseStandby(1) } catch { Issue.record(error) }
                return .pass
            }
            defer { try? commits.forgetStandby(1) }
            try client.send(FrontendFrame.query("BEGIN; SET LOCAL client_min_messages = notice; \(commits.transfer); COMMIT"))
            try commits.awaitStandbyWait(1, "COMMIT PREPARED")
            try commits.servers[1].psql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%COMMIT PREPARED%'")
            let outcome = try client.outcome()
            #expect(outcome.error == nil && outcome.warnings.contains { $0.contains("not confirmed by its synchronous standby") }, "\(outcome)")
            try commits.forgetStandby(1)
            try commits.expectApplied()
        }

        /// A trigger that accounts have on every shard.
        private func addTrigger(_ commits: CommitCluster, _ body: String, isDeferred: Bool = false) throws {
            try commits.cluster.psql("""
                CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN \(body); RETURN NULL; END$$;
                CREATE CONSTRAINT TRIGGER meddling AFTER UPDATE ON account \(isDeferred ? "DEFERRABLE INITIALLY DEFERRED" : "")
                    FOR EACH ROW EXECUTE FUNCTION meddle()
                """)
        }
    }
}
