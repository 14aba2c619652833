// LoginFacts: what PostgreSQL gives a session at its login and never again: who its role is, and what it has by default.
//
// A link is a session that was logged in before; a client must not get one that is unlike what it would get from PostgreSQL now. So
// all links to a shard retire when it says that their role is another one by the same name, that ALTER ROLE or ALTER DATABASE has
// changed its defaults, or that postgresql.conf was read again. It is asked behind all DDL, and else every few seconds, by the
// link that holds the proxy's locks; and a fresh link says it of its own role.
import Primitives
import WireProtocol

/// Of one role on one shard.
struct LoginFacts: Equatable {
    /// Tells the role from another one that had its name before.
    let oid: String
    /// What it has by default, and whether it may log in; only compared.
    let others: String

    /// What a shard has said once of a role that it knew as another one: who it is now, nil if it is not there.
    struct Claim: Equatable {
        let oid: String?
    }

    init?(_ text: String) {
        let parts = text.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        oid = String(parts[0])
        others = String(parts[1])
    }

    /// An expression over a row `r` of pg_roles. No setting changes how its values are written.
    private static let expression = """
        pg_catalog.concat_ws(' ', r.oid, r.rolsuper, r.rolcanlogin, r.rolconnlimit, \
        (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', s.setdatabase, s.setrole, s.setconfig), ' ' ORDER BY s.setdatabase, s.setrole) \
        FROM pg_catalog.pg_db_role_setting s WHERE s.setrole OPERATOR(pg_catalog.=) ANY (ARRAY[0, r.oid]::pg_catalog.oid[]) \
        AND s.setdatabase OPERATOR(pg_catalog.=) ANY (ARRAY[0, (SELECT d.oid FROM pg_catalog.pg_database d \
        WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())]::pg_catalog.oid[])))
        """

    /// The facts of the session's own role, as a value.
    static let ofSession = "(SELECT \(expression) FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) session_user)"

    /// Asks for the facts of roles: rows of name and facts, and one without a name that says when the configuration was read.
    static func question(_ roles: [String]) -> String {
        let names = roles.map { quoteLiteral($0) }.joined(separator: ", ")
        return """
            /* pgbraid: logins */ SELECT NULL::pg_catalog.text, pg_catalog.pg_conf_load_time()::pg_catalog.text UNION ALL \
            SELECT r.rolname::pg_catalog.text, \(expression) FROM pg_catalog.pg_roles r \
            WHERE r.rolname OPERATOR(pg_catalog.=) ANY (ARRAY[\(names)]::pg_catalog.name[])
            """
    }
}

extension Worker {
    // MARK: Asking

    /// Roles may be others: no client logs in before all shards have said so.
    func askLoginFacts() {
        cluster.loginRequests += 1
        cluster.loginsRequestedAt = now
        for keeper in keepers { keeper?.askLogins() }
    }

    /// Some shard has not said yet who the roles are.
    var awaitsLoginFacts: Bool { keepers.contains { $0?.owesLogins == true } }

    /// Clients that waited for what shards say of their roles log in, once all have.
    func resumeLogins() {
        guard !awaitsLoginFacts else { return }
        for index in 0..<sessions.highWater where isLoginWaiting(index) { continueLogin(index) }
    }

    var hasLoginsWaiting: Bool { (0..<sessions.highWater).contains { isLoginWaiting($0) } }

    private func isLoginWaiting(_ index: Int32) -> Bool {
        guard sessions.at(index).pointee.phase == .loggingIn, let detail = sessions.at(index).pointee.detail else { return false }
        return detail.execution == nil
    }

    // MARK: Answers

    /// A shard has said when it read its configuration, and of all roles that clients have who they are.
    /// - Parameter roles: those that were asked for.
    func takeLoginFacts(_ shard: ShardIndex, roles: [String], _ rows: [[String?]]) {
        guard rows.allSatisfy({ $0.count == 2 }), let loadedAt = rows.first(where: { $0[0] == nil })?[1] else { return }
        let before = cluster.shards[shard.int].configurationLoadedAt
        cluster.shards[shard.int].configurationLoadedAt = loadedAt
        let isReloaded = before != nil && before != loadedAt
        if isReloaded { logger.info("the shard has read its configuration again: all links retire", metadata: ["shard": "\(shard)"]) }
        let facts = Dictionary(rows.map { ($0[0], $0[1].flatMap { LoginFacts($0) }) }) { $1 }
        for role in roles {
            guard let number = poolNumbers[role] else { continue }
            let pool = pools[Int(number)]
            if isReloaded { renewLinks(of: pool, on: shard) }
            noteLoginFacts(facts[role] ?? nil, of: pool, on: shard)
        }
    }

    /// - Parameters:
    ///   - facts: nil: the role is not there.
    ///   - link: the one that has said so, which is as new as they are.
    func noteLoginFacts(_ facts: LoginFacts?, of pool: Pool, on shard: ShardIndex, link: Int32 = -1) {
        guard let known = pool.loginFacts[shard.int], known != facts else {
            pool.loginFacts[shard.int] = facts
            pool.claimedRoles[shard.int] = nil
            return
        }
        // Fresh links before the sessions end would be another role's than theirs.
        if known.oid != facts?.oid, !isConfirmed(facts, of: pool, on: shard) { return }
        renewLinks(of: pool, on: shard, except: link)
        pool.loginFacts[shard.int] = facts
        pool.claimedRoles[shard.int] = nil
        if known.oid != facts?.oid { endSessions(of: pool) }
    }

    /// One answer that a shard gives damaged must not end the sessions that work with the others: it has to say twice in a row that the
    /// role is another one. It is asked at once after the first time only, so that one that says something else each time keeps nobody busy.
    private func isConfirmed(_ facts: LoginFacts?, of pool: Pool, on shard: ShardIndex) -> Bool {
        let (claim, before) = (LoginFacts.Claim(oid: facts?.oid), pool.claimedRoles[shard.int])
        guard before != claim else { return true }
        pool.claimedRoles[shard.int] = claim
        if before == nil { askLoginFacts() }
        return false
    }

    /// Clients of a role that is gone have logged in as nobody who is there now.
    private func endSessions(of pool: Pool) {
        // The other shards have the new role as well; whoever logs in from now on does so behind their answers.
        askLoginFacts()
        for index in 0..<sessions.highWater where sessions.at(index).pointee.pool == pool.index {
            guard sessions.at(index).pointee.detail != nil, sessions.at(index).pointee.phase == .ready else { continue }
            endSession(
                index,
                DatabaseMessage(
                    fatal: .adminShutdown, "terminating connection because role \"\(pool.user)\" was dropped or renamed",
                    hint: "Connect again."))
        }
    }

    // MARK: Links

    /// All links of the role to the shard retire, and what was learned from them is learned anew.
    func renewLinks(of pool: Pool, on shard: ShardIndex, except kept: Int32 = -1) {
        retireLinks(of: pool, on: shard.int, except: kept)
        pool.staleReports.formUnion(pool.reported.keys)
        for other in 0..<shardCount where !cluster.shards[other].isUp || other == shard.int && kept < 0 { pool.parameterStatusByShard[other] = [] }
        guard kept < 0, cluster.shards[shard.int].isUp, forgetEnvironments(of: pool), Int(pool.shards[shard.int].linkCount) < settings.poolSize
        else { return }
        pool.isRenewing = true
        openLink(pool: pool.index, shard: shard)
    }

    /// What statements of the role mean is found out anew. Returns whether any client has the role.
    func forgetEnvironments(of pool: Pool) -> Bool {
        var isUsed = false
        for index in 0..<sessions.highWater where sessions.at(index).pointee.pool == pool.index {
            guard let detail = sessions.at(index).pointee.detail else { continue }
            isUsed = true
            if detail.transaction == nil { sessions.at(index).pointee.environment = 0 }
        }
        return isUsed
    }

    /// A first fresh link has said what the role's defaults are now, or none will.
    func endRenewal(of pool: Pool) {
        guard pool.isRenewing else { return }
        pool.isRenewing = false
        resumeCatalogWaiters()
    }

    /// For pools whose links came to nothing unseen.
    func endForgottenRenewals() {
        for pool in pools where pool.isRenewing && (0..<shardCount).allSatisfy({ pool.shards[$0].connectingCount == 0 }) { endRenewal(of: pool) }
    }

    func retireLinks(of pool: Pool, on shard: Int, except kept: Int32) {
        for index in 0..<links.highWater where index != kept {
            let link = links.at(index)
            guard link.pointee.isOpen, link.pointee.pool == pool.index, link.pointee.shard.int == shard else { continue }
            link.pointee.isRetiring = true
            if link.pointee.state == .idle {
                pool.shards[shard].idle.remove(link.pointee.place)
                closeLink(index)
            }
        }
    }
}
