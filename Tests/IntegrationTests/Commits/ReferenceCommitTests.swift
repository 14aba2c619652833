// Writes of reference tables beside commits that have reached some shards and not yet others: each shard would find other rows by
// itself, and the copies must be alike all the same.
import Synchronization
import Testing

extension IntegrationTests {
    @Suite struct ReferenceCommitTests {
        /// Holds commits that one shard has decided before others.
        private final class HeldCommits: Sendable {
            private let holding: Mutex<Set<Int>>
            private let held = Mutex(Set<Int>())
            private let isOpen = Once()
            /// Bind messages that shard 1 has got.
            private let binds = Mutex(0)

            init(_ commits: CommitCluster, on shards: Set<Int>) {
                holding = Mutex(shards)
                commits.relay.follow { [self] frame in
                    if frame.shard == 1, frame.direction == .toShard, frame.frame.letter == "B" { binds.withLock { $0 += 1 } }
                    guard frame.isQuery("COMMIT PREPARED"), holding.withLock({ $0.contains(frame.shard) }) else { return .pass }
                    held.withLock { _ = $0.insert(frame.shard) }
                    try? eventually("the commits may go on") { isOpen.isDone }
                    return .pass
                }
            }

            var bindCount: Int { binds.withLock { $0 } }

            /// From now on commits are held on these shards; those that are held already remain so.
            func hold(on shards: Set<Int>) { holding.withLock { $0 = shards } }

            func awaitHeld(on shards: Set<Int>) throws {
                try eventually("commits are held on shards \(shards)") { held.withLock { $0 } == shards }
            }

            func letGo() {
                hold(on: [])
                _ = isOpen.claim()
            }
        }

        private func commits(_ definition: String) throws -> CommitCluster {
            let commits = try CommitCluster()
            try commits.cluster.psql(definition)
            try commits.cluster.psql("INSERT INTO parcel SELECT i, 0 FROM generate_series(1, 4) i")
            return commits
        }

        /// A transaction that the shard decides.
        private func block(_ commits: CommitCluster, _ shard: Int, _ statement: String) -> [UInt8] {
            FrontendFrame.query("BEGIN; \(commits.update(shard, 0)); \(statement); COMMIT")
        }

        private func expectAlike(_ commits: CommitCluster, _ rows: [[String?]]) throws {
            try commits.expectNothingPrepared()
            for copy in try commits.cluster.onShards("SELECT * FROM parcel ORDER BY id") { #expect(copy == rows) }
        }

        private static let withKey = "CREATE TABLE parcel (id int PRIMARY KEY, holder int)"
        private static let withoutKey = "CREATE TABLE parcel (id int, holder int)"
        private static let parts = """
            CREATE TABLE parcel (id int PRIMARY KEY, holder int) PARTITION BY RANGE (id);
            CREATE TABLE parcel_some PARTITION OF parcel FOR VALUES FROM (1) TO (9)
            """

        /// One row is free on shard 0 and not yet on the others, another on the others and not yet on shard 0: as many rows, but others.
        @Test(.timeLimit(.minutes(1)), arguments: [withKey, withoutKey, parts], [
            "UPDATE parcel SET holder = 7 WHERE holder IS NULL", "BEGIN; UPDATE parcel SET holder = 7 WHERE holder IS NULL RETURNING id; COMMIT",
            "DELETE FROM parcel WHERE holder IS NULL",
        ])
        func allCopiesChangeTheSameRows(definition: String, statement: String) throws {
            let commits = try commits(definition)
            let held = HeldCommits(commits, on: [1, 2])
            let producers = try (0..<2).map { _ in try commits.client() }
            for (shard, producer) in producers.enumerated() {
                let change = definition == Self.withoutKey
                    ? "INSERT INTO parcel VALUES (\(shard + 8), NULL)" : "UPDATE parcel SET holder = NULL WHERE id = \(shard + 1)"
                try producer.send(block(commits, shard, change))
                try held.awaitHeld(on: shard == 0 ? [1, 2] : [0, 1, 2])
                held.hold(on: [0])
            }
            try eventually("the second is committed on shard 2") { try commits.servers[2].psql("SELECT count(*) FROM pg_prepared_xacts") == [["1"]] }
            let claimer = try commits.client()
            try claimer.send(FrontendFrame.query(statement))
            var outcome: StatementOutcome?
            try eventually("the claimer waits, or has an answer") {
                outcome = try? claimer.outcome(deadlineSeconds: 0.05)
                return try outcome != nil || commits.cluster.onShards("SELECT count(*) FROM pg_locks WHERE NOT granted").contains { $0 != [["0"]] }
            }
            held.letGo()
            let ended = try outcome ?? claimer.outcome()
            #expect(ended.error == nil, "\(ended.state ?? ""): \(ended.error?.message ?? "")")
            for producer in producers { #expect(try producer.outcome().error == nil) }
            try commits.expectNothingPrepared()
            try expectAlike(commits, commits.servers[0].psql("SELECT * FROM parcel ORDER BY id"))
        }

        /// The lowest shard has a row that another one does not have yet; also a block waits for it, and an answer that was told holds.
        @Test(.timeLimit(.minutes(1)), arguments: [
            "UPDATE parcel SET holder = 7 WHERE holder = 5 RETURNING id", "DELETE FROM parcel WHERE holder = 5 RETURNING id",
        ])
        func aRowThatIsOnItsWayIsWaitedFor(statement: String) throws {
            let commits = try commits(Self.withKey)
            let held = HeldCommits(commits, on: [1])
            let producer = try commits.client()
            try producer.send(block(commits, 0, "INSERT INTO parcel VALUES (9, 5)"))
            try held.awaitHeld(on: [1])
            let before = held.bindCount
            let claimer = try commits.client()
            try claimer.send(FrontendFrame.query("BEGIN; UPDATE parcel SET holder = 5 WHERE id = 1; \(statement); COMMIT"))
            try eventually("the replay is run again") { held.bindCount > before + 1 }
            held.letGo()
            let ended = try claimer.outcome()
            #expect(ended.error == nil, "\(ended.state ?? ""): \(ended.error?.message ?? "")")
            #expect(Set(ended.rows) == [["1"], ["9"]])
            #expect(try producer.outcome().error == nil)
            let isDelete = statement.hasPrefix("DELETE")
            try expectAlike(commits, (isDelete ? [] : [["1", "7"]]) + [["2", "0"], ["3", "0"], ["4", "0"]] + (isDelete ? [] : [["9", "7"]]))
        }

        /// What the lowest shard does not find, nobody changes or waits for.
        @Test(.timeLimit(.minutes(1))) func nothingOnTheLowestShardIsNothing() throws {
            let commits = try commits(Self.withKey)
            let held = HeldCommits(commits, on: [0])
            let producer = try commits.client()
            try producer.send(block(commits, 1, "UPDATE parcel SET holder = NULL WHERE id = 1"))
            try held.awaitHeld(on: [0])
            let claimer = try commits.client()
            for statement in ["UPDATE parcel SET holder = 7 WHERE id = 1 AND holder IS NULL", "DELETE FROM parcel WHERE id = 1 AND holder IS NULL"] {
                let ended = try claimer.run(statement)
                #expect(ended.error == nil)
                #expect(ended.tags == [statement.hasPrefix("UPDATE") ? "UPDATE 0" : "DELETE 0"])
            }
            held.letGo()
            #expect(try producer.outcome().error == nil)
            try expectAlike(commits, [["1", nil], ["2", "0"], ["3", "0"], ["4", "0"]])
        }
    }
}
