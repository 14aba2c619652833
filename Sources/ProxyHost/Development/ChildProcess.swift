// ChildProcess: running another program to its end, for `pgbraid dev`.
//
// posix_spawn with explicit signal settings: the proxy blocks SIGTERM and SIGINT, and children would inherit that.
import Glibc

/// A program that could not be started or did not succeed.
public struct ChildProcessError: Error, CustomStringConvertible {
    public let description: String
}

/// A running program.
struct ChildProcess {
    let process: pid_t
    private let name: String
    private let logPath: String

    /// Starts a program with standard output and error appended to a log file, in a process group of its own, so that
    /// Ctrl-C at the terminal reaches only the proxy.
    init(_ arguments: [String], log: String) throws(ChildProcessError) {
        name = arguments[0]
        logPath = log
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        Self.resetSignals(&attributes)
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let code = posix_spawnp(&process, arguments[0], &actions, &attributes, &words, environ)
        guard code == 0 else {
            throw ChildProcessError(description: "cannot start \(arguments[0]): \(System.message(code))")
        }
        self.process = process
    }

    private static func resetSignals(_ attributes: inout posix_spawnattr_t) {
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))
    }

    /// Waits for the end; anything but exit code 0 is an error that points at the log.
    func wait() throws(ChildProcessError) {
        let code = waitForExitCode()
        if code != 0 {
            throw ChildProcessError(description: "\(name) failed with exit code \(code), see \(logPath)")
        }
    }

    /// Waits for the end; a program ended by a signal gives 128 and the signal's number, as in a shell.
    func waitForExitCode() -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }
}
