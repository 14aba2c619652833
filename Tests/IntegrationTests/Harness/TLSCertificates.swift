// TLSCertificates: an authority, certificates it signed, and one it did not; made with openssl.
import Foundation
import TestSupport

struct TLSCertificates {
    let directory: String
    var authority: String { "\(directory)/authority.crt" }

    /// A certificate and its key in PEM.
    struct Pair {
        let certificate: String
        let key: String
    }

    /// For `localhost`, signed by the authority.
    var good: Pair { pair("good") }
    /// For another name, signed by the authority.
    var otherName: Pair { pair("other") }
    /// For `localhost`, signed by itself.
    var stranger: Pair { pair("stranger") }

    init() throws {
        directory = try TestDirectory.make()
        try selfSigned("authority", ["-subj", "/CN=test authority"])
        try selfSigned("stranger", ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        try signed("good", name: "localhost")
        try signed("other", name: "elsewhere.example")
    }

    func remove() { try? FileManager.default.removeItem(atPath: directory) }

    private func pair(_ name: String) -> Pair { Pair(certificate: "\(directory)/\(name).crt", key: "\(directory)/\(name).key") }

    private static let keys = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    private func selfSigned(_ name: String, _ further: [String]) throws {
        let files = pair(name)
        try TestProcess.run(
            "openssl", ["req", "-x509", "-days", "2", "-keyout", files.key, "-out", files.certificate] + Self.keys + further)
    }

    private func signed(_ file: String, name: String) throws {
        let (files, root, request) = (pair(file), pair("authority"), "\(directory)/\(file).csr")
        let names = "\(directory)/\(file).ext"
        try "subjectAltName=DNS:\(name)\n".write(toFile: names, atomically: false, encoding: .utf8)
        try TestProcess.run("openssl", ["req", "-keyout", files.key, "-out", request, "-subj", "/CN=\(name)"] + Self.keys)
        try TestProcess.run(
            "openssl",
            ["x509", "-req", "-in", request, "-CA", root.certificate, "-CAkey", root.key, "-CAcreateserial", "-days", "2",
             "-extfile", names, "-out", files.certificate])
    }
}

extension TemporaryPostgreSQL {
    /// Turns TLS on with this certificate.
    func useTLS(_ pair: TLSCertificates.Pair) throws {
        func copy(_ path: String) throws -> String {
            let original = URL(fileURLWithPath: path)
            return try file(original.lastPathComponent, Array(Data(contentsOf: original)))
        }
        let (key, certificate) = (try copy(pair.key), try copy(pair.certificate))
        if PostgreSQLProgram.isRoot { try TestProcess.run("/bin/chown", ["postgres", key]) }
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
        try configure(["ssl": "on", "ssl_key_file": key, "ssl_cert_file": certificate])
        try psql("SELECT pg_reload_conf()")
        try eventually("the server offers TLS with the new certificate") { try psql("SHOW ssl_cert_file") == [[certificate]] }
    }
}
