// How long a session has its idempotency key: until a transaction that has claimed it ends, and no longer.
import Testing
import WireProtocol

extension IntegrationTests.IdempotencyTests {
    private func key(_ client: WireClient) throws -> String? { try client.rows("SHOW pgbraid.idempotency_key")[0][0] }

    /// What a pool or a program asks in between is not taken for the request.
    @Test(.timeLimit(.minutes(1))) func aChanceStatementDoesNotUseTheKeyUp() throws {
        let (_, client) = try Self.prepared()
        try client.rows("SET pgbraid.idempotency_key = 'chance'")
        for question in ["SELECT 1", "SELECT count(*) FROM keyed_payment", "EXPLAIN SELECT 1", "VALUES (1)"] { try client.rows(question) }
        try client.send(
            FrontendFrame.parse("", [], "SELECT balance FROM keyed_account WHERE user_id = 3") + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("")
                + FrontendFrame.sync)
        #expect(try client.outcome().rows == [["100"]])
        #expect(try key(client) == "chance")
        #expect(try state("chance", client) == "unknown")
        // The transaction that fails takes the key with it.
        #expect(try client.run("BEGIN").tags == ["BEGIN"])
        #expect(try client.run("INSERT INTO keyed_payment VALUES (1, NULL)").state == "23502")
        #expect(try client.run("ROLLBACK").tags == ["ROLLBACK"])
        #expect(try key(client) == "")
        try client.rows("SELECT 1")
        try client.rows("UPDATE keyed_account SET balance = balance WHERE user_id = 1")
        #expect(try state("chance", client) == "unknown")
        try client.rows("SET pgbraid.idempotency_key = 'chance'")
        try client.rows("INSERT INTO keyed_payment VALUES (1, 'a')")
        #expect(try state("chance", client) == "committed")
    }

    /// The payment behind an empty transaction still has the key.
    @Test(.timeLimit(.minutes(1)), arguments: ["COMMIT", "ROLLBACK"]) func aTransactionThatDoesNothingLeavesTheKey(end: String) throws {
        let (_, client) = try Self.prepared()
        for turn in 1...2 {
            try client.rows("SET pgbraid.idempotency_key = 'empty'")
            for block in [["BEGIN", end], ["BEGIN", "SELECT state FROM pgbraid.outcome('other')", end], ["BEGIN", "SET LOCAL timezone = 'UTC'", end]] {
                for statement in block { try client.rows(statement) }
                #expect(try key(client) == "empty", "\(block) in turn \(turn)")
            }
            for statement in ["BEGIN", "INSERT INTO keyed_payment VALUES (1, 'once')", "COMMIT"] { try client.rows(statement) }
            #expect(try key(client) == "")
        }
        #expect(try payments(client) == "1")
    }

    /// What a statement does beside the question would be done by each retry.
    @Test(.timeLimit(.minutes(1))) func nothingIsDoneBesideAQuestionForTheOutcome() throws {
        let (_, client) = try Self.prepared()
        try client.rows("/* pgbraid: idempotency_key=beside-a-question */ BEGIN")
        #expect(try client.run("WITH w AS (INSERT INTO keyed_payment VALUES (1, 'x')) SELECT state FROM pgbraid.outcome('k')").state == "0A000")
        try client.rows("ROLLBACK")
        try client.rows("/* pgbraid: idempotency_key=beside-a-question */ BEGIN")
        #expect(try client.rows("SELECT state, 1 FROM pgbraid.outcome('k') AS o") == [["unknown", "1"]])
        try client.rows("COMMIT")
        #expect(try payments(client) == "0")
    }

    @Test(.timeLimit(.minutes(1))) func theConsoleTellsWhatIsKept() throws {
        let (cluster, client) = try Self.prepared()
        for number in 1...20 { try client.rows("/* pgbraid: idempotency_key=kept-\(number) */ INSERT INTO keyed_payment VALUES (1, '\(number)')") }
        _ = try cluster.onShards("ANALYZE pgbraid.idempotency")
        let counted = try cluster.onShards("SELECT count(*), floor(extract(epoch FROM now() - min(begun_at))) FROM pgbraid.idempotency").map { $0[0] }
        #expect(counted.reduce(0) { $0 + (Int($1[0] ?? "") ?? 0) } == 40)
        let shown = try cluster.console("SHOW IDEMPOTENCY")
        #expect(shown.map { $0[1] } == counted.map { $0[0] })
        for (shown, counted) in zip(shown, counted) {
            #expect(Int(shown[2] ?? "") ?? 0 > 8192)
            #expect((0...60).contains((Int(shown[3] ?? "") ?? -1) - (Int(counted[1] ?? "") ?? 0)) || counted[0] == "0", "\(shown) \(counted)")
        }
    }

    /// What is stored of a request is one role's.
    @Test(.timeLimit(.minutes(1))) func theRoleStaysWithinARequest() throws {
        let (cluster, client) = try Self.prepared()
        try client.rows("DROP ROLE IF EXISTS keyed_other; CREATE ROLE keyed_other; GRANT ALL ON keyed_payment TO keyed_other")
        let changes = [
            "SET ROLE keyed_other", "SET LOCAL ROLE keyed_other", "RESET ROLE", "SET SESSION AUTHORIZATION keyed_other", "RESET SESSION AUTHORIZATION",
            "SELECT set_config('role', 'keyed_other', true)", "SELECT set_config('role', 'keyed_other', false)",
        ]
        for change in changes {
            try client.rows("/* pgbraid: idempotency_key=role */ BEGIN")
            try client.rows("INSERT INTO keyed_payment VALUES (1, 'x')")
            #expect(try client.run(change).state == "25001", "\(change)")
            try client.rows("ROLLBACK")
            #expect(try client.rows("SELECT current_user") == [["postgres"]])
        }
        // A function may have changed it unseen.
        #expect(throws: (any Error).self) { try cluster.onShards("SELECT pgbraid.idempotency_held('nobody has claimed it')") }
        #expect(try payments(client) == "0")
        // Before the first statement the role is the request's own.
        try client.rows("/* pgbraid: idempotency_key=role */ BEGIN")
        for statement in ["SET LOCAL ROLE keyed_other", "INSERT INTO keyed_payment VALUES (1, current_user)", "COMMIT"] { try client.rows(statement) }
        #expect(try client.rows("SELECT what FROM keyed_payment") == [["keyed_other"]])
        #expect(try state("role", client) == "unknown")
    }

    /// SET and RESET of the key go back with their transaction, as of any setting.
    @Test(.timeLimit(.minutes(1))) func settingTheKeyIsUndoneWithItsTransaction() throws {
        let (_, client) = try Self.prepared()
        let (former, other) = ("SET pgbraid.idempotency_key = 'former'", "SET pgbraid.idempotency_key = 'other'")
        for change in [other, "RESET pgbraid.idempotency_key", "RESET ALL"] {
            try client.rows(former)
            #expect(try client.run("\(change); SELECT 1/0").state == "22012")
            #expect(try key(client) == "former", "\(change) in a Query")
            try client.rows("BEGIN")
            try client.rows(change)
            #expect(try key(client) == (change == other ? "other" : ""))
            try client.rows("ROLLBACK")
            #expect(try key(client) == "former", "\(change) in a block")
            try client.rows("BEGIN")
            try client.rows(change)
            try client.rows("COMMIT")
            #expect(try key(client) == (change == other ? "other" : ""), "\(change) is committed")
            try client.rows(former)
            let batch = [change, "SELECT 1/0"].flatMap {
                FrontendFrame.parse("", [], $0) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("")
            }
            try client.send(batch + FrontendFrame.sync)
            #expect(try client.outcome().state == "22012")
            #expect(try key(client) == "former", "\(change) in a batch")
        }
    }
}
