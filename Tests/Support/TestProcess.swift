// TestProcess: run a program to its end.
//
// Input and output go through files, so that no pipe can fill up, and the child inherits no other descriptor:
// Foundation's Process would wait until every daemon that the program left behind has closed what it inherited.
import Foundation
import Glibc

/// A program that could not do what was asked.
public struct TestProcessError: Error, CustomStringConvertible {
    public let program: String
    public let status: Int32
    /// What the program wrote to standard error.
    public let output: String

    public var description: String { "\(program) ended with status \(status): \(output)" }
}

public enum TestProcess {
    /// Runs a program and returns its standard output.
    /// - Throws: `TestProcessError` if it does not end with status 0.
    @discardableResult
    public static func run(_ program: String, _ arguments: [String], input: String = "") throws -> String {
        let files = try TestDirectory.make()
        defer { try? FileManager.default.removeItem(atPath: files) }
        let (inputPath, outputPath, errorPath) = ("\(files)/in", "\(files)/out", "\(files)/err")
        try input.write(toFile: inputPath, atomically: false, encoding: .utf8)
        let child = try spawn(program, arguments, input: inputPath, output: outputPath, error: errorPath)
        let status = wait(for: child)
        guard status == 0 else {
            throw TestProcessError(program: program, status: status, output: text(of: errorPath))
        }
        return text(of: outputPath)
    }

    /// Starts a program as the leader of a process group of its own, and returns its process id.
    /// - Throws: `POSIXError` if it cannot be started.
    public static func spawn(
        _ program: String, _ arguments: [String], input: String = "/dev/null", output: String = "/dev/null",
        error: String = "/dev/null"
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, error, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        for descriptor in Int32(3)...255 { posix_spawn_file_actions_addclose(&actions, descriptor) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The test run may block signals or ignore them; programs are to react as they do in a terminal.
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        // Server programs want a working directory that their user may enter.
        let environmentProgram = "/usr/bin/env"
        var argumentPointers = ([environmentProgram, "-C", "/tmp", program] + arguments).map { strdup($0) } + [nil]
        defer { argumentPointers.forEach { free($0) } }
        var child: pid_t = 0
        let failure = posix_spawn(&child, environmentProgram, &actions, &attributes, &argumentPointers, environ)
        guard failure == 0 else { throw POSIXError(POSIXErrorCode(rawValue: failure) ?? .EIO) }
        return child
    }

    /// Waits for a spawned program; returns its exit status, or 128 and the signal that ended it.
    @discardableResult
    public static func wait(for child: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        let signal = status & 0x7F
        return signal == 0 ? status >> 8 & 0xFF : 128 + signal
    }

    private static func text(of path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }
}
