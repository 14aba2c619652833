// INSERT ... SELECT between shards, where the rows are not what the proxy can write down.
import Testing

extension IntegrationTests {
    @Suite struct FetchedInsertTests {
        @Test(.timeLimit(.minutes(1))) func textsOfAnotherEncodingAreRefused() throws {
            let cluster = try SharedClusters.shared.get().four
            try cluster.psql("DROP TABLE IF EXISTS accent; CREATE TABLE accent (user_id int, other int, t text)")
            try cluster.psql("INSERT INTO accent SELECT i, i + 5, 'café' FROM generate_series(1, 8) i")
            let client = try WireClient(port: cluster.port)
            let text = "INSERT INTO accent (user_id, t) SELECT other, t FROM accent"
            #expect(try client.run("SET client_encoding TO LATIN1").error == nil)
            #expect(try client.run(text).state == "0A000")
            #expect(try client.run("SET client_encoding TO UTF8").error == nil)
            #expect(try client.run(text).tags == ["INSERT 0 8"])
            #expect(try cluster.psql("SELECT t, count(*) FROM accent GROUP BY t") == [["café", "16"]])
        }
    }
}
