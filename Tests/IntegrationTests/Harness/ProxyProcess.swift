// ProxyProcess: `pgbraid run` as a child process.
//
// A small shell watches this process and ends the proxy should the test run die first.
import Foundation
import Glibc
import TestSupport

/// One running proxy.
final class ProxyProcess {
    private let process: pid_t
    private let watcher: pid_t
    private var isOver = false

    /// The executable beside the test bundle in the build directory.
    static var executable: String { executable("pgbraid") }

    static func executable(_ name: String) -> String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let directory = URL(fileURLWithPath: own).deletingLastPathComponent()
        return directory.appendingPathComponent(name).path
    }

    /// - Parameter program: the name of another executable with the same command line.
    init(_ program: String? = nil, configurationPath: String, logPath: String) throws {
        let script = "tail --pid=\"$1\" -f /dev/null; kill -KILL \"$2\""
        process = try TestProcess.spawn(
            program.map(Self.executable) ?? Self.executable, ["run", "--config", configurationPath], output: "/dev/null", error: logPath)
        watcher = try TestProcess.spawn("/bin/sh", ["-c", script, "watcher", "\(getpid())", "\(process)"])
    }

    deinit { kill() }

    /// SIGTERM: open transactions may finish. Returns the exit status.
    @discardableResult
    func stop() -> Int32 { end(SIGTERM) }

    /// As a crash: nothing is said to anybody.
    func kill() { end(SIGKILL) }

    var isRunning: Bool { !isOver && Glibc.kill(process, 0) == 0 }

    @discardableResult
    private func end(_ signal: Int32) -> Int32 {
        guard !isOver else { return 0 }
        isOver = true
        Glibc.kill(-watcher, SIGKILL)
        TestProcess.wait(for: watcher)
        Glibc.kill(process, signal)
        return TestProcess.wait(for: process)
    }
}
