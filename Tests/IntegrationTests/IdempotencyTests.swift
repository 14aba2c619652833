// Requests under an idempotency key: done once, and answered each time as the first time.
import Foundation
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct IdempotencyTests {
        static func prepared() throws -> (TestCluster, WireClient) {
            let cluster = try SharedClusters.shared.get().four
            let client = try WireClient(port: cluster.port)
            try client.rows(
                """
                DROP TABLE IF EXISTS keyed_account, keyed_payment;
                CREATE TABLE keyed_account (user_id int PRIMARY KEY, balance int NOT NULL);
                CREATE TABLE keyed_payment (user_id int, what text NOT NULL, paid_at timestamptz NOT NULL DEFAULT clock_timestamp());
                INSERT INTO keyed_account SELECT g, 100 FROM generate_series(1, 20) g
                """)
            for table in ["idempotency"] { _ = try cluster.onShards("DELETE FROM pgbraid.\(table)") }
            return (cluster, client)
        }

        func payments(_ client: WireClient) throws -> String? { try client.rows("SELECT count(*) FROM keyed_payment")[0][0] }

        func state(_ key: String, _ client: WireClient) throws -> String? {
            // It may wait for five seconds itself.
            try client.rows("SELECT state FROM pgbraid.outcome('\(key)')", deadlineSeconds: 20).first?.first ?? nil
        }

        /// All frames of an answer up to ReadyForQuery.
        func frames(_ client: WireClient, _ message: [UInt8]) throws -> [[UInt8]] {
            try client.send(message)
            var frames: [[UInt8]] = []
            while let frame = try client.next() {
                frames.append(frame.bytes)
                if frame.letter == "Z" { return frames }
            }
            throw WireClientError(description: "the server closed the connection")
        }

        @Test(.timeLimit(.minutes(1))) func aRetryIsAnsweredAsTheFirstAndDoesNothing() throws {
            let (cluster, client) = try Self.prepared()
            let payment = "INSERT INTO keyed_payment (user_id, what) VALUES (3, 'rent') RETURNING user_id, what, paid_at"
            #expect(try state("pay 1", client) == "unknown")
            try client.rows("SET pgbraid.idempotency_key = 'pay 1'")
            let first = try frames(client, FrontendFrame.query(payment))
            #expect(first.map { $0[0] } == Array("TDCZ".utf8))
            #expect(try payments(client) == "1")
            for turn in 1...3 {
                let other = try WireClient(port: cluster.port)
                try other.rows("SET pgbraid.idempotency_key = 'pay 1'")
                #expect(try frames(other, FrontendFrame.query(payment)) == first, "retry \(turn)")
            }
            #expect(try payments(client) == "1")
            #expect(try client.rows("SELECT state, tag, statements FROM pgbraid.outcome('pay 1')") == [["committed", "INSERT 0 1", "1"]])
        }

        /// One key is one request: behind its end the session has none.
        @Test(.timeLimit(.minutes(1))) func theKeyIsUsedUpByItsTransaction() throws {
            let (_, client) = try Self.prepared()
            try client.rows("SET pgbraid.idempotency_key = 'used'")
            #expect(try client.rows("SHOW pgbraid.idempotency_key") == [["used"]])
            #expect(try client.run("INSERT INTO keyed_payment VALUES (1, NULL)").state == "23502")
            #expect(try client.rows("SHOW pgbraid.idempotency_key") == [[""]])
            #expect(try state("used", client) == "unknown")
            try client.rows("SET pgbraid.idempotency_key = 'used'")
            try client.rows("INSERT INTO keyed_payment VALUES (1, 'again')")
            #expect(try client.rows("SHOW pgbraid.idempotency_key") == [[""]])
            try client.rows("INSERT INTO keyed_payment VALUES (1, 'without a key')")
            #expect(try payments(client) == "2")
            for end in ["RESET pgbraid.idempotency_key", "RESET ALL", "DISCARD ALL", "SET pgbraid.idempotency_key = ''", "SET pgbraid.idempotency_key TO DEFAULT"] {
                try client.rows("SET pgbraid.idempotency_key = 'left'")
                try client.rows(end)
                #expect(try client.rows("SHOW pgbraid.idempotency_key") == [[""]], "\(end)")
            }
        }

        @Test(.timeLimit(.minutes(1))) func aBlockOverSeveralShardsIsDoneOnce() throws {
            let (cluster, client) = try Self.prepared()
            let block = [
                "/* pgbraid: idempotency_key=move-1 */ BEGIN", "UPDATE keyed_account SET balance = balance - 10 WHERE user_id = 1 RETURNING balance",
                "UPDATE keyed_account SET balance = balance + 10 WHERE user_id = 2 RETURNING balance", "SELECT sum(balance) FROM keyed_account",
                "UPDATE keyed_account SET balance = balance + 0", "COMMIT",
            ]
            var answers: [[[[UInt8]]]] = []
            for _ in 1...3 {
                let client = try WireClient(port: cluster.port)
                answers.append(try block.map { try frames(client, FrontendFrame.query($0)) })
            }
            #expect(answers[1] == answers[0])
            #expect(answers[2] == answers[0])
            #expect(try client.rows("SELECT balance FROM keyed_account WHERE user_id <= 2 ORDER BY user_id") == [["90"], ["110"]])
            #expect(try client.rows("SELECT state, tag, statements FROM pgbraid.outcome('move-1')") == [["committed", "UPDATE 20", "4"]])
            #expect(try cluster.onShards("SELECT count(*) FROM pg_prepared_xacts WHERE gid LIKE 'pgbraid:%'").allSatisfy { $0 == [["0"]] })
        }

        /// What was rolled back was not done: it may be tried again, and be another request.
        @Test(.timeLimit(.minutes(1))) func aRollbackFreesTheKey() throws {
            let (_, client) = try Self.prepared()
            for (statements, isKept) in [(["INSERT INTO keyed_payment VALUES (1, 'x')", "ROLLBACK"], false), (["SELECT 1/0", "COMMIT"], false), (["INSERT INTO keyed_payment VALUES (1, 'y')", "COMMIT"], true)] {
                _ = try client.run("BEGIN")
                _ = try client.run("SET LOCAL pgbraid.idempotency_key = 'second'")
                for statement in statements { _ = try client.run(statement) }
                #expect(try state("second", client) == (isKept ? "committed" : "unknown"))
            }
            #expect(try client.rows("SELECT what FROM keyed_payment") == [["y"]])
        }

        @Test(.timeLimit(.minutes(1))) func anotherRequestUnderTheKeyIsRefused() throws {
            let (cluster, client) = try Self.prepared()
            let key = "/* pgbraid: idempotency_key=taken */ "
            try client.rows(key + "INSERT INTO keyed_payment VALUES (1, 'a')")
            #expect(try client.run(key + "INSERT INTO keyed_payment VALUES (1, 'b')").state == "22023")
            #expect(try client.run(key + "BEGIN").tags == ["BEGIN"])
            #expect(try client.run("INSERT INTO keyed_payment VALUES (1, 'c')").state == "22023")
            #expect(try client.run("COMMIT").tags == ["ROLLBACK"])
            // A block of nothing but the same statement is the same request.
            #expect(try client.run(key + "BEGIN").tags == ["BEGIN"])
            #expect(try client.run("INSERT INTO keyed_payment VALUES (1, 'a')").tags == ["INSERT 0 1"])
            #expect(try client.run("COMMIT").tags == ["COMMIT"])
            #expect(try client.rows("SELECT count(*) FROM keyed_payment") == [["1"]])
            // By other settings the same text may mean something else.
            let other = try WireClient(port: cluster.port)
            try other.rows("SET search_path = pg_catalog, public")
            #expect(try other.run(key + "INSERT INTO keyed_payment VALUES (1, 'a')").state == "22023")
            // Applications' own settings may decide it by policies and triggers; those of waiting and logging do not.
            let tenant = try WireClient(port: cluster.port)
            try tenant.rows("SET app.tenant = '2'")
            #expect(try tenant.run(key + "INSERT INTO keyed_payment VALUES (1, 'a')").state == "22023")
            for setting in ["RESET app.tenant", "SET application_name = 'again'", "SET lock_timeout = '3s'", "SET client_min_messages = 'error'"] { try tenant.rows(setting) }
            #expect(try tenant.run(key + "INSERT INTO keyed_payment VALUES (1, 'a')").tags == ["INSERT 0 1"])
            let addressed = "/* pgbraid: shard=%, idempotency_key=addressed */ UPDATE keyed_account SET balance = balance + 1"
            for (shard, state) in [("0", nil), ("1", "22023"), ("0", nil)] as [(String, String?)] {
                #expect(try client.run(addressed.replacingOccurrences(of: "%", with: shard)).state == state, "shard \(shard)")
            }
            // A retry that leaves statements out, or adds some.
            let block = ["INSERT INTO keyed_payment VALUES (1, 'c')", "INSERT INTO keyed_payment VALUES (2, 'd')"]
            for (statements, last) in [(block, "COMMIT"), (Array(block[..<1]), "22023"), (block + ["SELECT 1"], "22023"), (block, "COMMIT")] {
                _ = try client.run("/* pgbraid: idempotency_key=both */ BEGIN")
                let errors = try (statements + ["COMMIT"]).map { try client.run($0) }
                #expect(errors.compactMap(\.state).first ?? errors.last?.tags.last == last)
                #expect(try client.rows("SELECT 1") == [["1"]])
            }
            #expect(try payments(client) == "3")
        }

        @Test(.timeLimit(.minutes(1))) func aConcurrentRetryWaitsForTheFirst() throws {
            let (cluster, client) = try Self.prepared()
            for end in ["COMMIT", "ROLLBACK"] {
                let key = "/* pgbraid: idempotency_key=race-\(end) */ BEGIN"
                let (first, second) = (try WireClient(port: cluster.port), try WireClient(port: cluster.port))
                for client in [first, second] { try client.rows(key) }
                let payment = "INSERT INTO keyed_payment VALUES (7, '\(end)') RETURNING paid_at"
                let told = try first.rows(payment)
                try second.send(FrontendFrame.query(payment))
                try eventually("the second waits") {
                    try cluster.onShards("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%idempotency_claim(''race%'").contains([["1"]])
                }
                let third = try WireClient(port: cluster.port)
                #expect(try state("race-\(end)", third) == "in progress")
                try first.rows(end)
                let answered = try second.outcome()
                #expect((answered.rows == told) == (end == "COMMIT"))
                #expect(try second.run("COMMIT").tags == ["COMMIT"])
                #expect(try state("race-\(end)", third) == "committed")
                #expect(try client.rows("SELECT count(*) FROM keyed_payment WHERE what = '\(end)'") == [["1"]])
            }
            try client.rows("SET lock_timeout = '100ms'")
            let holder = try WireClient(port: cluster.port)
            try holder.rows("/* pgbraid: idempotency_key=held */ BEGIN")
            try holder.rows("SELECT 1")
            #expect(try client.run("/* pgbraid: idempotency_key=held */ SELECT 1").state == "55P03")
        }

        /// Messages of the extended protocol, also several statements up to one Sync, in text and in binary.
        @Test(.timeLimit(.minutes(1))) func retriesByTheExtendedProtocol() throws {
            let (cluster, client) = try Self.prepared()
            let insert = "INSERT INTO keyed_payment (user_id, what) VALUES ($1, $2) RETURNING paid_at, user_id"
            func message(_ user: String, _ formats: [Int16], isNamed: Bool, execution: [UInt8] = FrontendFrame.execute("")) -> [UInt8] {
                FrontendFrame.parse(isNamed ? "s" : "", [23, 25], insert)
                    + FrontendFrame.bind("", isNamed ? "s" : "", [BoundValue(bytes: Array(user.utf8)), BoundValue(bytes: Array("x".utf8))], resultFormats: formats)
                    + FrontendFrame.describe("P", "") + execution
            }
            let lists: [[Int16]] = [[], [1], [1, 0]]
            for (number, formats) in lists.enumerated() {
                for isNamed in [false, true] {
                    let key = "extended-\(number)-\(isNamed)"
                    var answers: [[[UInt8]]] = []
                    for _ in 1...2 {
                        let client = try WireClient(port: cluster.port)
                        try client.rows("SET pgbraid.idempotency_key = '\(key)'")
                        answers.append(try frames(client, message("5", formats, isNamed: isNamed) + FrontendFrame.sync))
                        #expect(try client.rows("SHOW pgbraid.idempotency_key") == [[""]])
                    }
                    #expect(answers[0].map { $0[0] } == Array("12TDCZ".utf8))
                    #expect(answers[1] == answers[0])
                    // Another value is another request; other formats are not, but the answer is in those of the first time.
                    for (other, state) in [(message("6", formats, isNamed: false), "22023"), (message("5", [0, 1], isNamed: false), "0A000")] {
                        try client.rows("SET pgbraid.idempotency_key = '\(key)'")
                        try client.send(other + FrontendFrame.sync)
                        #expect(try client.outcome().state == state)
                    }
                    try client.rows("RESET pgbraid.idempotency_key")
                }
            }
            #expect(try payments(client) == "6")
            let batch = message("1", [], isNamed: false) + message("2", [], isNamed: false) + FrontendFrame.sync
            var answers: [[[UInt8]]] = []
            for _ in 1...2 {
                try client.rows("SET pgbraid.idempotency_key = 'batch'")
                answers.append(try frames(client, batch))
            }
            #expect(answers[0].map { $0[0] } == Array("12TDC12TDCZ".utf8))
            #expect(answers[1] == answers[0])
            #expect(try payments(client) == "8")
            #expect(try client.rows("SELECT statements FROM pgbraid.outcome('batch')") == [["2"]])
            // Drivers that want no rows ask for one at most.
            let limited: [(String, Int32, String?)] = [
                ("INSERT INTO keyed_payment VALUES (1, 'z')", 1, nil), ("INSERT INTO keyed_payment VALUES (1, 'z') RETURNING what", 1, "0A000"),
            ]
            for (text, limit, state) in limited {
                try client.send(
                    FrontendFrame.parse("", [], "/* pgbraid: idempotency_key=limit-\(state ?? "none") */ \(text)") + FrontendFrame.bind("", "", [], resultFormats: [])
                        + FrontendFrame.execute("", maximumRows: limit) + FrontendFrame.sync)
                #expect(try client.outcome().state == state)
            }
            #expect(try payments(client) == "9")
        }

        @Test(.timeLimit(.minutes(1))) func aBlockByTheExtendedProtocol() throws {
            let (cluster, client) = try Self.prepared()
            func message(_ text: String, _ values: [String] = []) -> [UInt8] {
                FrontendFrame.parse("", [], text) + FrontendFrame.describe("S", "")
                    + FrontendFrame.bind("", "", values.map { BoundValue(bytes: Array($0.utf8)) }, resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync
            }
            let block = [
                message("BEGIN"), message("SET LOCAL pgbraid.idempotency_key = 'driver'"), message("SHOW pgbraid.idempotency_key"),
                message("UPDATE keyed_account SET balance = balance - $1 WHERE user_id = $2 RETURNING balance", ["5", "3"]),
                message("UPDATE keyed_account SET balance = balance + $1 WHERE user_id = $2", ["5", "4"]),
                message("SELECT user_id, balance FROM keyed_account WHERE balance <> $1 ORDER BY user_id", ["100"]), message("COMMIT"),
            ]
            var answers: [[[[UInt8]]]] = []
            for _ in 1...2 {
                let client = try WireClient(port: cluster.port)
                answers.append(try block.map { try frames(client, $0) })
            }
            #expect(answers[0].last?.last == [0x5A, 0, 0, 0, 5, 0x49])
            #expect(answers[1] == answers[0])
            #expect(try client.rows("SELECT user_id, balance FROM keyed_account WHERE balance <> 100 ORDER BY user_id") == [["3", "95"], ["4", "105"]])
        }

        @Test(.timeLimit(.minutes(1))) func whatCannotBeRepeatedIsRefused() throws {
            let (_, client) = try Self.prepared()
            for text in [
                "COPY keyed_payment FROM STDIN", "COPY keyed_payment TO STDOUT", "LISTEN keyed", "VACUUM keyed_payment", "SELECT pg_advisory_lock(1)", "CREATE TEMP TABLE keyed_temp (a int)",
                "COMMIT PREPARED 'none'", "INSERT INTO keyed_payment VALUES (1, 'x'); SELECT 2",
            ] {
                try client.rows("SET pgbraid.idempotency_key = 'refused'")
                #expect(try client.run(text).state == "0A000", "\(text)")
            }
            try client.rows("RESET pgbraid.idempotency_key")
            for text in ["SAVEPOINT a", "DECLARE c CURSOR FOR SELECT 1", "PREPARE TRANSACTION 'keyed'", "COMMIT AND CHAIN", "PREPARE p AS SELECT 1; EXECUTE p", "EXECUTE keyed_p", "SELECT 1; SELECT 2"] {
                try client.rows("/* pgbraid: idempotency_key=refused */ BEGIN")
                #expect(try client.run(text).state == "0A000", "\(text)")
                try client.rows("ROLLBACK")
            }
            #expect(try client.run("/* pgbraid: idempotency_key=refused */ BEGIN READ ONLY").state == "25006")
            #expect(try client.rows("SELECT 1") == [["1"]])
            #expect(try client.run("SET LOCAL pgbraid.idempotency_key = 'x'").state == "25P01")
            #expect(try client.run("SET pgbraid.idempotency_key = '\(String(repeating: "k", count: 256))'").state == "22023")
            #expect(try client.run("SET pgbraid.idempotency_key = 17").state == "22023")
            #expect(try client.run("SELECT set_config('pgbraid.idempotency_key', 'x', false)").state == "0A000")
            #expect(try client.run("/* pgbraid: idempotency_key= */ SELECT 1").state == "22023")
            #expect(try client.run("/* pgbraid: idempotency_key=a b */ SELECT 1").state == "42601")
            #expect(try client.run("/* pgbraid: idempotency_key=a */ SHOW timezone").state == "0A000")
            try client.rows("BEGIN")
            try client.rows("INSERT INTO keyed_payment VALUES (1, 'before')")
            #expect(try client.run("SET LOCAL pgbraid.idempotency_key = 'late'").state == "25001")
            try client.rows("ROLLBACK")
        }

        /// Settings and questions about outcomes belong to the session, not to the request.
        @Test(.timeLimit(.minutes(1))) func theSessionGoesOnBesideTheRequest() throws {
            let (_, client) = try Self.prepared()
            try client.rows("SET pgbraid.idempotency_key = 'beside'")
            try client.rows("SET application_name = 'keyed'")
            #expect(try client.rows("SHOW application_name") == [["keyed"]])
            #expect(try state("beside", client) == "unknown")
            #expect(try client.rows("SHOW pgbraid.idempotency_key") == [["beside"]])
            for turn in 1...2 {
                try client.rows("SET pgbraid.idempotency_key = 'beside'")
                try client.rows("BEGIN")
                try client.rows("SET LOCAL application_name = 'within'")
                #expect(try client.rows("SHOW application_name") == [["within"]])
                try client.rows("INSERT INTO keyed_payment VALUES (1, 'once')")
                #expect(try state("beside", client) == (turn == 1 ? "in progress" : "committed"))
                try client.rows("COMMIT")
            }
            #expect(try payments(client) == "1")
        }

        @Test(.timeLimit(.minutes(1))) func keysBelongToTheirRole() throws {
            let (cluster, client) = try Self.prepared()
            try client.rows("DROP ROLE IF EXISTS keyed_role; CREATE ROLE keyed_role LOGIN; GRANT ALL ON keyed_payment TO keyed_role")
            let key = "/* pgbraid: idempotency_key=shared */ "
            let payment = "INSERT INTO keyed_payment VALUES (1, current_user) RETURNING what"
            #expect(try client.rows(key + payment) == [["postgres"]])
            let other = try WireClient(port: cluster.port, user: "keyed_role")
            #expect(try state("shared", other) == "unknown")
            for _ in 1...2 { #expect(try other.rows(key + payment) == [["keyed_role"]]) }
            #expect(try other.rows("SELECT key, number FROM pgbraid.idempotency ORDER BY number") == [["shared", "0"], ["shared", "1"]])
            for text in ["DELETE FROM pgbraid.idempotency", "UPDATE pgbraid.idempotency SET answer = NULL", "TRUNCATE pgbraid.idempotency"] {
                #expect(try other.run(text).state != nil, "\(text)")
            }
            #expect(try client.rows(key + payment) == [["postgres"]])
            // By hand it can store what a proxy would, and no more.
            let hash = "decode(repeat('ab', 32), 'hex')"
            let values = [
                "('hand', 1, NULL, 'x', 'x')", "('hand', 1, \(hash), NULL, 'x')", "('hand', 1, \(hash), 'x', NULL)", "('hand', 1, 'short', 'x', 'x')", "('hand', -1, \(hash), 'x', 'x')",
                "('hand', 1000000, \(hash), 'x', 'x')", "('hand', 0, \(hash), 'x', 'x')", "('hand', 1, \(hash), repeat('x', 101), 'x')",
                "('hand', 1, \(hash), 'x', convert_to(repeat('x', 3000000), 'UTF8'))",
            ]
            for row in values {
                let text = "SET ROLE keyed_role; INSERT INTO pgbraid.idempotency (key, number, request, tag, answer) VALUES \(row)"
                #expect(throws: (any Error).self, "\(row)") { try cluster.onShards(text) }
            }
            _ = try cluster.onShards(
                """
                SET ROLE keyed_role; INSERT INTO pgbraid.idempotency (key, number) VALUES ('heavy', 0);
                INSERT INTO pgbraid.idempotency (key, number, request, tag, answer) SELECT 'heavy', g, \(hash), 'x', convert_to(repeat('x', 1000000), 'UTF8') FROM generate_series(1, 3) g
                """)
            #expect(try other.run("/* pgbraid: idempotency_key=heavy */ SELECT 1").state == "54000")
            try client.rows("SET ROLE keyed_role")
            #expect(try client.run(key + payment).state == "22023")
            try client.rows("RESET ROLE")
            #expect(try payments(client) == "2")
        }

        @Test(.timeLimit(.minutes(1))) func anAnswerThatIsTooLongUndoesTheRequest() throws {
            let (_, client) = try Self.prepared()
            let key = "/* pgbraid: idempotency_key=long */ "
            #expect(try client.run(key + "INSERT INTO keyed_payment VALUES (1, repeat('x', 2000000)) RETURNING what").state == "53400")
            #expect(try payments(client) == "0")
            #expect(try state("long", client) == "unknown")
            let text = "INSERT INTO keyed_payment VALUES (1, repeat('x', 900000)) RETURNING what"
            let first = try client.rows(key + text)
            #expect(try client.rows(key + text) == first)
            #expect(try payments(client) == "1")
        }

        /// The example of docs/idempotency.md, twice.
        @Test(.timeLimit(.minutes(1))) func theExampleOfTheDocumentation() throws {
            let (cluster, client) = try Self.prepared()
            let page = try String(contentsOfFile: "docs/idempotency.md", encoding: .utf8)
            let example = try #require(page.components(separatedBy: "```sql\n").last?.components(separatedBy: "```").first)
            let statements = example.components(separatedBy: ";").map { $0.components(separatedBy: "\n").map { $0.components(separatedBy: "-- ")[0] }.joined(separator: "\n") }
                .filter { !$0.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty }
            try client.rows(
                """
                DROP TABLE IF EXISTS customer_payment, customer_account;
                CREATE TABLE customer_payment (user_id int, amount int, paid_at timestamptz DEFAULT clock_timestamp());
                CREATE TABLE customer_account (user_id int PRIMARY KEY, balance int); INSERT INTO customer_account VALUES (7, 500), (8, 500)
                """)
            var answers: [[[String?]]] = []
            for _ in 1...2 {
                let client = try WireClient(port: cluster.port)
                answers.append(try statements.flatMap { try client.rows($0) })
            }
            #expect(answers[0] == answers[1])
            #expect(answers[0].last == ["committed", "UPDATE 1"])
            #expect(try client.rows("SELECT user_id, balance FROM customer_account ORDER BY user_id") == [["7", "400"], ["8", "600"]])
            #expect(try client.rows("SELECT count(*) FROM customer_payment") == [["2"]])
        }

        /// A key's time runs from when it was first seen; one that cannot be deleted holds up no other.
        @Test(.timeLimit(.minutes(1))) func keysExpire() throws {
            let (cluster, client) = try Self.prepared()
            let old = ["old 1", "old 2", "old 3", "large"]
            for key in old + ["late", "new", "stuck"] {
                try client.rows("SET pgbraid.idempotency_key = '\(key)'")
                try client.rows("INSERT INTO keyed_payment VALUES (1, '\(key)')")
            }
            let isOver = "seen_at = CASE WHEN number = 0 THEN now() - interval '2 hours' END"
            _ = try cluster.onShards(
                """
                UPDATE pgbraid.idempotency SET begun_at = begun_at - interval '2 hours' WHERE key <> 'new';
                UPDATE pgbraid.idempotency SET seen_at = now() WHERE key = 'late' AND number = 0;
                UPDATE pgbraid.idempotency SET \(isOver) WHERE key LIKE 'old%' OR key IN ('large', 'stuck');
                INSERT INTO pgbraid.idempotency (key, owner, number, request, tag, answer, begun_at)
                    SELECT key, owner, g, request, tag, answer, begun_at FROM pgbraid.idempotency, generate_series(2, 5000) g WHERE key = 'large' AND number = 1;
                INSERT INTO pgbraid.idempotency (key, number, request, tag, answer, begun_at)
                    VALUES ('by hand', 1, decode(repeat('ab', 32), 'hex'), 'x', 'x', now() - interval '2 hours');
                CREATE OR REPLACE FUNCTION keyed_stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'stuck'; END $$;
                CREATE TRIGGER stuck BEFORE DELETE ON pgbraid.idempotency FOR EACH ROW WHEN (OLD.key = 'stuck') EXECUTE FUNCTION keyed_stuck()
                """)
            defer { _ = try? cluster.onShards("DROP TRIGGER IF EXISTS stuck ON pgbraid.idempotency") }
            let brief = try TestCluster(servers: cluster.servers, settings: ["transactions": ["idempotency_keys = \"1h\""]])
            try eventually("the old keys are forgotten") {
                try cluster.onShards("SELECT count(*) FROM pgbraid.idempotency WHERE key LIKE 'old%' OR key IN ('large', 'by hand')").allSatisfy { $0 == [["0"]] }
            }
            for key in old { #expect(try state(key, client) == "unknown") }
            for key in ["late", "new", "stuck"] { #expect(try state(key, client) == "committed", "\(key)") }
            // What is marked as being forgotten is neither answered nor free.
            try eventually("the stuck key is marked") { try client.run("/* pgbraid: idempotency_key=stuck */ SELECT 1").state == "40001" }
            try eventually("the new key is marked") {
                try cluster.onShards("SELECT count(*) FROM pgbraid.idempotency WHERE number = 0 AND seen_at IS NULL").allSatisfy { $0 == [["0"]] }
            }
            withExtendedLifetime(brief) {}
        }

        /// Triggers, functions of one's own and reference tables run under a key as without.
        @Test(.timeLimit(.minutes(1))) func triggersAndReferenceTables() throws {
            let (_, client) = try Self.prepared()
            try client.rows("DROP TABLE IF EXISTS keyed_rate; CREATE TABLE keyed_rate (id int PRIMARY KEY, rate int); INSERT INTO keyed_rate VALUES (1, 5)")
            try client.rows("CREATE OR REPLACE FUNCTION keyed_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'noted'; NEW.what := 'by trigger'; RETURN NEW; END $$")
            try client.rows("CREATE TRIGGER note BEFORE INSERT ON keyed_payment FOR EACH ROW EXECUTE FUNCTION keyed_note()")
            for turn in 1...2 {
                try client.rows("SET pgbraid.idempotency_key = 'triggers'")
                try client.rows("BEGIN")
                let inserted = try client.run("INSERT INTO keyed_payment VALUES (1, 'x') RETURNING what")
                #expect(inserted.rows == [["by trigger"]])
                // What is said beside the answer is said when it happens.
                #expect(inserted.warnings == (turn == 1 ? ["noted"] : []))
                #expect(try client.run("UPDATE keyed_rate SET rate = rate + 1").tags == ["UPDATE 1"])
                try client.rows("COMMIT")
            }
            #expect(try client.rows("SELECT rate FROM keyed_rate") == [["6"]])
            #expect(try payments(client) == "1")
        }
    }
}
