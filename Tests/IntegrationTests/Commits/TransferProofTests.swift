// Money moves between shards while others count it. The long form is Tests/Campaigns/transfer_proof.py.
import Foundation
import Synchronization
import Testing

extension IntegrationTests {
    @Suite struct TransferProofTests {
        private static let accountCount = 12
        private static let total = accountCount * 1000
        private static let seconds = 3.0

        /// What the readers of one run saw.
        private final class Sums: Sendable {
            private let counts = Mutex((right: 0, wrong: 0))
            var right: Int { counts.withLock { $0.right } }
            var wrong: Int { counts.withLock { $0.wrong } }

            func note(_ isRight: Bool) { counts.withLock { if isRight { $0.right += 1 } else { $0.wrong += 1 } } }
        }

        /// A client that only one thread uses.
        private struct Owned: @unchecked Sendable {
            let object: WireClient
            init(_ object: WireClient) { self.object = object }
        }

        private func cluster(_ level: String) throws -> TestCluster {
            let cluster = try TestCluster(
                servers: try TestServers.shared.get().four, settings: ["transactions": ["consistent_reads = \"\(level)\""]])
            try cluster.onShards("DROP TABLE IF EXISTS purse")
            try cluster.psql("CREATE TABLE purse (user_id int PRIMARY KEY, coins int NOT NULL)")
            try cluster.psql("INSERT INTO purse VALUES " + (1...Self.accountCount).map { "(\($0), 1000)" }.joined(separator: ", "))
            return cluster
        }

        /// Runs bodies at once, each again and again until time is up.
        private func together(_ bodies: [@Sendable (Int) throws -> Void]) throws {
            let end = Date().addingTimeInterval(Self.seconds)
            let failure = Mutex<(any Error)?>(nil)
            let group = DispatchGroup()
            for body in bodies {
                group.enter()
                Thread.detachNewThread {
                    var round = 0
                    do {
                        while Date() < end {
                            try body(round)
                            round += 1
                        }
                    } catch {
                        failure.withLock { $0 = $0 ?? error }
                    }
                    group.leave()
                }
            }
            group.wait()
            if let error = failure.withLock({ $0 }) { throw error }
        }

        private func transfer(_ client: WireClient, from: Int, to: Int) throws {
            let outcome = try client.run("""
                BEGIN; UPDATE purse SET coins = coins - 1 WHERE user_id = \(from); UPDATE purse SET coins = coins + 1 WHERE user_id = \(to); COMMIT
                """)
            // Two writers may take the same two purses crosswise.
            if let state = outcome.state {
                guard state == "40P01" || state == "40001" else { throw WireClientError(description: "\(outcome)") }
                _ = try client.run("ROLLBACK")
            }
        }

        private func writers(_ cluster: TestCluster) throws -> [@Sendable (Int) throws -> Void] {
            try (0..<4).map { number in
                let client = Owned(try WireClient(port: cluster.port))
                return { round in
                    let from = 1 + (round * 5 + number * 3) % Self.accountCount
                    let to = 1 + (from + round % 7) % Self.accountCount
                    if from != to { try transfer(client.object, from: from, to: to) }
                }
            }
        }

        private func readers(_ cluster: TestCluster, _ sums: Sums) throws -> [@Sendable (Int) throws -> Void] {
            try (0..<2).map { _ in
                let client = Owned(try WireClient(port: cluster.port))
                let question = "SELECT sum(coins) FROM purse"
                return { round in
                    guard round % 2 == 1 else { return sums.note(try client.object.rows(question)[0][0] == "\(Self.total)") }
                    try client.object.rows("BEGIN ISOLATION LEVEL REPEATABLE READ")
                    for _ in 0..<2 { sums.note(try client.object.rows(question)[0][0] == "\(Self.total)") }
                    try client.object.rows("COMMIT")
                }
            }
        }

        @Test(.timeLimit(.minutes(1)), arguments: ["atomic", "strict", "off"]) func sumsOfMovingMoney(level: String) throws {
            let cluster = try cluster(level)
            defer { cluster.kill() }
            let sums = Sums()
            try together(try writers(cluster) + readers(cluster, sums))
            #expect(sums.right > 10)
            // Without the gate it must show, or the others prove nothing.
            #expect((sums.wrong > 0) == (level == "off"), "\(sums.wrong) wrong sums")
            #expect(try cluster.psql("SELECT sum(coins) FROM purse") == [["\(Self.total)"]])
        }

        /// Coins go from the first purse to the others only. Who looks into the first and then into another must not miss coins
        /// that had left the first.
        @Test(.timeLimit(.minutes(1)), arguments: ["atomic", "strict"]) func onePurseAfterTheOther(level: String) throws {
            let cluster = try cluster(level)
            defer { cluster.kill() }
            let sums = Sums()
            let places = try cluster.onShards("SELECT min(user_id) FROM purse").compactMap { $0[0][0].flatMap { Int($0) } }
            let (source, target) = (places[0], places[1])
            let writing = try (0..<3).map { _ in Owned(try WireClient(port: cluster.port)) }
            let reading = try (0..<3).map { _ in Owned(try WireClient(port: cluster.port)) }
            let writers: [@Sendable (Int) throws -> Void] = writing.map { client in { _ in try transfer(client.object, from: source, to: target) } }
            let readers: [@Sendable (Int) throws -> Void] = reading.map { client in
                { _ in
                    let both = try [source, target].map { try client.object.rows("SELECT coins FROM purse WHERE user_id = \($0)")[0][0] }
                    sums.note(both.compactMap { $0.flatMap { Int($0) } }.reduce(0, +) >= 2000)
                }
            }
            try together(writers + readers)
            #expect(sums.right > 10)
            #expect((sums.wrong > 0) == (level == "atomic"), "\(sums.wrong) wrong sums")
        }
    }
}
