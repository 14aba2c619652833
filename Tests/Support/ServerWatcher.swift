// ServerWatcher: cleans up after a test process that died without stopping its server.
import Glibc
import Synchronization

/// A small shell that waits for this process to end, then stops the server in `directory` and removes it.
final class ServerWatcher: Sendable {
    private let shell: Mutex<pid_t?>

    init(directory: String) throws {
        let script = """
            tail --pid="$1" -f /dev/null
            if server=$(head -n 1 "$2/data/postmaster.pid"); then
                kill -QUIT "$server"
                tail --pid="$server" -f /dev/null
            fi
            rm -rf "$2"
            """
        shell = Mutex(try TestProcess.spawn("/bin/sh", ["-c", script, "watcher", "\(getpid())", directory]))
    }

    /// Ends the shell and the `tail` it waits in, which are a process group of their own. Harmless when repeated.
    func cancel() {
        guard let shell = shell.withLock({ $0.take() }) else { return }
        kill(-shell, SIGTERM)
        TestProcess.wait(for: shell)
    }
}
