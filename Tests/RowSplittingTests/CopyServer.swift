// CopyServer: a PostgreSQL that says what it makes of COPY data, thousands of inputs in one psql run.
import TestSupport

/// What PostgreSQL made of one input.
struct CopyOutcome: Equatable {
    /// The rows in order, each with the remainder modulo 3 of its key's partition hash; nil for a NULL key.
    var rows: [(text: String, remainder: Int?)] = []
    var sqlState: String?
    var message = ""
    var context = ""

    static func == (left: CopyOutcome, right: CopyOutcome) -> Bool {
        left.rows.map(\.text) == right.rows.map(\.text) && left.sqlState == right.sqlState
            && left.message == right.message
    }

    /// The line that CONTEXT names.
    var line: Int? {
        guard let start = context.range(of: "line ")?.upperBound else { return nil }
        return Int(context[start...].prefix { $0.isNumber })
    }
}

/// A server with table t (b text, user_id text, c text) and a way to try COPY into it.
final class CopyServer {
    let server: TemporaryPostgreSQL

    init(keyType: String = "text") throws {
        server = try TemporaryPostgreSQL()
        try server.psql(
            """
            CREATE TABLE t (b text, user_id \(keyType), c text);
            CREATE TABLE partitions (user_id \(keyType)) PARTITION BY HASH (user_id);
            CREATE FUNCTION attempt(path text, options text, OUT rows text, OUT state text, OUT message text, OUT context text)
            LANGUAGE plpgsql AS $$
            BEGIN
                TRUNCATE t;
                EXECUTE format('COPY t FROM %L WITH (%s)', path, options);
                SELECT string_agg((
                    SELECT CASE WHEN user_id IS NULL THEN '-' ELSE min(r)::text END FROM generate_series(0, 2) r
                    WHERE satisfies_hash_partition('partitions'::regclass, 3, r, user_id)
                ) || t::text, chr(29) ORDER BY ctid) INTO rows FROM t;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT;
            END $$;
            """)
    }

    /// Copies each input into an empty table of its own.
    /// - Parameter options: as in COPY ... WITH (options).
    func outcomes(of inputs: [[UInt8]], options: String) throws -> [CopyOutcome] {
        let calls = try inputs.enumerated().map { index, input in
            let path = try server.file("input\(index)", input)
            return "SELECT * FROM attempt('\(path)', \(Self.literal(options)));\n"
        }
        return try server.psql(calls.joined()).map { fields in
            var outcome = CopyOutcome(
                sqlState: fields[1], message: fields[2] ?? "",
                context: fields[3].map { String($0.split(separator: "\nSQL statement")[0]) } ?? "")
            outcome.rows = (fields[0] ?? "").split(separator: "\u{1D}").map { row in
                (String(row.dropFirst()), Int(row.prefix(1)))
            }
            return outcome
        }
    }

    static func literal(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
}
