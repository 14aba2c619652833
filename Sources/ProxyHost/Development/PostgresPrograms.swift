// PostgresPrograms: finds PostgreSQL's server programs and runs them as a user they accept.
import Glibc

/// Where initdb, pg_ctl and postgres are, and how to run them.
struct PostgresPrograms {
    let directory: String

    /// The newest of Debian's and Red Hat's places, then the directories in PATH.
    init() throws(ChildProcessError) {
        let versioned = ["/usr/lib/postgresql", "/usr/pgsql"].flatMap(Self.versions)
        let path = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").map(String.init)
        guard let found = (versioned + path).first(where: { access("\($0)/pg_ctl", X_OK) == 0 }) else {
            throw ChildProcessError(
                description:
                    "PostgreSQL's server programs (initdb, pg_ctl) are not found; install PostgreSQL 15 or newer")
        }
        directory = found
    }

    /// The bin directories under `root`, newest version first.
    private static func versions(_ root: String) -> [String] {
        FileSystem.entries(root)
            .compactMap { name in Int(name).map { ($0, "\(root)/\(name)/bin") } }
            .sorted { $0.0 > $1.0 }
            .map { $0.1 }
    }

    /// The words that run a program. PostgreSQL refuses to run as root: then it runs as the user postgres.
    func command(_ program: String, _ arguments: [String]) -> [String] {
        let words = ["\(directory)/\(program)"] + arguments
        return System.effectiveUser == 0 ? ["runuser", "-u", "postgres", "--"] + words : words
    }
}

/// The few things asked of the file system.
enum FileSystem {
    static func entries(_ directory: String) -> [String] {
        guard let handle = opendir(directory) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { System.text(Array($0.bindMemory(to: CChar.self))) }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Makes a directory and those above it.
    static func makeDirectory(_ path: String, mode: mode_t = 0o755) throws(SystemError) {
        if exists(path) { return }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try makeDirectory(String(path[..<slash]), mode: mode)
        }
        try System.check("mkdir \(path)") { mkdir(path, mode) }
    }

    static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let current = getcwd(nil, 0) else { return path }
        defer { free(current) }
        return String(cString: current) + "/" + path
    }

    /// A whole file.
    static func read(_ path: String) throws(SystemError) -> [UInt8] {
        let descriptor = try System.check("open \(path)") { open(path, O_RDONLY | O_CLOEXEC) }
        defer { System.close(descriptor) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            var count = 0
            try System.check("read \(path)") {
                count = Glibc.read(descriptor, &buffer, buffer.count)
                return count < 0 ? -1 : 0
            }
            if count == 0 { return content }
            content += buffer[..<count]
        }
    }
}
