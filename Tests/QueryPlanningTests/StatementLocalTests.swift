// INSERT, COPY and DDL of local tables: rows go where the transaction writes, and nothing can be unique over all shards.
import Testing

@testable import QueryPlanning

@Suite("local tables")
struct StatementLocalTests {
    let world: StatementWorld

    init() throws { world = try StatementWorld() }

    @Test("rows are where their transaction writes", arguments: [
        ("INSERT INTO notes (user_id, topic) VALUES (5, 'x')", "pass writer, writes"),
        ("INSERT INTO notes (user_id, topic) VALUES (5, 'x'), (6, 'y') RETURNING id", "pass writer, writes"),
        ("INSERT INTO notes (user_id, topic) SELECT 5, name FROM countries", "pass writer, writes"),
        (
            "INSERT INTO notes (user_id, topic) SELECT user_id, name FROM items",
            "fetch [SELECT user_id, name FROM items] for [INSERT INTO notes (user_id, topic) |] untyped [], writes"
        ),
        (
            "INSERT INTO notes (user_id, topic) SELECT user_id, name FROM items WHERE user_id = 5",
            "fetch [SELECT user_id, name FROM items WHERE user_id = 5] for [INSERT INTO notes (user_id, topic) |] untyped [], writes"
        ),
        (
            "INSERT INTO notes (user_id, topic) SELECT user_id, topic FROM notes",
            "fetch [SELECT user_id, topic FROM notes] for [INSERT INTO notes (user_id, topic) |] untyped [], writes"
        ),
        (
            "INSERT INTO notes (user_id, topic) VALUES (5, 'x') ON CONFLICT DO NOTHING",
            "REFUSED 0A000 ON CONFLICT is not supported for local table \"notes\""
        ),
        (
            "INSERT INTO notes (user_id, topic) VALUES ((SELECT count(*) FROM items), 'x')",
            "REFUSED 0A000 \"items\" may have rows on other shards than this INSERT"
        ),
        (
            "INSERT INTO notes (user_id, topic) VALUES (currval('counter'), 'x')",
            "REFUSED 0A000 currval and lastval are not supported in an INSERT: another server may have drawn the value"
        ),
        (
            "INSERT INTO notes (topic) VALUES (public.touch(1))",
            "REFUSED 0A000 it is not known which tables a function in the INSERT into \"notes\" reads"
        ),
        (
            "INSERT INTO items (user_id, item_id) SELECT user_id, 1 FROM notes",
            "fetch [SELECT user_id, 1 FROM notes] for [INSERT INTO items (user_id, item_id) |] untyped [], writes"
        ),
        ("COPY notes FROM STDIN", "pass writer, writes, copy in"),
        ("COPY notes TO STDOUT", "copy out all text"),
        ("ALTER TABLE notes ADD PRIMARY KEY (id)", "REFUSED 0A000 PRIMARY KEY on local table \"notes\" is not supported"),
        ("CREATE UNIQUE INDEX ON notes (id)", "REFUSED 0A000 unique index on local table \"notes\" is not supported"),
        ("CREATE INDEX ON notes (id)", "modify all first, writes"),
        (
            "ALTER TABLE settings ADD FOREIGN KEY (id) REFERENCES notes (id)",
            "REFUSED 0A000 FOREIGN KEY on local table \"notes\" is not supported"
        ),
        ("ALTER TABLE notes ADD FOREIGN KEY (topic) REFERENCES countries", "modify all first, writes, catalog"),
        (
            "ALTER TABLE notes ADD FOREIGN KEY (user_id) REFERENCES orders",
            "REFUSED 0A000 foreign key from \"notes\" to sharded table \"orders\" would cross shards"
        ),
    ])
    func plans(text: String, plan: String) { #expect(world.plan(text) == plan) }
}
