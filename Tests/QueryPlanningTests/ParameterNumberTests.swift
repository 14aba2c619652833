// Numbers of parameters that nobody can bind, and statements that have no room for parameters of the proxy's own.
import Foundation
import Testing

@testable import QueryPlanning

@Suite("Numbers of parameters")
struct ParameterNumberTests {
    static let statements = [
        "SELECT max(user_id) FROM orders WHERE user_id > $", "INSERT INTO orders SELECT * FROM orders WHERE user_id = $",
        "UPDATE orders SET user_id = $", "DELETE FROM orders WHERE user_id = $", "SELECT set_config('a.b', $, false)",
        "SELECT create_distributed_table($, 'user_id')", "EXPLAIN SELECT $", "DECLARE c CURSOR FOR SELECT $",
        "COPY (SELECT $) TO STDOUT", "PREPARE p AS SELECT $", "EXECUTE p ($)", "SET TRANSACTION READ ONLY; SELECT $", "CREATE TABLE t AS SELECT $",
    ]

    private func refusal(_ text: String) throws -> Refusal? {
        let planned = try GoldenCatalog.analyser.analyse(
            text: text, parameterTypes: [], environment: GoldenCatalog.environment(), acrossShards: false)
        guard let plan = planned.last?.plan, case .refuse(let refusal) = plan.action else { return nil }
        return refusal
    }

    @Test(arguments: statements, ["0", "65536", "70000", "2147483647", "2147483648"])
    func isRefused(statement: String, number: String) throws {
        let text = statement.replacingOccurrences(of: "$", with: "$\(number)")
        let refusal = try refusal(text)
        let told = number == "2147483648" ? "-2147483648" : number
        #expect(refusal?.sqlState == "42P02" && refusal?.message == "there is no parameter $\(told)", "\(refusal.map { "\($0)" } ?? "planned")")
        #expect(refusal?.position == statement.prefix { $0 != "$" }.count + 1)
    }

    @Test("the last number that Bind reaches is planned")
    func last() throws { #expect(try refusal("SELECT max(user_id) FROM orders WHERE user_id > $65535") == nil) }

    /// Behind the client's 65,535 there is room for none; behind one less for one column.
    @Test(arguments: [
        "UPDATE orders SET quantity = b.quantity FROM orders b WHERE orders.quantity = b.user_id AND b.order_id = $",
        "DELETE FROM orders WHERE quantity IN (SELECT user_id FROM orders WHERE order_id = $)",
        "SELECT avg(quantity) FROM orders WHERE quantity IN (SELECT user_id FROM orders WHERE order_id = $)",
        "MERGE INTO orders USING (SELECT order_id, quantity FROM orders WHERE order_id < $) s ON orders.user_id = s.order_id "
            + "WHEN NOT MATCHED THEN INSERT (user_id, order_id, quantity) VALUES (s.order_id, 1, s.quantity)",
    ])
    func leavesRoom(statement: String) throws {
        #expect(try refusal(statement.replacingOccurrences(of: "$", with: "$7")) == nil)
        let full = try refusal(statement.replacingOccurrences(of: "$", with: "$65535"))
        #expect(full?.sqlState == "0A000" && "\(full?.message ?? "") \(full?.detail ?? "")".contains("65535 parameters"), "\(full.map { "\($0)" } ?? "planned")")
    }
}
