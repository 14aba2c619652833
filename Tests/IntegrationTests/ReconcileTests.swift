// pgbraid reconcile, and SELECT pgbraid.reconcile(...): exactly what was spoilt behind the proxy's back is found.
import Foundation
import TestSupport
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct ReconcileTests {
        private static let database = "reconciled"

        /// A proxy in front of a database of its own on the four servers, and another one on the judge to compare with.
        private final class World: @unchecked Sendable {
            let servers: TestServers
            let cluster: TestCluster
            let client: WireClient

            init() throws {
                servers = try TestServers.shared.get()
                for server in servers.four + [servers.judge] { try server.psql("CREATE DATABASE \(ReconcileTests.database)") }
                let place = "{ host = \"\(servers.judge.socketDirectory)\", port = \(servers.judge.port), dbname = \"\(ReconcileTests.database)\" }"
                cluster = try TestCluster(
                    servers: servers.four, settings: ["": Self.comparisons(place)],
                    shardEntries: servers.four.map { ["host = \"\($0.socketDirectory)\"", "port = \($0.port)", "dbname = \"\(ReconcileTests.database)\""] })
                client = try WireClient(port: cluster.port)
                try client.rows(
                    """
                    CREATE TABLE account (user_id int PRIMARY KEY, name text, balance numeric NOT NULL);
                    CREATE TABLE entry (user_id int, id int, amount numeric, PRIMARY KEY (user_id, id));
                    CREATE TABLE country (id int PRIMARY KEY, name text);
                    CREATE TABLE note (body text, at date);
                    CREATE TABLE orders (user_id int, id int, country int, PRIMARY KEY (user_id, id));
                    CREATE TABLE booking (user_id int PRIMARY KEY, day date, amount int);
                    INSERT INTO account SELECT g, 'name ' || g, g * 10 FROM generate_series(1, 300) g;
                    INSERT INTO entry SELECT g, 1, g * 4 FROM generate_series(1, 300) g;
                    INSERT INTO entry SELECT g, 2, g * 6 FROM generate_series(1, 300) g;
                    INSERT INTO country SELECT g, 'country ' || g FROM generate_series(1, 20) g;
                    INSERT INTO note SELECT 'note ' || g % 5, DATE '2026-01-01' + g % 3 FROM generate_series(1, 30) g;
                    INSERT INTO orders SELECT g, g, 1 + g % 20 FROM generate_series(1, 100) g;
                    INSERT INTO booking SELECT g, CASE WHEN g < 40 THEN DATE '2026-01-01' + g END, g FROM generate_series(1, 40) g
                    """)
                try ledger("CREATE TABLE booking (day date, amount int)")
                try ledger("INSERT INTO booking SELECT CASE WHEN g < 40 THEN DATE '2026-01-01' + g END, g FROM generate_series(1, 40) g")
                try ledger("CREATE TABLE account (user_id int PRIMARY KEY, name text, balance numeric(12, 2))")
                try ledger("INSERT INTO account SELECT g, 'name ' || g, g * 10 FROM generate_series(1, 300) g")
            }

            private static func comparisons(_ ledger: String) -> [String] {
                let text = """
                    [[reconciliation]]
                    name = "accounts"
                    entity_type = "account"
                    source = "SELECT user_id, name, balance FROM account"
                    source_database = \(ledger)
                    target = "SELECT user_id, name, balance FROM account;"
                    key = "user_id"
                    tolerances = { balance = "0.01" }
                    repair_table = "account"
                    [[reconciliation]]
                    name = "balances"
                    source = "SELECT user_id, balance FROM account"
                    target = "SELECT user_id, sum(amount) AS balance FROM entry GROUP BY user_id"
                    key = "user_id"
                    tolerances = { balance = "0" }
                    [[reconciliation]]
                    name = "orders"
                    check = "children_without_parents"
                    child_table = "orders"
                    child_columns = "user_id"
                    parent_table = "account"
                    parent_columns = "user_id"
                    [[reconciliation]]
                    name = "names"
                    source = "SELECT name, user_id FROM account"
                    source_database = \(ledger)
                    target = "SELECT name, user_id FROM account"
                    key = "name"
                    [[reconciliation]]
                    name = "bookings"
                    source = "SELECT day, amount FROM booking"
                    source_database = \(ledger)
                    target = "SELECT day, amount FROM booking"
                    key = "day"
                    [[reconciliation]]
                    name = "hourly"
                    source = "SELECT 1 AS id"
                    target = "SELECT 1 AS id"
                    key = "id"
                    interval = "1h"
                    [[reconciliation]]
                    name = "moving"
                    source = "SELECT 1 AS id, 'still' AS at"
                    source_database = \(ledger)
                    target = "SELECT 1 AS id, clock_timestamp()::text AS at"
                    target_database = \(ledger)
                    key = "id"
                    [[reconciliation]]
                    name = "unlike"
                    source = "SELECT id, name FROM country"
                    target = "SELECT id FROM country"
                    key = "id"
                    [[reconciliation]]
                    name = "nowhere"
                    source = "SELECT 1 AS id"
                    source_database = { host = "/nonexistent" }
                    target = "SELECT 1 AS id"
                    key = "id"
                    """
                return text.split(separator: "\n").map(String.init)
            }

            /// A statement of the other database.
            @discardableResult
            func ledger(_ sql: String) throws -> [[String?]] { try servers.judge.psql(sql, database: ReconcileTests.database) }

            /// A statement behind the proxy's back.
            @discardableResult
            func onShard(_ shard: Int, _ sql: String) throws -> [[String?]] { try servers.four[shard].psql(sql, database: ReconcileTests.database) }

            func run(_ words: String...) throws -> CommandRun { try CommandRun(["reconcile", "--config", cluster.configurationPath] + words) }

            /// The kinds and keys of what a comparison tells, in order.
            func told(_ name: String) throws -> (status: Int32, told: [String]) {
                let run = try run(name, "--json")
                let result = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
                let found = result?["inconsistencies"] as? [[String: Any]] ?? []
                #expect(result?["inconsistency_count"] as? Int == found.count, "\(run)")
                return (
                    run.status,
                    found.map { one in
                        let key = (one["key"] as? [String: Any] ?? [:]).sorted { $0.key < $1.key }.map { "\($0.value)" }.joined(separator: " ")
                        return "\(one["kind"] ?? "") \(key)"
                    }
                )
            }
        }

        private static let world = Result { try World() }

        private func prepared() throws -> World { try Self.world.get() }

        /// The shard of an account.
        private func shard(of user: Int, _ world: World) throws -> Int {
            try #require((0..<4).first { try world.onShard($0, "SELECT 1 FROM account WHERE user_id = \(user)") == [["1"]] })
        }

        @Test(.timeLimit(.minutes(1))) func whatIsEqualIsEqual() throws {
            let world = try prepared()
            let run = try world.run("accounts", "balances", "orders", "names", "misplaced_rows", "reference_tables", "prepared_transactions")
            #expect(run.status == 0 && run.errors == "", "\(run)")
            #expect(run.output.contains("accounts: equal, 0 inconsistencies in 600 rows of reconciled at "), "\(run)")
            #expect(try world.client.rows("SELECT status, row_count FROM pgbraid.reconciliation_tasks WHERE name = 'accounts' ORDER BY requested_at DESC LIMIT 1") == [["equal", "600"]])
        }

        @Test(.timeLimit(.minutes(1))) func differencesWithAnotherDatabaseAreFoundAndRepaired() throws {
            let world = try prepared()
            for user in [7, 150] { try world.onShard(shard(of: user, world), "DELETE FROM account WHERE user_id = \(user)") }
            try world.onShard(shard(of: 20, world), "UPDATE account SET balance = balance + 0.02 WHERE user_id = 20")
            // Within the tolerance.
            try world.onShard(shard(of: 21, world), "UPDATE account SET balance = balance - 0.01 WHERE user_id = 21")
            try world.onShard(shard(of: 22, world), "UPDATE account SET name = NULL WHERE user_id = 22")
            let (status, told) = try world.told("accounts")
            #expect(status == 1 && told == ["missing 7", "changed 20", "changed 22", "missing 150"])
            let stored = try world.client.rows(
                "SELECT status, inconsistency_count, inconsistencies -> 1 -> 'source' ->> 'balance', inconsistencies -> 1 -> 'target' ->> 'balance' "
                    + "FROM pgbraid.reconciliation_tasks WHERE name = 'accounts' ORDER BY requested_at DESC LIMIT 1")
            #expect(stored == [["differences", "4", "200.00", "200.02"]])
            // The repair is for the target, and nothing has run it yet.
            let path = "\(world.cluster.directory)/repair.sql"
            #expect(try world.run("accounts", "--repair", path).status == 1)
            #expect(try world.told("accounts").told.count == 4)
            for statement in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") { try world.client.rows(String(statement)) }
            #expect(try world.run("accounts").status == 0)
            try world.client.rows("UPDATE account SET balance = 210 WHERE user_id = 21")
        }

        /// Quotes that Swift does not see as characters, and keys that it takes for equal.
        @Test(.timeLimit(.minutes(1))) func hostileKeysAreOnlyKeys() throws {
            let world = try prepared()
            let names = ["\u{600}'; DROP TABLE account; --", "'\u{301} OR true", "\\\u{301}'", "\r\n'\r\n", "e\u{301}", "\u{E9}"]
            for (number, name) in names.enumerated() {
                let hexadecimal = name.utf8.map { String(format: "%02x", $0) }.joined()
                try world.ledger("INSERT INTO account VALUES (\(9000 + number), convert_from(decode('\(hexadecimal)', 'hex'), 'UTF8'), 0)")
            }
            let (status, told) = try world.told("names")
            #expect(status == 1 && told.count == names.count)
            #expect(Set(told.map { Array($0.utf8) }) == Set(names.map { Array("missing \($0)".utf8) }), "\(told)")
            try world.ledger("DELETE FROM account WHERE user_id >= 9000")
            #expect(try world.run("names").status == 0)
        }

        @Test(.timeLimit(.minutes(1))) func misplacedRowsAreFoundAndRepaired() throws {
            let world = try prepared()
            let home = try shard(of: 33, world)
            let away = (home + 1) % 4
            try world.onShard(home, "DELETE FROM account WHERE user_id = 33")
            try world.onShard(away, "INSERT INTO account VALUES (33, 'name 33', 330)")
            let run = try world.run("misplaced_rows", "--repair", "-")
            #expect(run.status == 1 && run.output.contains("misplaced account on shard \(away), belongs on shard \(home) (user_id = 33)"), "\(run)")
            // A SELECT over all shards does not notice.
            #expect(try world.told("accounts").told == [])
            for statement in run.output.split(separator: "\n").drop(while: { $0 != "BEGIN;" }) { try world.client.rows(String(statement)) }
            #expect(try world.run("misplaced_rows").status == 0)
            #expect(try shard(of: 33, world) == home)
        }

        /// Between the look and the repair somebody has changed the row.
        @Test(.timeLimit(.minutes(1))) func aRepairLeavesWhatHasChangedSince() throws {
            let world = try prepared()
            let home = try shard(of: 34, world)
            let away = (home + 1) % 4
            try world.onShard(home, "DELETE FROM account WHERE user_id = 34")
            try world.onShard(away, "INSERT INTO account VALUES (34, 'name 34', 340)")
            let script = try world.run("misplaced_rows", "--repair", "-").output.split(separator: "\n").drop { $0 != "BEGIN;" }.map(String.init)
            try world.onShard(away, "UPDATE account SET balance = 341 WHERE user_id = 34")
            #expect(script.count == 4)
            // A script of psql goes on behind an error.
            let states = try script.map { try world.client.run($0).state }
            #expect(states[1] == "22012" && states[2] == "25P02", "\(states)")
            #expect(try world.onShard(away, "SELECT balance FROM account WHERE user_id = 34") == [["341"]])
            try world.onShard(away, "DELETE FROM account WHERE user_id = 34")
            try world.onShard(home, "INSERT INTO account VALUES (34, 'name 34', 340)")
        }

        @Test(.timeLimit(.minutes(1))) func aKeyThatIsOnTwoShardsIsFound() throws {
            let world = try prepared()
            let away = (try shard(of: 44, world) + 1) % 4
            try world.onShard(away, "INSERT INTO account VALUES (44, 'twin', 1)")
            let twins = try world.told("accounts").told
            #expect(twins == ["duplicate 44"])
            #expect(try world.told("misplaced_rows").told == ["misplaced 44"])
            try world.onShard(away, "DELETE FROM account WHERE user_id = 44")
        }

        @Test(.timeLimit(.minutes(1))) func unlikeReferenceTablesAreFound() throws {
            let world = try prepared()
            try world.onShard(1, "UPDATE country SET name = 'spoilt' WHERE id = 3; DELETE FROM country WHERE id = 4")
            try world.onShard(2, "INSERT INTO country VALUES (99, 'one too many')")
            try world.onShard(3, "DELETE FROM note WHERE ctid = (SELECT min(ctid) FROM note)")
            let (status, told) = try world.told("reference_tables")
            #expect(status == 1 && told.count == 4 && told[..<3] == ["changed 3", "missing 4", "extra 99"], "\(told)")
            #expect(told.last?.hasPrefix("changed ") == true, "\(told)")
            try world.onShard(1, "UPDATE country SET name = 'country 3' WHERE id = 3; INSERT INTO country VALUES (4, 'country 4')")
            try world.onShard(2, "DELETE FROM country WHERE id = 99")
            try world.client.rows("DROP TABLE note; CREATE TABLE note (body text, at date)")
            #expect(try world.run("reference_tables").status == 0)
        }

        /// Without a primary key rows are compared by what is written of them.
        @Test(.timeLimit(.minutes(1))) func anEmptyTextIsNotTheSameAsNull() throws {
            let world = try prepared()
            try world.client.rows("CREATE TABLE remark (body text); INSERT INTO remark VALUES (''), ('a'), (NULL), (NULL)")
            defer { _ = try? world.client.rows("DROP TABLE remark") }
            #expect(try world.run("reference_tables").status == 0)
            try world.onShard(2, "UPDATE remark SET body = NULL WHERE body = ''")
            let (status, told) = try world.told("reference_tables")
            #expect(status == 1 && told == ["missing ", "changed <null>"], "\(told)")
        }

        @Test(.timeLimit(.minutes(1))) func aKeyMayBeNullOnAllSides() throws {
            let world = try prepared()
            #expect(try world.run("bookings").status == 0)
            let home = try #require((0..<4).first { try world.onShard($0, "SELECT 1 FROM booking WHERE day IS NULL") == [["1"]] })
            try world.onShard(home, "UPDATE booking SET amount = 0 WHERE day IS NULL")
            let (status, told) = try world.told("bookings")
            #expect(status == 1 && told == ["changed <null>"], "\(told)")
            try world.onShard(home, "UPDATE booking SET amount = 40 WHERE day IS NULL")
        }

        /// Reading a table runs functions of its owner: not with the rights of the proxy.
        @Test(.timeLimit(.minutes(1))) func aProxyReadsEachTableAsItsOwner() throws {
            let world = try prepared()
            try world.client.rows("DROP ROLE IF EXISTS reconcile_owner; CREATE ROLE reconcile_owner LOGIN; CREATE SCHEMA owned AUTHORIZATION reconcile_owner")
            defer {
                for text in ["DROP SCHEMA owned CASCADE", "DROP ROLE reconcile_owner"] { _ = try? world.client.rows(text) }
            }
            let owner = try WireClient(port: world.cluster.port, user: "reconcile_owner")
            for text in [
                "CREATE TABLE owned.trap (user_id int PRIMARY KEY, note text)", "INSERT INTO owned.trap SELECT g, 'n' FROM generate_series(1, 40) g",
                "CREATE FUNCTION owned.asked(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN "
                    + "IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN RAISE EXCEPTION 'asked as %', current_user; END IF; RETURN $1; END $$",
                // Whoever plans a query on the table has the constant call carried out.
                "CREATE INDEX trap_index ON owned.trap ((user_id + owned.asked(1)))",
            ] { try owner.rows(text) }
            let task = { (name: String) in try #require(try world.client.rows("SELECT pgbraid.reconcile('\(name)')")[0][0]) }
            let ended = { (task: String) in
                try world.client.rows("SELECT status, error FROM pgbraid.reconciliation_tasks WHERE id = '\(task)' AND status NOT IN ('requested', 'running')").first
            }
            let read = try task("misplaced_rows")
            try eventually("the tables are read") { try ended(read)?[0] == "equal" }
            // An owner who may not log in: nothing is known of the table, and it is said why.
            try world.client.rows("ALTER ROLE reconcile_owner NOLOGIN")
            var refused = try task("misplaced_rows")
            try eventually("the table is told as not checked", withinSeconds: 30) {
                guard let row = try ended(refused) else { return false }
                if row[0] == "error", row[1]?.hasPrefix("not checked: owned.trap: as its owner reconcile_owner: ") == true { return true }
                // The proxy may not have heard of it yet.
                refused = try task("misplaced_rows")
                return false
            }
        }

        @Test(.timeLimit(.minutes(1))) func childrenWithoutParentsAreFound() throws {
            let world = try prepared()
            try world.client.rows("INSERT INTO orders VALUES (1000, 1, 1), (1000, 2, 1), (2000, 1, 1)")
            #expect(try world.told("orders").told == ["orphan 1000", "orphan 2000"])
            try world.client.rows("DELETE FROM orders WHERE user_id >= 1000")
        }

        @Test(.timeLimit(.minutes(1))) func balancesThatAreNotTheSumOfTheirEntriesAreFound() throws {
            let world = try prepared()
            try world.onShard(shard(of: 50, world), "UPDATE entry SET amount = amount + 1 WHERE user_id = 50 AND id = 1")
            #expect(try world.told("balances").told == ["changed 50"])
            try world.onShard(shard(of: 50, world), "UPDATE entry SET amount = amount - 1 WHERE user_id = 50 AND id = 1")
        }

        @Test(.timeLimit(.minutes(1))) func whatKeepsChangingIsNoDifference() throws {
            let run = try prepared().run("moving")
            #expect(run.status == 1 && run.output.contains("moving: unsettled, 0 inconsistencies") && run.output.contains("1 rows differed at every look"), "\(run)")
        }

        @Test(.timeLimit(.minutes(1))) func whatCannotBeComparedIsAnError() throws {
            let world = try prepared()
            for (name, words) in [
                ("unlike", "the target (cluster pgbraid) has other columns: \"name\" is missing (42703)"), ("nowhere", "cannot be reached"),
                ("nothing", "there is no comparison \"nothing\" (42704); There are: accounts, "), ("outbox", "\"outbox_events\" does not exist (42P01)"),
            ] {
                let run = try world.run(name)
                #expect(run.status == 2 && run.output.contains(words), "\(name): \(run)")
            }
            #expect(try world.client.rows("SELECT status FROM pgbraid.reconciliation_tasks WHERE name = 'unlike' LIMIT 1") == [["error"]])
        }

        @Test(.timeLimit(.minutes(1))) func oldPreparedTransactionsAreTold() throws {
            let world = try prepared()
            try world.onShard(2, "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'left over'")
            defer { _ = try? world.onShard(2, "ROLLBACK PREPARED 'left over'") }
            // It is too young.
            #expect(try world.told("prepared_transactions").told == [])
            let path = "\(world.cluster.directory)/prepared.conf"
            let text = try String(contentsOfFile: world.cluster.configurationPath, encoding: .utf8)
            try (text + "[[reconciliation]]\ncheck = \"prepared_transactions\"\nolder_than = \"1ms\"\n").write(toFile: path, atomically: true, encoding: .utf8)
            let run = try CommandRun(["reconcile", "--config", path, "prepared_transactions"])
            #expect(run.status == 1 && run.output.contains("prepared on shard 2 (gid = left over)"), "\(run)")
        }

        @Test(.timeLimit(.minutes(1))) func stuckEventsAreTold() throws {
            let world = try prepared()
            try world.client.rows("CREATE TABLE outbox_events (user_id int, event_id int, aggregate_id text, status text, created_at timestamptz)")
            try world.client.rows("INSERT INTO outbox_events SELECT g, g, 'a', 'sent', TIMESTAMPTZ '2026-01-01 00:00:00+00' FROM generate_series(1, 20) g")
            for event in ["1, 100, 'a', 'failed', now()", "2, 101, 'a', 'pending', now() - interval '1 hour'", "3, 102, 'a', 'pending', now()"] {
                try world.client.rows("INSERT INTO outbox_events VALUES (\(event))")
            }
            #expect(try Set(world.told("outbox").told) == ["failed 100", "waiting 101"])
            try world.client.rows("DROP TABLE outbox_events")
        }

        @Test(.timeLimit(.minutes(1))) func aProxyMakesWhatIsRequestedAndWhatIsDue() throws {
            let world = try prepared()
            let task = try #require(try world.client.rows("SELECT pgbraid.reconcile('balances')")[0][0])
            let result = "SELECT status, inconsistency_count, row_count, duration > interval '0' FROM pgbraid.reconciliation_tasks WHERE name = 'balances' AND id = '\(task)'"
            try eventually("the task is made") { try world.client.rows(result)[0][0] == "equal" }
            #expect(try world.client.rows(result) == [["equal", "0", "600", "t"]])
            #expect(try world.cluster.console("SHOW RECONCILIATIONS").contains { $0[1] == "balances" && $0[2] == "equal" && $0[3] == "0" && $0[4] == "600" })
            let unknown = try #require(try world.client.rows("SELECT pgbraid.reconcile('unknown')")[0][0])
            try eventually("the task is refused") { try world.client.rows("SELECT status FROM pgbraid.reconciliation_tasks WHERE id = '\(unknown)'") == [["error"]] }
            try eventually("what is due is made once") {
                try world.client.rows("SELECT status, requested_by FROM pgbraid.reconciliation_tasks WHERE name = 'hourly'") == [["equal", "postgres"]]
            }
        }

        /// The proxy that was at it is gone: when its claim is over by time, another makes the comparison.
        @Test(.timeLimit(.minutes(1))) func aTaskThatWasLeftIsMadeByAnother() throws {
            let world = try prepared()
            let left = try #require(
                try world.client.rows(
                    "INSERT INTO pgbraid.reconciliation_tasks (name, status, holder, lease_until) "
                        + "VALUES ('orders', 'running', '00000000-0000-0000-0000-000000000000', now() + interval '3 seconds') RETURNING id")[0][0])
            let waiting = try #require(try world.client.rows("SELECT pgbraid.reconcile('orders')")[0][0])
            #expect(try world.client.rows("SELECT pgbraid.reconcile('orders')") == [[waiting]])
            try eventually("both are made", withinSeconds: 30) {
                try world.client.rows("SELECT status FROM pgbraid.reconciliation_tasks WHERE name = 'orders' AND id IN ('\(left)', '\(waiting)')") == [["equal"], ["equal"]]
            }
            #expect(try world.client.rows("SELECT count(*) FROM pgbraid.reconciliation_tasks WHERE status IN ('requested', 'running') AND name = 'orders'") == [["0"]])
        }

        /// What ends each proxy that makes it is not made for ever.
        @Test(.timeLimit(.minutes(1))) func aTaskThatThreeProxiesHaveLeftIsGivenUp() throws {
            let world = try prepared()
            let left = try #require(
                try world.client.rows(
                    "INSERT INTO pgbraid.reconciliation_tasks (name, status, holder, lease_until, claims) "
                        + "VALUES ('names', 'running', '00000000-0000-0000-0000-000000000000', now() - interval '1 second', 3) RETURNING id")[0][0])
            try eventually("it is given up") {
                try world.client.rows("SELECT status, error FROM pgbraid.reconciliation_tasks WHERE id = '\(left)'")
                    == [["error", "given up: 3 proxies in turn were lost while they made it"]]
            }
            // The next one is made.
            let task = try #require(try world.client.rows("SELECT pgbraid.reconcile('names')")[0][0])
            try eventually("the next one is made") {
                try world.client.rows("SELECT status, claims FROM pgbraid.reconciliation_tasks WHERE id = '\(task)'") == [["equal", "1"]]
            }
        }

        @Test(.timeLimit(.minutes(1))) func onlyWhoIsGrantedItMayAskOrRead() throws {
            let world = try prepared()
            try world.client.rows("DROP ROLE IF EXISTS reconcile_role; CREATE ROLE reconcile_role LOGIN")
            let other = try WireClient(port: world.cluster.port, user: "reconcile_role")
            for text in [
                "SELECT pgbraid.reconcile('balances')", "SELECT * FROM pgbraid.reconciliation_tasks", "DELETE FROM pgbraid.reconciliation_tasks", "LOCK pgbraid.reconciliation_tasks",
                "INSERT INTO pgbraid.reconciliation_tasks (name) VALUES ('x')", "SELECT pgbraid.reconciliation_due('x', 0)",
                "SELECT pgbraid.reconciliation_claim('balances', gen_random_uuid(), 1e9)", "SELECT pgbraid.reconciliation_end('balances', NULL, gen_random_uuid(), '{}', 0)",
            ] { #expect(try other.run(text).state != nil, "\(text)") }
            try world.client.rows("GRANT EXECUTE ON FUNCTION pgbraid.reconcile(text) TO reconcile_role")
            #expect(try other.rows("SELECT pgbraid.reconcile('balances')")[0][0] != nil)
            try world.client.rows("REVOKE EXECUTE ON FUNCTION pgbraid.reconcile(text) FROM reconcile_role; DROP ROLE reconcile_role")
        }
    }
}
