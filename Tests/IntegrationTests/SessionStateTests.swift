// What a session has on a link beyond its transactions: notifications that it listens for, and what goes with the link.
import Foundation
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct SessionStateTests {
        private func cluster() throws -> TestCluster {
            let cluster = try TestCluster(servers: try TestServers.shared.get().four)
            try cluster.psql("CREATE TABLE IF NOT EXISTS stated (user_id int PRIMARY KEY, n int); CREATE TABLE IF NOT EXISTS shadow (id int PRIMARY KEY, v text)")
            try cluster.psql("INSERT INTO stated SELECT i, 0 FROM generate_series(1, 40) i ON CONFLICT DO NOTHING")
            return cluster
        }

        /// Letters of the messages up to ReadyForQuery.
        private func letters(_ client: WireClient) throws -> String {
            var letters = ""
            while let frame = try client.next() {
                letters.append(frame.letter)
                if frame.letter == "Z" { return letters }
            }
            return letters + " cut off"
        }

        /// A key that does not lie where the session listens.
        private func otherKey(_ cluster: TestCluster) throws -> String {
            try #require(try cluster.onShards("SELECT min(user_id) FROM stated")[3][0][0])
        }

        @Test("a notification does not come in the middle of a row of another shard", .timeLimit(.minutes(1)))
        func wholeRows() throws {
            let cluster = try cluster()
            let (listener, notifier, witness) = (try WireClient(port: cluster.port), try WireClient(port: cluster.port), try WireClient(port: cluster.port))
            for client in [listener, witness] { try client.rows("LISTEN whole_rows") }
            let key = try otherKey(cluster)
            try listener.send(FrontendFrame.query("SELECT repeat('x', 30000000), 'tail' FROM stated WHERE user_id = \(key)"))
            // The row is under way, and the client does not read on.
            let begin = try listener.bytes(1000)
            #expect(begin[0] == UInt8(ascii: "T"))
            try notifier.rows("NOTIFY whole_rows, 'news'")
            #expect(try witness.next()?.letter == "A")
            let described = 1 + Int(begin[4]) + Int(begin[3]) << 8
            let length = begin[(described + 1)..<(described + 5)].reduce(0) { $0 << 8 | Int($1) }
            #expect(begin[described] == UInt8(ascii: "D"))
            let row = try listener.bytes(described + 1 + length - begin.count)
            #expect(row.suffix(4) == Array("tail".utf8)[...])
            #expect(row.dropLast(8).allSatisfy { $0 == UInt8(ascii: "x") })
            #expect(try letters(listener) == "CAZ")
        }

        @Test("a notification waits for the end of the block", .timeLimit(.minutes(1)), arguments: ["user_id = KEY", "user_id > 0"])
        func behindBlocks(condition: String) throws {
            let cluster = try cluster()
            let (listener, notifier, witness) = (try WireClient(port: cluster.port), try WireClient(port: cluster.port), try WireClient(port: cluster.port))
            for client in [listener, witness] { try client.rows("LISTEN behind_blocks") }
            let text = "SELECT count(*) FROM stated WHERE " + condition.replacingOccurrences(of: "KEY", with: try otherKey(cluster))
            try listener.rows("BEGIN")
            try listener.rows(text)
            try notifier.rows("NOTIFY behind_blocks, 'one'; NOTIFY behind_blocks, 'two'")
            for _ in 0..<2 { #expect(try witness.next()?.letter == "A") }
            try listener.send(FrontendFrame.query(text))
            #expect(try letters(listener) == "TDCZ")
            try listener.send(FrontendFrame.query("COMMIT"))
            // On a shard of the block PostgreSQL itself tells them with COMMIT; a link beside it may hear of them later than the witness does.
            let answer = try letters(listener)
            #expect(condition == "user_id > 0" ? answer == "CAAZ" : ["CAAZ", "CAZ", "CZ"].contains(answer), "\(answer)")
            for _ in answer.filter({ $0 == "A" }).count..<2 { #expect(try listener.next()?.letter == "A") }
            try notifier.rows("NOTIFY behind_blocks, 'three'")
            #expect(try listener.next()?.letter == "A")
        }

        /// What SET refuses the startup packet does not bring in either.
        @Test(.timeLimit(.minutes(1)), arguments: [
            ("options", "-c standard_conforming_strings=off"), ("transform_null_equals", "on"), ("array_nulls", "off"), ("client_encoding", "SJIS"),
        ]) func settingsOfTheStartupPacketAreLookedAt(name: String, value: String) throws {
            let cluster = try cluster()
            #expect(throws: WireClientError.self) { try WireClient(port: cluster.port, parameters: [(name, value)]) }
            #expect(try WireClient(port: cluster.port, parameters: [("array_nulls", "on")]).rows("SELECT 1") == [["1"]])
        }

        /// A parameter has the type of its first mention: eight bytes may be a text.
        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func aParameterMentionedTwiceIsReadAsWhatItIs(isDescribed: Bool) throws {
            let cluster = try cluster()
            try cluster.psql("DROP TABLE IF EXISTS mentioned; CREATE TABLE mentioned (label text, user_id bigint)")
            let client = try WireClient(port: cluster.port)
            try client.send(FrontendFrame.parse("s", [], "INSERT INTO mentioned (label, user_id) VALUES ($1::text, $1::bigint)") + FrontendFrame.sync)
            #expect(try client.outcome().error == nil)
            if isDescribed {
                try client.send(FrontendFrame.describe("S", "s") + FrontendFrame.sync)
                #expect(try client.outcome().error == nil)
            }
            var stored = 0
            for key in 20240101...20240110 {
                let value = BoundValue(bytes: Array("\(key)".utf8), isBinary: true)
                try client.send(FrontendFrame.bind("", "s", [value], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
                if try client.outcome().error == nil { stored += 1 }
            }
            #expect(isDescribed ? stored == 10 : stored == 0 || stored == 10)
            for key in 20240101...20240110 where stored > 0 {
                #expect(try client.rows("SELECT label FROM mentioned WHERE user_id = \(key)") == [["\(key)"]])
            }
            // In text it is read alike.
            let value = BoundValue(bytes: Array("7".utf8))
            try client.send(FrontendFrame.bind("", "s", [value], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            #expect(try client.outcome().tags == ["INSERT 0 1"])
            #expect(try client.rows("SELECT label FROM mentioned WHERE user_id = 7") == [["7"]])
        }

        /// Rows of one statement go where rows of others with the same key go, in whatever encoding it comes.
        @Test(.timeLimit(.minutes(1)), arguments: ["SET NAMES 'LATIN1'", "SET client_encoding TO latin1"]) func keysInOtherEncodings(setting: String) throws {
            let cluster = try cluster()
            try cluster.psql("DROP TABLE IF EXISTS spoken; CREATE TABLE spoken (user_id text, n int)")
            let (western, client) = (try WireClient(port: cluster.port), try WireClient(port: cluster.port))
            try western.rows(setting)
            let keys = (0..<8).map { [UInt8(0xE0 + $0)] }
            for text in ["INSERT INTO spoken VALUES ($1, 1)", "INSERT INTO spoken VALUES ($1, 2), ($1, 3)"] {
                for key in keys {
                    try western.send(
                        FrontendFrame.parse("", [25], text) + FrontendFrame.bind("", "", [BoundValue(bytes: key)], resultFormats: [])
                            + FrontendFrame.execute("") + FrontendFrame.sync)
                    let outcome = try western.outcome()
                    #expect(outcome.error == nil || outcome.state == "0A000", "\(outcome)")
                }
            }
            // What was taken is found.
            let all = Int(try client.rows("SELECT count(*) FROM spoken")[0][0] ?? "") ?? -1
            var found = 0
            for key in keys {
                let text = String(UnicodeScalar(key[0]))
                found += Int(try client.rows("SELECT count(*) FROM spoken WHERE user_id = '\(text)'")[0][0] ?? "") ?? 0
            }
            #expect(all == found)
        }

        /// It would go on without what it had there: write to the permanent table, wait for nothing, and believe it has the lock.
        @Test("a session ends with the server session that has its state", .timeLimit(.minutes(1)), arguments: [
            ("CREATE TEMP TABLE shadow (id int, v text)", "temporary tables"), ("LISTEN lost_state", "LISTEN"),
            ("SELECT pg_advisory_lock(991)", "advisory locks"),
        ])
        func lostState(statement: String, name: String) throws {
            let cluster = try cluster()
            let client = try WireClient(port: cluster.port, parameters: [("application_name", "loser of state")])
            try client.rows(statement)
            try cluster.onShards("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'loser of state'")
            let outcome = try client.run("INSERT INTO shadow VALUES (7, 'mine')")
            #expect(outcome.state == "57P01" && outcome.isCutOff, "\(outcome)")
            #expect(outcome.error?.detail?.contains("this session's \(name)") == true, "\(outcome)")
            #expect(try cluster.onShards("SELECT count(*) FROM shadow") == Array(repeating: [["0"]], count: 4))
        }
    }
}
