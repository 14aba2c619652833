// OutboxTable: whether the outbox table has what the relay builds on, and how many shards the cluster has. Asked on each shard before
// anything of it is sent.
import DatabaseClient
import WireProtocol

/// The relay cannot begin; `hint` tells what to do.
public struct RelayMistake: Error, CustomStringConvertible, Equatable {
    public var message: String
    public var hint: String

    public init(message: String, hint: String) {
        self.message = message
        self.hint = hint
    }

    public var description: String { "\(message). Hint: \(hint)" }
}

public enum OutboxTable {
    /// What an application creates. The tests run it.
    static let hint = "docs/outbox.md has the CREATE TABLE"
    /// The most shards a cluster has.
    static let shardLimit = 1024

    private static let columns = [
        "sequence": ["bigint"], "event_id": ["uuid", "text", "bigint", "character varying"], "aggregate_id": ["text", "uuid", "bigint", "integer", "character varying"],
        "event_type": ["text", "character varying"], "event_data": ["jsonb", "json", "text"], "status": ["text", "character varying"], "attempts": ["integer"], "reason": ["text"],
        "created_at": ["timestamp with time zone"], "processed_at": ["timestamp with time zone"],
    ]

    /// Columns without which an event cannot be told to anybody, or is never found.
    private static let needed = ["event_id", "aggregate_id", "event_type", "status"]

    /// The catalogs are alike on all shards, and any shard that is up is asked for them.
    /// - Throws: RelayMistake for a table that is not there or lacks something; ConnectionLost, DatabaseMessage.
    public static func check(_ table: String, _ connection: DatabaseConnection, shard: Int) throws {
        let text = """
            SELECT c.relkind, a.attname, pg_catalog.format_type(a.atttypid, NULL), a.attidentity, s.seqcache, s.seqincrement > 0, s.seqcycle,
              pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 140001, a.attnotnull, s.seqmin >= 1
            FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            LEFT JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum
              AND d.deptype = 'i' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            LEFT JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = d.objid
            WHERE c.oid = pg_catalog.to_regclass($1)
            """
        try check(table, try connection.execute(text, [table]).rows)
        try checkPlacement(table, connection, shard)
    }

    /// Only rows of local tables may be inserted into a shard that is named. With other placements the proxy may draw a number before the table is
    /// locked.
    private static func checkPlacement(_ table: String, _ connection: DatabaseConnection, _ shard: Int) throws {
        do {
            try connection.execute("/* pgbraid: shard=\(shard) */ INSERT INTO \(table) (aggregate_id) SELECT NULL WHERE false")
        } catch let error as DatabaseMessage where error.sqlState == .featureNotSupported {
            throw RelayMistake(message: "\(table) is not a local table: \(error.message)", hint: "[[table]] name = \"\(table)\" kind = \"local\" in proxy.conf")
        } catch let error as DatabaseMessage where error.sqlState == .insufficientPrivilege {
            // PostgreSQL has the last word: the proxy had nothing against it.
            return
        }
    }

    /// - Parameter rows: kind, column, type, identity, cache, whether numbers go up, whether they begin anew, whether the server is new enough, NOT NULL,
    ///   whether they are all above 0.
    static func check(_ table: String, _ rows: [[String?]]) throws(RelayMistake) {
        guard let first = rows.first else { throw RelayMistake(message: "table \(table) does not exist", hint: hint) }
        guard first[7] == "t" else { throw RelayMistake(message: "PostgreSQL is older than 14.1", hint: "prepared transactions cannot be told apart there") }
        guard first[0] == "r" else { throw RelayMistake(message: "\(table) is not an ordinary table", hint: "the relay knows who writes by the locks of this one table") }
        for (name, types) in columns.sorted(by: { $0.key < $1.key }) {
            guard let row = rows.first(where: { $0[1] == name }) else { throw RelayMistake(message: "table \(table) has no column \(name)", hint: hint) }
            guard let type = row[2], types.contains(type) else {
                throw RelayMistake(message: "column \(name) of \(table) has type \(row[2] ?? ""), not \(types.joined(separator: " or "))", hint: hint)
            }
            if needed.contains(name), row[8] != "t" { throw RelayMistake(message: "column \(name) of \(table) may be NULL", hint: hint) }
            guard name == "sequence" else { continue }
            guard row[3] == "a" else {
                throw RelayMistake(message: "column sequence of \(table) is not GENERATED ALWAYS AS IDENTITY", hint: "a number that a client gives is in no order")
            }
            guard row[4] == "1", row[5] == "t", row[6] == "f" else {
                throw RelayMistake(message: "the numbers of \(table).sequence are not in order", hint: "the identity needs CACHE 1, a positive INCREMENT and NO CYCLE")
            }
            guard row[9] == "t" else {
                throw RelayMistake(
                    message: "the numbers of \(table).sequence may be below 1, and events are read from 1 on",
                    hint: "ALTER TABLE \(table) ALTER sequence SET START WITH 1 SET MINVALUE 1, with RESTART where the next number is below 1")
            }
        }
    }

    /// How many shards the cluster has.
    public static func shardCount(_ connection: DatabaseConnection) throws -> Int {
        defer { _ = try? connection.execute("RESET pgbraid.shard") }
        for shard in 0..<shardLimit {
            do { try connection.execute("SET pgbraid.shard = \(shard)") } catch let error as DatabaseMessage where error.sqlState == .invalidParameterValue { return shard }
        }
        return shardLimit
    }
}
