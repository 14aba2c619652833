// What a role has by default on the shards (search_path, isolation level) decides what its statements mean.
import Foundation
import Testing

extension IntegrationTests {
    @Suite struct RoleDefaultsTests {
        private func cluster(_ role: String, _ defaults: String) throws -> TestCluster {
            let servers = try TestServers.shared.get().four
            for server in servers {
                try server.psql("DROP ROLE IF EXISTS \(role); CREATE ROLE \(role) LOGIN SUPERUSER; ALTER ROLE \(role) SET \(defaults)")
            }
            let cluster = try TestCluster(servers: servers)
            try cluster.psql("DROP TABLE IF EXISTS public.item; DROP SCHEMA IF EXISTS tenant CASCADE; CREATE SCHEMA tenant")
            try cluster.psql("CREATE TABLE public.item (user_id int PRIMARY KEY, n int); CREATE TABLE tenant.item (n int PRIMARY KEY)")
            return cluster
        }

        @Test(.timeLimit(.minutes(1))) func theSearchPathOfTheRoleNamesTheTables() throws {
            let cluster = try cluster("pathfinder", "search_path TO tenant, public")
            // To this role `item` is the reference table tenant.item, to others it is sharded by user_id.
            try cluster.psql("INSERT INTO item VALUES (1), (2), (3)", user: "pathfinder")
            try cluster.psql("INSERT INTO item VALUES (1, 1), (2, 2), (3, 3)")
            #expect(try cluster.onShards("SELECT count(*) FROM tenant.item") == Array(repeating: [["3"]], count: 4))
            #expect(try cluster.onShards("SELECT count(*) FROM public.item").reduce(0) { $0 + (Int($1[0][0] ?? "") ?? 0) } == 3)
            #expect(try cluster.psql("SELECT count(*), sum(n) FROM item", user: "pathfinder") == [["3", "6"]])

            try cluster.psql("ALTER ROLE pathfinder SET search_path TO public")
            try cluster.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pathfinder'")
            _ = try cluster.onShards("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pathfinder'")
            try eventually("new links know the new path") {
                (try? cluster.psql("SELECT count(*) FROM item WHERE user_id = 2", user: "pathfinder")) == [["1"]]
            }
        }

        @Test(.timeLimit(.minutes(1))) func aShardWhereTheRoleMeansSomethingElseIsNotUsed() throws {
            let cluster = try cluster("drifter", "search_path TO public")
            try cluster.servers[2].psql("ALTER ROLE drifter SET search_path TO tenant")
            let answer = Result { try cluster.psql("SELECT count(*) FROM item", user: "drifter") }
            guard case .failure(let error) = answer else {
                Issue.record("a shard with another search_path was used")
                return
            }
            #expect("\(error)".contains("search_path"))
        }

        /// Rows of a shard that writes times otherwise would not fit to those of the others.
        @Test(.timeLimit(.minutes(1))) func aShardThatWritesOtherwiseIsNotUsed() throws {
            let cluster = try cluster("traveller", "timezone TO 'UTC'")
            #expect(try cluster.psql("SELECT count(*) FROM public.item", user: "traveller") == [["0"]])
            let away = try self.cluster("emigrant", "timezone TO 'UTC'")
            try away.servers[1].psql("ALTER ROLE emigrant SET timezone TO 'Asia/Tokyo'")
            expectFailure("TimeZone Asia/Tokyo") { try away.psql("SELECT count(*) FROM public.item", user: "emigrant") }
        }

        /// Whichever shard is asked first: links of both kinds are not used together, and the log says why.
        @Test(.timeLimit(.minutes(1))) func databasesThatSortOtherwiseAreNotUsedTogether() throws {
            let servers = try TestServers.shared.get().four
            for (number, server) in servers.enumerated() {
                try server.psql("DROP DATABASE IF EXISTS sorted")
                try server.psql("CREATE DATABASE sorted TEMPLATE template0 ENCODING UTF8 LC_COLLATE '\(number == 3 ? "C" : "C.UTF-8")' LC_CTYPE 'C.UTF-8'")
            }
            let entries = servers.map { ["host = \"\($0.socketDirectory)\"", "port = \($0.port)", "dbname = \"sorted\""] }
            let cluster = try TestCluster(servers: servers, shardEntries: entries, isWaiting: false)
            try eventually("the log says what differs", withinSeconds: 40) {
                let log = try String(contentsOfFile: "\(cluster.directory)/proxy-1.log", encoding: .utf8)
                return log.contains("database UTF8 C C.UTF-8") && log.contains("this must be alike on all shards")
            }
        }

        private func expectFailure(_ part: String, _ body: () throws -> [[String?]]) {
            guard case .failure(let error) = Result(catching: body) else {
                Issue.record("a shard was used where \(part)")
                return
            }
            #expect("\(error)".contains(part), "\(error)")
        }

        @Test(.timeLimit(.minutes(1))) func theIsolationLevelOfTheRoleHoldsOverShards() throws {
            let cluster = try cluster("repeater", "default_transaction_isolation TO 'repeatable read'")
            try cluster.psql("INSERT INTO public.item VALUES (1, 1), (2, 1), (3, 1), (4, 1)")
            let client = try WireClient(port: cluster.port, user: "repeater", database: "postgres")
            #expect(try client.rows("BEGIN; SELECT n FROM public.item WHERE user_id = 1") == [["1"]])
            try cluster.psql("UPDATE public.item SET n = 2")
            #expect(try client.rows("SELECT sum(n) FROM public.item") == [["4"]])
            #expect(try client.rows("COMMIT; SELECT sum(n) FROM public.item") == [["8"]])
        }
    }
}
