// Sagas whose steps are known from the beginning: CALL pgbraid.saga_run, and the proxy makes them.
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct SagaRunTests {
        private static func prepared() throws -> (TestCluster, WireClient) {
            let cluster = try SharedClusters.shared.get().four
            let client = try WireClient(port: cluster.port)
            try client.rows("DROP TABLE IF EXISTS run_row; CREATE TABLE run_row (user_id int PRIMARY KEY, what text)")
            return (cluster, client)
        }

        private func call(_ name: String, _ steps: [(work: String, undo: String)]) -> String {
            let script = steps.map { #"{"do": "\#($0.work)", "undo": "\#($0.undo)"}"# }.joined(separator: ", ")
            return "CALL pgbraid.saga_run('\(name)', $$[\(script)]$$)"
        }

        private func insert(_ users: ClosedRange<Int>) -> [(work: String, undo: String)] {
            users.map { ("INSERT INTO run_row VALUES (\($0), 'made')", "DELETE FROM run_row WHERE user_id = \($0)") }
        }

        private func rows(_ client: WireClient) throws -> [[String?]] { try client.rows("SELECT user_id, what FROM run_row ORDER BY user_id") }

        @Test(.timeLimit(.minutes(1))) func aScriptIsCarriedOutOnce() throws {
            let (_, client) = try Self.prepared()
            let text = call("run whole", insert(1...5))
            for _ in 0..<3 { #expect(try client.run(text).error == nil) }
            #expect(try rows(client) == (1...5).map { ["\($0)", "made"] })
            #expect(try client.rows("SELECT pgbraid.saga_state('run whole')") == [["completed"]])
            #expect(try client.run(call("run whole", insert(1...4))).state == "42710")
        }

        @Test(.timeLimit(.minutes(1))) func aStepThatFailsHasTheOthersUndone() throws {
            let (_, client) = try Self.prepared()
            try client.rows("INSERT INTO run_row VALUES (13, 'before')")
            let said = try client.run(call("run failing", insert(11...14)))
            #expect(said.state == "40000")
            #expect(said.error?.detail?.contains("step 3: duplicate key value") == true)
            #expect(try rows(client) == [["13", "before"]])
            // Asked again, it says the same.
            #expect(try client.run(call("run failing", insert(11...14))).state == "40000")
        }

        /// A step and its count are one transaction, over several shards too.
        @Test(.timeLimit(.minutes(1))) func aStepMayHaveSeveralStatements() throws {
            let (_, client) = try Self.prepared()
            let steps = (21...23).map { user in
                ("INSERT INTO run_row VALUES (\(user), 'a'); INSERT INTO run_row VALUES (\(user + 10), 'b')", "DELETE FROM run_row WHERE user_id IN (\(user), \(user + 10))")
            }
            #expect(try client.run(call("run wide", steps)).error == nil)
            #expect(try client.rows("SELECT count(*) FROM run_row") == [["6"]])
            #expect(try client.run(call("run wide and failing", steps)).state == "40000")
            #expect(try client.rows("SELECT count(*) FROM run_row") == [["6"]])
        }

        /// A script ends when its steps are made, or undone.
        @Test(.timeLimit(.minutes(1))) func nobodyEndsAScriptBeforeItsEnd() throws {
            let (cluster, client) = try Self.prepared()
            let holder = try WireClient(port: cluster.port)
            try client.rows("INSERT INTO run_row VALUES (71, 'held')")
            try holder.rows("BEGIN; UPDATE run_row SET what = 'still' WHERE user_id = 71")
            try client.rows("SET statement_timeout TO '1s'")
            let steps = insert(72...72) + [(work: "UPDATE run_row SET what = 'run' WHERE user_id = 71", undo: "SELECT 1")]
            #expect(try client.run(call("run early", steps)).state == "57014")
            for text in [
                "SELECT pgbraid.saga_end('run early')", "UPDATE pgbraid.saga SET state = 'completed' WHERE name = 'run early'",
                "UPDATE pgbraid.saga SET steps_done = 5 WHERE name = 'run early'",
            ] { #expect(["55000", "57014"].contains(try client.run(text).state), "\(text)") }
            try holder.rows("COMMIT")
            try client.rows("RESET statement_timeout")
            #expect(try client.run(call("run early", steps)).error == nil)
            #expect(try rows(client) == [["71", "run"], ["72", "made"]])
        }

        /// Its time is over between two steps.
        @Test(.timeLimit(.minutes(1))) func aScriptThatTakesTooLongIsUndone() throws {
            let (_, client) = try Self.prepared()
            let steps = insert(81...81) + [(work: "SELECT pg_sleep(1.5)", undo: "SELECT 1")] + insert(82...82)
            let said = try client.run(call("run late", steps).dropLast() + ", '1 second'::interval)")
            #expect(said.state == "40000")
            #expect(said.error?.detail?.contains("timed out") == true)
            #expect(try rows(client) == [])
        }

        @Test(.timeLimit(.minutes(1))) func whatWouldEndTheProxyIsRefused() throws {
            let (_, client) = try Self.prepared()
            let deep = "SELECT 1" + String(repeating: "+1", count: 50_000)
            #expect(try client.run("CALL pgbraid.saga_run('run deep', '[{\"do\": \"\(deep)\"}]')").state == "54001")
            try client.rows("SELECT pgbraid.saga_begin('run deep undo')")
            #expect(try client.run("SELECT pgbraid.saga_step('run deep undo', 's', '\(deep)')").state == "54001")
            let long = "SELECT 1 -- " + String(repeating: "x", count: 1 << 20)
            #expect(try client.run("SELECT pgbraid.saga_step('run deep undo', 's', '\(long)')").state == "54000")
            // By other ways nothing comes to the table.
            #expect(try client.run("INSERT INTO pgbraid.saga (name, script) VALUES ('run deep row', '[{\"do\": \"\(deep)\"}]')").state == "0A000")
        }

        @Test(.timeLimit(.minutes(1))) func aScriptIsTheLoginRoles() throws {
            let (_, client) = try Self.prepared()
            try client.rows("DROP ROLE IF EXISTS run_group; CREATE ROLE run_group; SET ROLE run_group")
            #expect(try client.run(call("run group", insert(91...91))).state == "0A000")
            try client.rows("RESET ROLE; DROP ROLE run_group")
        }

        /// Nobody is told that his script is made when it is another's, though he may see it.
        @Test(.timeLimit(.minutes(1))) func aScriptOfAnotherRoleIsNotJoined() throws {
            let (cluster, client) = try Self.prepared()
            try client.rows("DROP ROLE IF EXISTS run_owner; CREATE ROLE run_owner LOGIN; GRANT ALL ON run_row TO run_owner")
            let owner = try WireClient(port: cluster.port, user: "run_owner")
            for _ in 0..<2 { #expect(try owner.run(call("run owned", insert(92...92))).error == nil) }
            #expect(try client.run(call("run owned", insert(92...92))).state == "42501")
        }

        @Test(.timeLimit(.minutes(1))) func whoWaitsCanLeave() throws {
            let (cluster, client) = try Self.prepared()
            let holder = try WireClient(port: cluster.port)
            try client.rows("INSERT INTO run_row VALUES (41, 'held')")
            try holder.rows("BEGIN; UPDATE run_row SET what = 'still' WHERE user_id = 41")
            try client.rows("SET statement_timeout TO '1s'")
            let steps = [(work: "UPDATE run_row SET what = 'run' WHERE user_id = 41", undo: "SELECT 1")]
            let said = try client.run(call("run held", steps))
            #expect(said.state == "57014")
            #expect(said.error?.detail == "Saga \"run held\" goes on.")
            #expect(try client.rows("SELECT pgbraid.saga_state('run held')") == [["running"]])
            try holder.rows("COMMIT")
            try client.rows("RESET statement_timeout")
            #expect(try client.run(call("run held", steps)).error == nil)
            #expect(try rows(client) == [["41", "run"]])
        }

        @Test(.timeLimit(.minutes(1))) func scriptsThatMakeNoSenseAreRefused() throws {
            let (_, client) = try Self.prepared()
            for (arguments, state) in [
                ("'s', '[{\"undo\": \"SELECT 1\"}]'", "22023"), ("'s', '{}'", "22023"), ("'s', '[1]'", "22023"), ("'s', 'x'", "22P02"), ("'s', NULL", "22023"),
                ("NULL, '[]'", "22004"), ("'s'", "42883"), ("'s', '[{\"do\": \"COMMIT\"}]'", "0A000"), ("'s', '[{\"do\": \"SELEC\"}]'", "42601"),
                ("'s', '[{\"do\": \"SELECT 1\", \"undo\": \"BEGIN\"}]'", "0A000"), ("'s', '[{\"do\": \"SELECT 1\", \"redo\": \"\"}]'", "22023"),
            ] {
                let said = try client.run("CALL pgbraid.saga_run(\(arguments))")
                #expect(said.state == state, "\(arguments): \(said)")
            }
            #expect(try client.run("BEGIN; CALL pgbraid.saga_run('s', '[]')").state == "25001")
            try client.rows("ROLLBACK")
            #expect(try client.run("CALL pgbraid.saga_run('empty', '[]')").error == nil)
            #expect(try client.rows("SELECT pgbraid.saga_state('s')") == [[nil]])
        }

        /// With parameters, described before they are run.
        @Test(.timeLimit(.minutes(1))) func sagasByTheExtendedProtocol() throws {
            let (_, client) = try Self.prepared()
            func outcome(_ text: String, _ values: [String]) throws -> StatementOutcome {
                let bound = values.map { BoundValue(bytes: Array($0.utf8), isBinary: false) }
                try client.send(
                    FrontendFrame.parse("", [], text) + FrontendFrame.bind("", "", bound, resultFormats: []) + FrontendFrame.describe("P", "")
                        + FrontendFrame.execute("") + FrontendFrame.sync)
                return try client.outcome()
            }
            let script = #"[{"do": "INSERT INTO run_row VALUES (61, 'made')"}, {"do": "INSERT INTO run_row VALUES (62, 'made')"}]"#
            #expect(try outcome("CALL pgbraid.saga_run($1, $2)", ["run extended", script]).tags == ["CALL"])
            #expect(try outcome("CALL pgbraid.saga_run($1, $2::jsonb, timeout => interval '1 minute')", ["run extended", script]).tags == ["CALL"])
            #expect(try rows(client) == [["61", "made"], ["62", "made"]])
            #expect(try outcome("SELECT pgbraid.saga_begin($1)", ["extended"]).rows == [["running"]])
            #expect(try outcome("SELECT pgbraid.saga_step($1, $2, $3)", ["extended", "one", "DELETE FROM run_row WHERE user_id = 61"]).rows == [[""]])
            #expect(try outcome("SELECT pgbraid.saga_abort($1)", ["extended"]).rows == [["undoing"]])
            try eventually("the saga is undone", withinSeconds: 30) { try self.rows(client) == [["62", "made"]] }
            #expect(try outcome("CALL pgbraid.saga_run($1, $2)", ["run extended", "[]"]).state == "42710")
        }

        @Test(.timeLimit(.minutes(1))) func theAdminDatabaseCountsSagas() throws {
            let (cluster, client) = try Self.prepared()
            #expect(try client.run(call("run counted", insert(51...52))).error == nil)
            let console = try WireClient(port: cluster.port, database: "pgbraid")
            let rows = try console.rows("SHOW SAGAS")
            #expect(rows.allSatisfy { $0.count == 6 })
            #expect(rows.contains { $0[1] == "completed" && Int($0[2] ?? "") ?? 0 > 0 })
        }
    }
}
