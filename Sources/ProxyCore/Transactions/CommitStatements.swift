// CommitStatements: PREPARE TRANSACTION and COMMIT PREPARED, whatever the session and what it has called have set.
//
// Both may wait for standbys. What limits that wait, leaves it out, or hides that it was cut short, is lifted for them.
import Primitives
import WireProtocol

extension CommitExecution {
    private var detail: SessionDetail? { worker.sessions.at(session).pointee.detail }
    private var pool: Pool { worker.pools[Int(worker.sessions.at(session).pointee.pool)] }

    /// A trigger or a function may have set anything there.
    private func hasUnknownSettings(_ leg: Int) -> Bool {
        let link = worker.links.at(legs[leg].link)
        return link.pointee.hasUnknownSettings || link.pointee.isTainted
    }

    func prepareText(_ leg: Int) -> String {
        let isUnknown = hasUnknownSettings(leg)
        let unlimited = "SET LOCAL statement_timeout = 0;"
        // What deferred triggers set comes first.
        return unlimited + (isUnknown ? "SET CONSTRAINTS ALL IMMEDIATE;" + unlimited : "") + "SET LOCAL synchronous_commit = on;"
            + (isUnknown || hidesWarnings ? "SET LOCAL client_min_messages = warning;" : "") + "PREPARE TRANSACTION '\(gid(leg))'"
    }

    /// COMMIT PREPARED may wait for a standby longer than the session's statements may last, and PostgreSQL would take the end of
    /// that wait for success. It can be in no block, where SET LOCAL would do, so the limit is lifted before and set again behind
    /// it, all in one write.
    func commitPrepared(_ leg: Int) {
        let text = "COMMIT PREPARED '\(gid(leg))'"
        let settings = detail?.settings
        let ownLimit = settings?.statement(of: "statement_timeout")
        let ownWait = settings?.statement(of: "synchronous_commit")
        let ownLevel = settings?.statement(of: "client_min_messages")
        let isUsual = ownLimit == nil && !pool.limitsStatements && ownWait == nil && !pool.leavesStandbysBehind
            && !isHiding(settings?.value(of: "client_min_messages")) && !hasUnknownSettings(leg)
        guard !isUsual else { return put(.finish, leg, text) }
        // The decision is forgotten once all have it, standbys included. remote_apply waits for longer and may stay.
        let appliesRemotely = ownWait?.lowercased().contains("remote_apply") == true
        let waits = appliesRemotely || ownWait == nil && !pool.leavesStandbysBehind
        let wait = !waits ? ";SET synchronous_commit = on" : hasUnknownSettings(leg) ? ";" + (ownWait ?? "RESET synchronous_commit") : ""
        put(.finish, leg, "SET statement_timeout = 0;SET client_min_messages = warning" + wait)
        ask(leg, text)
        ask(leg, [ownLimit ?? "RESET statement_timeout", ownLevel ?? "RESET client_min_messages", ownWait ?? "RESET synchronous_commit"].joinedAsScript)
    }

    /// The block wants to hear of errors only. That a standby was not waited for PostgreSQL tells in a warning.
    var hidesWarnings: Bool { isHiding(detail?.value(ofSetting: "client_min_messages")) }

    /// - Parameter level: `client_min_messages`; nil: as the role has it by default.
    private func isHiding(_ level: String?) -> Bool { level.map { $0.lowercased().contains("error") } ?? pool.hidesWarnings }
}
