// Cursors over several shards where the proxy differs from one PostgreSQL: its limits, and what it refuses.
import Testing
import WireProtocol

/// A proxy that may hold little, and about 4 MB of rows behind it.
private struct SmallCluster: @unchecked Sendable {
    static let shared = Result { try SmallCluster() }

    let cluster: TestCluster

    private init() throws {
        cluster = try TestCluster(
            servers: try TestServers.shared.get().four, settings: ["limits": ["merge = \"1MB\"", "merge_row = \"256kB\""]])
        try cluster.psql("DROP TABLE IF EXISTS pages; CREATE TABLE pages (user_id int, n int, t text, PRIMARY KEY (user_id, n))")
        for n in 0..<4 { try cluster.psql("INSERT INTO pages SELECT u, \(n), repeat('x', 1000) FROM generate_series(1, 700) u") }
    }
}

extension IntegrationTests {
    @Suite struct CursorTests {
        private func client() throws -> WireClient {
            let client = try WireClient(port: try SmallCluster.shared.get().cluster.port)
            try client.rows("BEGIN")
            return client
        }

        @Test(.timeLimit(.minutes(1)), arguments: ["", "ORDER BY n, user_id", "ORDER BY user_id DESC, n LIMIT 2500"])
        func moreRowsThanMayBeHeldAreReadAsTheyAreFetched(clause: String) throws {
            let client = try client()
            let right = try client.rows("SELECT n, user_id FROM pages \(clause)")
            try client.rows("DECLARE c CURSOR FOR SELECT n, user_id, t FROM pages \(clause)")
            var rows: [[String?]] = []
            while true {
                let some = try client.rows("FETCH 70 FROM c")
                rows += some.map { Array($0.prefix(2)) }
                // Whatever else the block does, the cursor goes on where it was.
                if rows.count == 140 { try client.rows("UPDATE pages SET t = '' WHERE user_id < 100") }
                if some.count < 70 { break }
            }
            #expect(rows.count == right.count)
            #expect(clause.isEmpty ? Set(rows) == Set(right) : rows == right)
            try client.rows("DECLARE all_rows CURSOR FOR SELECT * FROM pages \(clause)")
            #expect(try client.run("FETCH ALL FROM all_rows").tags == ["FETCH \(right.count)"])
            #expect(try client.run("MOVE ALL FROM c; CLOSE c; CLOSE all_rows").tags == ["MOVE 0", "CLOSE CURSOR", "CLOSE CURSOR"])
        }

        @Test(.timeLimit(.minutes(1))) func whatIsHeldIsLimited() throws {
            let client = try client()
            let refused = try client.run("DECLARE c SCROLL CURSOR FOR SELECT * FROM pages ORDER BY n")
            #expect(refused.state == "53400" && refused.error?.message.contains("cursor \"c\"") == true, "\(refused)")
            try client.rows("ROLLBACK")
            try client.rows("BEGIN")
            try client.rows("DECLARE a SCROLL CURSOR FOR SELECT * FROM pages WHERE user_id <= 150 ORDER BY n")
            try client.rows("SAVEPOINT s")
            #expect(try client.run("DECLARE b SCROLL CURSOR FOR SELECT * FROM pages WHERE user_id <= 150 ORDER BY n").state == "53400")
            try client.rows("ROLLBACK TO s")
            try client.rows("CLOSE a")
            #expect(try client.run("DECLARE b SCROLL CURSOR FOR SELECT * FROM pages WHERE user_id <= 150 ORDER BY n").error == nil)
        }

        @Test(.timeLimit(.minutes(1))) func portalsReadMoreRowsThanMayBeHeld() throws {
            let client = try client()
            try client.send(
                FrontendFrame.parse("", [], "SELECT t FROM pages ORDER BY user_id") + FrontendFrame.bind("p", "", [], resultFormats: [])
                    + FrontendFrame.sync)
            #expect(try client.outcome().error == nil)
            var count = 0
            for _ in 0..<5 {
                try client.send(FrontendFrame.execute("p", maximumRows: 700) + FrontendFrame.sync)
                let said = try client.outcome()
                #expect(said.error == nil, "\(said)")
                count += said.rows.count
                if !said.tags.isEmpty { #expect(said.tags == ["SELECT 0"] && count == 2800) }
            }
            #expect(count == 2800)
        }

        @Test(.timeLimit(.minutes(1))) func aFetchReadInPiecesIsHeld() throws {
            let client = try client()
            try client.rows("DECLARE c CURSOR FOR SELECT t FROM pages")
            try client.send(
                FrontendFrame.parse("", [], "FETCH ALL FROM c") + FrontendFrame.bind("", "", [], resultFormats: [])
                    + FrontendFrame.execute("", maximumRows: 10) + FrontendFrame.sync)
            #expect(try client.outcome().state == "53400")
        }

        @Test(.timeLimit(.minutes(1))) func heldRowsHaveOneFormat() throws {
            let client = try client()
            try client.rows("DECLARE c SCROLL CURSOR FOR SELECT user_id FROM pages WHERE user_id < 3 ORDER BY 1")
            try client.send(
                FrontendFrame.parse("", [], "FETCH 1 FROM c") + FrontendFrame.bind("", "", [], resultFormats: [1])
                    + FrontendFrame.execute("", maximumRows: 0) + FrontendFrame.sync)
            #expect(try client.outcome().state == "0A000")
        }

        @Test(.timeLimit(.minutes(1)), arguments: [
            "UPDATE pages SET t = '' WHERE CURRENT OF c", "DELETE FROM pages WHERE CURRENT OF c",
        ])
        func rowsAreNotChangedThroughCursors(statement: String) throws {
            let client = try client()
            try client.rows("DECLARE c CURSOR FOR SELECT user_id FROM pages FOR UPDATE")
            try client.rows("FETCH c")
            #expect(try client.run(statement).state == "0A000")
        }

        @Test(.timeLimit(.minutes(1))) func closedCursorsAreClosedOnTheShards() throws {
            let client = try client()
            try client.rows("DECLARE c CURSOR FOR SELECT user_id FROM pages")
            try client.rows("FETCH c")
            #expect(try client.rows("SELECT count(*) FROM pg_cursors WHERE name LIKE 'pgbraid%'") == [["1"]])
            try client.send(FrontendFrame.close("P", "c") + FrontendFrame.sync)
            #expect(try client.outcome().error == nil)
            #expect(try client.rows("SELECT count(*) FROM pg_cursors WHERE name LIKE 'pgbraid%'") == [["0"]])
        }
    }
}
