// Psql: one psql run against any address, a PostgreSQL's or the proxy's own.
import Foundation

public enum Psql {
    private static let fieldSeparator = "\u{1F}"
    private static let recordSeparator = "\u{1E}"
    private static let null = "\u{1}null\u{1}"

    /// Runs `sql` statement by statement, stopping at the first error.
    /// - Returns: the rows of all its results, one after another; nil is NULL.
    /// - Throws: `TestProcessError` whose `output` is psql's standard error with SQLSTATEs.
    public static func rows(
        of sql: String, host: String, port: Int, user: String, database: String
    ) throws -> [[String?]] {
        let arguments = [
            "-X", "-q", "-A", "-t", "-F", fieldSeparator, "-R", recordSeparator, "-P", "null=\(null)",
            "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose",
            "-h", host, "-p", "\(port)", "-U", user, "-d", database, "-f", "-",
        ]
        let output = try TestProcess.run(PostgreSQLProgram.path("psql"), arguments, input: sql)
        return records(in: output).map { record in
            record.components(separatedBy: fieldSeparator).map { $0 == null ? nil : $0 }
        }
    }

    /// psql ends each result, but not each record, with a newline.
    private static func records(in output: String) -> [String] {
        guard !output.isEmpty else { return [] }
        let text = output.hasSuffix("\n") ? String(output.dropLast()) : output
        return text.components(separatedBy: recordSeparator)
    }
}
