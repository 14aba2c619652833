import CPGQuery
import ShardMap
import Testing

@testable import QueryPlanning

@Suite("DDL")
struct StatementDefinitionTests {
    let world: StatementWorld
    private static let all = "modify all first, writes, catalog"

    init() throws { world = try StatementWorld() }

    @Test("every statement of the grammar has a decision")
    func everyKind() {
        /// Nodes that end in `stmt` but stand inside of others only.
        let inner: Set<String> = ["raw_stmt", "return_stmt", "plassign_stmt", "set_operation_stmt", "replica_identity_stmt"]
        let descriptor = pg_query__node__descriptor
        var kinds: [String: UInt32] = [:]
        for index in 0..<Int(descriptor.n_fields) {
            let field = descriptor.fields[index]
            let name = String(cString: field.name)
            if name.hasSuffix("_stmt"), !inner.contains(name) { kinds[name] = field.id }
        }
        #expect(kinds.count == 112)
        for (name, kind) in kinds {
            #expect(StatementFamily.of(PgQuery__Node__NodeCase(rawValue: kind)) != nil, "\(name) has no decision")
        }
        #expect(StatementFamily.count == kinds.count)
    }

    @Test("schema changes run on all shards", arguments: [
        "DROP ROLE a", "CREATE ROLE a LOGIN", "ALTER ROLE a PASSWORD NULL", "CREATE USER a PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy'",
        "ALTER ROLE a RENAME TO b", "CREATE GROUP a", "ALTER DATABASE d SET work_mem = '1MB'",
        "CREATE TABLE t (user_id bigint, x int, PRIMARY KEY (user_id, x))", "CREATE TABLE t (id serial PRIMARY KEY, name text UNIQUE)",
        "CREATE TABLE t (user_id bigint PRIMARY KEY, country text REFERENCES countries)",
        "CREATE TABLE t (user_id bigint, item bigint, FOREIGN KEY (user_id, item) REFERENCES items (user_id, item_id))",
        "CREATE TABLE t (user_id bigint, id int, parent int, UNIQUE (user_id, id), FOREIGN KEY (user_id, parent) REFERENCES t (user_id, id))",
        "CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        "CREATE TABLE t (LIKE items INCLUDING ALL)", "CREATE TABLE IF NOT EXISTS floats (user_id float8)",
        "CREATE TABLE t (user_id uuid, r int4range, EXCLUDE USING gist (user_id WITH =, r WITH &&))",
        "CREATE UNIQUE INDEX ON items (lower(name), user_id)", "CREATE UNIQUE INDEX ON countries (name)",
        "CREATE VIEW v AS SELECT * FROM items", "CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE TABLE t AS SELECT * FROM items WITH NO DATA",
        "CREATE SCHEMA s CREATE TABLE t (user_id bigint PRIMARY KEY)", "CREATE SEQUENCE s", "ALTER SEQUENCE s RESTART",
        "DROP TABLE IF EXISTS items, countries CASCADE", "DROP SCHEMA s", "DROP FUNCTION f(int)", "DROP INDEX i", "DROP TYPE x",
        "ALTER TABLE items ADD COLUMN x int DEFAULT 5", "ALTER TABLE items ADD COLUMN id uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE items ADD CONSTRAINT c CHECK (item_id > 0)", "ALTER TABLE items ADD COLUMN id bigserial",
        "ALTER TABLE items ALTER item_id ADD GENERATED ALWAYS AS IDENTITY", "ALTER SEQUENCE s INCREMENT 2 RESTART WITH 5", "ALTER TABLE items ALTER user_id TYPE int", "ALTER TABLE items DROP COLUMN name",
        "ALTER SCHEMA public RENAME TO common", "ALTER SCHEMA missing RENAME TO yard", "DROP COLLATION texts.plain", "DROP COLLATION plain CASCADE",
        "DROP SCHEMA texts", "DROP SCHEMA public, texts CASCADE", "ALTER TABLE items RENAME name TO title", "ALTER TABLE items RENAME TO things", "ALTER TABLE items SET SCHEMA other",
        "ALTER TABLE items ADD CONSTRAINT c UNIQUE USING INDEX i", "ALTER TABLE countries ADD COLUMN x int DEFAULT 1",
        "ALTER TABLE visits ATTACH PARTITION visits_old DEFAULT", "CREATE TYPE mood AS ENUM ('a')", "ALTER TYPE mood ADD VALUE 'b'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE EXTENSION citext", "COMMENT ON TABLE items IS 'x'",
        "CREATE TRIGGER t BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION f()", "CREATE POLICY p ON items",
        "ALTER ROLE a SET search_path = x", "CREATE DOMAIN d AS int", "CREATE AGGREGATE a (int) (sfunc = f, stype = int)",
    ])
    func everywhere(text: String) { #expect(world.plan(text) == Self.all) }

    @Test("functions that tell of a sequence or set it", arguments: [
        ("SELECT setval('s', 5)", "modify all first [SELECT pgbraid.setval('s', 5)], may write"),
        ("SELECT pg_catalog . setval ('s', $1, false) AS x, 'setval('", "modify all first [SELECT pgbraid.setval ('s', $1, false) AS x, 'setval('], may write"),
        ("SELECT setval('s', max(length(code))) FROM countries", "modify all first [SELECT pgbraid.setval('s', max(length(code))) FROM countries], may write"),
        ("SELECT setval('scratch', 5)", "pass home, may write"), ("SELECT nextval('s')", "pass home, may write"),
        ("SELECT setval('s', max(item_id)) FROM items", "REFUSED 0A000 setval must have arguments that are the same on all shards"),
        ("SELECT setval('s', 1) FROM items WHERE user_id = 1", "REFUSED 0A000 setval must have arguments that are the same on all shards"),
        ("SELECT setval('s', nextval('s'))", "REFUSED 0A000 setval must have arguments that are the same on all shards"),
        ("SELECT currval('s')", "pass participant, taints"), ("SELECT lastval()", "pass participant, taints"),
    ])
    func sequenceFunctions(text: String, plan: String) { #expect(world.plan(text) == plan) }

    @Test("what shares the numbers of sequences among the shards", arguments: [
        ("CREATE TABLE t (user_id bigint, x int)", nil), ("CREATE TABLE t (id serial, name text)", SequenceChange()),
        ("CREATE TABLE t (user_id bigint, id int GENERATED ALWAYS AS IDENTITY)", SequenceChange()),
        (
            "CREATE TABLE a.t (LIKE items INCLUDING ALL)",
            SequenceChange(copied: [.init(table: "pg_catalog.to_regclass('\"a\".\"t\"')", source: "pg_catalog.to_regclass('\"items\"')")])
        ),
        ("CREATE SEQUENCE s", SequenceChange()),
        ("CREATE TEMP SEQUENCE s", nil), ("CREATE TEMP TABLE t (id serial)", nil), ("ALTER TABLE items ADD COLUMN x int", nil),
        ("ALTER TABLE items ADD COLUMN id smallserial", SequenceChange()),
        ("ALTER SEQUENCE s CACHE 5", SequenceChange(altered: [.init(sequence: "pg_catalog.to_regclass('\"s\"')", restarts: false)])),
        ("ALTER SEQUENCE a.\"S'\" RESTART", SequenceChange(altered: [.init(sequence: "pg_catalog.to_regclass('\"a\".\"S''\"')", restarts: true)])),
        (
            "ALTER TABLE items ALTER item_id SET CYCLE RESTART WITH 9",
            SequenceChange(altered: [
                .init(sequence: "pgbraid.identity_sequence(pg_catalog.to_regclass('\"items\"'), 'item_id')", restarts: true)
            ])
        ),
        (
            "ALTER TABLE items ALTER item_id SET INCREMENT 3 RESTART, ALTER item_id TYPE int",
            SequenceChange(altered: [
                .init(sequence: "pgbraid.identity_sequence(pg_catalog.to_regclass('\"items\"'), 'item_id')", restarts: true)
            ])
        ),
    ] as [(String, SequenceChange?)])
    func sequences(text: String, change: SequenceChange?) throws {
        #expect(try world.planned(text).sequences == change)
    }

    @Test("what does not change the planner's knowledge", arguments: [
        ("TRUNCATE items, countries RESTART IDENTITY CASCADE", "modify all first, writes"), ("LOCK TABLE items", "modify all first, may write"),
        ("CREATE INDEX ON items (name)", "modify all first, writes"), ("ANALYZE items", "modify all first, writes"), ("REINDEX TABLE items", "modify all first, writes"),
        ("CLUSTER items USING i", "modify all first, writes"), ("GRANT SELECT ON items TO a", "modify all first, writes"),
        ("REASSIGN OWNED BY a TO b", "modify all first, writes"),
    ])
    func maintenance(text: String, plan: String) { #expect(world.plan(text) == plan) }

    @Test("what PostgreSQL does not allow in a block runs shard by shard", arguments: [
        ("VACUUM", "shard by shard, writes"), ("VACUUM (ANALYZE) items", "shard by shard, writes"),
        ("CREATE INDEX CONCURRENTLY ON items (name)", "shard by shard, writes"),
        ("CREATE UNIQUE INDEX CONCURRENTLY ON countries (name)", "shard by shard, writes, catalog"),
        ("DROP INDEX CONCURRENTLY i", "shard by shard, writes, catalog"), ("REINDEX SCHEMA public", "shard by shard, writes"),
        ("REINDEX TABLE CONCURRENTLY items", "shard by shard, writes"), ("REINDEX TABLE visits", "shard by shard, writes"),
        ("CLUSTER", "shard by shard, writes"), ("CHECKPOINT", "shard by shard, writes"),
        ("ALTER SYSTEM SET work_mem = '1MB'", "shard by shard, writes"),
        ("ALTER TABLE visits DETACH PARTITION v CONCURRENTLY", "shard by shard, writes, catalog"),
    ])
    func shardByShard(text: String, plan: String) { #expect(world.plan(text) == plan) }

    @Test("temporary objects live on the home link", arguments: [
        ("CREATE TEMP TABLE t (user_id float8, PRIMARY KEY (user_id))", "pass home, writes, pins temporary, makes t"),
        ("CREATE TABLE pg_temp.t (a int)", "pass home, writes, pins temporary, makes t"),
        ("CREATE TEMP TABLE t AS SELECT * FROM countries", "pass home, writes, pins temporary, makes t"),
        ("CREATE TEMP SEQUENCE s", "pass home, writes, pins temporary, makes s"),
        ("CREATE VIEW v AS SELECT * FROM scratch", "pass home, writes, pins temporary, makes v"),
        ("CREATE INDEX i ON scratch (a)", "pass home, writes, pins temporary, makes i"),
        ("ALTER TABLE scratch ADD COLUMN b int", "pass home, writes, pins temporary"),
        ("ALTER TABLE scratch RENAME TO other", "pass home, writes, pins temporary, makes other, drops scratch"),
        ("TRUNCATE scratch", "pass home, writes, pins temporary"), ("ANALYZE scratch", "pass home, writes, pins temporary"),
        ("VACUUM scratch", "pass home, writes, pins temporary"), ("DROP TABLE scratch", "pass home, writes, pins temporary, drops scratch"),
    ])
    func temporary(text: String, plan: String) { #expect(world.plan(text) == plan) }

    @Test("what shards cannot enforce or serve is refused", arguments: [
        ("CREATE TABLE t (user_id bigint, id int PRIMARY KEY)", "PRIMARY KEY on sharded table \"t\" must contain its sharding key \"user_id\""),
        ("CREATE TABLE t (user_id bigint, name text, UNIQUE (name))", "UNIQUE on sharded table \"t\" must contain its sharding key \"user_id\""),
        ("ALTER TABLE items ADD PRIMARY KEY (item_id)", "PRIMARY KEY on sharded table \"items\" must contain its sharding key \"user_id\""),
        ("ALTER TABLE items ADD COLUMN code text UNIQUE", "UNIQUE on sharded table \"items\" must contain its sharding key \"user_id\""),
        ("CREATE UNIQUE INDEX ON items (name)", "unique index on sharded table \"items\" must contain its sharding key \"user_id\""),
        ("CREATE UNIQUE INDEX ON items ((user_id + 1))", "unique index on sharded table \"items\" must contain its sharding key \"user_id\""),
        ("CREATE TABLE t (user_id bigint, EXCLUDE USING gist (user_id WITH <>))", "EXCLUDE on sharded table \"t\" must contain its sharding key \"user_id\""),
        ("CREATE TABLE t (id int, owner bigint REFERENCES items (user_id))", "foreign key from \"t\" to sharded table \"items\" would cross shards"),
        ("CREATE TABLE t (user_id bigint, item bigint REFERENCES items (item_id))", "foreign key from \"t\" to sharded table \"items\" would cross shards"),
        ("CREATE TABLE t (user_id uuid, FOREIGN KEY (user_id) REFERENCES items (user_id))", "foreign key from \"t\" to sharded table \"items\" would cross shards"),
        ("CREATE TABLE pgbench_tellers (tid int, bid int REFERENCES pgbench_branches (bid))", "foreign key from \"pgbench_tellers\" to sharded table \"pgbench_branches\" would cross shards"),
        ("CREATE TABLE t (user_id bigint REFERENCES countries (code) ON DELETE SET NULL)", "a foreign key cannot set the sharding key \"user_id\" to NULL or a default"),
        ("CREATE TABLE t (user_id bigint REFERENCES countries (code) ON UPDATE CASCADE)", "ON UPDATE CASCADE cannot change the sharding key \"user_id\" of table \"t\""),
        ("CREATE TABLE t (user_id bigint, x int, FOREIGN KEY (x, user_id) REFERENCES countries (name, code) ON UPDATE CASCADE)", "ON UPDATE CASCADE cannot change the sharding key \"user_id\" of table \"t\""),
        ("ALTER TABLE items ADD FOREIGN KEY (user_id) REFERENCES settings ON UPDATE CASCADE", "ON UPDATE CASCADE cannot change the sharding key \"user_id\" of table \"items\""),
        ("ALTER TABLE items ADD FOREIGN KEY (user_id) REFERENCES settings ON UPDATE SET DEFAULT", "a foreign key cannot set the sharding key \"user_id\" to NULL or a default"),
        ("CREATE TABLE t (user_id float8)", "table \"t\" cannot be created: its sharding key \"user_id\" has type float8; possible are smallint, integer, bigint, text, varchar and uuid"),
        ("CREATE TABLE t (user_id bigint GENERATED ALWAYS AS (1) STORED)", "table \"t\" cannot be created: its sharding key \"user_id\" is a generated column"),
        ("CREATE TABLE t (user_id text COLLATE blind)", "table \"t\" cannot be created: its sharding key \"user_id\" has a nondeterministic collation"),
        ("CREATE TABLE pgbench_accounts2 (user_id jsonb)", "table \"pgbench_accounts2\" cannot be created: its sharding key \"user_id\" has type jsonb; possible are smallint, integer, bigint, text, varchar and uuid"),
        ("CREATE TABLE t (user_id int) INHERITS (countries)", "table \"t\" cannot be created: its parent \"countries\" is a reference table, but it has the sharding key column"),
        ("ALTER TABLE items DROP COLUMN user_id", "the sharding key \"user_id\" of table \"items\" cannot be dropped"),
        ("ALTER TABLE items ALTER user_id TYPE text", "the sharding key \"user_id\" of table \"items\" cannot be given that type"),
        ("ALTER TABLE items ALTER user_id TYPE int USING user_id / 2", "the sharding key \"user_id\" of table \"items\" cannot be given that type"),
        ("ALTER TABLE countries ADD COLUMN user_id bigint", "column \"user_id\" would make reference table \"countries\" a sharded one"),
        ("ALTER TABLE countries ADD COLUMN t timestamptz DEFAULT now()", "ADD COLUMN would give the rows of table \"countries\" values that no single server gives"),
        ("ALTER TABLE countries ADD COLUMN t uuid DEFAULT gen_random_uuid()", "ADD COLUMN would give the rows of table \"countries\" values that no single server gives"),
        ("ALTER TABLE countries ADD COLUMN t chance", "ADD COLUMN would give the rows of table \"countries\" values that no single server gives"),
        ("ALTER TABLE items ADD COLUMN t moment", "ADD COLUMN would give the rows of table \"items\" values that no single server gives"),
        ("ALTER TABLE countries ALTER name TYPE text USING name || random()", "ALTER COLUMN TYPE would give the rows of table \"countries\" values that no single server gives"),
        ("ALTER TABLE items ALTER name TYPE timestamptz USING now()", "ALTER COLUMN TYPE would give the rows of table \"items\" values that no single server gives"),
        ("ALTER TABLE items ALTER name TYPE bigint USING nextval('s')", "ALTER COLUMN TYPE would give the rows of table \"items\" values that no single server gives"),
        ("ALTER TABLE items RENAME user_id TO uid", "the sharding rules would place the rows of table \"items\" differently afterwards"),
        ("ALTER TABLE countries RENAME code TO user_id", "the sharding rules would place the rows of table \"countries\" differently afterwards"),
        ("ALTER TABLE pgbench_accounts RENAME TO a", "the sharding rules would place the rows of table \"pgbench_accounts\" differently afterwards"),
        ("ALTER SCHEMA yard RENAME TO garden", "the sharding rules would place the rows of table \"trees\" differently afterwards"),
        ("DROP COLLATION texts.plain CASCADE", "the sharding key \"user_id\" of table \"letters\" cannot be dropped"),
        ("DROP SCHEMA other, texts CASCADE", "the sharding key \"user_id\" of table \"letters\" cannot be dropped"),
        ("ALTER TABLE visits ATTACH PARTITION countries DEFAULT", "tables \"countries\" and \"visits\" are placed differently"),
        ("CREATE TABLE t AS EXECUTE rows", "CREATE TABLE AS of a prepared statement is not supported"),
        ("CREATE TEMP TABLE t AS SELECT * FROM items", "CREATE TABLE AS is not supported for a temporary table with rows of the shards"),
        ("SELECT * INTO TEMP t FROM countries", "SELECT INTO of a temporary table is not supported"),
        ("CREATE MATERIALIZED VIEW m AS SELECT 1", "materialized views are not supported"),
        ("CREATE TEMP VIEW v AS SELECT * FROM items", "a temporary view over \"items\" would show one shard's rows only"),
        ("CREATE TABLE t (LIKE scratch)", "a permanent relation cannot be made from temporary table \"scratch\""),
        ("TRUNCATE scratch, items", "temporary table \"scratch\" cannot be used in one TRUNCATE TABLE with tables on the shards"),
        ("CREATE RULE r AS ON INSERT TO items DO NOTHING", "CREATE RULE is not supported: a rule would change statements after they were routed"),
        ("CREATE USER a PASSWORD 'secret'", "a plain password cannot be set through the proxy"),
        ("DO $$ begin end $$", "DO is not supported: which shards its code uses cannot be known"),
        ("CALL p()", "CALL is not supported: which shards its code uses cannot be known"),
        ("CREATE DATABASE x", "CREATE DATABASE is not supported through the proxy"),
        ("LOAD 'x'", "LOAD is not supported: it would change one server session only"),
    ])
    func refused(text: String, message: String) { #expect(world.plan(text) == "REFUSED 0A000 " + message) }

    @Test("a word for the time that would be read once and for all is refused", arguments: [
        "CREATE TABLE t (user_id bigint, at timestamptz DEFAULT 'now')", "CREATE TABLE t (id int, day date DEFAULT 'Today', at time)",
        "CREATE TABLE t (id int, at timestamp DEFAULT timestamp 'now')", "CREATE TABLE t (id int, d text DEFAULT 'tomorrow'::date)",
        "CREATE TABLE t (id int, at timestamptz GENERATED ALWAYS AS ('now'::timestamptz) STORED)", "CREATE TABLE t (id int, at timestamptz[] DEFAULT '{now}')",
        "CREATE TABLE t (id int, span tstzrange DEFAULT '[today,)')", "CREATE TABLE t (id int, at moment DEFAULT 'now')",
        "CREATE TABLE t (at timestamptz CHECK (at > CAST('yesterday' AS timestamptz)))", "CREATE SCHEMA s CREATE TABLE t (at date DEFAULT 'today')",
        "ALTER TABLE items ADD COLUMN at timestamptz DEFAULT 'now'", "ALTER TABLE items ALTER made SET DEFAULT 'now'",
        "ALTER TABLE countries ALTER name TYPE timestamptz USING 'now'", "CREATE DOMAIN d AS date DEFAULT 'today'", "ALTER DOMAIN moment SET DEFAULT 'now'",
        "CREATE DOMAIN d AS date CHECK (VALUE < date 'now')", "CREATE VIEW v AS SELECT timestamptz 'now'", "CREATE INDEX ON items (name) WHERE made > 'now'::timestamptz",
        "CREATE FUNCTION f() RETURNS date LANGUAGE sql IMMUTABLE AS 'SELECT date ''today'''", "CREATE FUNCTION f(at date DEFAULT 'now') RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS date LANGUAGE sql BEGIN ATOMIC SELECT date 'today'; END",
    ])
    func foldedTimes(text: String) {
        #expect(world.plan(text) == "REFUSED 0A000 each shard would keep a time of its own for a word such as 'now', which is read when the statement runs")
    }

    @Test("such a word that is a text, or read each time, is none", arguments: [
        "CREATE TABLE t (user_id bigint, state text DEFAULT 'now', at timestamptz DEFAULT now())", "ALTER TABLE items ALTER name SET DEFAULT 'today'",
        "CREATE VIEW v AS SELECT * FROM items WHERE name = 'today'", "CREATE TABLE t (id int, day date DEFAULT '2026-01-01')",
        "CREATE FUNCTION f() RETURNS date LANGUAGE sql STABLE AS 'SELECT date ''today'''", "ALTER TABLE countries ADD COLUMN t chance DEFAULT 1",
        "ALTER TABLE items ALTER name TYPE varchar(80) USING upper(name)", "ALTER TABLE items ADD COLUMN t chance",
        "CREATE TABLE t (user_id bigint, code text REFERENCES countries ON UPDATE CASCADE)",
    ])
    func unfoldedTimes(text: String) { #expect(world.plan(text) == Self.all) }

    @Test("the proxy's own schema is out of reach", arguments: [
        "CREATE TABLE pgbraid.t (a int)", "DROP TABLE pgbraid.decision", "DROP SCHEMA pgbraid CASCADE", "ALTER TABLE pgbraid.decision ADD a int",
        "ALTER TABLE items SET SCHEMA pgbraid", "ALTER SCHEMA pgbraid RENAME TO x", "CREATE SCHEMA pgbraid",
    ])
    func proxySchema(text: String) { #expect(world.plan(text) == "REFUSED 42501 permission denied for schema pgbraid") }

    @Test("a refusal tells the DDL that works, and where", arguments: [
        ("CREATE TABLE t (user_id bigint, order_id bigint PRIMARY KEY)", "Write PRIMARY KEY (user_id, order_id).", 49),
        ("CREATE UNIQUE INDEX ON items (item_id)", "Write CREATE UNIQUE INDEX ... (user_id, item_id).", 24),
    ])
    func hints(text: String, hint: String, position: Int) throws {
        let refusal = #expect(throws: Refusal.self) { try world.planned(text) }
        #expect(refusal?.hint == hint)
        #expect(refusal?.position == position)
    }
}
