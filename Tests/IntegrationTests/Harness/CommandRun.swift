// CommandRun: a run of the executable to its end: what it wrote, and its exit status.
import Foundation
import TestSupport

struct CommandRun {
    let status: Int32
    let output: String
    let errors: String

    /// - Throws: `POSIXError` if it cannot be started.
    init(_ arguments: [String]) throws {
        let directory = try TestDirectory.make()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let child = try TestProcess.spawn(ProxyProcess.executable, arguments, output: "\(directory)/out", error: "\(directory)/err")
        status = TestProcess.wait(for: child)
        output = try String(contentsOfFile: "\(directory)/out", encoding: .utf8)
        errors = try String(contentsOfFile: "\(directory)/err", encoding: .utf8)
    }
}
