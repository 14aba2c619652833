// What code that nobody has read sets (triggers, functions that are taken at their word) ends with its client: nobody else finds it on the server session.
import Testing

extension IntegrationTests {
    @Suite struct HiddenSettingTests {
        private func cluster() throws -> TestCluster {
            let cluster = try TestCluster(servers: try TestServers.shared.get().four, settings: ["proxy": ["pool_size = 1"]])
            try cluster.psql("DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN; DROP TABLE IF EXISTS kept_secret CASCADE")
            try cluster.psql("CREATE TABLE kept_secret (user_id int PRIMARY KEY, n int); GRANT ALL ON kept_secret TO PUBLIC")
            try cluster.psql("INSERT INTO kept_secret SELECT i, 0 FROM generate_series(1, 40) AS i")
            try cluster.psql(
                """
                CREATE OR REPLACE FUNCTION tell_secret() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN PERFORM set_config('my.secret', 'alice', false), set_config('timezone', 'Asia/Tokyo', false); RETURN NEW; END$$;
                CREATE TRIGGER tell BEFORE INSERT OR UPDATE ON kept_secret FOR EACH ROW EXECUTE FUNCTION tell_secret();
                CREATE OR REPLACE FUNCTION declared_secret(x text) RETURNS text LANGUAGE sql AS
                $$SELECT set_config('my.secret', x, false) || set_config('timezone', 'Asia/Tokyo', false)$$;
                COMMENT ON FUNCTION declared_secret(text) IS 'pgbraid: reads none';
                CREATE OR REPLACE FUNCTION constant_secret(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
                $$BEGIN PERFORM set_config('my.secret', x, false); RETURN x; END$$;
                CREATE OR REPLACE FUNCTION keep_context() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN CREATE TEMP TABLE IF NOT EXISTS context AS SELECT 1 AS told; PERFORM pg_advisory_lock(4711); RETURN NEW; END$$;
                CREATE TRIGGER keep BEFORE DELETE ON kept_secret FOR EACH ROW EXECUTE FUNCTION keep_context();
                CREATE OR REPLACE VIEW seen_secret AS SELECT * FROM kept_secret; GRANT ALL ON seen_secret TO PUBLIC
                """)
            return cluster
        }

        /// Ways to run the trigger, or functions that are taken at their word, on one shard, or on all.
        static let writes = [
            "UPDATE kept_secret SET n = 1 WHERE user_id = 3", "UPDATE seen_secret SET n = 1 WHERE user_id = 3", "UPDATE kept_secret SET n = 1", "INSERT INTO kept_secret VALUES (101, 1)",
            "INSERT INTO kept_secret VALUES (102, 1); INSERT INTO kept_secret VALUES (1002, 1)",
        "INSERT INTO kept_secret SELECT i, 1 FROM generate_series(201, 240) AS i", "BEGIN; UPDATE kept_secret SET n = 2; COMMIT",
            "SELECT declared_secret('alice')", "SELECT declared_secret('alice') FROM kept_secret", "SELECT constant_secret('alice'), n FROM kept_secret WHERE user_id = 3",
            "BEGIN; SELECT declared_secret('alice'), n FROM kept_secret WHERE user_id = 3; COMMIT",
            "BEGIN; UPDATE kept_secret SET n = 2 WHERE user_id = 7; ROLLBACK", "UPDATE kept_secret SET n = 1 / (user_id - 9) WHERE user_id < 10",
        ]

        @Test(.timeLimit(.minutes(1)), arguments: writes) func whatIsSetUnseenIsNobodyElses(write: String) throws {
            let cluster = try cluster()
            var client: WireClient? = try WireClient(port: cluster.port, user: "keeper")
            _ = try client?.run(write)
            client = nil
            try expectNothingSet(cluster)
        }

        /// A trigger's temporary tables and locks are not the next client's.
        @Test(.timeLimit(.minutes(1))) func whatATriggerMakesIsNobodyElses() throws {
            let cluster = try cluster()
            var client: WireClient? = try WireClient(port: cluster.port, user: "keeper")
            _ = try client?.run("BEGIN; DELETE FROM kept_secret WHERE user_id < 9; COMMIT")
            client = nil
            let other = try WireClient(port: cluster.port, user: "keeper")
            for key in 9...16 {
                #expect(try other.rows("SELECT to_regclass('pg_temp.context') FROM kept_secret WHERE user_id = \(key)") == [[nil]])
            }
            let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"
            #expect(try cluster.onShards(held).allSatisfy { $0 == [["0"]] })
        }

        /// A cluster of one shard shares links as well.
        @Test(.timeLimit(.minutes(1)), arguments: [
            "COPY (SELECT set_config('my.secret', 'alice', false)) TO STDOUT", "INSERT INTO alone SELECT 1, set_config('my.secret', 'alice', false)",
            "CREATE TABLE alone_too AS SELECT set_config('my.secret', 'alice', false) AS s", "INSERT INTO alone VALUES (1, declared_secret('alice'))",
            "SELECT declared_secret('alice')",
        ]) func norOnTheOnlyShard(write: String) throws {
            let cluster = try TestCluster(servers: [try TestServers.shared.get().four[0]], settings: ["proxy": ["pool_size = 1"]])
            try cluster.psql("""
                DROP TABLE IF EXISTS alone, alone_too; DROP ROLE IF EXISTS loner; CREATE ROLE loner LOGIN; CREATE TABLE alone (user_id int, s text);
                GRANT ALL ON alone TO PUBLIC; GRANT ALL ON SCHEMA public TO PUBLIC;
                CREATE OR REPLACE FUNCTION declared_secret(x text) RETURNS text LANGUAGE sql AS $$SELECT set_config('my.secret', x, false)$$;
                COMMENT ON FUNCTION declared_secret(text) IS 'pgbraid: reads none'
                """)
            var client: WireClient? = try WireClient(port: cluster.port, user: "loner")
            #expect(try client?.run(write).error == nil)
            client = nil
            let other = try WireClient(port: cluster.port, user: "loner")
            #expect(try other.rows("SELECT coalesce(current_setting('my.secret', true), '')") == [[""]])
        }

        @Test(.timeLimit(.minutes(1))) func norInTheExtendedProtocol() throws {
            let cluster = try cluster()
            var client: WireClient? = try WireClient(port: cluster.port, user: "keeper")
            // The second is of the first one's shape, at other places.
            for text in ["UPDATE kept_secret SET n = 1 WHERE user_id = 3", "UPDATE kept_secret SET n = 100 WHERE user_id = 3", "UPDATE kept_secret SET n = 1"] {
                try client?.send(
                    FrontendFrame.parse("", [], text) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
                #expect(try client?.outcome().error == nil)
            }
            client = nil
            try expectNothingSet(cluster)
        }

        @Test(.timeLimit(.minutes(1))) func whatOnlyOneServerWouldKnowIsRefused() throws {
            let cluster = try cluster()
            let client = try WireClient(port: cluster.port)
            #expect(try client.run("UPDATE pg_settings SET setting = 'Asia/Tokyo' WHERE name = 'TimeZone'").state == "0A000")
            let policy = "CREATE POLICY own ON kept_secret USING"
            #expect(try client.run("\(policy) (EXISTS (SELECT FROM kept_secret AS s WHERE s.n = kept_secret.n))").state == "0A000")
            #expect(try client.run("\(policy) (EXISTS (SELECT FROM seen_secret AS s WHERE s.n = kept_secret.n))").state == "0A000")
            #expect(try client.run("\(policy) (user_id = current_setting('my.user')::int)").error == nil)
            for (name, body) in [
                ("policy_reads", "sql STABLE AS 'SELECT EXISTS (SELECT FROM kept_secret)'"),
                ("policy_runs", "plpgsql STABLE AS 'BEGIN RETURN EXISTS (SELECT FROM kept_secret); END'"),
                ("policy_computes", "plpgsql STABLE AS 'BEGIN RETURN current_setting(''my.user'') <> ''''; END'"),
            ] {
                #expect(try client.run("CREATE OR REPLACE FUNCTION \(name)() RETURNS boolean LANGUAGE \(body)").error == nil)
                let isHarmless = name == "policy_computes"
                #expect(try client.run("CREATE POLICY \(name) ON kept_secret USING (\(name)())").state == (isHarmless ? nil : "0A000"))
                #expect(try client.run("ALTER POLICY own ON kept_secret USING (user_id > 0 AND \(name)())").state == (isHarmless ? nil : "0A000"))
            }
            #expect(try client.run("ALTER POLICY own ON kept_secret WITH CHECK ((SELECT count(*) FROM kept_secret) < 9)").state == "0A000")
        }

        /// There is one link to each shard, which the next client gets.
        private func expectNothingSet(_ cluster: TestCluster) throws {
            let other = try WireClient(port: cluster.port, user: "keeper")
            for key in 1...8 {
                let rows = try other.rows(
                    "SELECT coalesce(current_setting('my.secret', true), ''), '2026-01-01 00:00+00'::timestamptz::text FROM kept_secret WHERE user_id = \(key)")
                #expect(rows == [["", "2026-01-01 00:00:00+00"]], "\(key): \(rows)")
            }
        }
    }
}
