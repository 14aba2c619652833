// Texts that Unicode takes for equal and PostgreSQL does not: é as one character, and as e with an accent.
import Testing

extension IntegrationTests {
    @Suite struct ExactTextTests {
        private static let composed = "\u{E9}"
        private static let decomposed = "e\u{301}"
        private static let asked = "SELECT encode(convert_to(current_setting('app.tenant'), 'UTF8'), 'hex')"

        /// The connection to the shard had the other's settings before.
        @Test(.timeLimit(.minutes(1))) func settingsAreThoseOfTheSessionByteForByte() throws {
            let cluster = try TestCluster(servers: [try TestServers.shared.get().single], settings: ["proxy": ["pool_size = 1"]])
            let one = try WireClient(port: cluster.port)
            let other = try WireClient(port: cluster.port)
            try one.rows("SET app.tenant = '\(Self.composed)'")
            try other.rows("SET app.tenant = '\(Self.decomposed)'")
            for _ in 0..<3 {
                #expect(try one.rows(Self.asked) == [["c3a9"]])
                #expect(try other.rows(Self.asked) == [["65cc81"]])
            }
        }

        @Test(.timeLimit(.minutes(1))) func namesThatCouldBeTakenForOthersAreRefused() throws {
            let cluster = try SharedClusters.shared.get().two
            let client = try WireClient(port: cluster.port)
            try client.rows("DROP TABLE IF EXISTS \"\(Self.composed)tables\"; CREATE TABLE \"\(Self.composed)tables\" (user_id int PRIMARY KEY)")
            try cluster.onShards("DROP TABLE IF EXISTS \"\(Self.decomposed)tables\"; CREATE TABLE \"\(Self.decomposed)tables\" (other int)")
            // Both are there when the catalog is read again.
            try client.rows("ALTER TABLE \"\(Self.composed)tables\" ADD COLUMN v int; INSERT INTO \"\(Self.composed)tables\" SELECT g, g FROM generate_series(1, 9) g")
            #expect(try client.rows("SELECT count(*), sum(v) FROM \"\(Self.composed)tables\"") == [["9", "45"]])
            for text in ["SELECT * FROM \"\(Self.decomposed)tables\"", "SET search_path = '\(Self.decomposed)'", "SET ROLE '\(Self.decomposed)'"] {
                let said = try client.run(text)
                #expect(said.state == "0A000" && said.error?.message.contains("several ways") == true, "\(text): \(said)")
            }
            // Values may be written as they like.
            #expect(try client.rows("SELECT '\(Self.composed)' = '\(Self.decomposed)', length('\(Self.decomposed)')") == [["f", "2"]])
            try cluster.onShards("DROP TABLE \"\(Self.decomposed)tables\"")
            try client.rows("DROP TABLE \"\(Self.composed)tables\"")
        }
    }
}
