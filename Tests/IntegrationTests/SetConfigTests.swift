// set_config sets a variable on the server that runs it.
import Testing

extension IntegrationTests {
    @Suite struct SetConfigTests {
        /// A role or a claim that holds on one shard only would let statements run without it on the others.
        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func isRefusedInABlock(isExtended: Bool) throws {
            let cluster = try SharedClusters.shared.get().four
            let client = try WireClient(port: cluster.port)
            _ = try client.run("BEGIN")
            let text = "SELECT set_config('my.claim', 'a', true)"
            if isExtended {
                try client.send(
                    FrontendFrame.parse("", [], text) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            } else {
                try client.send(FrontendFrame.query(text))
            }
            #expect(try client.outcome().state == "0A000")
            #expect(try client.run("ROLLBACK").tags == ["ROLLBACK"])
            // pg_dump begins with one.
            #expect(try client.run("SELECT pg_catalog.set_config('search_path', '', false)").rows == [[""]])
        }
    }
}
