// The sections [[reconciliation]]: what is written is what is meant, and every mistake is told.
import Primitives
import ProxyCore
import Testing

@testable import ProxyHost

@Suite struct ReconciliationConfigurationTests {
    private let least = "proxy.auth = \"trust\"\n[[shard]]\nhost = \"a\"\n"

    private func read(_ text: String) throws -> [ReconciliationSettings] {
        try Configuration.parse(least + text, file: "proxy.conf", directory: "/nonexistent").reconciliations
    }

    private func mistakes(_ text: String) -> [String] {
        do throws(ConfigurationError) {
            _ = try Configuration.parse(least + text, file: "proxy.conf", directory: "/nonexistent")
            return []
        } catch {
            return error.mistakes.map(\.description)
        }
    }

    @Test func twoQueriesAreRead() throws {
        let read = try read(
            """
            [[reconciliation]]
            name = "accounts"
            entity_type = "account"
            source = "SELECT id, balance, changed_at FROM account"
            source_database = { host = "db9", port = 5433, dbname = "ledger", user = "auditor", password = "hunter2" }
            target = "SELECT id, balance, changed_at FROM account"
            key = "id"
            tolerances = { balance = "0.01", changed_at = "2s" }
            repair_table = "account"
            interval = "1h"
            recheck_after = "5s"
            """)
        var wanted = ReconciliationSettings(name: "accounts", entityType: "account", check: .queries)
        wanted.source = .init(
            query: "SELECT id, balance, changed_at FROM account", database: .init(host: "db9", port: 5433, database: "ledger", user: "auditor", password: "hunter2"))
        wanted.target = .init(query: "SELECT id, balance, changed_at FROM account")
        wanted.key = ["id"]
        wanted.tolerances = ["balance": "0.01", "changed_at": "2.0"]
        wanted.repairTable = "account"
        wanted.interval = .seconds(3600)
        wanted.recheckAfter = .seconds(5)
        #expect(read == [wanted])
    }

    @Test func childrenBecomeTwoQueries() throws {
        let read = try read(
            """
            [[reconciliation]]
            name = "orders"
            check = "children_without_parents"
            child_table = "shop.orders"
            child_columns = ["customer", "region"]
            parent_table = "customers"
            parent_columns = ["id", "area"]
            """)
        #expect(read[0].source.query == #"SELECT "customer", "region" FROM shop.orders WHERE "customer" IS NOT NULL AND "region" IS NOT NULL"#)
        #expect(read[0].target.query == #"SELECT "id" AS "customer", "area" AS "region" FROM customers"#)
        #expect(read[0].key == ["customer", "region"] && read[0].repairTable == "shop.orders")
    }

    @Test func checksThatNeedNothingHaveTheirOwnNames() throws {
        let read = try read(
            "[[reconciliation]]\ncheck = \"misplaced_rows\"\ninterval = \"1d\"\n[[reconciliation]]\ncheck = \"outbox\"\ntable = \"events\"\nolder_than = \"5min\"\n")
        #expect(read.map(\.name) == ["misplaced_rows", "outbox"])
        #expect(read[1].table == "events" && read[1].olderThan == .seconds(300) && read[1].interval == nil)
    }

    @Test(arguments: [
        ("", "reconciliation[0].name: is missing"),
        ("name = \"a\"\n", "reconciliation[0].source: is missing"),
        ("name = \"a\"\n", "reconciliation[0].key: is missing"),
        ("check = \"balances\"\n", "reconciliation[0].check: is \"balances\", must be one of"),
        ("check = \"misplaced_rows\"\nkey = \"id\"\n", "reconciliation[0].key: is not a known key"),
        ("name = \"a\"\nsource = \"x\"\ntarget = \"x\"\nkey = \"id\"\ntolerances = { v = \"much\" }\n", "reconciliation[0].tolerances.v: is no tolerance"),
        ("name = \"a\"\nsource = \"x\"\ntarget = \"x\"\nkey = \"id\"\ntarget_database = { port = 5432 }\n", "reconciliation[0].target_database.host: is missing"),
        ("check = \"outbox\"\n[[reconciliation]]\ncheck = \"outbox\"\n", "reconciliation[1].name: comparison \"outbox\" stands twice"),
        (
            "name = \"a\"\ncheck = \"children_without_parents\"\nchild_table = \"c\"\nchild_columns = [\"a\", \"b\"]\nparent_table = \"p\"\nparent_columns = [\"a\"]\n",
            "reconciliation[0].parent_columns: are 1, the child has 2"
        ),
    ])
    func mistakesAreTold(text: String, told: String) {
        let all = mistakes("[[reconciliation]]\n" + text)
        #expect(all.contains { $0.contains(told) }, "\(all)")
    }
}
