// What the host's tests share.
import Glibc
import Testing

@testable import ProxyHost

/// Writes a small file.
func write(_ text: String, to path: String) throws {
    let descriptor = try System.check("open \(path)") { open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600) }
    defer { System.close(descriptor) }
    StandardStreams.writeAll(descriptor, text)
}
