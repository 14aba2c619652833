// What else a block under an idempotency key does: portals, rows that lie where it writes, errors, notifications, long answers.
import Testing
import WireProtocol

extension IntegrationTests.IdempotencyTests {
    /// Rows that are still to be fetched are no part of the request, and are not passed over.
    @Test(.timeLimit(.minutes(1)), arguments: ["/* pgbraid: idempotency_key=late */ INSERT INTO keyed_payment VALUES (1, 'x')", "SET LOCAL pgbraid.idempotency_key = 'late'"])
    func aPortalThatIsReadInPartsIsNotCutOff(naming: String) throws {
        let (_, client) = try Self.prepared()
        try client.rows("BEGIN")
        let next = FrontendFrame.execute("part", maximumRows: 5) + FrontendFrame.sync
        try client.send(
            FrontendFrame.parse("", [], "SELECT user_id FROM keyed_account ORDER BY user_id") + FrontendFrame.bind("part", "", [], resultFormats: []) + next)
        #expect(try client.outcome().rows == (1...5).map { ["\($0)"] })
        #expect(try client.run(naming).state == "25001")
        try client.rows("ROLLBACK")
        #expect(try payments(client) == "0")
    }

    /// What lies where the transaction writes lies there with any key.
    @Test(.timeLimit(.minutes(1))) func aKeyDoesNotSayWhereRowsLie() throws {
        let (cluster, client) = try Self.prepared()
        try client.rows("DROP TABLE IF EXISTS local_events; CREATE TABLE local_events (id bigint GENERATED ALWAYS AS IDENTITY, what text)")
        for number in 1...12 {
            try client.rows("/* pgbraid: idempotency_key=place-\(number) */ BEGIN")
            try client.rows("UPDATE keyed_account SET balance = balance + 1 WHERE user_id = 7")
            try client.rows("INSERT INTO local_events (what) VALUES ('\(number)')")
            try client.rows("COMMIT")
        }
        let places = try cluster.onShards("SELECT (SELECT count(*) FROM keyed_account WHERE user_id = 7), (SELECT count(*) FROM local_events)").map { $0[0] }
        #expect(places.filter { $0[1] != "0" } == [["1", "12"]])
        try client.rows("DROP TABLE local_events")
    }

    /// By whichever form the transaction has got it.
    @Test(.timeLimit(.minutes(1)), arguments: [
        ["/* pgbraid: idempotency_key=twice */ INSERT INTO keyed_payment VALUES (1, 'a')"],
        ["/* pgbraid: idempotency_key=twice */ BEGIN", "INSERT INTO keyed_payment VALUES (1, 'a')", "COMMIT"],
        ["BEGIN", "SET LOCAL pgbraid.idempotency_key = 'twice'", "INSERT INTO keyed_payment VALUES (1, 'a')", "COMMIT"],
    ]) func aKeyThatIsNamedTwiceIsGoneWithItsTransaction(block: [String]) throws {
        let (_, client) = try Self.prepared()
        try client.rows("SET pgbraid.idempotency_key = 'twice'")
        for statement in block { try client.rows(statement) }
        #expect(try client.rows("SHOW pgbraid.idempotency_key") == [[""]])
        try client.rows("INSERT INTO keyed_payment VALUES (1, 'a')")
        #expect(try payments(client) == "2")
    }

    /// The error of the statement, and not one about its key.
    @Test(.timeLimit(.minutes(1))) func whatCannotBePlannedSaysWhy() throws {
        let (_, client) = try Self.prepared()
        #expect(try client.run("/* pgbraid: idempotency_key=why */ INSERT INTO no_such_table VALUES (1)").state == "42P01")
        #expect(try client.run("/* pgbraid: idempotency_key=why */ INSERT INTO keyed_account (user_id, balance) VALUES (NULL, 1)").state == "23502")
        #expect(try state("why", client) == "unknown")
        // Such an error uses the key up as one of a shard does.
        try client.rows("SET pgbraid.idempotency_key = 'why'")
        #expect(try client.run("INSERT INTO keyed_account (user_id, balance) VALUES (NULL, 1)").state == "23502")
        #expect(try client.rows("SHOW pgbraid.idempotency_key") == [[""]])
    }

    /// A request that has dropped a table is answered although the table is gone.
    @Test(.timeLimit(.minutes(1))) func aTableThatIsGoneIsAnsweredAsBefore() throws {
        let (_, client) = try Self.prepared()
        try client.rows("DROP TABLE IF EXISTS keyed_staging; CREATE TABLE keyed_staging (user_id int); INSERT INTO keyed_staging VALUES (1)")
        for turn in 1...2 {
            try client.rows("/* pgbraid: idempotency_key=dropped */ BEGIN")
            #expect(try client.run("UPDATE keyed_staging SET user_id = user_id WHERE user_id = 1").tags == ["UPDATE 1"], "turn \(turn)")
            #expect(try client.run("DROP TABLE keyed_staging").tags == ["DROP TABLE"], "turn \(turn)")
            try client.rows("COMMIT")
        }
    }

    /// Whichever shard the key is on, and whether or not a link to the lowest one is at hand.
    @Test(.timeLimit(.minutes(1))) func aRequestMayNotify() throws {
        let (cluster, _) = try Self.prepared()
        for number in 1...12 {
            let client = try WireClient(port: cluster.port)
            try client.rows("/* pgbraid: idempotency_key=notified-\(number) */ BEGIN")
            try client.rows("UPDATE keyed_account SET balance = balance + 1")
            try client.rows("NOTIFY keyed_channel")
            #expect(try client.run("COMMIT").tags == ["COMMIT"], "key \(number)")
        }
    }

    @Test(.timeLimit(.minutes(1))) func aLongAnswerIsRefusedAtTheLimitOfAnswers() throws {
        let (_, client) = try Self.prepared()
        for statement in ["SELECT repeat('x', 1000) FROM keyed_account, generate_series(1, 2000)", "SELECT repeat('x', 1000) FROM generate_series(1, 2000)"] {
            let outcome = try client.run("/* pgbraid: idempotency_key=long */ \(statement)")
            #expect(outcome.state == "53400" && outcome.error?.message.contains("idempotency key") == true, "\(outcome)")
        }
    }

    /// While a key is being forgotten a retry is told to try again, however much of it is left.
    @Test(.timeLimit(.minutes(1)), arguments: [["seen_at = '-infinity'", nil], ["seen_at = '-infinity'", "DELETE FROM pgbraid.idempotency WHERE number > 0"]])
    func aKeyThatIsBeingForgottenIsNoOtherRequest(steps: [String?]) throws {
        let (cluster, client) = try Self.prepared()
        let payment = "/* pgbraid: idempotency_key=ending */ INSERT INTO keyed_payment VALUES (1, 'a')"
        try client.rows(payment)
        if let change = steps[0] { _ = try cluster.onShards("UPDATE pgbraid.idempotency SET \(change) WHERE number = 0") }
        if let removal = steps[1] { _ = try cluster.onShards(removal) }
        #expect(try client.run(payment).state == "40001")
        #expect(try client.rows("SELECT state, tag, statements FROM pgbraid.outcome('ending')") == [["committed", nil, nil]])
    }
}
