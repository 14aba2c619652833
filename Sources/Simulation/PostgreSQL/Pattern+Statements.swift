// The statements, one pattern each.

extension Pattern {
    /// The statement of all tokens; nil when it is none that is known.
    mutating func statement() -> Statement? {
        if take("select") { return selectOfClients() ?? selectOfProxy() }
        if take("update accounts set balance = balance") { return update() }
        if take("begin") { return begin() }
        if take("commit") { return take("prepared") ? string().map { .commitPrepared(gid: $0) } : .commit }
        if take("rollback") { return rollback() }
        if take("set") { return set() }
        if take("prepare transaction") { return string().map { .prepare(gid: $0) } }
        if take("savepoint") { return word().map { .savepoint($0) } }
        if take("release") { return release() }
        if take("insert into pgbraid .") { return insert() }
        if take("delete from pgbraid . decision where") { return delete() }
        if take("reset") { return word().map { .reset($0) } }
        if take("discard all") { return .discardAll }
        guard take("explain") else { return nil }
        rest()
        return .explain
    }

    private mutating func begin() -> Statement? {
        if isAtEnd { return .begin(isRepeatableRead: false) }
        if take("isolation level repeatable read") {
            _ = take("read only")
            return .begin(isRepeatableRead: true)
        }
        return take("isolation level read committed") ? .begin(isRepeatableRead: false) : nil
    }

    private mutating func rollback() -> Statement? {
        if take("prepared") { return string().map { .rollbackPrepared(gid: $0) } }
        if take("to") {
            _ = take("savepoint")
            return word().map { .rollbackTo($0) }
        }
        return .rollback
    }

    private mutating func release() -> Statement? {
        _ = take("savepoint")
        return word().map { .release($0) }
    }

    private mutating func set() -> Statement? {
        if take("constraints all immediate") { return .setConstraints }
        if take("role") { return word().map { .setRole($0) } }
        let isLocal = take("local")
        guard let name = word(), take("to") || take("=") else { return nil }
        return (string() ?? word()).map { .set(name: name, value: $0, isLocal: isLocal) }
    }

    private mutating func update() -> Statement? {
        let isNegative = take("-")
        guard isNegative || take("+"), let delta = operand() else { return nil }
        if isAtEnd { return .update(delta: delta, isNegative: isNegative, user: nil) }
        guard take("where user_id ="), let user = operand() else { return nil }
        return .update(delta: delta, isNegative: isNegative, user: user)
    }

    private mutating func insert() -> Statement? {
        if take("identity ( cluster , shard ) values (") {
            guard let cluster = string(), take(","), let shard = string(), take(") on conflict do nothing") else { return nil }
            return .insertIdentity(cluster: cluster, shard: shard)
        }
        // Its number is nothing that any world changes.
        if take("shard_number") {
            rest()
            return .selectOne
        }
        guard take("decision ( hash , outcome , instance ) values ("), let hash = string(), take(","),
            let outcome = string(), take(","), let instance = string(), take(") on conflict do nothing")
        else { return nil }
        return .insertDecision(hash: hash, outcome: outcome, instance: instance)
    }

    private mutating func delete() -> Statement? {
        if take("hash =") {
            guard let hash = string(), take("and outcome ="), let outcome = string() else { return nil }
            return .deleteDecisions(hashes: [hash], outcome: outcome)
        }
        guard take("outcome ="), let outcome = string(), take("and hash in (") else { return nil }
        var hashes: [String] = []
        repeat { if let hash = string() { hashes.append(hash) } } while take(",")
        return take(")") ? .deleteDecisions(hashes: hashes, outcome: outcome) : nil
    }

    private mutating func selectOfClients() -> Statement? {
        if take("sum ( balance ) from accounts") { return .selectSum(.plain) }
        if take("sum ( balance ) , sum ( balance ) as pgbraid_1 from accounts") { return .selectSum(.doubled) }
        if take("sum ( balance ) as a1 from accounts") { return .selectSum(.partial) }
        if take("user_id , balance from accounts") { return selectRows() }
        if take("pg_advisory_xact_lock (") { return advisoryLock(isShared: false) }
        if take("pg_advisory_xact_lock_shared (") { return advisoryLock(isShared: true) }
        if take("balance from accounts where user_id =") { return operand().map { .selectBalance(user: $0) } }
        return take("sum ( p . a1 ) from ( select r . a1 : : numeric as a1 from unnest ( $1 : : text [ ] ) as r ( a1 ) ) as p") ? .addUp : nil
    }

    private mutating func selectRows() -> Statement? {
        if isAtEnd { return .selectRows(users: nil) }
        guard take("where user_id in (") else { return nil }
        var users: [Int] = []
        repeat { if let user = number() { users.append(user) } } while take(",")
        return take(")") ? .selectRows(users: users) : nil
    }

    private mutating func advisoryLock(isShared: Bool) -> Statement? {
        guard let key = number(), take(")") else { return nil }
        return .advisoryLock(key: key, isShared: isShared)
    }

    private mutating func selectOfProxy() -> Statement? {
        if take("1") { return .selectOne }
        if take("set_config ( name") {
            rest()
            return .selectOne
        }
        if take("pg_logical_emit_message (") {
            rest()
            return .emitMessage
        }
        if take("pg_current_xact_id_if_assigned ( ) is not null") { return .isTransactionIDAssigned }
        if take("pg_advisory_lock_shared (") {
            guard let first = number(), take(","), let second = number(), take(")") else { return nil }
            return .instanceLock(Int32(truncatingIfNeeded: first), Int32(truncatingIfNeeded: second))
        }
        if take("pgbraid . decide (") {
            guard let token = string(), take(","), let instance = string(), take(")") else { return nil }
            return .decide(token: token, instance: instance)
        }
        if take("outcome from pgbraid . decision where hash =") { return string().map { .selectOutcome(hash: $0) } }
        if take("cluster , shard , current_setting (") {
            rest()
            return .selectIdentity
        }
        return listing()
    }

    private mutating func listing() -> Statement? {
        if take("hash , outcome , instance ,") {
            let seconds = number(behind: "secs = >")
            rest()
            return seconds.map { .listDecisions(olderThanSeconds: $0) }
        }
        if take("distinct objid") {
            let key = number(behind: "classid : : int8 =")
            rest()
            return key.map { .listInstances(classKey: Int($0)) }
        }
        if take("gid , owner , database ,") {
            rest()
            return .listPrepared
        }
        if take("( select system_identifier from") {
            rest()
            return .history
        }
        if take("w . pid , w . waitstart") {
            rest()
            return .lockWaits
        }
        guard take("current_setting ("), let name = string() else { return nil }
        rest()
        switch name {
        case "synchronous_standby_names": return .asksForStandbys
        case "search_path": return .roleDefaults
        default: return nil
        }
    }
}
