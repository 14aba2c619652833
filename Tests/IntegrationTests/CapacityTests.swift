// Capacity: what proxies note of sizes, who may read and write that, and what is told of it.
import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite(.serialized) struct CapacityTests {
        private static let clusters = Result { try CapacityClusters() }

        private func console(_ command: String, of cluster: TestCluster) throws -> [[String?]] {
            try WireClient(port: cluster.port, database: "pgbraid").rows(command)
        }

        private func awaitSample(_ condition: String, _ client: WireClient) throws {
            try eventually("a sample with \(condition)") {
                try client.rows("SELECT 1 FROM pgbraid.capacity_sample WHERE \(condition) LIMIT 1").count == 1
            }
        }

        @Test(.timeLimit(.minutes(1))) func sizesAreNotedOnEachShard() throws {
            let cluster = try Self.clusters.get().first
            let client = try WireClient(port: cluster.port)
            try client.rows("DROP TABLE IF EXISTS capacity_order; CREATE TABLE capacity_order (user_id int, text text)")
            try client.rows("INSERT INTO capacity_order SELECT g, repeat('x', 1000) FROM generate_series(1, 2000) g")
            for shard in 0...1 { try awaitSample("shard = \(shard) AND table_name = 'capacity_order' AND bytes > 500000 AND inserted > 500", client) }
            for shard in 0...1 { try awaitSample("shard = \(shard) AND table_name IS NULL AND bytes > 5000000 AND commits > 0 AND limit_bytes = 1073741824", client) }
            // Each row is on the shard that it tells of.
            for (shard, rows) in try cluster.servers.map({ try $0.psql("SELECT DISTINCT shard FROM pgbraid.capacity_sample", database: CapacityClusters.database) }).enumerated() {
                #expect(rows == [["\(shard)"]])
            }
        }

        @Test(.timeLimit(.minutes(1))) func partitionsAreTheirRoots() throws {
            let cluster = try Self.clusters.get().first
            let client = try WireClient(port: cluster.port)
            try client.rows("DROP TABLE IF EXISTS capacity_parts; CREATE TABLE capacity_parts (user_id int, day int) PARTITION BY RANGE (day)")
            for part in 0..<3 {
                try client.rows("CREATE TABLE capacity_parts_\(part) PARTITION OF capacity_parts FOR VALUES FROM (\(part)) TO (\(part + 1))")
            }
            try client.rows("INSERT INTO capacity_parts SELECT g, g % 3 FROM generate_series(1, 3000) g")
            try awaitSample("table_name = 'capacity_parts' AND inserted > 1000 AND bytes > 30000", client)
            #expect(try client.rows("SELECT 1 FROM pgbraid.capacity_sample WHERE table_name LIKE 'capacity_parts\\_%' LIMIT 1") == [])
        }

        /// Two proxies look ten times a second each, and every sample is one: no two of a shard lie closer than the interval.
        @Test(.timeLimit(.minutes(1))) func oneProxyTakesAShardsSample() throws {
            let clusters = try Self.clusters.get()
            let client = try WireClient(port: clusters.second.port)
            try eventually("twenty samples") {
                try client.rows("SELECT count(DISTINCT sampled_at) FROM pgbraid.capacity_sample WHERE shard = 0")[0][0].flatMap { Int($0) } ?? 0 >= 20
            }
            let rows = try client.rows(
                """
                SELECT count(*), count(DISTINCT sampled_at), extract(epoch FROM max(sampled_at) - min(sampled_at)) FROM pgbraid.capacity_sample
                WHERE shard = 0 AND table_name IS NULL
                """)
            let numbers = rows[0].map { $0.flatMap { Double($0) } ?? -1 }
            #expect(numbers[0] == numbers[1], "no sample is taken twice")
            #expect(numbers[0] <= numbers[2] / CapacityClusters.interval + 2, "\(numbers)")
        }

        /// A table that somebody changes for long is left out, and holds nothing up.
        @Test(.timeLimit(.minutes(1))) func aLockedTableHoldsNothingUp() throws {
            let cluster = try Self.clusters.get().first
            let client = try WireClient(port: cluster.port)
            try client.rows("DROP TABLE IF EXISTS capacity_locked; CREATE TABLE capacity_locked (user_id int)")
            try awaitSample("table_name = 'capacity_locked'", client)
            let holder = try WireClient(port: cluster.port)
            try holder.rows("BEGIN")
            try holder.rows("LOCK TABLE capacity_locked IN ACCESS EXCLUSIVE MODE")
            let before = try #require(try client.rows("SELECT max(sampled_at) FROM pgbraid.capacity_sample WHERE table_name = 'capacity_locked'")[0][0])
            try awaitSample("table_name IS NULL AND shard = 0 AND sampled_at > '\(before)'::timestamptz + interval '2 seconds'", client)
            #expect(try client.rows("SELECT 1 FROM pgbraid.capacity_sample WHERE table_name = 'capacity_locked' AND sampled_at > '\(before)'::timestamptz + interval '1 second'") == [])
            try holder.rows("ROLLBACK")
            try awaitSample("table_name = 'capacity_locked' AND sampled_at > '\(before)'::timestamptz + interval '1 second'", client)
        }

        @Test(.timeLimit(.minutes(1))) func anybodyReadsAndNobodyWrites() throws {
            let cluster = try Self.clusters.get().first
            let client = try WireClient(port: cluster.port)
            try awaitSample("true", client)
            try client.rows("DROP ROLE IF EXISTS capacity_reader; CREATE ROLE capacity_reader LOGIN")
            let reader = try WireClient(port: cluster.port, user: "capacity_reader")
            #expect(try reader.rows("SELECT count(*) > 0 FROM pgbraid.capacity_sample") == [["t"]])
            for statement in [
                "DELETE FROM pgbraid.capacity_sample", "UPDATE pgbraid.capacity_sample SET bytes = 0", "SELECT * FROM pgbraid.capacity_sample FOR UPDATE",
                "/* pgbraid: shard=0 */ INSERT INTO pgbraid.capacity_sample SELECT * FROM pgbraid.capacity_sample",
                "/* pgbraid: shard=0 */ UPDATE pgbraid.capacity_lease SET next_at = 'infinity'", "SELECT * FROM pgbraid.capacity_lease FOR UPDATE",
                "BEGIN; LOCK TABLE pgbraid.capacity_sample IN SHARE MODE",
            ] {
                let state = try reader.run(statement).state
                #expect(["42501", "0A000"].contains(state), "\(statement): \(state ?? "no error")")
                if statement.hasPrefix("BEGIN") { try reader.rows("ROLLBACK") }
            }
        }

        /// Of days that are long over one sample is kept, the one in the middle; of days that are too old none.
        @Test(.timeLimit(.minutes(1))) func oldSamplesAreThinned() throws {
            let clusters = try Self.clusters.get()
            let client = try WireClient(port: clusters.first.port)
            for server in clusters.first.servers {
                try server.psql(
                    """
                    INSERT INTO pgbraid.capacity_sample (shard, sampled_at, schema_name, table_name, rows, bytes, inserted, updated, deleted, sequential_scans, index_scans)
                    SELECT (SELECT number FROM pgbraid.shard_number), date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - day * interval '1 day' + hour * interval '1 hour',
                        'old', 'capacity_old', 0, hour, 0, 0, 0, 0, 0
                    FROM unnest('{1,30,31,900}'::int[]) AS day, generate_series(0, 22) AS hour;
                    UPDATE pgbraid.capacity_lease SET thinned_at = '-infinity'
                    """, database: CapacityClusters.database)
            }
            let text = """
                SELECT extract(day FROM date_trunc('day', now() AT TIME ZONE 'UTC') - date_trunc('day', sampled_at AT TIME ZONE 'UTC')) AS age, count(*), min(bytes), max(bytes)
                FROM pgbraid.capacity_sample WHERE table_name = 'capacity_old' AND shard = 1 GROUP BY 1 ORDER BY 1
                """
            try eventually("thinned") { try client.rows(text) == [["1", "23", "0", "22"], ["30", "1", "11", "11"], ["31", "1", "11", "11"]] }
        }

        @Test(.timeLimit(.minutes(1))) func theAdminDatabaseShowsSizesTablesAndKeys() throws {
            let cluster = try Self.clusters.get().first
            let client = try WireClient(port: cluster.port)
            try client.rows("DROP TABLE IF EXISTS capacity_key; CREATE TABLE capacity_key (user_id int PRIMARY KEY, n int)")
            try client.rows("INSERT INTO capacity_key SELECT g, 0 FROM generate_series(1, 100) g")
            try awaitSample("table_name = 'capacity_key' AND shard = 1", client)
            let sizes = try console("SHOW CAPACITY", of: cluster)
            #expect(Set(sizes.map { $0[0] }) == ["0", "1"] && sizes.contains { $0[1] == "(all)" && $0[5] == "1073741824" })
            #expect(sizes.contains { $0[1] == "public.capacity_key" })
            // A day's samples tell of no growth; those of a week do.
            #expect(sizes.first { $0[1] == "public.capacity_key" }?[4] == nil)
            for server in cluster.servers {
                try server.psql(
                    """
                    INSERT INTO pgbraid.capacity_sample (shard, sampled_at, schema_name, table_name, rows, bytes, inserted, updated, deleted, sequential_scans, index_scans)
                    SELECT number, now() - interval '6 days 12 hours', 'public', 'capacity_key', 0, 0, 0, 0, 0, 0, 0 FROM pgbraid.shard_number
                    """, database: CapacityClusters.database)
            }
            try eventually("growth is shown") {
                let row = try console("SHOW CAPACITY", of: cluster).first { $0[0] == "1" && $0[1] == "public.capacity_key" }
                guard let bytes = row?[3].flatMap({ Double($0) }), let growth = row?[4].flatMap({ Double($0) }) else { return false }
                return abs(growth - bytes / 6.5) < bytes / 100
            }
            #expect(try console("SHOW TABLES", of: cluster).contains(["public", "capacity_key", "sharded", "user_id"]))
            for turn in 0..<400 {
                try client.rows("SELECT n FROM capacity_key WHERE user_id = \(turn % 4 == 0 ? turn % 100 + 1 : 42)")
            }
            let heaviest = try console("SHOW KEYS", of: cluster).first { $0[0] == "capacity_key" }
            #expect(heaviest?[0..<3] == ["capacity_key", "user_id", "42"])
        }

        @Test(.timeLimit(.minutes(1))) func theReportTellsWhatThereIs() throws {
            let cluster = try Self.clusters.get().first
            let client = try WireClient(port: cluster.port)
            try client.rows("DROP TABLE IF EXISTS capacity_skew; CREATE TABLE capacity_skew (user_id int, text text)")
            try client.rows("INSERT INTO capacity_skew SELECT CASE WHEN g <= 1500 THEN 7 ELSE g END, 'x' FROM generate_series(1, 3000) g")
            try client.rows("ANALYZE capacity_skew")
            try awaitSample("table_name = 'capacity_skew' AND shard = 1 AND rows > 0", client)
            let options = ["capacity", "--host", "127.0.0.1", "--port", "\(cluster.port)"]
            let text = try TestProcess.run(ProxyProcess.executable, options)
            for part in ["Shards", "Tables", "capacity_skew", "user_id = 7", "1,500", "too little history"] { #expect(text.contains(part), "\(part) in\n\(text)") }
            let json = try JSONSerialization.jsonObject(with: Data(try TestProcess.run(ProxyProcess.executable, options + ["--json"]).utf8)) as? [String: Any]
            #expect((json?["shards"] as? [[String: Any]])?.count == 2)
            let page = cluster.directory + "/capacity.html"
            try TestProcess.run(ProxyProcess.executable, options + ["--html", page])
            #expect(try String(contentsOfFile: page, encoding: .utf8).contains("<svg"))
            #expect(throws: TestProcessError.self) { try TestProcess.run(ProxyProcess.executable, ["capacity", "--port", "1"]) }
        }
    }
}

/// Two proxies in front of a database of its own on the shared servers, where nobody else's proxy takes samples.
private struct CapacityClusters: @unchecked Sendable {
    static let database = "capacity"
    /// Seconds between samples.
    static let interval = 0.2

    let first: TestCluster
    let second: TestCluster

    init() throws {
        let servers = try TestServers.shared.get().two
        for server in servers { try server.psql("CREATE DATABASE \(Self.database)") }
        let settings = [
            "capacity": ["sample_interval = \"200ms\"", "capacity_limit = \"1GB\"", "key_sample = 1"],
        ]
        let entries = servers.map { ["host = \"\($0.socketDirectory)\"", "port = \($0.port)", "dbname = \"\(Self.database)\""] }
        first = try TestCluster(servers: servers, settings: settings, shardEntries: entries)
        second = try TestCluster(servers: servers, settings: settings, shardEntries: entries)
    }
}
