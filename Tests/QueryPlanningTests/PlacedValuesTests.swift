// What would leave rows on shards that are not those of their keys, or copies of a reference table with different rows.
import Testing

@testable import QueryPlanning

@Suite("Values that placement depends on")
struct PlacedValuesTests {
    let world: StatementWorld

    init() throws { world = try StatementWorld() }

    private func drawn(_ text: String) throws -> [String] {
        let plan = try #require(try world.planned(text).drawing)
        return [plan.query, plan.text(values: (1..<plan.pieces.count).map { "\($0)" })]
    }

    @Test("OVERRIDING USER VALUE draws the numbers that take the place of those given")
    func overriding() throws {
        let number = #"pgbraid.next_identity('"public"."numbered"'::pg_catalog.regclass, 'user_id')"#
        #expect(try drawn("INSERT INTO numbered OVERRIDING USER VALUE VALUES (100, 2), (NULL, $1) RETURNING *") == [
            "SELECT (\(number)), (\(number))",
            """
            INSERT INTO numbered ("user_id", "x") OVERRIDING SYSTEM VALUE VALUES (CAST('1' AS "pg_catalog"."int8"), 2), \
            (CAST('2' AS "pg_catalog"."int8"), $1) RETURNING *
            """,
        ])
        #expect(try drawn("INSERT INTO counted (x, id) OVERRIDING USER VALUE VALUES (2, 7)")[1]
            == #"INSERT INTO counted ("x", "id") OVERRIDING SYSTEM VALUE VALUES (2, CAST('1' AS "pg_catalog"."int8"))"#)
        #expect(world.plan("INSERT INTO numbered (x) OVERRIDING USER VALUE VALUES (2)") == "draw")
        #expect(world.plan("INSERT INTO numbered OVERRIDING SYSTEM VALUE VALUES (100, 2)") == "pass key! @53, writes")
    }

    @Test("OVERRIDING USER VALUE is refused where what stands in the place of the number is more than one", arguments: [
        "INSERT INTO numbered OVERRIDING USER VALUE VALUES ($1, 2)", "INSERT INTO numbered OVERRIDING USER VALUE VALUES (1, 2), (random(), 2)",
        "INSERT INTO numbered OVERRIDING USER VALUE SELECT user_id, 1 FROM items", "INSERT INTO numbered OVERRIDING USER VALUE SELECT 5, 1",
        "INSERT INTO numbered OVERRIDING USER VALUE TABLE numbered", "INSERT INTO counted OVERRIDING USER VALUE SELECT id, x FROM counted",
        "INSERT INTO counted OVERRIDING USER VALUE VALUES ('5', 2)",
    ])
    func overridden(text: String) {
        let table = text.contains("INTO counted") ? "counted" : "numbered"
        #expect(world.plan(text) == "REFUSED 0A000 OVERRIDING USER VALUE is not supported for these values of \"\(table)\"")
    }

    @Test("MERGE and WITH do not route by a value that is left aside", arguments: [
        "MERGE INTO numbered n USING (VALUES (300)) s(k) ON n.user_id = s.k WHEN NOT MATCHED THEN INSERT OVERRIDING USER VALUE VALUES (300, 1)",
        "MERGE INTO numbered n USING items s ON n.user_id = s.user_id WHEN NOT MATCHED THEN INSERT OVERRIDING USER VALUE VALUES (s.user_id, 1)",
        "MERGE INTO counted n USING settings s ON n.id = s.id WHEN NOT MATCHED THEN INSERT OVERRIDING USER VALUE VALUES (s.id, 1)",
        "WITH a AS (INSERT INTO numbered OVERRIDING USER VALUE VALUES (5, 6) RETURNING *) SELECT * FROM a",
    ])
    func overriddenElsewhere(text: String) { #expect(world.plan(text).hasPrefix("REFUSED 0A000")) }

    @Test("a reference table does not change where a sharding key would follow", arguments: [
        ("UPDATE zones SET zone = 'x' WHERE zone = 'y'", "zones"), ("UPDATE parts SET zone = 'x'", "parts"),
        ("DELETE FROM zones WHERE zone = 'y'", "zones"), ("DELETE FROM parts", "parts"),
        ("INSERT INTO zones VALUES ('a', 'b') ON CONFLICT (zone) DO UPDATE SET zone = 'c'", "zones"),
    ])
    func cascades(text: String, table: String) {
        #expect(world.plan(text) == "REFUSED 0A000 cannot change \"\(table)\": foreign key \"shops_part\" could set the sharding key of table \"shops\"")
    }

    @Test("foreign keys of foreign keys are followed to the last, and not in circles")
    func chain() {
        let key = "foreign key \"chained_user\" could set the sharding key of table \"chained\""
        #expect(world.plan("UPDATE chain0 SET zone = 'x'") == "REFUSED 0A000 cannot change \"chain0\": " + key)
        #expect(world.plan("DELETE FROM chain0") == "modify all first, locks \"public\".\"chain0\", writes")
    }

    @Test("other columns of it change as ever", arguments: [
        "UPDATE zones SET name = 'x' WHERE zone = 'y'", "DELETE FROM lots WHERE zone = 'y'", "UPDATE parts SET part = 'x'",
        "INSERT INTO zones VALUES ('a', 'b') ON CONFLICT (zone) DO UPDATE SET name = 'c'",
    ])
    func noCascades(text: String) { #expect(world.plan(text).hasPrefix("modify all first")) }

    @Test("a table whose key would follow another is not distributed")
    func distributing() throws {
        let refusal = #expect(throws: Refusal.self) {
            try PlacementPlanner.plan(PlacementRequest(function: .distribute, arguments: ["lots", "zone"]), world.environment)
        }
        #expect(refusal?.message == "foreign key \"lots_zone\" could change the distribution column \"zone\" of table \"lots\"")
    }

    @Test("what depends on the order in which a shard reads rows is not run on each of them", arguments: [
        "INSERT INTO countries SELECT * FROM countries ON CONFLICT DO NOTHING",
        "INSERT INTO settings (id, name, changed) VALUES (1, (SELECT string_agg(name, '') FROM countries), NULL)",
        "INSERT INTO settings (id, name, changed) VALUES (1, (SELECT name FROM countries LIMIT 1), NULL)",
        "INSERT INTO settings (id, name, changed) VALUES (1, (ARRAY(SELECT name FROM countries))[1], NULL)",
        "INSERT INTO settings (id, name, changed) VALUES (1, 'a', NULL) ON CONFLICT (id) DO UPDATE SET name = (SELECT string_agg(name, '') FROM countries)",
        "INSERT INTO settings (id, name, changed) VALUES (1, 'a', NULL) ON CONFLICT (id) DO UPDATE SET name = (SELECT name FROM countries LIMIT 1)",
        "UPDATE settings SET name = coalesce((SELECT name FROM countries WHERE code = settings.name LIMIT 1), '')",
        "UPDATE settings SET name = array_to_string(ARRAY(SELECT name FROM countries), ',')",
        "DELETE FROM settings WHERE name = ANY (ARRAY(SELECT name FROM countries LIMIT 2))",
    ])
    func order(text: String) { #expect(!world.plan(text).hasPrefix("modify all first")) }

    @Test("what does not depend on it is", arguments: [
        "INSERT INTO countries VALUES ('a', 'b'), ('a', 'c') ON CONFLICT DO NOTHING", "UPDATE settings SET name = name || 'x' WHERE id = 5",
        "INSERT INTO settings (id, name, changed) VALUES (1, (SELECT max(x) FROM unnest(ARRAY['a', 'b']) AS x), NULL)",
        "DELETE FROM settings WHERE id = 5 AND EXISTS (SELECT 1 FROM unnest(ARRAY[name, 'b']) AS x LIMIT 1)",
    ])
    func noOrder(text: String) { #expect(world.plan(text) == "modify all first, writes") }

    @Test("what reads other rows is not run on each shard: a commit has reached one of them, and another not yet", arguments: [
        "INSERT INTO countries SELECT name, code FROM countries",
        "INSERT INTO settings (id, name, changed) VALUES (1, (SELECT max(name) FROM countries), NULL)",
        "INSERT INTO settings (id, name, changed) VALUES (1, 'a', NULL) ON CONFLICT (id) DO UPDATE SET name = (SELECT max(name) FROM countries)",
        "UPDATE settings SET name = (SELECT max(name) FROM countries)", "UPDATE settings SET name = (SELECT max(s.name) FROM settings s)",
        "UPDATE settings SET name = c.name FROM countries c WHERE c.code = settings.name",
        "DELETE FROM settings WHERE EXISTS (SELECT 1 FROM countries WHERE code = settings.name LIMIT 1)",
        "DELETE FROM settings USING countries c WHERE c.code = settings.name",
        "MERGE INTO settings USING countries c ON c.code = settings.name WHEN MATCHED THEN DELETE",
        "INSERT INTO settings (id, name, changed) VALUES (1, shown('x'), NULL)", "UPDATE settings SET name = shown(name)",
        "DELETE FROM settings WHERE name = shown('x')",
    ])
    func otherRows(text: String) { #expect(!world.plan(text).hasPrefix("modify all first")) }

    @Test("each shard finds the row of a primary key; other rows it finds as far as commits have come", arguments: [
        ("UPDATE settings SET name = 'x' WHERE id = $1", "modify all first, writes"),
        ("UPDATE settings SET name = 'x' WHERE id = 5 AND name IS NULL", "modify all first, writes"),
        ("UPDATE settings SET id = 7 WHERE id IN (5)", "modify all first, writes"),
        ("DELETE FROM countries WHERE 'de'::varchar = code", "modify all first, writes"),
        ("UPDATE settings SET name = 'x' WHERE id = 5 OR name = 'y'", "lowest shard"), ("UPDATE settings SET name = 'x' WHERE id IN (5, 6)", "lowest shard"),
        ("DELETE FROM settings WHERE id = ANY ($1)", "lowest shard"), ("DELETE FROM settings WHERE name = 'x' RETURNING *", "lowest shard"),
        ("DELETE FROM countries WHERE code = $1::bpchar", "lowest shard"),
        ("UPDATE settings SET id = id + 1 WHERE id > 5", "modify all first, locks \"public\".\"settings\", writes"),
        ("UPDATE settings SET name = 'x'", "modify all first, locks \"public\".\"settings\", writes"),
        ("DELETE FROM lots WHERE n = 5", "modify all first, locks \"public\".\"lots\", writes"),
        (
            "MERGE INTO settings USING (VALUES (1)) v(i) ON i = id WHEN MATCHED THEN DELETE",
            "modify all first, locks \"public\".\"settings\", writes"
        ),
    ])
    func commitsUnderWay(text: String, plan: String) {
        let planned = world.plan(text)
        #expect(plan == "lowest shard" ? planned.hasPrefix("lowest shard") : planned == plan)
    }
}
