// What the HTTP endpoint of a running proxy tells: of all workers, and when something is wrong.
import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct HTTPTests {
        /// A proxy with an endpoint, and where that is.
        private func cluster(
            servers: [TemporaryPostgreSQL]? = nil, workers: Int = 1, http lines: [String] = []
        ) throws -> (TestCluster, port: Int) {
            let port = try TestDirectory.freePort()
            let cluster = try TestCluster(
                servers: try servers ?? TestServers.shared.get().four,
                settings: ["proxy": ["workers = \(workers)"], "http": ["listen = \"127.0.0.1:\(port)\""] + lines])
            return (cluster, port)
        }

        /// Values of a scrape by name and labels.
        private func metrics(_ port: Int) throws -> [String: Double] {
            let answer = try RawHTTP.get("/metrics", port: port)
            guard answer.hasPrefix("HTTP/1.1 200 ") else { throw RawHTTPError(description: answer) }
            var values: [String: Double] = [:]
            for line in answer.components(separatedBy: "\r\n\r\n")[1].split(separator: "\n") where !line.hasPrefix("#") {
                let cut = line.lastIndex(of: " ") ?? line.endIndex
                values[String(line[..<cut])] = Double(line[cut...].dropFirst())
            }
            return values
        }

        private func sum(_ name: String, _ values: [String: Double]) -> Double {
            values.reduce(0) { $1.key == name || $1.key.hasPrefix("\(name){") ? $0 + $1.value : $0 }
        }

        /// Twelve clients on three workers: every statement is counted once, under its shard and its duration.
        @Test(.timeLimit(.minutes(1))) func metricsAreThoseOfAllWorkers() throws {
            let (cluster, port) = try cluster(workers: 3)
            try cluster.psql("DROP TABLE IF EXISTS scraped; CREATE TABLE scraped (user_id int PRIMARY KEY)")
            let answer = try RawHTTP.get("/metrics", port: port)
            #expect(answer.contains("Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"))
            #expect(answer.hasSuffix("\n# EOF\n"))
            let clients = try (0..<12).map { _ in try WireClient(port: cluster.port) }
            var before: [String: Double] = [:]
            try eventually("all clients are counted") {
                before = try metrics(port)
                return before["pgbraid_client_sessions"] == 12
            }
            for (number, client) in clients.enumerated() {
                for turn in 0..<25 { _ = try client.rows("SELECT * FROM scraped WHERE user_id = \(number * 25 + turn)") }
            }
            func grown(_ name: String, _ after: [String: Double]) -> Double { sum(name, after) - sum(name, before) }
            var after: [String: Double] = [:]
            try eventually("all are counted") {
                after = try metrics(port)
                return grown("pgbraid_shard_statements_total", after) >= 300
            }
            // Statements of the proxy's own services are few.
            for name in ["pgbraid_shard_statements_total", "pgbraid_statements_total", "pgbraid_statement_duration_seconds_count"] {
                #expect((300..<350).contains(grown(name, after)), "\(name)")
            }
            let passed = "pgbraid_statement_duration_seconds_bucket{way=\"passed\",le=\"+Inf\"}"
            #expect((300..<350).contains(grown(passed, after)))
            let most = "pgbraid_statement_duration_seconds_bucket{way=\"passed\",le=\"68.719476736\"}"
            #expect(after[most] == after[passed])
            #expect(after["pgbraid_workers"] == 3)
            #expect((0..<4).allSatisfy { after["pgbraid_shard_up{shard=\"\($0)\"}"] == 1 })
        }

        @Test(.timeLimit(.minutes(1))) func healthNamesTheShardThatIsDown() throws {
            let servers = try (0..<2).map { _ in try TemporaryPostgreSQL(settings: TestServers.settings) }
            let (cluster, port) = try cluster(servers: servers, workers: 2)
            func health() throws -> String { try RawHTTP.get("/healthz", port: port) }
            try eventually("all is well") { try health().hasPrefix("HTTP/1.1 200 ") }
            #expect(try health().hasSuffix(#"{"shards":[{"shard":0,"state":"up"},{"shard":1,"state":"up"}],"status":"healthy"}"# + "\n"))
            try servers[1].stopServer(mode: "immediate")
            try eventually("shard 1 is missed") { try health().hasPrefix("HTTP/1.1 503 ") }
            #expect(try health().contains(#""reason":"shard 1 is down""#))
            #expect(try RawHTTP.get("/", port: port).contains("<td class=\"bad\">down</td>"))
            #expect(try metrics(port)["pgbraid_shard_up{shard=\"1\"}"] == 0)
            try servers[1].start()
            try eventually("all is well again") { try health().hasPrefix("HTTP/1.1 200 ") }
            _ = cluster
        }

        @Test(.timeLimit(.minutes(1))) func whoIsToldToStopDrains() throws {
            let (cluster, port) = try cluster()
            try cluster.psql("DROP TABLE IF EXISTS drained; CREATE TABLE drained (user_id int PRIMARY KEY)")
            let client = try WireClient(port: cluster.port)
            try client.rows("BEGIN")
            try client.rows("INSERT INTO drained VALUES (1)")
            #expect(try RawHTTP.get("/", port: port).contains("All 4 shards are up."))
            let unowned = UncheckedReference(cluster)
            let end = Thread { unowned.object.stop() }
            end.start()
            var answer = ""
            try eventually("the proxy drains") {
                answer = try RawHTTP.get("/healthz", port: port)
                return answer.contains("\"status\":\"draining\"")
            }
            #expect(answer.hasPrefix("HTTP/1.1 503 "))
            #expect(try RawHTTP.get("/", port: port).contains("The proxy is draining"))
            #expect(try metrics(port)["pgbraid_serving"] == 0)
            #expect(try client.run("COMMIT").tags == ["COMMIT"])
            try eventually("the proxy has ended") { end.isFinished }
        }

        @Test(.timeLimit(.minutes(1))) func theTokenIsNeededForNames() throws {
            let (cluster, port) = try cluster(http: ["token = \"correct-horse-battery\""])
            for path in ["/", "/metrics"] {
                let answer = try RawHTTP.get(path, port: port)
                #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("WWW-Authenticate: Bearer") && !answer.contains("shard"), "\(answer)")
                #expect(try RawHTTP.get(path, port: port, fields: ["Authorization: Bearer correct-horse-batterz"]).hasPrefix("HTTP/1.1 401 "))
                #expect(try RawHTTP.get(path, port: port, fields: ["Authorization: Bearer correct-horse-battery"]).hasPrefix("HTTP/1.1 200 "))
            }
            #expect(try RawHTTP.get("/healthz", port: port).contains("\"shards\""))
            _ = cluster
        }

        @Test(.timeLimit(.minutes(1))) func namesOnThePageAreNoMarkup() throws {
            let (cluster, port) = try cluster()
            let hostile = try WireClient(port: cluster.port, parameters: [("application_name", "<script>alert(1)</script>")])
            var page = ""
            try eventually("the client is shown") {
                page = try RawHTTP.get("/", port: port)
                return page.contains("&lt;script&gt;alert(1)&lt;/script&gt;")
            }
            #expect(!page.contains("<script"))
            for shard in 0..<4 { #expect(page.contains("<tr><td class=\"number\">\(shard)</td>")) }
            #expect(try hostile.rows("SELECT 1") == [["1"]])
        }

        @Test(.timeLimit(.minutes(1))) func aTakenAddressEndsTheStart() throws {
            let (first, port) = try cluster()
            let second = try TestCluster(servers: first.servers, settings: ["http": ["listen = \"127.0.0.1:\(port)\""]], isWaiting: false)
            try eventually("the second says why") { second.log.contains("http: listen on 127.0.0.1:\(port): Address already in use") }
        }
    }
}
