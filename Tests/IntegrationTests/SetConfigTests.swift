// set_config sets a variable on the server that runs it. A SELECT of nothing else is as SET (Dialogues/settings.txt).
import Testing

extension IntegrationTests {
    @Suite struct SetConfigTests {
        /// Among other things it would hold on one shard only: a role, or a claim without which statements run on the others.
        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func amongOtherThingsIsRefusedInABlock(isExtended: Bool) throws {
            let cluster = try SharedClusters.shared.get().four
            let client = try WireClient(port: cluster.port)
            _ = try client.run("BEGIN")
            let text = "SELECT set_config('my.claim', 'a', true) FROM generate_series(1, 2)"
            if isExtended {
                try client.send(
                    FrontendFrame.parse("", [], text) + FrontendFrame.bind("", "", [], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            } else {
                try client.send(FrontendFrame.query(text))
            }
            #expect(try client.outcome().state == "0A000")
            #expect(try client.run("ROLLBACK").tags == ["ROLLBACK"])
        }

        /// What the planner must know of: the names that statements mean.
        @Test(.timeLimit(.minutes(1))) func aSearchPathSetSoReachesThePlanner() throws {
            let cluster = try SharedClusters.shared.get().four
            let client = try WireClient(port: cluster.port)
            let other = "CREATE SCHEMA IF NOT EXISTS other; CREATE TABLE IF NOT EXISTS other.only_there (user_id int)"
            #expect(try client.run(other).error == nil)
            defer { _ = try? client.run("DROP SCHEMA other CASCADE") }
            #expect(try client.run("INSERT INTO other.only_there SELECT generate_series(1, 20)").error == nil)
            #expect(try client.run("SELECT count(*) FROM only_there").state == "42P01")
            #expect(try client.run("SELECT set_config('search_path', 'other, public', false)").rows == [["other, public"]])
            #expect(try client.run("SELECT count(*) FROM only_there").rows == [["20"]])
            #expect(try client.run("SELECT set_config('search_path', '', false)").rows == [[""]])
            #expect(try client.run("SELECT count(*) FROM only_there").state == "42P01")
            #expect(try client.run("SELECT set_config('transaction_isolation', 'serializable', false)").state == "0A000")
            #expect(try client.run("SELECT set_config('standard_conforming_strings', 'off', false)").state == "0A000")
        }
    }
}
