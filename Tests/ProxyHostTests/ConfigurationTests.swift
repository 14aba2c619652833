// Configuration: what is written is what is meant, and every mistake is told with its line and key.
import Glibc
import Primitives
import ProxyCore
import ShardMap
import Testing

@testable import ProxyHost

/// Reads a configuration that has no mistakes.
private func read(_ text: String, for purpose: Configuration.Purpose = .run) throws -> ProxySettings {
    try Configuration.parse(text, file: "proxy.conf", directory: "/nonexistent", for: purpose)
}

/// All mistakes of a configuration, as the command line tells them.
private func mistakes(_ text: String, for purpose: Configuration.Purpose = .run) -> [String] {
    do throws(ConfigurationError) {
        _ = try Configuration.parse(text, file: "proxy.conf", directory: "/nonexistent", for: purpose)
        return []
    } catch {
        return error.mistakes.map(\.description)
    }
}

/// The least that a configuration needs, below which the tests write.
private let least = """
    proxy.auth = "trust"
    [[shard]]
    host = "a"

    """

@Suite struct ConfigurationTests {
    @Test func everySectionIsRead() throws {
        let settings = try read(
            """
            [proxy]
            listen = ["127.0.0.1:7000", "[::1]:7000", "/tmp:7001"]
            workers = 3
            cluster = "shop"
            database = "app"
            admin_database = "braid"
            auth = "scram-sha-256"
            pool_mode = "session"
            pool_size = 7
            max_clients = 500

            [limits]
            client_message = "2MB"
            output_high_water = "128kB"
            cached_plans = 77

            [timeouts]
            query_wait = "1500ms"
            link_lifetime = "2h"
            client_idle = "0s"

            [admin]
            user = "root"
            password = "hunter2"
            users = ["anna"]

            [http]
            listen = "0.0.0.0:9187"
            token = "correct-horse-battery"

            [[shard]]
            host = "db0"
            dbname = "app0"
            tls = "verify-full"

            [[shard]]
            host = "/run/postgresql"
            port = 5433

            [[user]]
            name = "anna"
            password = "secret"

            [[user]]
            name = "bert"
            verifier = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
            shard_password = "other"

            [sharding]
            key = "tenant"
            method = "modulo"

            [[table]]
            name = "currencies"
            kind = "reference"

            [[table]]
            name = "shop.events"
            key = "id"
            method = "range"
            ranges = [{ below = 1000, shard = 0 }, { below = 2000, shard = 1 }]
            shard_above = 1
            """)
        #expect(
            settings.listen == [
                .tcp(host: "127.0.0.1", port: 7000), .tcp(host: "::1", port: 7000),
                .unix(directory: "/tmp", port: 7001),
            ])
        #expect(settings.workerCount == 3)
        #expect(settings.clusterName == "shop")
        #expect(settings.database == "app")
        #expect(settings.adminDatabase == "braid")
        #expect(settings.poolMode == .session)
        #expect(settings.poolSize == 7)
        #expect(settings.maximumClients == 500)
        #expect(settings.limits.clientFrameBytes == 2 << 20)
        #expect(settings.limits.outputHighWaterBytes == 128 << 10)
        #expect(settings.limits.cachedPlans == 77)
        #expect(settings.queryWaitTimeout == .milliseconds(1500))
        #expect(settings.linkLifetime == .seconds(7200))
        #expect(settings.adminUser == UserSettings(name: "root", password: "hunter2"))
        #expect(settings.adminDatabaseUsers == ["anna"])
        #expect(settings.httpListen == .tcp(host: "0.0.0.0", port: 9187))
        #expect(settings.httpToken == "correct-horse-battery")
        #expect(settings.shards.map(\.host) == ["db0", "/run/postgresql"])
        #expect(settings.shards.map(\.port) == [5432, 5433])
        #expect(settings.shards.map(\.database) == ["app0", "postgres"])
        #expect(settings.shards.map(\.tlsMode) == [.verifyFull, .disable])
        #expect(
            settings.users == [
                UserSettings(name: "anna", password: "secret"),
                UserSettings(name: "bert", password: "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", shardPassword: "other"),
            ])
        let ranges = try RangePlacement(
            [(below: .integer(1000), shard: ShardIndex(0)), (below: .integer(2000), shard: ShardIndex(1))],
            shardAbove: ShardIndex(1))
        #expect(
            settings.rules
                == (try ShardingRules(
                    defaultKeyColumn: "tenant", defaultMethod: .modulo,
                    tables: [
                        TableRule(name: TableName(schema: nil, table: "currencies"), kind: .reference),
                        TableRule(
                            name: TableName(schema: "shop", table: "events"),
                            kind: .sharded(keyColumn: "id", method: .range(ranges))),
                    ])))
    }

    @Test func whatIsNotWrittenHasItsDefault() throws {
        let settings = try read(least)
        let plain = ProxySettings()
        #expect(settings.listen == plain.listen)
        #expect(settings.workerCount == plain.workerCount)
        #expect(settings.rules == ShardingRules())
        #expect(settings.httpListen == nil && settings.httpToken == nil)
        #expect(settings.shards == [ShardSettings(host: "a", port: 5432, database: "postgres")])
    }

    @Test func allMistakesAreToldAtOnceInTheOrderOfTheirLines() {
        #expect(
            mistakes(
                """
                [proxy]
                auth = "trust"
                wrokers = 2
                pool_mode = "statement"
                max_clients = "many"

                [[shard]]
                host = "a"
                port = 70000

                [[shard]]
                port = 5432

                [timeouts]
                query_wait = "5 parsecs"
                """) == [
                    "proxy.conf:3: proxy.wrokers: is not a known key. Hint: did you mean \"workers\"?",
                    "proxy.conf:4: proxy.pool_mode: is \"statement\", must be one of \"transaction\", \"session\"",
                    "proxy.conf:5: proxy.max_clients: is a string, must be a whole number",
                    "proxy.conf:9: shard[0].port: is 70000, must be from 1 to 65535",
                    "proxy.conf:11: shard[1].host: is missing. Hint: a name, an address, or the directory of a unix socket",
                    "proxy.conf:15: timeouts.query_wait: is no length of time. Hint: write a whole number and a unit in quotes: \"500ms\", \"30s\", \"10min\", \"1h\"",
                ])
    }

    @Test func aSyntaxErrorNamesItsLine() {
        let told = mistakes("[proxy]\nworkers = 2\ndatabase = app\n")
        #expect(told.count == 1)
        #expect(told[0].hasPrefix("proxy.conf:3: not TOML: "))
    }

    @Test(arguments: [
        ("[proxy]\nlisten = \"6432\"\n", 2, "proxy.listen", "\"6432\" is no address"),
        ("[proxy]\nlisten = []\n", 2, "proxy.listen", "names no address"),
        ("[proxy]\nlisten = [\"a:1\", \"a:1\"]\n", 2, "proxy.listen", "\"a:1\" stands twice"),
        ("[proxy]\nworkers = 0\n", 2, "proxy.workers", "is 0, must be from 1 to 256"),
        ("[transactions]\nconsistent_reads = \"strict\"\n[proxy]\nworkers = 2\n", 2, "transactions.consistent_reads", "\"strict\" needs workers = 1"),
        ("[proxy]\n\ndatabase = \"pgbraid\"\n", 1, "proxy.admin_database", "is the same as database"),
        ("[proxy]\nallow_unlisted_users = true\n", 2, "proxy.allow_unlisted_users", "needs auth = \"trust\""),
        ("[limits]\nidempotent_answer = \"3MB\"\n", 2, "limits.idempotent_answer", "must be from 1 to 2097152 bytes"),
        ("[limits]\nshard_message = \"4MB\"\n", 2, "limits.shard_message", "must be from 5242880 to 1073741824 bytes"),
        ("[transactions]\nidempotency_keys = \"59s\"\n", 2, "transactions.idempotency_keys", "must be a minute at least"),
        ("[limits]\noutput_low_water = \"1MB\"\n", 2, "limits.output_low_water", "must be below output_high_water"),
        ("[limits]\nstatement = 64\n", 2, "limits.statement", "is no size"),
        (
            "[tls]\ncertificate = \"nowhere.crt\"\n", 2, "tls.certificate",
            "the file /nonexistent/nowhere.crt cannot be read: No such file or directory"
        ),
        ("[tls]\n#\ncertificate = \"/etc/passwd\"\n", 1, "tls.key", "is missing"),
        ("[http]\nlisten = \"9187\"\n", 2, "http.listen", "\"9187\" is no address"),
        ("[http]\nlisten = \"/tmp:9187\"\n", 2, "http.listen", "\"/tmp:9187\" is no address"),
        ("[http]\nlisten = \"*:9187\"\n", 2, "http.listen", "\"*:9187\" can be reached from other machines, and there is no token"),
        ("[http]\nlisten = \"127.0.0.1:6432\"\n", 2, "http.listen", "is the same as proxy.listen"),
        ("[http]\nlisten = \"127.0.0.1:9187\"\ntoken = \"short\"\n", 3, "http.token", "must have 16 characters or more, of ASCII without spaces"),
        ("[http]\n#\ntoken = \"correct-horse-battery\"\n", 1, "http.listen", "is missing"),
        ("[timeouts]\nconnect = \"0s\"\n", 2, "timeouts.connect", "must be longer than zero"),
        (
            "[[shard]]\nhost = \"b\"\n[[shard]]\nhost = \"b\"\n", 4, "shard[1].host",
            "is the same server and database as another shard"
        ),
        (
            "[[shard]]\nhost = \"b\"\ntls = \"prefer\"\ntls_root_certificate = \"/etc/passwd\"\n", 4,
            "shard[0].tls_root_certificate", "is not used with tls = \"prefer\""
        ),
        ("[[shard]]\nhost = \"/tmp\"\ntls = \"require\"\n", 3, "shard[0].tls", "is not possible over a unix socket"),
        ("[[user]]\npassword = \"x\"\n", 1, "user[0].name", "is missing"),
        ("[[user]]\nname = \"a\"\n", 1, "user[0]", "user \"a\" has no password"),
        (
            "[[user]]\nname = \"a\"\nverifier = \"plain\"\n", 3, "user[0].verifier",
            "is neither SCRAM-SHA-256$... nor md5..."
        ),
        (
            "[[user]]\nname = \"a\"\npassword = \"x\"\npassword_file = \"/nonexistent/p\"\n", 4,
            "user[0].password_file", "the file /nonexistent/p cannot be read: No such file or directory"
        ),
        ("[[table]]\nkey = \"a\"\n", 1, "table[0].name", "is missing"),
        (
            "[[table]]\nname = \"a.b.c\"\n", 2, "table[0].name",
            "\"a.b.c\" is no table name: write table or schema.table"
        ),
        ("[[table]]\nname = \"a\"\n[[table]]\nname = \"A\"\n", 4, "table[1].name", "table \"a\" has two entries"),
        (
            "[[table]]\nname = \"a\"\nkind = \"reference\"\nkey = \"x\"\n", 4, "table[0].key",
            "has no meaning for a reference table"
        ),
        (
            "[[table]]\nname = \"a\"\nmethod = \"range\"\n", 1, "table[0].ranges",
            "a range placement needs upper bounds of one type in ascending order"
        ),
        ("[[table]]\nname = \"a\"\nvalues = []\n", 3, "table[0].values", "needs method = \"list\""),
        (
            "[[table]]\nname = \"a\"\nmethod = \"list\"\nvalues = [\n  { value = 1, shard = 0 },\n  { value = 2 },\n]\n",
            4, "table[0].values[1].shard", "is missing"
        ),
        (
            "[[table]]\nname = \"a\"\nmethod = \"range\"\nkey_type = \"uuid\"\nranges = [{ below = \"x\", shard = 0 }]\n",
            5, "table[0].ranges[0].below", "is no uuid"
        ),
        ("[shard]\nhost = \"b\"\n", 1, "shard", "is a section, must be sections, each written [[shard]]"),
        ("[proxxy]\n", 1, "proxxy", "is not a known key"),
    ])
    func aMistakeHasItsLineAndKey(text: String, line: Int, key: String, message: String) {
        do throws(ConfigurationError) {
            _ = try Configuration.parse(text, file: "proxy.conf", directory: "/nonexistent")
            Issue.record("nothing was found wrong")
        } catch {
            let found = error.mistakes.first { $0.key == key && $0.message == message }
            #expect(found?.line == line, "told instead: \(error)")
        }
    }

    @Test func passwordsNeverShowInMessages() {
        let told = mistakes(
            """
            [[user]]
            name = "a"
            password = "hunter2"
            verifier = "hunter3"
            passwort = "hunter4"
            """
        ).joined(separator: "\n")
        #expect(told.contains("user[0].passwort"))
        #expect(!told.contains("hunter"))
    }

    @Test func aConfigurationWithoutUsersNeedsTrust() {
        #expect(
            mistakes("[[shard]]\nhost = \"a\"\n") == [
                "proxy.conf: user: is missing. Hint: list the roles that may log in in sections [[user]], or set proxy.auth = \"trust\""
            ])
    }

    @Test func aConfigurationWithoutShardsIsForDevelopmentOnly() throws {
        #expect(
            mistakes("proxy.auth = \"trust\"") == [
                "proxy.conf: shard: is missing. Hint: describe every PostgreSQL server in a section [[shard]]"
            ])
        #expect(try read("proxy.auth = \"trust\"", for: .development(shardCount: 2)).shards.isEmpty)
    }

    @Test func shardsOfRulesAreCheckedAgainstTheServersOfDevelopment() {
        let text =
            "proxy.auth = \"trust\"\n[[table]]\nname = \"a\"\nmethod = \"list\"\nvalues = [{ value = 1, shard = 3 }]\n"
        #expect(mistakes(text, for: .development(shardCount: 4)) == [])
        #expect(
            mistakes(text, for: .development(shardCount: 3)) == [
                "proxy.conf:5: table[0].values[0].shard: is 3, must be from 0 to 2"
            ])
    }

    @Test func theFirstLineOfAPasswordFileIsThePassword() throws {
        let path = "/tmp/pgbraid-test-password-\(getpid())"
        try write("geheim\r\nnot this\n", to: path)
        defer { unlink(path) }
        let settings = try read("[[shard]]\nhost = \"a\"\n[[user]]\nname = \"a\"\npassword_file = \"\(path)\"\n")
        #expect(settings.users == [UserSettings(name: "a", password: "geheim")])
    }
}

@Suite struct KeyLinesTests {
    @Test func linesAreFoundBehindStringsCommentsAndNestedValues() {
        let lines = KeyLines(
            """
            # a = 1
            title = "x # [no] = y"
            "quoted key" = 1
            dotted . inner = { deep = 1 }

            [ section ]  # comment = 2
            text = \"""
            [[not]]
            key = "still text" \\\"""
            \"""
            list = [
              "]", # ]
              { inner = [1, 2] },
            ]
            after = 'C:\\'

            [[entry]]
            a = 1
            [[entry]]
            a = 1
            """)
        let expected: [(String, Int?)] = [
            ("a", nil), ("title", 2), ("quoted key", 3), ("dotted.inner", 4), ("dotted.inner.deep", 4), ("section", 6),
            ("section.text", 7), ("section.list", 11), ("section.list[1].inner", 11), ("section.after", 15),
            ("entry[0]", 17), ("entry[0].a", 18), ("entry[1].a", 20), ("entry[1].b", 19), ("entry", 17), ("no", nil),
            ("section.key", 6),
        ]
        for (key, line) in expected { #expect(lines.line(of: key) == line, "\(key)") }
    }
}

@Suite struct QuantityTests {
    @Test func timesAndSizesHavePostgreSQLsUnits() {
        #expect(Quantities.duration("250us") == .microseconds(250))
        #expect(Quantities.duration("3min") == .seconds(180))
        #expect(Quantities.duration("1 d") == .seconds(86_400))
        #expect(Quantities.size("8kB") == 8192)
        #expect(Quantities.size("1GB") == 1 << 30)
        for text in ["", "5", "s", "-1s", "1.5s", "5m", "5 S", "99999999999999999999s", "9223372036854775807d"] {
            #expect(Quantities.duration(text) == nil, "\(text)")
        }
        #expect(Quantities.size("5KB") == nil)
    }
}
