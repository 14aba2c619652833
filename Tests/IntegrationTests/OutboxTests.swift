// The outbox: pgbraid-relay tells a broker what transactions have stored. The campaign `make outbox` shows the same with RabbitMQ, at length.
import Foundation
import TestSupport
import Testing
import WireProtocol

/// A proxy with the table of the manual in a database of its own, a broker, and a relay between them.
private final class RelayedOutbox {
    static let database = "outbox"
    let cluster: TestCluster
    let kafka: MockKafka
    private var relay: ProxyProcess?

    /// - Parameters:
    ///   - outbox: lines of the relay's section [outbox].
    ///   - kafkaLines: lines of [kafka].
    ///   - kafkaSettings: lines of [kafka.settings].
    init(outbox: [String] = [], kafkaLines: [String] = [], kafkaSettings: [String] = []) throws {
        let servers = Array(try TestServers.shared.get().four)
        for server in servers {
            try server.psql("DROP DATABASE IF EXISTS \(Self.database) WITH (FORCE)")
            try server.psql("CREATE DATABASE \(Self.database)")
        }
        cluster = try TestCluster(
            servers: servers, settings: ["": ["[[table]]", "name = \"outbox_events\"", "kind = \"local\""]],
            shardEntries: servers.map { ["host = \"\($0.socketDirectory)\"", "port = \($0.port)", "dbname = \"\(Self.database)\""] })
        kafka = try MockKafka(topic: "outbox_events")
        try client().rows(try Self.documentedTable())
        let brokers = kafka.bootstraps.map { "\"\($0)\"" }.joined(separator: ", ")
        let lines =
            ["[proxy]", "port = \(cluster.port)", "database = \"postgres\"", "[outbox]", "lease = \"1s\"", "retry_longest = \"200ms\""] + outbox
            + ["[kafka]", "brokers = [\(brokers)]"] + kafkaLines + ["[kafka.settings]"] + kafkaSettings
        try lines.joined(separator: "\n").write(toFile: configuration, atomically: true, encoding: .utf8)
        try start()
    }

    var configuration: String { "\(cluster.directory)/relay.conf" }
    private var logPath: String { "\(cluster.directory)/relay.log" }
    var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    func start() throws { relay = try ProxyProcess("pgbraid-relay", configurationPath: configuration, logPath: logPath) }

    func kill() { relay?.kill() }

    func stop() -> Int32? { relay?.stop() }

    func client(user: String = "postgres") throws -> WireClient { try WireClient(port: cluster.port, user: user) }

    /// Statements on a shard itself.
    @discardableResult
    func onShard(_ shard: Int, _ sql: String) throws -> [[String?]] {
        let server = cluster.servers[shard]
        return try Psql.rows(of: sql, host: server.socketDirectory, port: server.port, user: "postgres", database: Self.database)
    }

    static func insert(_ aggregate: String, _ data: String, type: String = "test", shard: Int = 1) -> String {
        "/* pgbraid: shard=\(shard) */ INSERT INTO outbox_events (aggregate_id, event_type, event_data) VALUES ('\(aggregate)', '\(type)', '\(data)')"
    }

    /// Waits until these have arrived, each aggregate's in this order: "a1 a2 b1" for the data 1 and 2 of aggregate a, 1 of b.
    func expect(_ wanted: String, withinSeconds: Double = 30) throws {
        let wanted = wanted.split(separator: " ").map(String.init)
        func sorted(_ names: [String]) -> [String] { names.enumerated().sorted { ($0.element.first!, $0.offset) < ($1.element.first!, $1.offset) }.map(\.element) }
        do {
            try eventually("\(wanted) arrive", withinSeconds: withinSeconds) { sorted(arrived) == sorted(wanted) }
        } catch {
            throw ConditionNotMet(description: "\(error); arrived: \(arrived)\n\(log)\n\(cluster.log)")
        }
    }

    /// What has arrived, without what came again.
    var arrived: [String] {
        var known: Set<String> = []
        return kafka.receive().filter { known.insert($0.identifier).inserted }.map { $0.key + $0.data }
    }

    /// The CREATE TABLE of docs/outbox.md.
    private static func documentedTable() throws -> String {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/outbox.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        guard let begin = text.range(of: "CREATE TABLE outbox_events"), let end = text.range(of: "```", range: begin.lowerBound..<text.endIndex) else {
            throw ConditionNotMet(description: "docs/outbox.md has no table")
        }
        return String(text[begin.lowerBound..<end.lowerBound])
    }
}

extension IntegrationTests {
    @Suite(.serialized) struct OutboxTests {
        @Test(.timeLimit(.minutes(2))) func whatIsCommittedArrivesAndWhatIsRolledBackDoesNot() throws {
            let outbox = try RelayedOutbox()
            let client = try outbox.client()
            try client.rows("CREATE TABLE outbox_account (user_id int PRIMARY KEY, n int); INSERT INTO outbox_account SELECT g, 0 FROM generate_series(1, 20) g")
            for (statement, data) in [("COMMIT", 1), ("ROLLBACK", 2), ("COMMIT", 3)] {
                try client.rows("BEGIN")
                // Of several shards.
                try client.rows("UPDATE outbox_account SET n = n + 1")
                try client.rows("INSERT INTO outbox_events (aggregate_id, event_type, event_data) VALUES ('a', 'test', '\(data)')")
                try client.rows(statement)
            }
            // Each shard has an aggregate of its own: between shards there is no order.
            for (shard, aggregate) in ["b", "c", "d", "e"].enumerated() { try client.rows(RelayedOutbox.insert(aggregate, "\(shard)", shard: shard)) }
            try outbox.expect("a1 a3 b0 c1 d2 e3")
            #expect(Set(outbox.kafka.messages.filter { $0.key != "a" }.map { $0.identifier.first }) == ["0", "1", "2", "3"])
            try eventually("all are marked") { try client.rows("SELECT count(*) FROM outbox_events WHERE status <> 'sent' OR processed_at IS NULL") == [["0"]] }
            try eventually("SHOW OUTBOX tells") { try outbox.cluster.console("SHOW OUTBOX").map { $0[1] } == Array(repeating: "public.outbox_events", count: 4) }
            #expect(outbox.stop() == 0)
            #expect(try outbox.cluster.console("SHOW OUTBOX").allSatisfy { $0[2] == nil })
        }

        /// Nothing younger goes before an open transaction has ended, on its shard.
        @Test(.timeLimit(.minutes(2))) func transactionsThatCommitLateAreWaitedFor() throws {
            let outbox = try RelayedOutbox()
            let (late, client) = (try outbox.client(), try outbox.client())
            try late.rows("BEGIN")
            try late.rows(RelayedOutbox.insert("a", "1"))
            try client.rows(RelayedOutbox.insert("a", "2"))
            try outbox.onShard(1, "BEGIN; \(RelayedOutbox.insert("a", "3")); PREPARE TRANSACTION 'outbox late'")
            try client.rows(RelayedOutbox.insert("a", "4"))
            for data in 1...20 {
                try client.rows(RelayedOutbox.insert("c", "\(data)", shard: 2))
                try outbox.expect((1...data).map { "c\($0)" }.joined(separator: " "))
            }
            try late.rows("COMMIT")
            try client.rows(RelayedOutbox.insert("c", "21", shard: 2))
            try outbox.expect((1...21).map { "c\($0)" }.joined(separator: " "))
            outbox.kill()
            try outbox.start()
            try client.rows(RelayedOutbox.insert("c", "22", shard: 2))
            try outbox.expect((1...22).map { "c\($0)" }.joined(separator: " "))
            try outbox.onShard(1, "COMMIT PREPARED 'outbox late'")
            try outbox.expect("a1 a2 a3 a4 " + (1...22).map { "c\($0)" }.joined(separator: " "))
        }

        @Test(.timeLimit(.minutes(2))) func whatWasOnItsWayArrivesWhenBrokerAndRelayAreBack() throws {
            let outbox = try RelayedOutbox(kafkaSettings: ["\"message.timeout.ms\" = 1000"])
            let client = try outbox.client()
            try client.rows(RelayedOutbox.insert("a", "1"))
            try outbox.expect("a1")
            outbox.kafka.set(up: false)
            for data in 2...5 { try client.rows(RelayedOutbox.insert("a", "\(data)")) }
            try eventually("it is told what keeps them") { try outbox.cluster.console("SHOW OUTBOX").contains { $0[10]?.contains("broker") == true && $0[3] == "4" } }
            outbox.kill()
            outbox.kafka.set(up: true)
            try outbox.start()
            try outbox.expect("a1 a2 a3 a4 a5")
        }

        @Test(.timeLimit(.minutes(2))) func anEventThatTheBrokerRefusesHoldsUpItsAggregateAlone() throws {
            let outbox = try RelayedOutbox(outbox: ["attempts = 3"], kafkaSettings: ["\"message.max.bytes\" = 2000"])
            let client = try outbox.client()
            try client.rows("INSERT INTO outbox_events (aggregate_id, event_type, event_data) SELECT 'a', 'test', to_jsonb(repeat('x', 5000))")
            let shard = try (0..<4).first { try outbox.onShard($0, "SELECT count(*) FROM outbox_events") == [["1"]] }
            for (aggregate, data) in [("a", 2), ("a", 3), ("b", 1)] { try client.rows(RelayedOutbox.insert(aggregate, "\(data)", shard: shard ?? 0)) }
            try outbox.expect("b1")
            try eventually("it has failed") {
                try client.rows("SELECT attempts, reason LIKE '%too large%' FROM outbox_events WHERE status = 'failed'") == [["3", "t"]]
            }
            try client.rows(RelayedOutbox.insert("b", "2", shard: shard ?? 0))
            try outbox.expect("b1 b2")
            #expect(try client.rows("SELECT count(*) FROM outbox_events WHERE status = 'pending'") == [["2"]])
            try client.rows("UPDATE outbox_events SET event_data = '1', status = 'pending', attempts = 0 WHERE status = 'failed'")
            try outbox.expect("a1 a2 a3 b1 b2")
        }

        /// The relay has nothing to read when the failed event is mended, and a younger one of its aggregate comes first.
        @Test(.timeLimit(.minutes(2))) func whatWaitedBehindAFailedEventComesInOrder() throws {
            let outbox = try RelayedOutbox(outbox: ["attempts = 1"], kafkaSettings: ["\"message.max.bytes\" = 2000"])
            let client = try outbox.client()
            try client.rows(RelayedOutbox.insert("a", String(repeating: "7", count: 5000)))
            try eventually("it has failed") { try client.rows("SELECT count(*) FROM outbox_events WHERE status = 'failed'") == [["1"]] }
            try client.rows(RelayedOutbox.insert("a", "2"))
            try client.rows(RelayedOutbox.insert("b", "1"))
            try outbox.expect("b1")
            try outbox.onShard(
                1,
                """
                BEGIN; UPDATE outbox_events SET event_data = '1', status = 'pending', attempts = 0 WHERE status = 'failed';
                \(RelayedOutbox.insert("a", "3")); COMMIT
                """)
            try outbox.expect("a1 a2 a3 b1")
        }

        /// The brokers do not know the topic of one event. That is told after a while, and is no reason to begin anew with the brokers.
        @Test(.timeLimit(.minutes(2))) func anEventWhoseTopicIsMissingFailsAlone() throws {
            let outbox = try RelayedOutbox(
                outbox: ["attempts = 2"], kafkaLines: ["topic = \"outbox_{event_type}\""], kafkaSettings: ["\"message.timeout.ms\" = 6000"])
            outbox.kafka.refuse(topic: "outbox_nowhere")
            let client = try outbox.client()
            try client.rows(RelayedOutbox.insert("a", "1", type: "nowhere"))
            try client.rows(RelayedOutbox.insert("b", "1", type: "events"))
            try outbox.expect("b1")
            try eventually("it has failed", withinSeconds: 60) {
                try client.rows("SELECT attempts, reason ILIKE '%unknown topic%' FROM outbox_events WHERE status = 'failed'") == [["2", "t"]]
            }
            #expect(!outbox.log.contains("the broker is lost"))
        }

        /// Three events of 12 MB, of 32 MB that are held for a shard, are refused again and again.
        @Test(.timeLimit(.minutes(2))) func largeEventsThatAreTriedAgainLeaveRoomForOthers() throws {
            let outbox = try RelayedOutbox(outbox: ["attempts = 1000"])
            let client = try outbox.client()
            try outbox.onShard(
                1, "INSERT INTO outbox_events (aggregate_id, event_type, event_data) SELECT 'x' || g, 'test', to_jsonb(repeat('x', 12000000)) FROM generate_series(1, 3) AS g")
            try eventually("all are refused", withinSeconds: 60) { try client.rows("SELECT count(*) FROM outbox_events WHERE attempts > 0") == [["3"]] }
            try client.rows(RelayedOutbox.insert("b", "1"))
            try outbox.expect("b1")
        }

        /// In the id of an event an accent stands behind a quote and a backslash: one character for Swift, two for PostgreSQL.
        @Test(.timeLimit(.minutes(2))) func anyIdIsMarked() throws {
            let outbox = try RelayedOutbox()
            outbox.kill()
            let client = try outbox.client()
            try client.rows("ALTER TABLE outbox_events ALTER COLUMN event_id DROP DEFAULT")
            try client.rows("ALTER TABLE outbox_events ALTER COLUMN event_id TYPE text")
            let id = "x\"\u{301}\\\u{301},{}"
            try client.rows("/* pgbraid: shard=1 */ INSERT INTO outbox_events (event_id, aggregate_id, event_type, event_data) VALUES ('\(id)', 'a', 'test', '1')")
            try outbox.start()
            try outbox.expect("a1")
            try eventually("it is marked") { try client.rows("SELECT status FROM outbox_events") == [["sent"]] }
        }

        /// The relay has come to higher numbers than those of the new events.
        @Test(.timeLimit(.minutes(2))) func numbersThatBeginAnewAreNoticed() throws {
            let outbox = try RelayedOutbox()
            let client = try outbox.client()
            for data in 1...5 { try client.rows(RelayedOutbox.insert("a", "\(data)")) }
            try outbox.expect("a1 a2 a3 a4 a5")
            try outbox.onShard(1, "TRUNCATE outbox_events RESTART IDENTITY")
            let late = try outbox.client()
            try late.rows("BEGIN")
            try late.rows(RelayedOutbox.insert("a", "6"))
            try client.rows(RelayedOutbox.insert("a", "7"))
            try client.rows(RelayedOutbox.insert("b", "1", shard: 2))
            try outbox.expect("a1 a2 a3 a4 a5 b1")
            try late.rows("COMMIT")
            // Without having noticed, it reads all from the first on after half a minute.
            try outbox.expect("a1 a2 a3 a4 a5 a6 a7 b1", withinSeconds: 10)
        }

        /// What the broker says of events of one turn is not taken for what it says in the next.
        @Test(.timeLimit(.minutes(2))) func eachTurnHasItsOwnConnectionToTheBroker() throws {
            let outbox = try RelayedOutbox()
            let client = try outbox.client()
            try client.rows(RelayedOutbox.insert("a", "1"))
            try outbox.expect("a1")
            func connections() -> Int { outbox.log.split(separator: "\n").filter { $0.contains("shard=1") && $0.contains("the broker is there") }.count }
            let before = connections()
            try outbox.onShard(1, "UPDATE pgbraid.outbox SET holder = 'another', lease_until = clock_timestamp() + interval '2 seconds'")
            try eventually("the shard is left to another relay") { outbox.log.contains("another relay has the shard") }
            try client.rows(RelayedOutbox.insert("a", "2"))
            try outbox.expect("a1 a2")
            #expect(connections() > before)
        }

        /// Rows that no broker can be told, or that break a statement over many, fail alone.
        @Test(.timeLimit(.minutes(2))) func poisonIsFailedAlone() throws {
            let outbox = try RelayedOutbox(outbox: ["max_event_bytes = 4000"])
            let client = try outbox.client()
            try outbox.onShard(
                1,
                """
                ALTER TABLE outbox_events ALTER aggregate_id DROP NOT NULL;
                INSERT INTO outbox_events (aggregate_id, event_type, event_data) VALUES (NULL, 'test', '1'), ('a', 'test', to_jsonb(repeat('x', 5000)));
                INSERT INTO outbox_events (aggregate_id, event_type, event_data, created_at) VALUES ('c', 'test', '1', 'infinity'), ('c', 'test', '2', '-infinity');
                INSERT INTO outbox_events (aggregate_id, event_type, event_data, attempts) VALUES ('c', 'test', '3', 2147483647), ('a', 'test', '2', 0)
                """)
            try outbox.expect("c1 c2 c3")
            try eventually("two have failed") {
                try client.rows("SELECT count(*) FROM outbox_events WHERE status = 'failed' AND (reason = 'aggregate_id is NULL' OR reason LIKE '%max_event_bytes is 4000')")
                    == [["2"]]
            }
            try client.rows("DELETE FROM outbox_events WHERE status = 'failed'")
            try outbox.expect("a2 c1 c2 c3")
        }

        /// Somebody has locked the row of one event: it is sent, and marked later; the others do not wait.
        @Test(.timeLimit(.minutes(2))) func aLockedRowHoldsUpNothingElse() throws {
            let outbox = try RelayedOutbox(kafkaSettings: ["\"message.timeout.ms\" = 1000"])
            let (client, holder) = (try outbox.client(), try outbox.client())
            try client.rows(RelayedOutbox.insert("a", "1"))
            try outbox.expect("a1")
            try eventually("it is marked") { try client.rows("SELECT count(*) FROM outbox_events WHERE status = 'sent'") == [["1"]] }
            outbox.kafka.set(up: false)
            try client.rows(RelayedOutbox.insert("a", "2"))
            try holder.rows("BEGIN")
            try holder.rows("/* pgbraid: shard=1 */ SELECT sequence FROM outbox_events WHERE status = 'pending' FOR UPDATE")
            outbox.kafka.set(up: true)
            try client.rows(RelayedOutbox.insert("a", "3"))
            try client.rows(RelayedOutbox.insert("b", "1"))
            try outbox.expect("a1 a2 a3 b1")
            try eventually("the others are marked") { try client.rows("SELECT count(*) FROM outbox_events WHERE status = 'sent'") == [["3"]] }
            try eventually("it is told") { try outbox.cluster.console("SHOW OUTBOX").contains { $0[10]?.contains("locked the rows of 1 events") == true } }
            try holder.rows("ROLLBACK")
            try eventually("all are marked") { try client.rows("SELECT count(*) FROM outbox_events WHERE status = 'sent'") == [["4"]] }
        }

        @Test(.timeLimit(.minutes(2))) func aFailedEventIsPassedOverWhereThatIsWanted() throws {
            let outbox = try RelayedOutbox(outbox: ["attempts = 1", "after_failure = \"go on\"", "retention = \"1s\""], kafkaSettings: ["\"message.max.bytes\" = 2000"])
            let client = try outbox.client()
            try client.rows("INSERT INTO outbox_events (aggregate_id, event_type, event_data) SELECT 'a', 'test', to_jsonb(repeat('x', 5000))")
            let shard = try (0..<4).first { try outbox.onShard($0, "SELECT count(*) FROM outbox_events") == [["1"]] }
            try client.rows(RelayedOutbox.insert("a", "2", shard: shard ?? 0))
            try outbox.expect("a2")
            try eventually("what was sent is deleted behind its time") { try client.rows("SELECT status FROM outbox_events") == [["failed"]] }
        }

        @Test(.timeLimit(.minutes(2))) func aNotificationSparesWaiting() throws {
            let outbox = try RelayedOutbox(outbox: ["poll_interval = \"10min\""])
            let client = try outbox.client()
            try eventually("all shards are claimed") { try client.rows("SELECT count(*) FROM pgbraid.outbox") == [["4"]] }
            try client.rows(RelayedOutbox.insert("a", "1"))
            try eventually("it arrives") {
                try client.rows("NOTIFY outbox_events")
                return outbox.arrived.contains("a1")
            }
        }

        @Test(.timeLimit(.minutes(2))) func rolesThatMayNotChangeTheTableHaveNoSayInWhoRelaysIt() throws {
            let outbox = try RelayedOutbox()
            let client = try outbox.client()
            try eventually("all shards are claimed") { try client.rows("SELECT count(*) FROM pgbraid.outbox") == [["4"]] }
            try client.rows("DROP ROLE IF EXISTS outbox_stranger; CREATE ROLE outbox_stranger LOGIN; GRANT SELECT, INSERT ON outbox_events TO outbox_stranger")
            let stranger = try outbox.client(user: "outbox_stranger")
            #expect(try stranger.rows("SELECT count(*) FROM pgbraid.outbox") == [["0"]])
            #expect(try stranger.run("UPDATE pgbraid.outbox SET holder = 'me', lease_until = 'infinity'").tags == ["UPDATE 0"])
            let theft = "/* pgbraid: shard=1 */ INSERT INTO pgbraid.outbox (relation, holder, lease_until) SELECT to_regclass('outbox_events')::oid, 'me', 'infinity'"
            #expect(try stranger.run(theft).state == "42501")
            #expect(try stranger.run("DELETE FROM pgbraid.outbox").state == "42501")
            // The relation of the row is the stranger's own, but a temporary one.
            let attempts = ["ROW SHARE", "ROW EXCLUSIVE", "SHARE", "ACCESS EXCLUSIVE"].map { "LOCK TABLE pgbraid.outbox IN \($0) MODE" }
                + ["INSERT INTO pgbraid.outbox (relation, holder, lease_until) VALUES ('own'::regclass::oid, 'me', 'infinity')"]
            for attempt in attempts {
                let block = "DO $$ BEGIN \(attempt); RAISE 'permitted'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$"
                try outbox.onShard(1, "CREATE TEMPORARY TABLE own (n int); GRANT ALL ON own TO outbox_stranger; SET ROLE outbox_stranger; \(block)")
            }
            #expect(try stranger.run("/* pgbraid: shard=1 */ SELECT holder FROM pgbraid.outbox").rows.isEmpty)
        }

        /// A shard that lets nobody in keeps the relay neither from starting nor from relaying the others, and is relayed when it is back.
        @Test(.timeLimit(.minutes(2))) func aRelayStartsWhileAShardIsDown() throws {
            let outbox = try RelayedOutbox()
            outbox.kill()
            let client = try outbox.client()
            try client.rows(RelayedOutbox.insert("a", "1", shard: 0))
            try client.rows(RelayedOutbox.insert("b", "1", shard: 1))
            let server = outbox.cluster.servers[0]
            try server.psql("ALTER DATABASE \(RelayedOutbox.database) ALLOW_CONNECTIONS false")
            try server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(RelayedOutbox.database)'")
            try outbox.start()
            try outbox.expect("b1")
            try server.psql("ALTER DATABASE \(RelayedOutbox.database) ALLOW_CONNECTIONS true")
            try outbox.expect("a1 b1", withinSeconds: 60)
        }

        @Test(.timeLimit(.minutes(2))) func aTableThatLacksSomethingIsToldAtTheStart() throws {
            let outbox = try RelayedOutbox()
            outbox.kill()
            let client = try outbox.client()
            func said() throws -> String {
                do {
                    return try TestProcess.run(ProxyProcess.executable("pgbraid-relay"), ["check", "--config", outbox.configuration])
                } catch let error as TestProcessError { return error.output }
            }
            #expect(try said().contains("no mistakes"))
            try client.rows("ALTER TABLE outbox_events ALTER sequence SET MINVALUE -5")
            #expect(try said().contains("the numbers of outbox_events.sequence may be below 1"))
            try client.rows("ALTER TABLE outbox_events ALTER sequence SET START WITH 1 SET MINVALUE 1")
            #expect(try said().contains("no mistakes"))
            try client.rows("ALTER TABLE outbox_events DROP COLUMN attempts")
            #expect(try said().contains("table outbox_events has no column attempts. Hint: docs/outbox.md has the CREATE TABLE"))
            try client.rows("DROP TABLE outbox_events")
            #expect(try said().contains("table outbox_events does not exist"))
        }
    }
}
