// What the host's tests share.
import Glibc
import TestSupport
import Testing

@testable import ProxyHost

/// Writes a small file.
func write(_ text: String, to path: String) throws {
    let descriptor = try System.check("open \(path)") { open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600) }
    defer { System.close(descriptor) }
    StandardStreams.writeAll(descriptor, text)
}

/// A certificate authority and a server certificate for localhost and 127.0.0.1.
struct Certificates {
    let directory: String
    var authority: String { "\(directory)/ca.crt" }
    var certificate: String { "\(directory)/server.crt" }
    var key: String { "\(directory)/server.key" }

    init() throws {
        directory = try TestDirectory.make()
        try make(key: key, certificate: certificate, ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        try make(key: "\(directory)/ca.key", certificate: authority, [])
    }

    private func make(key: String, certificate: String, _ further: [String]) throws {
        let algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        let subject = ["-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", certificate]
        try TestProcess.run("openssl", ["req", "-x509"] + algorithm + subject + further)
    }

    func remove() {
        for name in FileSystem.entries(directory) { unlink("\(directory)/\(name)") }
        rmdir(directory)
    }
}
