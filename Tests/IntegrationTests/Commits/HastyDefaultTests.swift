// What the proxy itself commits waits for standbys, and it hears when it did not, whatever its sessions are given by default.
import Foundation
import Testing
import TestSupport

extension IntegrationTests {
    @Suite struct HastyDefaultTests {
        private static let defaults = ["synchronous_commit = off", "client_min_messages = error"]
        private static let confirmation = "pg_logical_emit_message(true"

        /// A cluster whose databases have this default.
        private func cluster(_ setting: String) throws -> CommitCluster {
            for server in try CommitServers.shared.get().three { try server.psql("ALTER DATABASE postgres SET \(setting)") }
            return try CommitCluster()
        }

        private func restore(_ commits: CommitCluster) {
            try? commits.forgetStandby(1)
            for server in commits.servers { _ = try? server.psql("ALTER DATABASE postgres RESET ALL") }
        }

        /// Cuts the next wait of such a statement on shard 1 short.
        private func cancelWait(_ commits: CommitCluster, _ text: String) throws {
            try eventually("a wait in \(text) is cut short") {
                try commits.servers[1].psql(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND position('\(text)' in query) > 0") == [["t"]]
            }
            try eventually("the wait is over") { try commits.standbyWaiters(1, text) == 0 }
        }

        private func decisions(_ commits: CommitCluster) throws -> [String] {
            try commits.servers[0].psql("SELECT hash FROM pgbraid.decision WHERE outcome = 'commit'").map { $0[0] ?? "" }
        }

        /// A failover to a standby that lags brings back what is prepared; a decision that nothing prepared needs may go only when that cannot be.
        @Test(.timeLimit(.minutes(1)), arguments: defaults) func anOldDecisionIsKeptUntilStandbysHaveTheRest(setting: String) throws {
            let commits = try cluster(setting)
            defer { restore(commits) }
            try commits.loseStandby(1)
            let hash = "00000000-0000-0000-0000-00000000c0de"
            try commits.servers[0].psql("DELETE FROM pgbraid.decision; INSERT INTO pgbraid.decision VALUES ('\(hash)', 'commit', '00000000000000aa', now() - interval '1 day')")
            // As many rounds as fit into two of the intervals in which decisions are deleted.
            for _ in 0..<10 { try cancelWait(commits, Self.confirmation) }
            #expect(try decisions(commits) == [hash])
            try commits.forgetStandby(1)
            try eventually("it is deleted") { try decisions(commits).isEmpty }
        }

        /// The link of the session breaks, so that the proxy finishes the part by itself.
        @Test(.timeLimit(.minutes(1)), arguments: defaults) func aDecisionIsKeptUntilStandbysHaveWhatItDecides(setting: String) throws {
            let commits = try cluster(setting)
            defer { restore(commits) }
            try commits.servers[0].psql("DELETE FROM pgbraid.decision")
            let client = try commits.client()
            let (shared, isCut) = (UncheckedReference(commits), Once())
            commits.relay.follow { frame in
                guard frame.shard == 1, frame.isQuery("COMMIT PREPARED"), isCut.claim() else { return .pass }
                do { try shared.object.loseStandby(1) } catch { Issue.record(error) }
                return .cut
            }
            try client.send(FrontendFrame.query("BEGIN; \(commits.transfer); COMMIT"))
            try cancelWait(commits, "COMMIT PREPARED")
            try commits.forgetStandby(1)
            let outcome = try client.outcome()
            #expect(outcome.error == nil && isCut.isDone, "\(outcome)")
            let kept = try decisions(commits)
            #expect(kept.count == 1)
            try commits.expectApplied()
            // One that is not needed is deleted meanwhile.
            #expect(try commits.client().run("BEGIN; \(commits.transfer); COMMIT").error == nil)
            try eventually("the other is deleted") { try decisions(commits).allSatisfy { kept.contains($0) } }
            #expect(try decisions(commits) == kept)
        }
    }
}
