// LinkPreparation: what happens on a link between its login and its first use.
//
// The session takes the advisory lock that shows this instance lives, and says what its role has by default as far as the
// meaning of statements depends on it: ALTER ROLE, ALTER DATABASE and postgresql.conf can set these, and PostgreSQL 15 does
// not report them by itself. All shards must agree; the lowest that was asked decides. When a shard says something new, the
// others are asked again.
import DistributedCommit
import Primitives
import WireProtocol

/// Defaults of a role's sessions that the planner and the transactions depend on.
struct RoleDefaults: Equatable {
    var searchPath: String
    var isolation: IsolationLevel
    var dateStyle: String
    var extraFloatDigits: String
    /// What else must be alike on all shards, or rows of several would not fit together: how values are written and read, and the
    /// database's encoding and collation, by which texts are sorted, merged and hashed.
    var others: String

    private static let alike = [
        "TimeZone", "IntervalStyle", "bytea_output", "lc_monetary", "lc_numeric", "lc_time", "default_text_search_config", "xmlbinary",
        "array_nulls",
    ]
    static let question = """
        SELECT pg_catalog.current_setting('search_path'), pg_catalog.current_setting('default_transaction_isolation'), \
        pg_catalog.current_setting('standard_conforming_strings'), pg_catalog.current_setting('transform_null_equals'), \
        pg_catalog.concat_ws(' ', pg_catalog.current_setting('statement_timeout'), pg_catalog.current_setting('synchronous_commit'), \
        pg_catalog.current_setting('client_min_messages')), \
        pg_catalog.current_setting('datestyle'), \
        pg_catalog.current_setting('extra_float_digits'), pg_catalog.concat_ws('|', \
        \(alike.map { "pg_catalog.concat('\($0) ', pg_catalog.current_setting('\($0)'))" }.joined(separator: ", ")), \
        (SELECT pg_catalog.concat_ws(' ', 'database', pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype) \
        FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())), \(LoginFacts.ofSession)
        """
}

extension RoleDefaults {
    private var facts: [String] {
        ["search_path \(searchPath)", "isolation level \(isolation)", "datestyle \(dateStyle)", "extra_float_digits \(extraFloatDigits)"]
            + others.split(separator: "|").map(String.init)
    }

    /// What is not as it is there.
    func difference(from other: RoleDefaults) -> String {
        zip(facts, other.facts).filter { $0 != $1 }.map(\.0).joined(separator: ", ")
    }
}

final class LinkPreparation: LinkTask {
    private unowned let worker: Worker
    private let link: Int32
    private let pool: Pool
    private let parameterStatus: [(name: String, value: String)]
    private var row: [String?] = []
    private static let answerWidth = 9
    private var error: DatabaseMessage?

    /// - Parameter parameterStatus: what the server reported at login.
    init(worker: Worker, link: Int32, parameterStatus: [(name: String, value: String)]) {
        self.worker = worker
        self.link = link
        pool = worker.pools[Int(worker.links.at(link).pointee.pool)]
        self.parameterStatus = parameterStatus
    }

    func begin() {
        let record = worker.links.at(link)
        let lock = (try? InstanceIdentifier(worker.cluster.instance)).map { InternalSchema.instanceLock($0) + ";" } ?? ""
        record.pointee.task = self
        record.pointee.askedSince = worker.now
        worker.outputEndingUnnamed(ofLink: link).pointee.output.writeQuery(lock + RoleDefaults.question)
        record.pointee.expectations.append(.task)
        worker.streams.markDirty(record.pointee.stream.index)
    }

    func received(_ frame: UnsafeRawBufferPointer, type: UInt8, from index: Int32) {
        switch type {
        case BackendMessageType.dataRow:
            if let message = try? DataRowMessage(frame), message.fieldCount == Self.answerWidth { row = message.texts }
        case BackendMessageType.errorResponse: error = error ?? (try? DatabaseMessage(frame: frame))
        case BackendMessageType.readyForQuery: finish()
        default: break
        }
    }

    private func finish() {
        let record = worker.links.at(link)
        if !record.pointee.isRetiring, let problem = error?.message ?? adoptDefaults() {
            return worker.breakLink(link, reason: problem)
        }
        // What it was given at its login is not given any more.
        let isOutdated = record.pointee.isRetiring
        record.pointee.login = nil
        if !isOutdated { adoptStatus(of: record.pointee.shard) }
        worker.release(link)
        if !isOutdated { worker.endRenewal(of: pool) }
        worker.loginsWaiting(on: pool)
    }

    /// What the server reports to a session at its login clients are told at theirs.
    private func adoptStatus(of shard: ShardIndex) {
        let known = pool.parameterStatusByShard[shard.int]
        if !known.elementsEqual(parameterStatus, by: ==) { pool.staleReports.formUnion(pool.reported.keys) }
        pool.parameterStatusByShard[shard.int] = parameterStatus
    }

    /// Why the link must be broken. It retires instead while it alone says that its role is another one.
    private func adoptDefaults() -> String? {
        guard row.count == Self.answerWidth, let path = row[0], let isolation = row[1].flatMap({ IsolationLevel(name: $0) }),
            let dateStyle = row[5], let digits = row[6], let others = row[7]
        else {
            return "it does not say what the role's defaults are"
        }
        if row[2] != "on" { return "standard_conforming_strings must be on" }
        if row[3] != "off" { return "transform_null_equals must be off" }
        // Values of several shards are given to one of them in arrays.
        if others.split(separator: "|").contains("array_nulls off") { return "array_nulls must be on" }
        let ends = (row[4] ?? "").split(separator: " ")
        if ends.first != "0" { pool.limitsStatements = true }
        if let wait = ends.dropFirst().first, wait != "on", wait != "remote_apply" { pool.leavesStandbysBehind = true }
        if ends.last == "error" { pool.hidesWarnings = true }
        let record = worker.links.at(link)
        worker.noteLoginFacts(row[8].flatMap { LoginFacts($0) }, of: pool, on: record.pointee.shard, link: link)
        if pool.claimedRoles[record.pointee.shard.int] != nil {
            // It may be another role's than those who wait for it, who end when the next link says so too.
            record.pointee.isRetiring = true
            return nil
        }
        let defaults = RoleDefaults(
            searchPath: path, isolation: isolation, dateStyle: dateStyle, extraFloatDigits: digits, others: others)
        return worker.noteDefaults(defaults, link: link)
    }

    /// The link counts as logging in until it is prepared, so that its loss is a failed login.
    func lost(_ link: Int32, reason: String) {}
}

extension Worker {
    /// A fresh link's defaults. Changed ones (ALTER ROLE ... SET reaches new server sessions only) replace those known, and older
    /// links retire. Returns why the link cannot be used.
    func noteDefaults(_ defaults: RoleDefaults, link: Int32) -> String? {
        let pool = pools[Int(links.at(link).pointee.pool)]
        let shard = links.at(link).pointee.shard.int
        let before = pool.defaults
        if let known = pool.defaultsByShard[shard], known != defaults {
            for other in 0..<shardCount {
                pool.defaultsByShard[other] = nil
                retireLinks(of: pool, on: other, except: link)
            }
        }
        pool.defaultsByShard[shard] = defaults
        guard let present = pool.defaults else { return nil }
        if let before, present != before {
            for other in 0..<shardCount where pool.defaultsByShard[other] != present { retireLinks(of: pool, on: other, except: link) }
            pool.defaultsChangedAt = now
            keepDefaults(before, ofBlocksOf: pool)
            _ = forgetEnvironments(of: pool)
        }
        if present != before { renewPaths(of: pool) }
        if defaults == present { return nil }
        return "role \"\(pool.user)\" has \(defaults.difference(from: present)) there, "
            + "\(present.difference(from: defaults)) on the first shard: this must be alike on all shards"
    }

    /// Another default level may keep sessions from hot paths, or let them back; those in a block see to that at its end.
    private func renewPaths(of pool: Pool) {
        for index in 0..<sessions.highWater where sessions.at(index).pointee.pool == pool.index && sessions.at(index).pointee.detail?.transaction == nil {
            sessions.at(index).pointee.isPlain = isPlainAtRest(index)
        }
    }

    /// A block keeps the links it has, and what they were told.
    private func keepDefaults(_ defaults: RoleDefaults, ofBlocksOf pool: Pool) {
        for index in 0..<sessions.highWater where sessions.at(index).pointee.pool == pool.index {
            guard let transaction = sessions.at(index).pointee.detail?.transaction, !transaction.participants.isEmpty else { continue }
            transaction.formerDefaults = transaction.formerDefaults ?? defaults
        }
    }
}
