// What the placement analysis must know of a function call.
import CPGQuery

/// How freely a function may be evaluated on several shards.
enum FunctionKnowledge {
    /// The same everywhere, reads no table.
    case stable
    /// now(): the same within a shard's transaction.
    case transactionTime
    /// Another value each time, but no effect: random(), clock_timestamp().
    case volatile
    /// Right on the server session that did something before: currval, set_config.
    case sessionBound
    /// One server's, the catalog shard's: catalogs, locks, large objects.
    case catalogShard
    /// Draws from sequences.
    case writing
    /// Runs SQL that is not seen here.
    case executesText
    case unknown
}

extension AnalysisContext {
    /// What a call may do. A function that reads a table by a name that one of the session's temporary tables has reads that one, on
    /// the home link alone: nothing is known of it.
    func facts(of call: Message<PgQuery__FuncCall>, argumentTypes: [UInt32]? = nil) -> FunctionFacts? {
        var facts = declaredFacts(of: call, argumentTypes)
        if facts?.tableNames.contains(where: environment.temporaryTables.contains) == true { facts?.effect = .unknown }
        return facts
    }

    private func declaredFacts(of call: Message<PgQuery__FuncCall>, _ argumentTypes: [UInt32]?) -> FunctionFacts? {
        let names = NodeList(call.pointee.funcname, call.pointee.n_funcname).strings
        guard let name = names.last else { return nil }
        // In FROM the grammar makes several calls of unnest(a, b), those of pg_catalog.
        if names == ["unnest"], call.pointee.n_args > 1 {
            return FunctionCatalog.lookup(
                schema: "pg_catalog", name: name, argumentCount: 1, catalog: environment.catalog, searchPath: environment.searchPath)
        }
        // WITHIN GROUP: the ordered arguments are the function's last.
        let ordered = call.pointee.agg_within_group != 0 ? call.pointee.n_agg_order : 0
        return FunctionCatalog.lookup(
            schema: names.count > 1 ? names[names.count - 2] : nil, name: name, argumentCount: call.pointee.n_args + ordered,
            argumentTypes: argumentTypes, catalog: environment.catalog, searchPath: environment.searchPath)
    }

    func knowledge(of call: Message<PgQuery__FuncCall>) -> FunctionKnowledge {
        guard let facts = facts(of: call) else { return .unknown }
        switch facts.effect {
        case .none: return .stable
        case .transactionTime: return .transactionTime
        case .freshValue: return .volatile
        case .sequenceWrite: return .writing
        case .sequenceRead, .setting: return .sessionBound
        case .sessionAdvisoryLock, .transactionAdvisoryLock, .advisoryUnlock, .notification, .assignsTransactionID, .catalogRead,
            .shardLocal, .largeObject, .administrative:
            return .catalogShard
        case .executesText: return .executesText
        case .unknown: return .unknown
        }
    }

    /// Whether a call is an aggregate of its level.
    func isAggregate(_ call: Message<PgQuery__FuncCall>) -> Bool {
        if call.pointee.over != nil { return false }
        if call.pointee.agg_star != 0 || call.pointee.agg_distinct != 0 || call.pointee.agg_within_group != 0 { return true }
        if call.pointee.agg_filter != nil || call.pointee.n_agg_order > 0 { return true }
        return facts(of: call)?.kind == .aggregate
    }
}
