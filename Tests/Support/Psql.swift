// Psql: one psql run against any address, a PostgreSQL's or the proxy's own.
import Foundation

public enum Psql {
    private static let fieldSeparator = "\u{1F}"
    private static let null = "\u{1}null\u{1}"

    /// Runs `sql` statement by statement, stopping at the first error.
    /// - Returns: the rows of all its results, one after another; nil is NULL.
    /// - Throws: `TestProcessError` whose `output` is psql's standard error with SQLSTATEs.
    public static func rows(
        of sql: String, host: String, port: Int, user: String, database: String
    ) throws -> [[String?]] {
        let arguments = [
            "-X", "-q", "-A", "-t", "-F", fieldSeparator, "-0", "-P", "null=\(null)",
            "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose",
            "-h", host, "-p", "\(port)", "-U", user, "-d", database, "-f", "-",
        ]
        let output = try TestProcess.run(PostgreSQLProgram.path("psql"), arguments, input: sql)
        // With -0 every record ends in a zero byte, also the last one of each result.
        return output.split(separator: "\0", omittingEmptySubsequences: false).dropLast().map { record in
            record.components(separatedBy: fieldSeparator).map { $0 == null ? nil : $0 }
        }
    }
}
