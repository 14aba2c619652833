// Idempotency keys: how they are set and named, and which statements can be part of a request.
import Primitives
import Testing

@testable import QueryPlanning

@Suite struct IdempotencyKeyTests {
    private func planned(_ text: String) throws -> StatementPlan {
        let environment = PlanningEnvironment(catalog: GoldenCatalog.catalog, searchPath: ["pg_catalog", "public"], number: 1, temporaryTables: [], shardCount: 4)
        let statements = try Array(text.utf8).withUnsafeBytes { try Planner(limits: .init()).plan(text: $0, parameterTypes: [], environment: environment) }
        return try #require(statements.first?.plan)
    }

    private func command(_ text: String) throws -> IdempotencyKeyCommand? {
        if case .idempotencyKey(let command) = try planned(text).action { command } else { nil }
    }

    private func refusal(_ text: String) -> String? {
        do {
            if case .refuse(let refusal) = try planned(text).action { return refusal.sqlState }
            return nil
        } catch {
            return (error as? Refusal)?.sqlState
        }
    }

    @Test func theSettingIsTheProxysOwn() throws {
        #expect(try command("SET pgbraid.idempotency_key = 'pay 1'") == .set("pay 1", isLocal: false))
        #expect(try command("SET LOCAL pgbraid.idempotency_key TO 'a'") == .set("a", isLocal: true))
        #expect(try command("set PGBRAID.Idempotency_Key = ''") == .set(nil, isLocal: false))
        #expect(try command("RESET pgbraid.idempotency_key") == .set(nil, isLocal: false))
        #expect(try command("SET pgbraid.idempotency_key TO DEFAULT") == .set(nil, isLocal: false))
        #expect(try command("SHOW pgbraid.idempotency_key") == .show)
        #expect(try command("SHOW pgbraid.shard") == nil)
    }

    @Test func whatIsNoKeyIsRefused() {
        let long = String(repeating: "k", count: 256)
        for value in ["17", "'a', 'b'", "'\(long)'", "'ä'", "E'a\\nb'"] { #expect(refusal("SET pgbraid.idempotency_key = \(value)") == "22023", "\(value)") }
        #expect(refusal("SET pgbraid.idempotency_key = '\(long.dropLast())'") == nil)
        #expect(refusal("/* pgbraid: idempotency_key=\(long) */ SELECT 1") == "22023")
        #expect(refusal("/* pgbraid: idempotency_key=a b */ SELECT 1") == "42601")
        #expect(refusal("/* pgbraid: idempotency_key=a, idempotency_key=b */ SELECT 1") == "42601")
        #expect(refusal("SELECT 1 /* pgbraid: idempotency_key=a */") == "42601")
        #expect(refusal("/* pgbraid: idempotency_key=a */ SELECT 1; SELECT 2") == "0A000")
    }

    @Test func aCommentNamesTheKey() throws {
        #expect(try planned("/* pgbraid: idempotency_key=pay_1 */ SELECT 1").idempotencyKey == "pay_1")
        #expect(try planned("/*pgbraid:idempotency_key = pay=1*/ BEGIN").idempotencyKey == "pay=1")
        let both = try planned("/* pgbraid: shard=2, idempotency_key=a */ SELECT count(*) FROM orders")
        #expect(both.idempotencyKey == "a")
        #expect(try planned("SELECT 1").idempotencyKey == nil)
    }

    @Test(arguments: [
        ("SELECT 1", "once"), ("INSERT INTO orders (user_id) VALUES (1)", "once"), ("EXPLAIN SELECT 1", "once"), ("NOTIFY a", "once"), ("BEGIN", "always"), ("COMMIT", "always"),
        ("ROLLBACK", "always"), ("SET timezone = 'UTC'", "always"), ("SHOW timezone", "always"), ("SELECT * FROM pgbraid.outcome('k')", "always"), ("PREPARE p AS SELECT 1", "always"),
        ("EXECUTE p", "refused"), ("COMMIT AND CHAIN", "refused"), ("SAVEPOINT a", "refused"), ("ROLLBACK TO a", "refused"), ("PREPARE TRANSACTION 'a'", "refused"), ("LISTEN a", "refused"),
        ("COPY orders FROM STDIN", "refused"), ("COPY orders TO STDOUT", "refused"), ("DECLARE c CURSOR FOR SELECT 1", "refused"), ("FETCH c", "refused"), ("VACUUM orders", "refused"),
        ("SELECT pg_advisory_lock(1)", "refused"), ("SELECT state, tag FROM pgbraid.outcome($1) AS o", "always"), ("SELECT (pgbraid.outcome('k'::text)).state, 1", "always"),
        ("WITH w AS (INSERT INTO orders (user_id) VALUES (1)) SELECT state FROM pgbraid.outcome('k')", "refused"),
        ("INSERT INTO orders (user_id) SELECT 1 FROM pgbraid.outcome('k')", "refused"), ("SELECT nextval('s') FROM pgbraid.outcome('k')", "refused"),
        ("SELECT state FROM pgbraid.outcome('k'), orders", "refused"), ("SELECT state FROM pgbraid.outcome(lower('k'))", "refused"),
        ("SELECT state FROM pgbraid.outcome('k') UNION SELECT 'a'", "refused"), ("SELECT state FROM pgbraid.outcome('k') WHERE nextval('s') > 0", "refused"),
        ("EXPLAIN ANALYZE SELECT pgbraid.outcome('k')", "refused"), ("SELECT 'pgbraid.outcome(1)'", "once"),
    ])
    func whatAKeyMeansForAStatement(text: String, treatment: String) throws {
        let found = switch try planned(text).keyTreatment {
        case .runsOnce: "once"
        case .runsAlways: "always"
        case .isRefused: "refused"
        }
        #expect(found == treatment, "\(text)")
    }

    @Test(arguments: [
        ("SELECT 1", true), ("SELECT count(*) FROM orders", true), ("VALUES (1)", true), ("EXPLAIN SELECT 1", true), ("SELECT * FROM orders WHERE user_id = 1 FOR UPDATE", false),
        ("INSERT INTO orders (user_id) VALUES (1)", false), ("NOTIFY a", false), ("SELECT pg_advisory_lock(1)", false), ("COPY orders TO STDOUT", false), ("BEGIN", false),
        ("SELECT set_config('a.b', 'c', false)", false), ("EXPLAIN ANALYZE INSERT INTO orders (user_id) VALUES (1)", false),
    ])
    func whatOnlyReads(text: String, onlyReads: Bool) throws { #expect(try planned(text).onlyReads == onlyReads, "\(text)") }

    /// A statement with a key is looked at each time: it never goes by what is known of its shape.
    @Test func aKeyIsNoShape() throws {
        let planner = Planner(limits: .init())
        let environment = PlanningEnvironment(catalog: GoldenCatalog.catalog, searchPath: ["pg_catalog", "public"], number: 1, temporaryTables: [], shardCount: 4)
        for text in ["SELECT * FROM orders WHERE user_id = 5", "/* pgbraid: idempotency_key=a */ SELECT * FROM orders WHERE user_id = 5"] {
            try Array(text.utf8).withUnsafeBytes { bytes in
                let plan = try planner.plan(text: bytes, parameterTypes: [], environment: environment)[0].plan
                #expect((plan.idempotencyKey == nil) == (planner.lookUp(text: bytes, environment: 1) != nil), "\(text)")
            }
        }
    }
}
