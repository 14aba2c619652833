// DataDirectoryTemplate: one initdb for the whole test run; every server starts from a copy of its result.
import Foundation

enum DataDirectoryTemplate {
    private struct Made {
        let path: String
        /// Removes the directory when the test run is over.
        let watcher: ServerWatcher
    }

    private static let made = Result {
        let directory = try TestDirectory.make()
        let watcher = try ServerWatcher(directory: directory)
        let path = "\(directory)/template"
        try PostgreSQLProgram.run(
            "initdb", ["-D", path, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        return Made(path: path, watcher: watcher)
    }

    /// Makes a data directory at `path`, which must not exist.
    /// - Throws: `TestProcessError` with the output of initdb or cp.
    static func copy(to path: String) throws {
        try TestProcess.run("/bin/cp", ["-a", made.get().path, path])
    }
}
