// The role that one client has taken is not the next one's, on whichever link of the pool.
import Testing

extension IntegrationTests {
    @Suite struct LinkRoleTests {
        private static let linkCount = 3

        /// A pool of few links, in front of a table with a trigger. RESET ALL, which forgets what a trigger has set, leaves the role.
        private func cluster(trigger body: String) throws -> CommitCluster {
            let commits = try CommitCluster(settings: CommitCluster.settings.merging(["proxy": ["pool_size = \(Self.linkCount)"]]) { $1 })
            for server in commits.servers {
                try server.psql("DROP ROLE IF EXISTS tenant_of_links; DROP ROLE IF EXISTS lodger; CREATE ROLE lodger")
                try server.psql("CREATE ROLE tenant_of_links LOGIN IN ROLE lodger")
            }
            try commits.cluster.psql("""
                CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN \(body); RETURN NULL; END$$;
                CREATE TRIGGER change AFTER UPDATE ON account FOR EACH STATEMENT EXECUTE FUNCTION note_change();
                GRANT ALL ON account TO PUBLIC
                """)
            return commits
        }

        /// Clients that have blocks on all shards at once, and so all links; each works on keys of its own.
        private func occupyLinks(_ commits: CommitCluster, _ statement: (_ key: String) -> String, before: String = "") throws -> [[[String?]]] {
            let keys = try commits.cluster.onShards("SELECT user_id FROM account ORDER BY 1 LIMIT \(Self.linkCount)").map { $0.compactMap { $0[0] } }
            let clients = try (0..<Self.linkCount).map { _ in try commits.client(user: "tenant_of_links") }
            var answers: [[[String?]]] = []
            for (number, client) in clients.enumerated() {
                if !before.isEmpty { try client.rows(before) }
                try client.rows("BEGIN")
                answers.append(try keys.flatMap { try client.rows(statement($0[number])) })
            }
            for client in clients {
                try client.rows("COMMIT")
                try client.send(FrontendFrame.terminate)
            }
            return answers
        }

        private static let noLodger = Array(repeating: Array(repeating: ["tenant_of_links", "none"] as [String?], count: 3), count: linkCount)

        @Test(.timeLimit(.minutes(1)), arguments: ["NULL", "PERFORM set_config('role', 'lodger', false)"])
        func theNextClientHasItsOwnRole(trigger body: String) throws {
            let commits = try cluster(trigger: body)
            let role = body == "NULL" ? "SET ROLE lodger" : ""
            _ = try occupyLinks(commits, { "UPDATE account SET balance = balance WHERE user_id = \($0)" }, before: role)
            let asked = try occupyLinks(commits, { "SELECT current_user, current_setting('role') FROM account WHERE user_id = \($0)" })
            #expect(asked == Self.noLodger)
        }

        /// The same by statements over all shards outside of blocks.
        @Test(.timeLimit(.minutes(1))) func theNextClientHasItsOwnRoleBehindAStatementOverShards() throws {
            let commits = try cluster(trigger: "NULL")
            for _ in 0..<Self.linkCount {
                let client = try commits.client(user: "tenant_of_links")
                try client.rows("SET ROLE lodger")
                try client.rows("UPDATE account SET balance = balance")
                try client.rows("UPDATE account SET balance = balance WHERE user_id = \(commits.keys[1])")
                #expect(try client.rows("SELECT current_user FROM account WHERE user_id = \(commits.keys[1])") == [["lodger"]])
            }
            let asked = try occupyLinks(commits, { "SELECT current_user, current_setting('role') FROM account WHERE user_id = \($0)" })
            #expect(asked == Self.noLodger)
        }
    }
}
