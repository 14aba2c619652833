// PostgreSQLProgram: PostgreSQL's own programs, run as a user that they accept.
import Foundation

public enum PostgreSQLProgram {
    /// Where PostgreSQL's programs are: PGBRAID_POSTGRESQL_BIN, or Debian's place for version 15.
    public static var directory: String {
        ProcessInfo.processInfo.environment["PGBRAID_POSTGRESQL_BIN"] ?? "/usr/lib/postgresql/15/bin"
    }

    public static func path(_ program: String) -> String { "\(directory)/\(program)" }

    /// True if server programs must run as user postgres because this process is root.
    public static var isRoot: Bool { geteuid() == 0 }

    /// Runs a server program (initdb, pg_ctl ...) to its end.
    /// - Throws: `TestProcessError`.
    @discardableResult
    public static func run(_ program: String, _ arguments: [String]) throws -> String {
        guard isRoot else { return try TestProcess.run(path(program), arguments) }
        return try TestProcess.run("/usr/sbin/runuser", ["-u", "postgres", "--", path(program)] + arguments)
    }
}
