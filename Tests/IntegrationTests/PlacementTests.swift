// create_distributed_table, create_reference_table and undistribute_table: rows move, all or nothing, and everybody follows.
import Foundation
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct PlacementTests {

        private func cluster(_ count: Int = 4, _ settings: [String: [String]] = [:]) throws -> TestCluster {
            let servers = Array(try TestServers.shared.get().four.prefix(count))
            for server in servers { try server.psql("DROP SCHEMA IF EXISTS placed CASCADE") }
            let cluster = try TestCluster(servers: servers, settings: settings)
            try cluster.psql("CREATE SCHEMA placed")
            return cluster
        }

        private func client(_ cluster: TestCluster) throws -> WireClient {
            let client = try WireClient(port: cluster.port, database: "postgres")
            try client.rows("SET search_path TO placed")
            return client
        }

        private func number(_ client: WireClient, _ text: String) throws -> Int? { try client.rows(text).first?.first.flatMap { $0.flatMap { Int($0) } } }

        /// The rows of a table on each shard.
        private func counts(_ cluster: TestCluster, _ table: String) throws -> [Int] {
            try cluster.onShards("SELECT count(*) FROM placed.\(table)").map { $0[0][0].flatMap { Int($0) } ?? -1 }
        }

        private func stored(_ cluster: TestCluster, _ table: String) throws -> Set<String> {
            Set(try cluster.onShards("SELECT concat_ws(' ', kind, key_number, method) FROM pgbraid.placement WHERE name = 'placed.\(table)'::regclass").map { $0.first?[0] ?? "nothing" })
        }

        private func state(_ client: WireClient, _ text: String) throws -> String? { try client.run(text).state }

        // MARK: Rows move

        @Test(.timeLimit(.minutes(2)), arguments: [2, 4], ["int", "smallint", "bigint", "text", "varchar(20)", "uuid"])
        func rowsMoveToTheShardsOfTheirKeys(shards: Int, type: String) throws {
            let cluster = try cluster(shards)
            let client = try client(cluster)
            let key = type == "uuid" ? "md5(i::text)::uuid" : "(i - 50)::\(type)"
            try client.rows("CREATE TABLE parcel (id int, customer \(type), note text DEFAULT 'x', twice int GENERATED ALWAYS AS (id * 2) STORED)")
            try client.rows("INSERT INTO parcel (id, customer, note) SELECT i, \(key), CASE WHEN i % 3 > 0 THEN E'a\\tb\\\\n' || i END FROM generate_series(1, 400) i")
            let all = "SELECT id, customer, note, twice FROM parcel ORDER BY id"
            let before = try client.rows(all)
            #expect(try counts(cluster, "parcel") == Array(repeating: 400, count: shards))

            #expect(try client.run("SELECT create_distributed_table('parcel', 'customer')").tags == ["SELECT 1"])
            let spread = try counts(cluster, "parcel")
            #expect(spread.reduce(0, +) == 400 && spread.allSatisfy { $0 > 0 && $0 < 400 }, "\(spread)")
            #expect(try client.rows(all) == before)
            for row in try client.rows("SELECT customer FROM parcel LIMIT 20") {
                #expect(try number(client, "SELECT count(*) FROM parcel WHERE customer = '\(row[0] ?? "")'") == 1)
            }
            #expect(try stored(cluster, "parcel") == ["sharded 2 hash"])

            try client.rows("SELECT create_distributed_table('parcel', 'id')")
            #expect(try counts(cluster, "parcel").reduce(0, +) == 400)
            #expect(try client.rows(all) == before)
            #expect(try number(client, "SELECT count(*) FROM parcel WHERE id = 77") == 1)
            #expect(try stored(cluster, "parcel") == ["sharded 1 hash"])

            try client.rows("SELECT undistribute_table('parcel')")
            #expect(try counts(cluster, "parcel") == Array(repeating: 400, count: shards))
            #expect(try client.rows(all) == before)
            #expect(try stored(cluster, "parcel") == ["nothing"])
        }

        @Test(.timeLimit(.minutes(1))) func tablesOfTheDefaultKeyBecomeReferenceTables() throws {
            let cluster = try cluster(3)
            let client = try client(cluster)
            try client.rows("CREATE TABLE rate (user_id int PRIMARY KEY, value numeric)")
            try client.rows("INSERT INTO rate SELECT i, i / 7.0 FROM generate_series(-30, 30) i")
            let before = try client.rows("SELECT * FROM rate ORDER BY 1")
            try client.rows("SELECT create_reference_table('rate')")
            #expect(try counts(cluster, "rate") == [61, 61, 61])
            #expect(try client.rows("SELECT * FROM rate ORDER BY 1") == before)
            try client.rows("UPDATE rate SET value = 0 WHERE user_id = 5")
            #expect(try cluster.onShards("SELECT count(*) FROM placed.rate WHERE value = 0") == Array(repeating: [["2"]], count: 3))
            #expect(try stored(cluster, "rate") == ["reference"])
            try client.rows("SELECT create_distributed_table('rate', 'user_id', distribution_type => 'modulo')")
            #expect(try cluster.onShards("SELECT DISTINCT ((user_id % 3) + 3) % 3 FROM placed.rate") == [[["0"]], [["1"]], [["2"]]])
            #expect(try client.rows("SELECT value FROM rate WHERE user_id = -29") == [before[1].suffix(1).map { $0 }])
            try client.rows("SELECT undistribute_table('rate')")
            #expect(try stored(cluster, "rate") == ["reference"])
        }

        @Test(.timeLimit(.minutes(1))) func manyRowsPassWithoutBeingHeld() throws {
            let cluster = try cluster(2, ["limits": ["merge = \"1MB\"", "merge_row = \"1MB\""]])
            let client = try client(cluster)
            try client.rows("CREATE TABLE heap (user_id int, filler text)")
            try client.rows("INSERT INTO heap SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 200) i")
            for server in cluster.servers { try server.psql("INSERT INTO placed.heap SELECT user_id, filler FROM placed.heap, generate_series(1, 300)") }
            let sum = try client.rows("SELECT count(*), sum(user_id), sum(length(filler)) FROM heap")
            #expect(sum[0][0] == "60200")
            try client.rows("SELECT create_reference_table('heap')")
            #expect(try client.rows("SELECT count(*), sum(user_id), sum(length(filler)) FROM heap") == sum)
            #expect(Set(try counts(cluster, "heap").map(String.init)) == [sum[0][0] ?? ""])
        }

        @Test(.timeLimit(.minutes(1))) func whatIsStoredFollowsNamesAndRestarts() throws {
            let cluster = try cluster(2)
            let client = try client(cluster)
            try client.rows("CREATE TABLE ticket (id int, seat int)")
            try client.rows("INSERT INTO ticket SELECT i, i % 10 FROM generate_series(1, 100) i")
            try client.rows("SELECT create_distributed_table('ticket', 'seat')")
            try client.rows("ALTER TABLE ticket RENAME COLUMN seat TO place")
            try client.rows("ALTER TABLE ticket RENAME TO pass")
            try client.rows("ALTER TABLE pass ADD COLUMN user_id int DEFAULT 1")
            #expect(try number(client, "SELECT count(*) FROM pass WHERE place = 3") == 10)
            #expect(try state(client, "ALTER TABLE pass DROP COLUMN place") == "0A000")
            cluster.kill()
            try cluster.start()
            let other = try self.client(cluster)
            #expect(try number(other, "SELECT count(*) FROM pass") == 100)
            #expect(try number(other, "SELECT count(*) FROM pass WHERE place = 7") == 10)
            try other.rows("DROP TABLE pass")
            try other.rows("CREATE TABLE pass (id int, place int)")
            try other.rows("INSERT INTO pass VALUES (1, 1)")
            #expect(try counts(cluster, "pass") == [1, 1])
        }

        @Test(.timeLimit(.minutes(1))) func partitionsGoWithTheirParent() throws {
            let cluster = try cluster(3)
            let client = try client(cluster)
            try client.rows("CREATE TABLE reading (sensor int, day date, value int) PARTITION BY RANGE (day)")
            try client.rows("CREATE TABLE reading_1 PARTITION OF reading FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')")
            try client.rows("CREATE TABLE reading_2 PARTITION OF reading FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')")
            try client.rows("INSERT INTO reading SELECT i, '2026-01-10'::date + i % 40, i FROM generate_series(1, 120) i")
            #expect(try state(client, "SELECT create_distributed_table('reading_1', 'sensor')") == "0A000")
            try client.rows("SELECT create_distributed_table('reading', 'sensor')")
            #expect(try counts(cluster, "reading").reduce(0, +) == 120)
            #expect(try client.rows("SELECT count(*), sum(value) FROM reading") == [["120", "7260"]])
            #expect(try client.rows("SELECT count(*) FROM reading_1") == client.rows("SELECT count(*) FROM reading WHERE day < '2026-02-01'"))
            try client.rows("CREATE TABLE reading_3 PARTITION OF reading FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')")
            try client.rows("ALTER TABLE reading_3 RENAME TO reading_march")
            try client.rows("INSERT INTO reading SELECT i, '2026-03-05', i FROM generate_series(1, 30) i")
            #expect(try counts(cluster, "reading_march").reduce(0, +) == 30)
            try client.rows("SELECT create_reference_table('reading')")
            #expect(try counts(cluster, "reading") == [150, 150, 150])
        }

        // MARK: All or nothing

        @Test(.timeLimit(.minutes(1))) func aBlockThatIsRolledBackMovesNothing() throws {
            let cluster = try cluster(2)
            let client = try client(cluster)
            try client.rows("CREATE TABLE wish (id int, owner int)")
            try client.rows("INSERT INTO wish SELECT i, i % 20 FROM generate_series(1, 100) i")
            try client.rows("BEGIN")
            try client.rows("SELECT create_distributed_table('wish', 'owner')")
            try client.rows("INSERT INTO wish VALUES (101, 3)")
            #expect(try number(client, "SELECT count(*) FROM wish") == 101)
            #expect(try number(client, "SELECT count(*) FROM wish WHERE owner = 3") == 6)
            try client.rows("ROLLBACK")
            #expect(try counts(cluster, "wish") == [100, 100])
            #expect(try number(client, "SELECT count(*) FROM wish") == 100)
            try client.rows("BEGIN; SELECT create_distributed_table('wish', 'owner'); INSERT INTO wish VALUES (101, 3); COMMIT")
            #expect(try counts(cluster, "wish").reduce(0, +) == 101)
            #expect(try number(client, "SELECT count(*) FROM wish WHERE owner = 3") == 6)
            #expect(try stored(cluster, "wish") == ["sharded 2 hash"])
        }

        @Test(.timeLimit(.minutes(1))) func aProxyThatDiesBeforeItCommitsMovesNothing() throws {
            let cluster = try cluster(2)
            let client = try client(cluster)
            try client.rows("CREATE TABLE ring (id int, finger int)")
            try client.rows("INSERT INTO ring SELECT i, i FROM generate_series(1, 60) i")
            try client.rows("BEGIN")
            try client.rows("SELECT create_distributed_table('ring', 'finger')")
            cluster.kill()
            try cluster.start()
            #expect(try counts(cluster, "ring") == [60, 60])
            #expect(try stored(cluster, "ring") == ["nothing"])
            #expect(try number(self.client(cluster), "SELECT count(*) FROM ring") == 60)
        }

        @Test(.timeLimit(.minutes(1))) func aTableIsMadeAndDistributedInOneBlock() throws {
            let cluster = try cluster(4)
            let client = try client(cluster)
            try client.rows("BEGIN")
            try client.rows("CREATE TABLE shop (shop_no int, name text, PRIMARY KEY (shop_no))")
            try client.rows("SELECT create_distributed_table('shop', 'shop_no')")
            try client.rows("CREATE TABLE sale (shop_no int, no int, PRIMARY KEY (shop_no, no))")
            try client.rows("SELECT create_distributed_table('sale', 'shop_no', colocate_with => 'shop')")
            try client.rows("ALTER TABLE sale ADD FOREIGN KEY (shop_no) REFERENCES shop (shop_no)")
            try client.rows("COMMIT")
            try client.rows("INSERT INTO shop SELECT i, 'shop ' || i FROM generate_series(1, 50) i")
            try client.rows("INSERT INTO sale SELECT i % 50 + 1, i FROM generate_series(1, 500) i")
            #expect(try number(client, "SELECT count(*) FROM shop JOIN sale USING (shop_no)") == 500)
            #expect(try state(client, "INSERT INTO sale VALUES (51, 1)") == "23503")
            #expect(try state(client, "SELECT create_reference_table('sale')") == "0A000")
            #expect(try state(client, "SELECT create_distributed_table('sale', 'no')") == "0A000")
        }

        // MARK: Everybody follows

        @Test(.timeLimit(.minutes(10)), arguments: [1, 3]) func nobodySeesRowsTwiceOrNotAtAll(workers: Int) throws {
            let cluster = try cluster(3, ["proxy": ["workers = \(workers)"]])
            let client = try client(cluster)
            try client.rows("CREATE TABLE coin (id int PRIMARY KEY, value int)")
            try client.rows("INSERT INTO coin SELECT i, i FROM generate_series(1, 300) i")
            let other = try TestCluster(servers: cluster.servers)
            let readers = try (0..<6).map { index in try CoinReader(port: index % 2 == 0 ? cluster.port : other.port, isPrepared: index > 2) }
            var step = 0
            // The moves go on until each client has read often enough beside them.
            while step < 8 || readers.contains(where: { $0.right.value <= 10 }) {
                let text = step % 2 == 0 ? "SELECT create_distributed_table('coin', 'id')" : "SELECT create_reference_table('coin')"
                // On a machine that does much else each attempt may take the five seconds after which it gives up.
                try eventually("\(text) finds a moment between statements", withinSeconds: 60) {
                    let state = try client.run(text).state
                    #expect(state == nil || state == "55P03")
                    return state == nil
                }
                step += 1
            }
            for reader in readers {
                let wrong = reader.end()
                #expect(wrong.isEmpty, "\(wrong.prefix(5))")
            }
        }

        @Test(.timeLimit(.minutes(1))) func otherProxiesHearOfNewTables() throws {
            let cluster = try cluster(3)
            let otherCluster = try TestCluster(servers: cluster.servers)
            let other = try client(otherCluster)
            let client = try client(cluster)
            try client.rows("BEGIN; CREATE TABLE star (id int, sky int); SELECT create_distributed_table('star', 'sky'); COMMIT")
            try client.rows("INSERT INTO star SELECT i, i FROM generate_series(1, 90) i")
            try eventually("the other proxy knows the table") {
                let seen = try other.run("SELECT count(*) FROM placed.star")
                #expect(seen.state == "42P01" || seen.rows == [["90"]], "\(seen)")
                return seen.rows == [["90"]]
            }
        }

        @Test(.timeLimit(.minutes(1))) func aBlockWithAnOlderSnapshotIsEnded() throws {
            let cluster = try cluster(2)
            let client = try client(cluster)
            try client.rows("CREATE TABLE leaf (id int, branch int)")
            try client.rows("CREATE TABLE other_leaf (id int)")
            try client.rows("INSERT INTO leaf SELECT i, i FROM generate_series(1, 50) i")
            let reader = try self.client(cluster)
            try reader.rows("BEGIN ISOLATION LEVEL REPEATABLE READ")
            try reader.rows("SELECT * FROM other_leaf")
            let plain = try self.client(cluster)
            try plain.rows("BEGIN")
            try plain.rows("SELECT * FROM other_leaf")
            try client.rows("SELECT create_distributed_table('leaf', 'branch')")
            #expect(try state(reader, "SELECT count(*) FROM leaf") == "40001")
            try reader.rows("ROLLBACK")
            #expect(try number(reader, "SELECT count(*) FROM leaf") == 50)
            #expect(try number(plain, "SELECT count(*) FROM leaf") == 50)
            try plain.rows("COMMIT")
        }

        /// Clients whose statements wait for links of a full pool: some get one while the move waits for another statement's end.
        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func whoWaitsForALinkDoesNotHoldUpAMove(isBusyElsewhere: Bool) throws {
            let cluster = try cluster(2, ["proxy": ["workers = 1", "pool_size = 2"]])
            let client = try client(cluster)
            try client.rows("CREATE TABLE twig (id int PRIMARY KEY, branch int)")
            try client.rows("INSERT INTO twig SELECT i, i FROM generate_series(1, 50) i")
            try client.rows("SELECT create_distributed_table('twig', 'id')")
            try client.rows("CREATE TABLE trunk (id int)")
            let keys = try cluster.onShards("SELECT min(id) FROM placed.twig").map { $0[0][0] ?? "" }
            let (holder, waiting, busy) = (try self.client(cluster), try self.client(cluster), try self.client(cluster))
            try client.rows("BEGIN; SELECT create_distributed_table('trunk', 'id')")
            try holder.rows("BEGIN; SELECT id FROM twig WHERE id = \(keys[0])")
            try waiting.send(FrontendFrame.query("SELECT id FROM twig WHERE id = \(keys[0])"))
            try eventually("it waits for a link") { try cluster.console("SHOW CLIENTS").contains { $0.contains("waiting") } }
            if isBusyElsewhere {
                try busy.send(FrontendFrame.query("SELECT pg_sleep(2) FROM twig WHERE id = \(keys[1])"))
                try eventually("it sleeps") { try cluster.servers[1].psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE 'SELECT pg_sleep(2)%'") == [["1"]] }
            }
            try client.send(FrontendFrame.query("COMMIT"))
            if isBusyElsewhere {
                try eventually("the move waits") { try cluster.servers[0].psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%await_planning%' AND wait_event_type = 'Lock'") == [["1"]] }
                // Its link goes to who waits for it, while nothing may be planned.
                try holder.send(FrontendFrame.terminate)
                #expect(try busy.outcome().state == nil)
            } else {
                #expect(try client.outcome().state == nil)
                // It may have read the catalog by itself meanwhile.
                try holder.rows("COMMIT")
            }
            if isBusyElsewhere { #expect(try client.outcome().state == nil) }
            #expect(try waiting.outcome().rows == [[keys[0]]])
        }

        /// A batch that a shard has not come to holds no lock of its table yet. It must not come to it when the rows are elsewhere, whatever
        /// the client has sent behind it.
        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func whatIsPipelinedDoesNotRunBehindAMove(isSynced: Bool) throws {
            let cluster = try cluster(2, ["proxy": ["workers = 1"]])
            let client = try client(cluster)
            try client.rows("CREATE TABLE egg (id int PRIMARY KEY)")
            try client.rows("INSERT INTO egg SELECT i FROM generate_series(1, 50) i")
            try client.rows("SELECT create_distributed_table('egg', 'id')")
            try client.rows("CREATE TABLE nest (id int, tree int)")
            try client.rows("SELECT create_distributed_table('nest', 'id')")
            let keys = try cluster.onShards("SELECT min(id) FROM placed.egg").map { $0[0][0] ?? "" }
            let pipelining = try self.client(cluster)
            try client.rows("BEGIN; SELECT create_distributed_table('nest', 'tree')")
            func batch(_ text: String, _ end: [UInt8]) -> [UInt8] {
                FrontendFrame.parse("", [], text) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("") + end
            }
            try pipelining.send(
                batch("SELECT pg_sleep(2) FROM egg WHERE id = \(keys[0])", FrontendFrame.sync)
                    + batch("INSERT INTO nest VALUES (\(keys[0]), \(keys[1]))", isSynced ? FrontendFrame.sync : []))
            try eventually("it sleeps") { try cluster.servers[0].psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE 'SELECT pg_sleep(2)%'") == [["1"]] }
            try client.send(FrontendFrame.query("COMMIT"))
            try eventually("the move waits") { try cluster.servers[0].psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%await_planning%' AND wait_event_type = 'Lock'") == [["1"]] }
            try pipelining.send(batch("SELECT 1", FrontendFrame.sync))
            #expect(try client.outcome().state == nil)
            #expect(try pipelining.outcome().state == nil)
            let inserted = try pipelining.outcome()
            #expect([nil, "57014"].contains(inserted.state), "\(inserted)")
            let rows = try client.rows("SELECT id FROM nest")
            #expect(rows.count == (inserted.state == nil ? 1 : 0))
            #expect(try client.rows("SELECT id FROM nest WHERE tree = \(keys[1])") == rows)
            if isSynced { #expect(try pipelining.outcome().rows == [["1"]]) }
        }

        /// The catalog cannot be read for a while behind a move. A block whose snapshot is older would find the old place by itself.
        @Test(.timeLimit(.minutes(1))) func aBlockWithAnOlderSnapshotWritesNothingToTheOldPlace() throws {
            let cluster = try cluster(2, ["timeouts": ["reconnect_delay = \"4s\""]])
            let client = try client(cluster)
            try client.rows("CREATE TABLE hive (id int, bee int); CREATE TABLE honey (id int); CREATE TABLE wax (id int)")
            try client.rows("CREATE VIEW comb AS SELECT id FROM wax")
            try client.rows("SELECT create_distributed_table('honey', 'id')")
            try client.rows("SELECT create_distributed_table('hive', 'id')")
            try client.rows("INSERT INTO honey SELECT i FROM generate_series(1, 50) i")
            let keys = try cluster.onShards("SELECT min(id) FROM placed.honey").map { $0[0][0] ?? "" }
            let block = try self.client(cluster)
            try block.rows("BEGIN ISOLATION LEVEL REPEATABLE READ")
            try block.rows("SELECT count(*) FROM honey")
            let locker = try WireClient(port: cluster.servers[0].port)
            try locker.rows("BEGIN; LOCK TABLE placed.wax")
            try client.send(FrontendFrame.query("SELECT create_distributed_table('hive', 'bee')"))
            let waits = "FROM pg_locks WHERE NOT granted AND relation = 'placed.wax'::regclass"
            try eventually("the catalog is being read") { try cluster.servers[0].psql("SELECT count(*) > 0 \(waits)") == [["t"]] }
            try cluster.servers[0].psql("SELECT pg_terminate_backend(pid) \(waits)")
            try eventually("it has failed") { cluster.log.contains("cannot read the catalog") }
            try locker.rows("COMMIT")
            #expect(try state(block, "INSERT INTO hive VALUES (\(keys[0]), \(keys[1]))") == "40001")
            try block.rows("ROLLBACK")
            #expect(try client.outcome().state == nil)
            #expect(try number(client, "SELECT count(*) FROM hive") == 0)
        }

        /// The block has locked what reading the catalog waits for, and so can end while that is awaited.
        @Test(.timeLimit(.minutes(1)), arguments: ["COMMIT", "ROLLBACK"], [false, true])
        func aBlockWithALockEndsBehindAMove(word: String, isSentBefore: Bool) throws {
            let cluster = try cluster(2, ["proxy": ["workers = 1"]])
            let (client, block, busy) = (try client(cluster), try self.client(cluster), try self.client(cluster))
            try client.rows("CREATE TABLE hive (id int, bee int); CREATE TABLE honey (id int); CREATE TABLE wax (id int)")
            try client.rows("CREATE VIEW comb AS SELECT id FROM wax")
            try client.rows("SELECT create_distributed_table('hive', 'id')")
            try block.rows("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM honey; LOCK TABLE wax")
            if isSentBefore {
                // Planning is paused for as long as the move waits for this.
                try busy.send(FrontendFrame.query("SELECT pg_sleep(2)"))
                try eventually("it sleeps") {
                    try cluster.onShards("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").contains([["1"]])
                }
            }
            try client.send(FrontendFrame.query("SELECT create_distributed_table('hive', 'bee')"))
            if isSentBefore {
                try eventually("the move waits") {
                    try cluster.servers[0].psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%await_planning%' AND wait_event_type = 'Lock'") == [["1"]]
                }
            } else {
                try eventually("the catalog is being read") {
                    try cluster.servers[0].psql("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'placed.wax'::regclass") == [["t"]]
                }
            }
            #expect(try block.run(word).tags == [word])
            #expect(try client.outcome().state == nil)
            #expect(try number(block, "SELECT count(*) FROM hive") == 0)
        }

        @Test(.timeLimit(.minutes(1))) func whatWaitsForTheTableIsEnded() throws {
            let cluster = try cluster(2)
            let client = try client(cluster)
            try client.rows("CREATE TABLE door (id int, house int)")
            try client.rows("INSERT INTO door SELECT i, i FROM generate_series(1, 50) i")
            try client.rows("BEGIN")
            try client.rows("SELECT create_distributed_table('door', 'house')")
            let reader = try self.client(cluster)
            try reader.send(FrontendFrame.query("SELECT count(*) FROM door"))
            try eventually("the reader waits") {
                try cluster.servers[0].psql("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'placed.door'::regclass") == [["1"]]
                    || cluster.servers[1].psql("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'placed.door'::regclass") == [["1"]]
            }
            try client.rows("COMMIT")
            #expect(try reader.outcome().state == "57014")
            #expect(try number(reader, "SELECT count(*) FROM door") == 50)
        }

        // MARK: What is refused

        @Test(.timeLimit(.minutes(1))) func whatCannotHoldIsRefused() throws {
            let cluster = try cluster(2, ["": ["[[table]]", "name = \"placed.ruled\"", "kind = \"reference\""]])
            let client = try client(cluster)
            try client.rows("CREATE TABLE part (id int PRIMARY KEY, serial text UNIQUE, weight float, made timestamp)")
            try client.rows("CREATE TABLE part_of (id int, whole int REFERENCES part)")
            try client.rows("CREATE TABLE part_after (id int REFERENCES part ON UPDATE CASCADE)")
            try client.rows("CREATE TABLE ruled (id int)")
            try client.rows("CREATE TABLE loose (id int)")
            try client.rows("INSERT INTO loose VALUES (1), (NULL)")
            let refused: [(String, String)] = [
                ("SELECT create_distributed_table('part', 'id')", "0A000"), ("SELECT create_distributed_table('part', 'serial')", "0A000"),
                ("SELECT create_distributed_table('part', 'weight')", "0A000"), ("SELECT create_distributed_table('part', 'nothing')", "42703"),
                ("SELECT create_distributed_table('nothing', 'id')", "42P01"), ("SELECT create_distributed_table('part_of', 'id', 'range')", "0A000"),
                ("SELECT create_distributed_table('part_of', 'id', colocate_with => 'part')", "42P16"),
                ("SELECT create_distributed_table('part_of', 'id', shard_count => 4)", "42883"),
                ("SELECT create_distributed_table('part_of')", "42883"), ("SELECT create_distributed_table('part_of', NULL)", "22004"),
                ("SELECT create_distributed_table('pg_class', 'oid')", "42501"), ("SELECT undistribute_table('part')", "55000"),
                ("SELECT create_distributed_table('part_after', 'id')", "0A000"),
                ("SELECT create_distributed_table('ruled', 'id')", "0A000"), ("SELECT create_distributed_table('loose', 'id')", "23502"),
                ("SELECT create_reference_table('part'), 1", "0A000"), ("SELECT create_reference_table('pg_stat_activity')", "42809"),
                ("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT create_distributed_table('part_of', 'id')", "0A000"), ("ROLLBACK", ""),
                ("SELECT * FROM create_reference_table('part')", "0A000"),
            ]
            for (text, state) in refused { #expect(try self.state(client, text) ?? "" == state, "\(text)") }
            try client.rows("SELECT create_reference_table('ruled')")
            #expect(try counts(cluster, "loose") == [2, 2])
            #expect(try stored(cluster, "part") == ["nothing"])
        }

        /// A shard would apply the policy with the rows that it has.
        @Test(.timeLimit(.minutes(1))) func whatPoliciesReadRemainsOnAllShards() throws {
            let cluster = try cluster(2)
            let client = try client(cluster)
            try client.rows("CREATE TABLE staff (id int, name text); CREATE TABLE paper (user_id int, owner int); CREATE VIEW boss AS SELECT id FROM staff")
            try client.rows("INSERT INTO staff SELECT i, 'x' FROM generate_series(1, 8) i; ALTER TABLE paper ENABLE ROW LEVEL SECURITY")
            for source in ["staff", "boss"] {
                try cluster.onShards("CREATE POLICY own ON placed.paper USING (owner IN (SELECT id FROM placed.\(source)))")
                #expect(try state(client, "SELECT create_distributed_table('staff', 'id')") == "0A000")
                #expect(try counts(cluster, "staff") == [8, 8])
                try client.rows("DROP POLICY own ON paper")
            }
            try client.rows("CREATE POLICY own ON staff USING (name <> 'y')")
            try client.rows("SELECT create_distributed_table('staff', 'id')")
            #expect(try counts(cluster, "staff").reduce(0, +) == 8)
        }

        @Test(.timeLimit(.minutes(1))) func theHintWorks() throws {
            let cluster = try cluster(2)
            let client = try client(cluster)
            try client.rows("CREATE TABLE bolt (id int PRIMARY KEY, box int NOT NULL)")
            let error = try client.run("SELECT create_distributed_table('bolt', 'box')").error
            #expect(error?.message == "PRIMARY KEY \"bolt_pkey\" on table \"bolt\" does not contain the distribution column \"box\"")
            let hint = try #require(error?.hint)
            #expect(hint == "ALTER TABLE \"bolt\" DROP CONSTRAINT bolt_pkey, ADD PRIMARY KEY (\"box\", \"id\").")
            try client.rows(String(hint.dropLast()))
            try client.rows("SELECT create_distributed_table('bolt', 'box')")
            try client.rows("INSERT INTO bolt SELECT i, i % 9 FROM generate_series(1, 90) i")
            #expect(try counts(cluster, "bolt").reduce(0, +) == 90)
        }

        @Test(.timeLimit(.minutes(1))) func onlyOwnersMoveRows() throws {
            let cluster = try cluster(2)
            let client = try client(cluster)
            for server in cluster.servers { try server.psql("DO $$ BEGIN CREATE ROLE placed_guest LOGIN; EXCEPTION WHEN duplicate_object THEN END $$") }
            try client.rows("CREATE TABLE vault (id int)")
            try client.rows("GRANT ALL ON SCHEMA placed TO placed_guest")
            try client.rows("GRANT ALL ON vault TO placed_guest")
            let guest = try WireClient(port: cluster.port, user: "placed_guest", database: "postgres")
            #expect(try state(guest, "SELECT create_distributed_table('placed.vault', 'id')") == "42501")
            #expect(try state(guest, "SELECT pgbraid.record_placement('placed.vault', 'reference', NULL, NULL)") != nil)
            try guest.rows("CREATE TABLE placed.purse (id int)")
            try guest.rows("SELECT create_distributed_table('placed.purse', 'id')")
            #expect(try stored(cluster, "purse") == ["sharded 1 hash"])
            try client.rows("DROP SCHEMA placed CASCADE")
        }

        // MARK: Drivers

        @Test(.timeLimit(.minutes(1))) func driversCallItByTheExtendedProtocol() throws {
            let cluster = try cluster(2)
            let client = try client(cluster)
            try client.rows("CREATE TABLE crate (id int, dock int)")
            try client.rows("INSERT INTO crate SELECT i, i FROM generate_series(1, 40) i")
            let values = ["crate", "dock"].map { BoundValue(bytes: Array($0.utf8)) }
            try client.send(
                FrontendFrame.parse("", [], "SELECT create_distributed_table($1, $2)") + FrontendFrame.describe("S", "")
                    + FrontendFrame.bind("", "", values, resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            #expect(try client.outcome().tags == ["SELECT 1"])
            #expect(try counts(cluster, "crate").reduce(0, +) == 40)
            #expect(try number(client, "SELECT count(*) FROM crate WHERE dock = 5") == 1)
        }
    }
}

/// Sums up the coins again and again, in a thread of its own.
private final class CoinReader: @unchecked Sendable {
    private let client: WireClient
    private let isOver = Counter()
    private let isDone = DispatchSemaphore(value: 0)
    /// How many sums were right.
    let right = Counter()
    private var wrong: [String] = []

    init(port: Int, isPrepared: Bool) throws {
        client = try WireClient(port: port, database: "postgres")
        if isPrepared { try client.rows("PREPARE coins AS SELECT count(*), sum(value) FROM placed.coin") }
        let text = isPrepared ? "EXECUTE coins" : "SELECT count(*), sum(value) FROM placed.coin"
        Thread.detachNewThread { [self] in
            while isOver.value == 0 { look(text) }
            isDone.signal()
        }
    }

    /// A statement that waits for the table is cancelled when the rows have moved.
    private func look(_ text: String) {
        do {
            let outcome = try client.run(text)
            if outcome.error == nil, outcome.rows == [["300", "45150"]] { right.increment() } else if outcome.state != "57014" { wrong.append("\(outcome.rows) \(outcome)") }
        } catch {
            wrong.append("\(error)")
        }
    }

    /// What was not right.
    func end() -> [String] {
        isOver.increment()
        isDone.wait()
        return wrong
    }
}
