// ExactnessWorld: one PostgreSQL with a database `one` that holds all rows, and databases `s0`, `s1`, `s2` that hold each
// shard's, in the schema of GoldenCatalog. Plans are carried out by hand here, so that a difference is the planner's.
import Foundation
import Primitives
import ShardMap
import TestSupport

@testable import QueryPlanning

/// What a database answered to one text.
struct Answer {
    var rows: [[String?]] = []
    /// SQLSTATE of an error, nil for success.
    var sqlState: String?
}

final class ExactnessWorld {
    static let shardCount = 3
    let server: TemporaryPostgreSQL
    let map: ShardMap
    static let one = "one"
    static func shard(_ number: Int) -> String { "s\(number)" }

    init() throws {
        server = try TemporaryPostgreSQL(settings: ["fsync": "off"])
        map = try ShardMap(shardCount: Self.shardCount)
        let data = TestData(map: map)
        for database in [Self.one] + (0..<Self.shardCount).map(Self.shard) {
            _ = try server.psql(
                "CREATE DATABASE \(database) TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' ENCODING 'UTF8'")
            _ = try server.psql(data.schema, database: database)
        }
        _ = try server.psql(data.inserts(shard: nil), database: Self.one)
        for shard in 0..<Self.shardCount { _ = try server.psql(data.inserts(shard: shard), database: Self.shard(shard)) }
    }

    /// Runs texts one after another in a session; errors end a text, not the session.
    func run(_ texts: [String], database: String) throws -> [Answer] {
        var script = "SET statement_timeout = '20s';\n"
        for text in texts { script += text + "\n;\nSELECT '#end', :'ERROR', :'SQLSTATE';\n" }
        let arguments = [
            "-X", "-q", "-A", "-t", "-F", "\u{1F}", "-0", "-P", "null=\u{1}", "-h", server.socketDirectory, "-p", "\(server.port)",
            "-U", server.user, "-d", database, "-f", "-",
        ]
        let output = try TestProcess.run(PostgreSQLProgram.path("psql"), arguments, input: script)
        var answers: [Answer] = []
        var current = Answer()
        for record in output.split(separator: "\0", omittingEmptySubsequences: false).dropLast() {
            let fields = record.components(separatedBy: "\u{1F}")
            if fields.first == "#end" {
                current.sqlState = fields[1] == "true" ? fields[2] : nil
                answers.append(current)
                current = Answer()
            } else {
                current.rows.append(fields.map { $0 == "\u{1}" ? nil : $0 })
            }
        }
        return answers
    }
}

/// The rows: few keys, many ties, NULLs, text whose order depends on the collation.
struct TestData {
    let map: ShardMap

    let schema = """
        CREATE TABLE users (user_id bigint PRIMARY KEY, name text, country text, balance numeric, active boolean, created_at timestamptz);
        CREATE TABLE accounts (account_id bigint, user_id bigint, balance numeric, opened date, PRIMARY KEY (user_id, account_id));
        CREATE TABLE orders (order_id bigint, user_id bigint, amount numeric, quantity int, status text, created_at timestamp, item text, PRIMARY KEY (user_id, order_id));
        CREATE TABLE countries (code text PRIMARY KEY, name text, population bigint);
        CREATE TABLE regions (id int PRIMARY KEY, country text);
        CREATE TABLE items (code text PRIMARY KEY, price numeric, weight double precision);
        CREATE TABLE devices (device uuid PRIMARY KEY, user_id bigint, seen timestamp);
        CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
        CREATE TABLE moods (user_id bigint PRIMARY KEY, mood mood, address inet, span interval, payload jsonb, tags text[]);
        CREATE VIEW active_users AS SELECT user_id, name FROM users WHERE active;
        """

    /// The INSERTs for a shard; nil: all rows.
    func inserts(shard: Int?) -> String {
        var random = Dice(seed: 7)
        var text = ""
        for id in 0..<40 {
            let values = "\(id - 3), \(random.text()), \(random.country()), \(random.mixedNumeric()), \(random.boolean()), \(random.stamp())"
            if owns(Int64(id - 3), shard) { text += "INSERT INTO users VALUES (\(values));\n" }
        }
        for id in 0..<150 {
            let user = Int64(random.number(36)) - 3
            let values = "\(id), \(user), \(random.plainNumeric()), \(random.small()), \(random.text()), \(random.stamp()), \(random.text())"
            if owns(user, shard) { text += "INSERT INTO orders VALUES (\(values));\n" }
        }
        for id in 0..<60 {
            let user = Int64(random.number(45)) - 3
            let values = "\(id % 20), \(user), \(random.mixedNumeric()), \(random.date())"
            if owns(user, shard) { text += "INSERT INTO accounts VALUES (\(values)) ON CONFLICT DO NOTHING;\n" }
        }
        for id in 0..<30 {
            let values = "\(id), \(random.choice(["'sad'", "'ok'", "'happy'", "NULL"])), \(random.choice(["'10.0.0.1'", "'10.0.0.0/8'", "NULL"])), "
                + "\(random.choice(["'1 mon'", "'30 days'", "'1 hour'", "NULL"])), \(random.choice(["'{\"a\": 1}'", "'{\"a\": 1.0}'", "'[2]'", "NULL"])), "
                + random.choice(["'{a,b}'", "'{}'", "'{a,NULL}'", "NULL"])
            if owns(Int64(id), shard) { text += "INSERT INTO moods VALUES (\(values));\n" }
        }
        for (index, code) in ["de", "fr", "us", "Zz"].enumerated() {
            text += "INSERT INTO countries VALUES ('\(code)', '\(code.uppercased())', \(index * 1000));\n"
        }
        for id in 0..<8 { text += "INSERT INTO regions VALUES (\(id), \(random.country()));\n" }
        for index in 0..<20 {
            let code = "item\(index)"
            let isOwn = shard == nil || Array(code.utf8).withUnsafeBytes { map.shard(hashingBytes: $0).int } == shard
            let values = "'\(code)', \(random.mixedNumeric()), \(index).5"
            if isOwn { text += "INSERT INTO items VALUES (\(values));\n" }
        }
        return text
    }

    private func owns(_ key: Int64, _ shard: Int?) -> Bool { shard == nil || map.shard(hashingInteger: key).int == shard }
}

/// A seeded generator of choices.
struct Dice {
    private let source: SeededRandomSource

    init(seed: UInt64) { source = SeededRandomSource(seed: seed) }

    mutating func number(_ bound: Int) -> Int { Int(source.next() % UInt64(bound)) }
    mutating func chance(_ percent: Int) -> Bool { number(100) < percent }
    mutating func choice<T>(_ values: [T]) -> T { values[number(values.count)] }

    mutating func text() -> String { choice(["'a'", "'B'", "'b'", "'Ä'", "'z'", "''", "'a b'", "'ab'", "NULL"]) }
    mutating func country() -> String { choice(["'de'", "'fr'", "'us'", "'xx'", "NULL"]) }
    mutating func boolean() -> String { choice(["true", "false", "NULL"]) }
    mutating func small() -> String { choice(["0", "1", "2", "3", "7", "-5", "NULL"]) }
    mutating func plainNumeric() -> String { choice(["1.50", "2.25", "-3.00", "100.00", "0.01", "7.77", "NULL"]) }
    mutating func mixedNumeric() -> String { choice(["1", "1.0", "2.125", "-3.3", "1e10", "0.000001", "NULL"]) }
    mutating func stamp() -> String { "'2024-0\(1 + number(3))-0\(1 + number(5)) 0\(number(3)):00:00+00'" }
    mutating func date() -> String { "'2024-01-0\(1 + number(5))'" }
}
