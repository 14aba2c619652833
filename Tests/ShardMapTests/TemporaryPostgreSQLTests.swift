// The server that other tests rely on: it answers, survives a crash, and leaves nothing behind.
import Foundation
import TestSupport
import Testing

@Suite struct TemporaryPostgreSQLTests {
    @Test func itAnswersThroughSocketAndTCPAndLeavesNothingBehind() throws {
        let server = try TemporaryPostgreSQL(settings: ["max_prepared_transactions": "7"])
        defer { server.stop() }
        let rows = try server.psql(
            "SELECT NULL, '', E'two\\nlines', 'a|b'; SELECT 1 UNION ALL SELECT 2; SELECT 1 WHERE false;")
        #expect(rows == [[nil, "", "two\nlines", "a|b"], ["1"], ["2"]])
        #expect(try server.psql("SHOW max_prepared_transactions") == [["7"]])
        let overTCP = try Psql.rows(
            of: "SELECT 1", host: server.host, port: server.port, user: server.user, database: "postgres")
        #expect(overTCP == [["1"]])
        server.stop()
        #expect(!FileManager.default.fileExists(atPath: server.directory))
    }

    @Test func itKeepsCommittedRowsAndPreparedTransactionsThroughACrash() throws {
        let server = try TemporaryPostgreSQL()
        defer { server.stop() }
        try server.psql(
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1); BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'x'"
        )
        try server.stopServer(mode: "immediate")
        try server.start()
        #expect(try server.psql("SELECT count(*) FROM t; SELECT gid FROM pg_prepared_xacts") == [["1"], ["x"]])
    }

    @Test func anErrorCarriesItsSQLSTATE() throws {
        let server = try TemporaryPostgreSQL()
        defer { server.stop() }
        let error = try #require(throws: TestProcessError.self) { try server.psql("SELECT 1/0") }
        #expect(error.output.contains("22012"))
    }
}
