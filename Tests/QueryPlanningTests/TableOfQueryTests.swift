// CREATE TABLE AS and SELECT INTO: the texts that make the table and fill it.
import Testing

@testable import QueryPlanning

@Suite("Tables that queries fill")
struct TableOfQueryTests {
    @Test("a table without rows, then an INSERT", arguments: [
        ("CREATE TABLE t AS SELECT * FROM items", "fill [CREATE TABLE t AS SELECT * FROM items WITH NO DATA] [INSERT INTO \"t\" SELECT * FROM items], writes, catalog"),
        ("CREATE TABLE s.t (a) WITH (fillfactor = 70) AS (VALUES (1)) WITH DATA",
            "fill [CREATE TABLE s.t (a) WITH (fillfactor = 70) AS (VALUES (1)) WITH NO DATA] [INSERT INTO \"s\".\"t\" (VALUES (1))], writes, catalog"),
        ("SELECT a INTO UNLOGGED TABLE s.\"T\" FROM items", "fill [CREATE UNLOGGED TABLE \"s\".\"T\" AS SELECT a  FROM items WITH NO DATA] [INSERT INTO \"s\".\"T\" SELECT a  FROM items], writes, catalog"),
        ("SELECT 1 AS a INTO t", "fill [CREATE TABLE \"t\" AS SELECT 1 AS a  WITH NO DATA] [INSERT INTO \"t\" SELECT 1 AS a ], writes, catalog"),
        ("CREATE TABLE t AS SELECT 1 WITH NO DATA", "modify all first, writes, catalog"),
        ("CREATE TABLE IF NOT EXISTS items AS SELECT 1", "modify all first, writes, catalog"),
        ("CREATE TABLE pgbraid.t AS SELECT 1", "REFUSED 42501 permission denied for schema pgbraid"),
        ("CREATE TABLE t AS SELECT $1::int", "REFUSED 0A000 parameters in CREATE TABLE AS are not supported"),
    ])
    func plans(text: String, plan: String) throws { #expect(try StatementWorld().plan(text) == plan) }
}
