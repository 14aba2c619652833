import ShardMap
import Testing

@testable import QueryPlanning

@Suite("Values drawn before an INSERT")
struct StatementDrawingTests {
    let world: StatementWorld

    init() throws { world = try StatementWorld() }

    /// The query that draws, and the statement with values 1, 2, ... in its gaps.
    func drawing(_ text: String, acrossShards: Bool = false) throws -> [String] {
        let plan = try #require(try world.planned(text, acrossShards: acrossShards).drawing)
        return [plan.query, plan.text(values: (1..<plan.pieces.count).map { "\($0)" })]
    }

    @Test("a missing key with a sequence default is drawn, and the new text has it as a literal")
    func missingKey() throws {
        #expect(try drawing("INSERT INTO people (name) VALUES ('x'), ($1) RETURNING *") == [
            "SELECT (CAST(nextval('public.people_seq'::regclass) AS \"pg_catalog\".\"int8\")), "
                + "(CAST(nextval('public.people_seq'::regclass) AS \"pg_catalog\".\"int8\"))",
            """
            INSERT INTO people ("name", "user_id") VALUES ('x', CAST('1' AS "pg_catalog"."int8")), \
            ($1, CAST('2' AS "pg_catalog"."int8")) RETURNING *
            """,
        ])
        #expect(try drawing("INSERT INTO people VALUES (DEFAULT, 'a, (b')")[1]
            == "INSERT INTO people (\"user_id\", \"name\") VALUES (CAST('1' AS \"pg_catalog\".\"int8\"), 'a, (b')")
        #expect(try drawing("INSERT INTO people DEFAULT VALUES")[1]
            == "INSERT INTO people (\"user_id\") VALUES (CAST('1' AS \"pg_catalog\".\"int8\"))")
        #expect(try drawing("INSERT INTO public.people AS p (user_id) VALUES (nextval('s')) ON CONFLICT DO NOTHING") == [
            "SELECT (nextval('s'))",
            "INSERT INTO public.people AS p (\"user_id\") VALUES (CAST('1' AS \"pg_catalog\".\"int8\")) ON CONFLICT DO NOTHING",
        ])
    }

    @Test("the text with the values drawn is planned like any other")
    func planAgain() throws {
        let text = try drawing("INSERT INTO people (name) VALUES ('x')")[1]
        #expect(world.plan(text) == "pass key! 1, writes")
        let reference = try drawing("INSERT INTO settings (name) VALUES ('it''s')")[1].replacing("'2'", with: "'2024-01-01 10:00:00+00'")
        #expect(world.plan(reference) == "modify all first, writes")
    }

    @Test("a reference table's defaults are drawn once for all shards")
    func reference() throws {
        #expect(try drawing("INSERT INTO settings (name) VALUES ('a')") == [
            "SELECT (CAST(nextval('public.settings_id_seq'::regclass) AS \"pg_catalog\".\"int4\")), "
                + "(CAST(now() AS \"pg_catalog\".\"timestamptz\"))",
            """
            INSERT INTO settings ("name", "id", "changed") VALUES ('a', CAST('1' AS "pg_catalog"."int4"), \
            CAST('2' AS "pg_catalog"."timestamptz"))
            """,
        ])
        #expect(try drawing("INSERT INTO settings (id, name, changed) VALUES (1, 'a', CURRENT_TIMESTAMP), (2, $1, DEFAULT)") == [
            "SELECT (CURRENT_TIMESTAMP), (CAST(now() AS \"pg_catalog\".\"timestamptz\"))",
            """
            INSERT INTO settings ("id", "name", "changed") VALUES (1, 'a', CAST('1' AS "pg_catalog"."timestamptz")), \
            (2, $1, CAST('2' AS "pg_catalog"."timestamptz"))
            """,
        ])
    }

    @Test("the time is drawn for rows of several shards, other defaults stay the shards' own")
    func time() throws {
        #expect(try drawing("INSERT INTO items (user_id, item_id) VALUES (1, 1), (2, 2)", acrossShards: true) == [
            "SELECT (CAST(now() AS \"pg_catalog\".\"timestamptz\")), (CAST(now() AS \"pg_catalog\".\"timestamptz\"))",
            """
            INSERT INTO items ("user_id", "item_id", "made") VALUES (1, 1, CAST('1' AS "pg_catalog"."timestamptz")), \
            (2, 2, CAST('2' AS "pg_catalog"."timestamptz"))
            """,
        ])
        #expect(try drawing("INSERT INTO items VALUES (1, 1, '', 'now'), (2, 1, '', now())", acrossShards: true)[0]
            == "SELECT (CAST('now' AS \"pg_catalog\".\"timestamptz\")), (now())")
    }

    @Test("quotes in drawn values are doubled, NULL stays NULL")
    func quoting() {
        let plan = DrawPlan(query: "", pieces: ["f(", ", ", ")"])
        #expect(plan.text(values: ["it's\u{301} \\", nil]).unicodeScalars.elementsEqual("f('it''s\u{301} \\', NULL)".unicodeScalars))
        #expect(plan.text(values: ["'\u{301}", ""]).unicodeScalars.elementsEqual("f('''\u{301}', '')".unicodeScalars))
    }

    @Test("what cannot be drawn stays refused", arguments: [
        "INSERT INTO settings (id, name, changed) VALUES (touch(1), 'a', NULL)",
        "INSERT INTO settings (id, name, changed) VALUES (setval('s', $1), 'a', NULL)", "INSERT INTO watched VALUES (1)",
    ])
    func notDrawn(text: String) { #expect(world.plan(text).hasPrefix("REFUSED 0A000")) }
}
