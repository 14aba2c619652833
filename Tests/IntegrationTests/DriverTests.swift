// Real drivers and programs at work, unchanged: what they write down is the same with PostgreSQL and with the proxy.
//
// Drivers/ holds one script a driver (see Drivers/transcript.py). A script that cannot run, because its driver is not
// installed, fails its test: `scripts/install-packages.sh test` installs them all. To read the transcripts, run with
// PGBRAID_TRANSCRIPTS=DIRECTORY.
import Foundation
import TestSupport
import Testing

/// A client program whose transcripts are compared.
struct Driver: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// What to run; the addresses follow.
    let command: @Sendable () throws -> [String]

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Drivers").path

    static let all = [
        Driver(testDescription: "psycopg 3 (package python3-psycopg)") { python("psycopg_driver.py") },
        Driver(testDescription: "asyncpg (package python3-asyncpg)") { python("asyncpg_driver.py") },
        Driver(testDescription: "psql and pgbench (package postgresql-15)") { python("psql_driver.py") },
        Driver(testDescription: "JDBC (packages libpostgresql-jdbc-java, openjdk-17-jdk-headless)") { try JavaProgram.shared.get().command },
    ]

    private static func python(_ script: String) -> [String] { ["/usr/bin/python3", "-B", "\(folder)/\(script)"] }

    /// Lets the driver work with a server.
    /// - Throws: `TestProcessError` when the script fails.
    func transcript(port: Int, servers: [TemporaryPostgreSQL]) throws -> [String] {
        let arguments = try command() + ["\(port)", servers.map { "\($0.port)" }.joined(separator: ",")]
        return try TestProcess.run(arguments[0], Array(arguments.dropFirst())).components(separatedBy: "\n")
    }
}

/// The compiled program that uses the JDBC driver; made once, removed with the object.
final class JavaProgram: Sendable {
    static let shared = Result { try JavaProgram() }

    private static let driver = "/usr/share/java/postgresql.jar"
    private let directory: String

    var command: [String] {
        ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", "\(Self.driver):\(directory)", "JdbcDriver"]
    }

    private init() throws {
        directory = try TestDirectory.make()
        try TestProcess.run("javac", ["-encoding", "UTF-8", "-cp", Self.driver, "-d", directory, "\(Driver.folder)/JdbcDriver.java"])
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }
}

/// Proxies with small pools, so that the drivers' clients must share links.
private struct DriverClusters: @unchecked Sendable {
    static let shared = Result { try DriverClusters() }

    let all: [TestCluster]

    private init() throws {
        let servers = try TestServers.shared.get()
        // Each shard has used up OIDs that the others have not, so that the same OID is one type here and another one there.
        for (shard, server) in servers.four.enumerated() {
            for _ in 0..<(4 - shard) { try server.psql("CREATE TYPE used_up AS ENUM (); DROP TYPE used_up") }
        }
        let settings = ["proxy": ["pool_size = 4"], "": pgbenchTables]
        all = [try TestCluster(servers: [servers.single], settings: settings), try TestCluster(servers: servers.four, settings: settings)]
    }
}

/// pgbench's tables by their own keys.
private let pgbenchTables = [("accounts", "aid"), ("branches", "bid"), ("tellers", "tid"), ("history", "aid")].flatMap {
    ["[[table]]", "name = \"pgbench_\($0.0)\"", "key = \"\($0.1)\""]
}

extension IntegrationTests {
    @Suite struct DriverTests {
        @Test(.timeLimit(.minutes(5)), arguments: Driver.all)
        func seesNoDifference(driver: Driver) throws {
            let judge = try TestServers.shared.get().judge
            let right = try driver.transcript(port: judge.port, servers: [judge])
            #expect(!right.contains { $0.hasPrefix("!!") }, "\(right.filter { $0.hasPrefix("!!") })")
            try keep(right, of: driver, "PostgreSQL")
            for cluster in try DriverClusters.shared.get().all {
                let said = try driver.transcript(port: cluster.port, servers: cluster.servers)
                try keep(said, of: driver, "\(cluster.servers.count) shards")
                #expect(said == right, "\(Difference.text(said, right, "\(cluster.servers.count) shard(s)"))")
            }
        }

        private func keep(_ transcript: [String], of driver: Driver, _ place: String) throws {
            guard let directory = ProcessInfo.processInfo.environment["PGBRAID_TRANSCRIPTS"] else { return }
            let path = "\(directory)/\(driver.testDescription) - \(place).txt"
            try transcript.joined(separator: "\n").write(toFile: path, atomically: false, encoding: .utf8)
        }
    }
}
