// The system catalogs through the proxy: what they tell of sequences is what clients defined, and of schema pgbraid nothing; and
// blocks that hold locks while the proxy must learn of new tables.
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct CatalogTests {
        private func cluster(_ count: Int = 4) throws -> TestCluster {
            let servers = Array(try TestServers.shared.get().four.prefix(count))
            for server in servers { try server.psql("DROP SCHEMA IF EXISTS cataloged CASCADE") }
            return try TestCluster(servers: servers)
        }

        private func client(_ port: Int) throws -> WireClient {
            let client = try WireClient(port: port, database: "postgres")
            try client.rows("SET search_path TO cataloged")
            return client
        }

        /// Shown alike by the proxy and by one server, but for what each server numbers and draws for itself.
        private static let statements = [
            "CREATE TABLE entry (user_id int, id serial, other bigint GENERATED ALWAYS AS IDENTITY (START WITH 7 INCREMENT BY 3))",
            "CREATE SEQUENCE counter START 100 INCREMENT 10 MAXVALUE 5000 CACHE 3 CYCLE; CREATE SEQUENCE down INCREMENT -2 START -5",
            "SELECT * FROM pg_sequences WHERE schemaname = 'cataloged' ORDER BY 2",
            "SELECT * FROM information_schema.sequences WHERE sequence_schema = 'cataloged' ORDER BY sequence_name",
            "SELECT * FROM information_schema.columns WHERE table_schema = 'cataloged' AND table_name = 'entry' ORDER BY column_name",
            "SELECT c.relname, s.seqstart, s.seqincrement, s.seqmin, seqmax, pg_sequence.seqcache FROM pg_sequence s, pg_sequence "
                + "JOIN pg_catalog.pg_class AS c ON c.oid = seqrelid WHERE s.seqrelid = c.oid AND relnamespace = 'cataloged'::regnamespace ORDER BY 1",
            "SELECT last_value, is_called FROM counter", "SELECT is_called, c.last_value AS v FROM cataloged.down c",
            "SELECT setval('counter', 130), setval('down', -9)", "SELECT last_value, is_called FROM counter; SELECT last_value, is_called FROM down",
            "SELECT schemaname, last_value FROM pg_sequences WHERE sequencename IN ('counter', 'down') ORDER BY sequencename",
            "SELECT setval('counter', 210, false), setval('down', -5)",
            "SELECT c.last_value, d.last_value, c.is_called, d.is_called FROM counter c, down d",
            "SELECT sequencename, last_value FROM pg_sequences s WHERE schemaname = 'cataloged' AND last_value IS NOT NULL",
            "SELECT (SELECT last_value FROM counter) + 1 AS next, relname FROM pg_class WHERE relname = 'counter'",
            "SELECT last_value FROM missing",
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname = 'pgbraid'",
            "SELECT tableoid::regclass, relname FROM pg_class WHERE relname IN ('decision', 'identity', 'pg_class')",
            "SELECT relname, n.nspname FROM pg_catalog.pg_class AS c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relname = 'decision'",
            "SELECT proname FROM pg_proc p WHERE proname IN ('take_part', 'decide')", "SELECT typname FROM pg_type WHERE typname = 'decision'",
            "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename IN ('entry', 'sequence')",
            "SELECT table_name FROM information_schema.tables WHERE table_name IN ('decision', 'identity', 'entry')",
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name ~ 'braid'",
            "SELECT count(*), c.relkind FROM pg_class c WHERE relnamespace = 'cataloged'::regnamespace GROUP BY 2 ORDER BY 2",
            "BEGIN; DECLARE all_of CURSOR FOR SELECT sequencename, increment_by FROM pg_sequences WHERE schemaname = 'cataloged' ORDER BY 1",
            "FETCH 2 FROM all_of; COMMIT", "COPY (SELECT sequencename, increment_by FROM pg_sequences WHERE schemaname = 'cataloged' ORDER BY 1) TO STDOUT",
        ]

        /// To read a table's defaults the proxy needs no lock on it.
        @Test(.timeLimit(.minutes(1))) func aLockedTableStopsNobodysDDL() throws {
            let cluster = try cluster(2)
            let setup = try client(cluster.port)
            try setup.rows("CREATE SCHEMA cataloged")
            try setup.rows("CREATE TABLE locked_default (user_id int PRIMARY KEY, n int CHECK (n > 0), w int DEFAULT 4, t timestamptz DEFAULT now())")
            try setup.rows("CREATE TABLE other_default (user_id int PRIMARY KEY)")
            let locker = try client(cluster.port)
            try locker.rows("BEGIN; LOCK TABLE locked_default")
            let maker = try client(cluster.port)
            try maker.send(FrontendFrame.query("CREATE TABLE made_beside (user_id int PRIMARY KEY)"))
            _ = try maker.answer(deadlineSeconds: 20)
            try setup.send(FrontendFrame.query("SELECT count(*) FROM other_default"))
            _ = try setup.answer(deadlineSeconds: 20)
            try locker.rows("COMMIT")
        }

        @Test(.timeLimit(.minutes(1)), arguments: [1, 4]) func theyAreThoseOfOneServer(shards: Int) throws {
            let cluster = try cluster(shards)
            let judge = try TestServers.shared.get().judge
            try judge.psql("DROP SCHEMA IF EXISTS cataloged CASCADE")
            for port in [cluster.port, judge.port] { try client(port).rows("CREATE SCHEMA cataloged") }
            let (through, direct) = (try client(cluster.port), try client(judge.port))
            for statement in Self.statements {
                let (said, right) = (try through.run(statement), try direct.run(statement))
                #expect(said.rows == right.rows && said.error?.sqlState == right.error?.sqlState, "\(statement): \(said), not \(right)")
            }
        }

        /// The catalog cannot be read while a table that a view reads is locked.
        @Test(.timeLimit(.minutes(1))) func aBlockThatLocksATableGoesOnWhileTablesChange() throws {
            let cluster = try cluster()
            let (first, second) = (try client(cluster.port), try client(cluster.port))
            try first.rows("CREATE SCHEMA cataloged; CREATE TABLE locked (user_id int); CREATE VIEW looking AS SELECT user_id FROM locked")
            try first.rows("BEGIN; TRUNCATE locked")
            try second.send(FrontendFrame.query("CREATE TABLE another (user_id int)"))
            try eventually("the catalog is being read") {
                try cluster.servers[0].psql("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '/* pgbraid: catalog%'").count >= 1
            }
            try first.rows("INSERT INTO locked VALUES (1), (2), (3), (4), (5)")
            #expect(try first.rows("SELECT count(*) FROM looking") == [["5"]])
            try first.rows("COMMIT")
            _ = try second.answer()
            #expect(try second.rows("SELECT count(*) FROM locked") == [["5"]])
        }

        /// A block knows its own tables, and those that others make afterwards.
        @Test(.timeLimit(.minutes(1))) func aBlockThatMadeTablesSeesThoseOfOthers() throws {
            let cluster = try cluster()
            let (first, second) = (try client(cluster.port), try client(cluster.port))
            try first.rows("CREATE SCHEMA cataloged")
            try first.rows("BEGIN; CREATE TABLE own (user_id int)")
            try second.rows("CREATE TABLE later (user_id int); INSERT INTO later VALUES (1), (2), (3), (4), (5), (6), (7), (8)")
            #expect(try first.rows("SELECT count(*) FROM later") == [["8"]])
            try first.rows("INSERT INTO own SELECT user_id FROM later; COMMIT")
            #expect(try second.rows("SELECT count(*) FROM own") == [["8"]])
        }

        /// What one proxy tells while another has lost the link on which it listens is heard by nobody: the other looks by itself.
        @Test(.timeLimit(.minutes(1))) func aMissedNotificationIsMadeUpFor() throws {
            let commits = try CommitCluster()
            let other = try TestCluster(servers: commits.servers)
            try eventually("it knows the tables") { try commits.client().run("SELECT count(*) FROM account").error == nil }
            let isMissed = Once()
            commits.relay.follow { frame in
                frame.direction == .fromShard && frame.frame.letter == "A" && isMissed.claim() ? .cut : .pass
            }
            try other.psql("CREATE TABLE fresh (user_id int)")
            try eventually("it was told") { isMissed.isDone }
            try eventually("the new table is known") { try commits.client().run("SELECT count(*) FROM fresh").error == nil }
        }
    }
}
