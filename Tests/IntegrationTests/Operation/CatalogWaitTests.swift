// Statements that wait for the catalog to be read: they can be cancelled, they do not wait for ever, and not for a shard that hangs.
import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct CatalogWaitTests {
        /// A proxy that reads the catalog behind somebody who has locked what a view reads.
        private final class LockedOut {
            let cluster: TestCluster
            let changer: WireClient
            let locker: WireClient

            init(settings: [String: [String]] = [:], before: (TestCluster) throws -> Void = { _ in }) throws {
                cluster = try TestCluster(servers: try TestServers.shared.get().four, settings: settings)
                try before(cluster)
                try cluster.psql("DROP VIEW IF EXISTS beholding; DROP TABLE IF EXISTS beheld, unheard")
                try cluster.psql("CREATE TABLE beheld (user_id int); CREATE VIEW beholding AS SELECT user_id FROM beheld")
                changer = try WireClient(port: cluster.port)
                locker = try WireClient(port: cluster.servers[0].port)
                try locker.rows("BEGIN; LOCK TABLE beheld")
                try changer.send(FrontendFrame.query("CREATE TABLE unheard (user_id int)"))
                try eventually("the catalog is being read") {
                    try cluster.servers[0].psql("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'beheld'::regclass") == [["t"]]
                }
            }
        }

        @Test(.timeLimit(.minutes(2))) func theyCanBeCancelled() throws {
            let place = try LockedOut()
            let (simple, extended, script) = (try WireClient(port: place.cluster.port), try WireClient(port: place.cluster.port), try WireClient(port: place.cluster.port))
            try simple.send(FrontendFrame.query("SELECT 1 AS never_seen"))
            try extended.send(FrontendFrame.parse("", [], "SELECT 2 AS never_seen") + FrontendFrame.sync)
            try script.send(FrontendFrame.query("BEGIN; COMMIT; SELECT 3 AS never_seen"))
            for client in [simple, extended, script] {
                // It must have come there; each request hits what runs when it comes.
                var outcome: StatementOutcome?
                try eventually("the statement ends") {
                    try client.requestCancel(port: place.cluster.port)
                    outcome = try? client.outcome(deadlineSeconds: 0.2)
                    return outcome != nil
                }
                #expect(outcome?.state == "57014", "\(String(describing: outcome))")
            }
            // What DDL did is done.
            try place.changer.requestCancel(port: place.cluster.port)
            let changed = try place.changer.outcome(deadlineSeconds: 5)
            #expect(changed.error == nil && changed.tags == ["CREATE TABLE"], "\(changed)")
            try place.locker.rows("COMMIT")
            for client in [simple, extended, script] { #expect(try client.rows("SELECT count(*) FROM unheard") == [["0"]]) }
        }

        /// What is known of tables is older than what was asked for until it is read at last.
        @Test(.timeLimit(.minutes(1))) func theyWaitAlsoWhenReadingItFails() throws {
            let place = try LockedOut(settings: ["timeouts": ["reconnect_delay = \"4s\""]])
            try place.cluster.servers[0].psql(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'beheld'::regclass")
            try eventually("it has failed") { place.cluster.log.contains("cannot read the catalog") }
            let client = try WireClient(port: place.cluster.port)
            try client.send(FrontendFrame.query("SELECT count(*) FROM unheard"))
            #expect(throws: WireClientError.self) { try client.outcome(deadlineSeconds: 0.5) }
            try place.locker.rows("COMMIT")
            #expect(try client.outcome().rows == [["0"]])
            #expect(try place.changer.outcome().tags == ["CREATE TABLE"])
        }

        /// No PostgreSQL is in the block afterwards.
        @Test(.timeLimit(.minutes(1))) func theEndOfABlockIsNotCancelled() throws {
            var clients: [WireClient] = []
            let place = try LockedOut { cluster in
                let client = try WireClient(port: cluster.port)
                try client.rows("BEGIN")
                #expect(try client.run("SELECT 1 FROM nowhere_to_be_found").state == "42P01")
                clients.append(client)
            }
            let client = try #require(clients.first)
            try client.send(FrontendFrame.query("ROLLBACK"))
            for _ in 0..<5 {
                try client.requestCancel(port: place.cluster.port)
                #expect(throws: WireClientError.self) { try client.outcome(deadlineSeconds: 0.1) }
            }
            try place.locker.rows("COMMIT")
            let outcome = try client.outcome()
            #expect(outcome.error == nil && outcome.tags == ["ROLLBACK"], "\(outcome)")
            #expect(try client.rows("SELECT count(*) FROM unheard") == [["0"]])
        }

        private func batch(_ text: String, end: [UInt8]) -> [UInt8] {
            FrontendFrame.parse("", [], text) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("") + end
        }

        /// A batch is one transaction: when a shard loses what it did there, what waits for the catalog behind that must not run.
        @Test(.timeLimit(.minutes(1)), arguments: [true, false]) func aBatchWhoseShardIsLostMeanwhileFails(isAnswered: Bool) throws {
            var opened: (client: WireClient, holder: WireClient, keys: [String])?
            let place = try LockedOut { cluster in
                try cluster.psql("DROP TABLE IF EXISTS halves; CREATE TABLE halves (user_id int PRIMARY KEY, n int)")
                try cluster.psql("INSERT INTO halves SELECT i, 0 FROM generate_series(1, 40) i")
                let keys = try cluster.servers[1...2].map { try $0.psql("SELECT min(user_id) FROM halves")[0][0] ?? "" }
                let (client, holder) = (try WireClient(port: cluster.port), try WireClient(port: cluster.servers[1].port))
                if !isAnswered { try holder.rows("BEGIN; UPDATE halves SET n = 0 WHERE user_id = \(keys[0])") }
                try client.send(batch("UPDATE halves SET n = 1 WHERE user_id = \(keys[0])", end: FrontendFrame.flush))
                if isAnswered {
                    while let frame = try client.next(), frame.letter != "C" {}
                } else {
                    try eventually("it waits for the row") {
                        try cluster.servers[1].psql("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%halves%'") == [["t"]]
                    }
                }
                opened = (client, holder, keys)
            }
            let (client, holder, keys) = try #require(opened)
            try client.send(batch("UPDATE halves SET n = 1 WHERE user_id = \(keys[1])", end: FrontendFrame.sync))
            try eventually("it waits for the catalog") {
                // Who has changed the catalog does too. Before that, what was sent to the shard must be answered.
                try place.cluster.console("SHOW CLIENTS").filter { $0.contains("waiting") }.count == (isAnswered ? 2 : 1)
            }
            try place.cluster.servers[1].psql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'UPDATE halves SET n = 1%' AND pid <> pg_backend_pid()")
            try eventually("the proxy has heard of it") { place.cluster.log.contains("link lost") }
            try place.locker.rows("COMMIT")
            if !isAnswered { try holder.rows("ROLLBACK") }
            let outcome = try client.outcome()
            #expect(outcome.state == "57P01" || outcome.state == "08006", "\(outcome)")
            #expect(try place.cluster.psql("SELECT sum(n) FROM halves") == [["0"]])
            #expect(try client.rows("SELECT count(*) FROM unheard") == [["0"]])
        }

        @Test(.timeLimit(.minutes(1))) func theyDoNotWaitForEver() throws {
            let place = try LockedOut(settings: ["timeouts": ["query_wait = \"1s\""]])
            let client = try WireClient(port: place.cluster.port)
            let outcome = try client.run("SELECT 1 AS never_seen_either", deadlineSeconds: 10)
            #expect(outcome.state == "55P03", "\(outcome)")
            try place.locker.rows("COMMIT")
            #expect(try client.rows("SELECT count(*) FROM unheard") == [["0"]])
        }

        /// The server of the lowest shard hangs when its catalog is to be read: the next shard's is.
        @Test(.timeLimit(.minutes(2))) func aShardThatHangsIsDown() throws {
            let servers = try (0..<2).map { _ in try TemporaryPostgreSQL(settings: TestServers.settings) }
            let limits = ["connect = \"1s\"", "reconnect_delay = \"100ms\"", "recovery_interval = \"200ms\""]
            let cluster = try TestCluster(servers: servers, settings: ["timeouts": limits])
            try cluster.psql("CREATE TABLE far (user_id int PRIMARY KEY, n int); INSERT INTO far SELECT i, i FROM generate_series(1, 20) i")
            let key = try servers[1].psql("SELECT min(user_id) FROM far")[0][0] ?? ""
            let client = try WireClient(port: cluster.port)
            try client.rows("SELECT 1")
            try signal(SIGSTOP, servers[0])
            defer { try? signal(SIGCONT, servers[0]) }
            try cluster.console("RELOAD")
            let outcome = try client.run("SELECT n AS of_another_shard FROM far WHERE user_id = \(key)", deadlineSeconds: 30)
            #expect(outcome.rows == [[key]], "\(outcome)")
            #expect(try client.run("SELECT sum(n) FROM far").state == "08001")
            try signal(SIGCONT, servers[0])
            try eventually("the shard is used again", withinSeconds: 30) { try client.rows("SELECT sum(n) FROM far") == [["210"]] }
        }

        /// To the server and all of its processes.
        private func signal(_ number: Int32, _ server: TemporaryPostgreSQL) throws {
            let own = try String(contentsOfFile: "\(server.directory)/data/postmaster.pid", encoding: .utf8).prefix { $0 != "\n" }
            let children = try TestProcess.run("/bin/sh", ["-c", "ps -o pid= --ppid \(own) || true"])
            for process in ([String(own)] + children.split(whereSeparator: \.isWhitespace).map(String.init)).compactMap({ pid_t($0) }) { kill(process, number) }
        }
    }
}
