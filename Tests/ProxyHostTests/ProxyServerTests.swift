// ProxyServer: a whole proxy in this process, with a real server behind it and psql before it.
import Glibc
import Logging
import Primitives
import ProxyCore
import Synchronization
import TestSupport
import Testing

@testable import ProxyHost

/// A proxy on threads of this process.
private final class RunningProxy: Sendable {
    private struct State {
        var isReady = false
        var failure: String?
    }

    private let state = Mutex(State())
    private let bell: Int32
    private let thread = Mutex<ProxyHost.Thread?>(nil)

    /// Starts a proxy and waits until it lets clients in.
    init(_ settings: ProxySettings) throws {
        bell = try System.makeBell()
        let started = try ProxyHost.Thread.start(name: "proxy", stackBytes: 1 << 20) { [self] in
            do {
                let logger = Logger(label: "test") { _ in StandardErrorLog(level: .critical) }
                let server = try ProxyServer(settings: settings, signals: try Signals(), logger: logger) { settings }
                try server.run(whenReady: { self.change { $0.isReady = true } })
            } catch {
                change { $0.failure = "\(error)" }
            }
        }
        thread.withLock { $0 = started }
        var file = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
        #expect(poll(&file, 1, 60_000) == 1)
        #expect(state.withLock { $0.failure } == nil)
    }

    deinit { System.close(bell) }

    private func change(_ body: (inout State) -> Void) {
        state.withLock { body(&$0) }
        System.ring(bell)
    }

    /// Waits until the proxy has ended by itself.
    func join() { thread.withLock { $0 }?.join() }
}

@Suite struct ProxyServerTests {
    /// One statement through psql; `target` is libpq's connection string.
    private func psql(_ target: String, _ statement: String) throws -> String {
        try TestProcess.run("psql", ["-XAtc", statement, target + " user=postgres dbname=pgbraid connect_timeout=20"])
    }

    @Test(arguments: [1, 2])
    func clientsComeInByEveryDoorUntilShutdown(workers: Int) throws {
        let shard = try TemporaryPostgreSQL()
        defer { shard.stop() }
        let certificates = try Certificates()
        defer { certificates.remove() }
        let directory = try TestDirectory.make()
        defer { rmdir(directory) }
        var settings = ProxySettings.development
        settings.shards = [ShardSettings(host: shard.socketDirectory, port: shard.port, database: "postgres")]
        settings.workerCount = workers
        let port = try TestDirectory.freePort()
        settings.listen = [.tcp(host: "127.0.0.1", port: port), .unix(directory: directory, port: port)]
        settings.tlsCertificateFile = certificates.certificate
        settings.tlsKeyFile = certificates.key
        let proxy = try RunningProxy(settings)

        let secure =
            "hostaddr=127.0.0.1 host=localhost port=\(port) sslmode=verify-full sslrootcert=\(certificates.certificate)"
        let plain = "host=127.0.0.1 port=\(port) sslmode=disable"
        for target in [plain, secure, "host=\(directory) port=\(port)"] {
            #expect(try psql(target, "SHOW VERSION").hasPrefix("pgbraid "), "\(target)")
        }
        #expect(try psql(plain, "RELOAD") == "RELOAD\n")
        #expect(FileSystem.exists(SocketAddress.unixPath(directory: directory, port: port)))
        _ = try? psql(plain, "SHUTDOWN")
        proxy.join()
        #expect(!FileSystem.exists(SocketAddress.unixPath(directory: directory, port: port)))
        #expect(throws: TestProcessError.self) { try psql(plain, "SHOW VERSION") }
    }

    @Test func aShardIsReachedOverTLSWithItsNameChecked() throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        let shard = try TemporaryPostgreSQL(settings: ["max_prepared_transactions": "9"])
        defer { shard.stop() }
        try giveCertificate(certificates, to: shard)
        var settings = ProxySettings.development
        var behind = ShardSettings(host: "127.0.0.1", port: shard.port, database: "postgres")
        behind.tlsMode = .verifyFull
        behind.tlsRootCertificateFile = certificates.certificate
        settings.shards = [behind]
        let port = try TestDirectory.freePort()
        settings.listen = [.tcp(host: "127.0.0.1", port: port)]
        let proxy = try RunningProxy(settings)
        let encrypted = try shard.psql(
            "SELECT count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND client_addr IS NOT NULL"
        )
        #expect(encrypted == [["t"]])
        _ = try? psql("host=127.0.0.1 port=\(port)", "SHUTDOWN")
        proxy.join()
    }

    /// Turns TLS on; the key must belong to the server's user.
    private func giveCertificate(_ certificates: Certificates, to shard: TemporaryPostgreSQL) throws {
        let key = try shard.file("server.key", FileSystem.read(certificates.key))
        let certificate = try shard.file("server.crt", FileSystem.read(certificates.certificate))
        if System.effectiveUser == 0, let user = getpwnam("postgres") {
            chown(key, user.pointee.pw_uid, user.pointee.pw_gid)
        }
        chmod(key, 0o600)
        try shard.configure(["ssl": "on", "ssl_key_file": key, "ssl_cert_file": certificate])
        try shard.stopServer()
        try shard.start()
    }
}
