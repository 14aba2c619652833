// The premise of the shape cache on the real analyser: whatever texts came before, a text goes where a planner without a
// memory would send it.
import Primitives
import ShardMap
import Testing

@testable import QueryPlanning

@Suite struct CacheAgreementTests {
    /// `?` is a literal that changes from text to text.
    static let templates = [
        "SELECT * FROM users WHERE user_id = ?", "SELECT * FROM users WHERE user_id = ? AND name = ?",
        "SELECT * FROM users WHERE user_id = ? AND user_id = ?", "SELECT * FROM users WHERE user_id = -?",
        "SELECT * FROM users WHERE user_id IN (?)", "SELECT * FROM users WHERE user_id IN (?, ?)",
        "SELECT * FROM users WHERE user_id = ? OR user_id = ?", "SELECT * FROM users WHERE user_id = ? + ?",
        "SELECT * FROM users u JOIN orders o ON u.user_id = o.user_id WHERE u.user_id = ?",
        "SELECT * FROM users u JOIN orders o ON u.user_id = o.user_id WHERE u.user_id = ? AND o.user_id = ?",
        "SELECT * FROM users u, orders o WHERE u.user_id = ? AND o.user_id = ?",
        "SELECT * FROM users u LEFT JOIN orders o ON o.user_id = ? WHERE u.user_id = ?",
        "SELECT * FROM users WHERE user_id = ? UNION SELECT * FROM users WHERE user_id = ?",
        "SELECT * FROM users WHERE user_id = (SELECT user_id FROM accounts WHERE user_id = ?)",
        "SELECT * FROM users WHERE user_id = ? AND EXISTS (SELECT 1 FROM orders WHERE orders.user_id = ?)",
        "SELECT * FROM users WHERE user_id = ? ORDER BY name LIMIT ? OFFSET ?",
        "SELECT * FROM users WHERE user_id BETWEEN ? AND ?",
        "SELECT * FROM users WHERE (user_id, name) = (?, ?)", "SELECT * FROM users WHERE user_id = ?::bigint",
        "SELECT * FROM users WHERE user_id = ?::text::bigint",
        "SELECT count(*) FROM users WHERE user_id = ? GROUP BY name HAVING count(*) > ?",
        "SELECT CASE WHEN user_id = ? THEN 1 END FROM users WHERE user_id = ?",
        "SELECT * FROM users WHERE NOT user_id = ?",
        "SELECT * FROM users WHERE user_id <> ? AND user_id = ?",
        "SELECT * FROM users WHERE user_id >= ? AND user_id <= ?",
        "SELECT * FROM items WHERE code = ?", "SELECT * FROM items WHERE code = ? AND price > ?",
        "SELECT * FROM items WHERE code LIKE ?",
        "SELECT * FROM devices WHERE device = ?", "SELECT * FROM devices WHERE device = ?::uuid",
        "SELECT * FROM countries WHERE code = ?",
        "SELECT * FROM countries c JOIN regions r ON r.country = c.code WHERE r.id = ? LIMIT ?", "SELECT ?",
        "SELECT 1 WHERE 1 = ?",
        "SELECT * FROM users WHERE user_id = ? AND country IN (SELECT code FROM countries WHERE population > ?)",
        "SELECT relname FROM pg_class WHERE oid = ?", "SELECT * FROM scratch WHERE a = ?",
        "WITH a AS (SELECT * FROM users WHERE user_id = ?) SELECT * FROM a, orders o WHERE o.user_id = ?",
        "SELECT (SELECT name FROM users WHERE user_id = ?) FROM orders WHERE user_id = ?",
        "UPDATE users SET balance = balance + ? WHERE user_id = ?", "UPDATE users SET user_id = ? WHERE user_id = ?",
        "UPDATE users SET balance = balance - ?, name = ? WHERE user_id = ? AND active",
        "DELETE FROM orders WHERE user_id = ? AND order_id = ?",
        "DELETE FROM orders USING users WHERE users.user_id = orders.user_id AND users.user_id = ?",
        "UPDATE countries SET name = ? WHERE code = ?",
        "SELECT * FROM users WHERE user_id = ? FOR UPDATE", "SELECT abalance FROM pgbench_accounts WHERE aid = ?;",
        "UPDATE pgbench_accounts SET abalance = abalance + ? WHERE aid = ?;",
        "SELECT * FROM users WHERE user_id = ? AND user_id IN (?, ?)",
        "SELECT pg_advisory_lock(?)", "SELECT nextval(?)",
        "SELECT * FROM users WHERE user_id = ? AND name = coalesce(?, name)",
        "SELECT * FROM orders o JOIN orders p ON o.user_id = p.user_id AND p.user_id = ? WHERE o.user_id = ?",
        "SELECT * FROM users WHERE user_id = ? EXCEPT SELECT * FROM users WHERE user_id = ?",
        "SELECT * FROM users TABLESAMPLE SYSTEM (?) WHERE user_id = ?",
        "INSERT INTO users (user_id, name) VALUES (?, ?)", "INSERT INTO users (name, user_id) VALUES (?, -?)",
        "INSERT INTO orders (order_id, user_id, status) VALUES (?, ?, ?) RETURNING *",
        "INSERT INTO items VALUES (?, ?, ?)",
        "INSERT INTO users (user_id, name) VALUES (?, ?), (?, ?)",
        "INSERT INTO devices (device, user_id) VALUES (?, ?)",
        "INSERT INTO devices (device, user_id) VALUES (?::uuid, ?)", "INSERT INTO countries VALUES (?, ?, ?)",
        "INSERT INTO users (user_id, name) VALUES (?, ?) ON CONFLICT (user_id) DO UPDATE SET name = ? WHERE users.active",
        "INSERT INTO users (user_id, balance) VALUES (?, ? + ?)",
        "INSERT INTO users SELECT * FROM users WHERE user_id = ?",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP);",
        "INSERT INTO scratch VALUES (?)", "SELECT set_config('a', ?, true)",
        "SELECT * FROM users WHERE user_id = ? AND random() < ?",
    ]
    static let literals = [
        "1", "1", "2", "3", "4", "5", "7", "1.0", "1.5", "3000000000", "99999999999999999999", "'1'", "'1'", "'2'",
        "'x'", "''", "'it''s'", "E'1'",
        "'550e8400-e29b-41d4-a716-446655440000'", "'650e8400-e29b-41d4-a716-446655440001'", "B'1'", "NULL",
    ]

    private func fill(_ template: String, _ random: SeededRandomSource, classes: Int) -> String {
        var text = ""
        for character in template {
            text += character == "?" ? Self.literals[Int(random.next() % UInt64(classes))] : String(character)
        }
        return text
    }

    /// Where a plan passes through to; nil for all others, and where several shards are needed: these are planned anew.
    private func resolved(_ plan: StatementPlan, _ text: String, _ map: ShardMap) throws -> ResolvedRoute? {
        guard case .passThrough(let route) = plan.action else { return nil }
        // A key that cannot be stored is refused by the resolver, or by the plan of who knows it.
        let resolved = try? Array(text.utf8).withUnsafeBytes { try RouteResolver(map: map, text: $0).resolve(route) }
        if case .shards(let shards) = resolved, shards.count > 1 { return nil }
        return resolved
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func aTextGoesWhereAPlannerWithoutMemoryWouldSendIt(seed: UInt64) throws {
        let map = try fourShards()
        let random = SeededRandomSource(seed: seed)
        var limits = Limits()
        limits.cachedPlans = seed == 4 ? 16 : 10_000
        let planner = Planner(limits: limits, analyser: GoldenCatalog.analyser)
        let environment = GoldenCatalog.environment(temporaryTables: ["scratch"])
        var hot = 0
        for _ in 0..<1_500 {
            let template = Self.templates[Int(random.next() % UInt64(Self.templates.count))]
            let text = fill(template, random, classes: seed == 1 ? 7 : Self.literals.count)
            guard let fresh = try? GoldenCatalog.plan(text) else { continue }
            let expected = try resolved(fresh, text, map)
            let (target, planned) = try Array(text.utf8).withUnsafeBytes { bytes in
                let none = UnsafeBufferPointer<UInt32>(start: nil, count: 0)
                let plan = planner.lookUp(text: bytes, environment: 1, parameterTypes: none)
                let target = plan.map { planner.target(of: $0, text: bytes, map: map) }
                return (target, try planner.plan(text: bytes, environment: environment)[0].plan)
            }
            let known = try resolved(planned, text, map)
            // Where any shard will do, one will; and it is safe to know too little and plan anew.
            #expect(known == nil || known == expected || expected == .any, "\(text)")
            switch target {
            case .any?: #expect(expected == .any, "\(text)")
            case .shard(let shard)?: #expect(expected == .any || expected == .shards(ShardSet(shard)), "\(text)")
            case .unknown?, nil: continue
            }
            hot += 1
        }
        #expect(hot > (seed == 4 ? 30 : 120))
    }
}
