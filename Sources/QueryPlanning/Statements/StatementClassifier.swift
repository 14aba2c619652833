// StatementClassifier: what is to be done for every statement that is not itself a query.
//
// The kind of the top node decides the family (`StatementFamily`: one entry for each of PostgreSQL's statements), the family's own
// file decides the rest. Queries, also those inside of EXPLAIN, DECLARE, COPY and INSERT ... SELECT, are `StatementPlanner`'s.
import CPGQuery

struct StatementClassifier {
    let context: AnalysisContext

    /// The plan of any statement.
    /// - Throws: what cannot be served right, with a hint what to do instead.
    static func classify(_ node: Node, _ context: AnalysisContext) throws(Refusal) -> StatementPlan {
        try StatementClassifier(context: context).plan(node)
    }

    func plan(_ node: Node) throws(Refusal) -> StatementPlan {
        guard let entry = StatementFamily.of(node.kind) else {
            throw Refusal("0A000", "statement kind \(node.kind.rawValue) is not supported")
        }
        if let saga = try sagaRun(node) { return saga }
        if context.environment.shardCount == 1, context.environment.addressedShard == nil, let plan = try planForOnlyShard(node, entry) { return plan }
        if let plan = try plan(node, session: entry) { return plan }
        if let addressed = try AddressedStatement(context) { return try addressed.plan(node, entry) }
        if let plan = try plan(node, data: entry) { return plan }
        if let plan = try plan(node, definition: entry) {
            try checkFoldedTimes(node, plan)
            return plan
        }
        return try planQuery(node)
    }

    /// Statements about transactions, settings, cursors and prepared statements.
    private func plan(_ node: Node, session entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan? {
        switch entry.family {
        case .transaction: try transaction(node)
        case .set: try setting(node)
        case .show: show(node)
        case .discard: discard(node)
        case .setConstraints: self.setting(.setConstraints, entry)
        case .prepare: try prepare(node)
        case .execute: try execute(node)
        case .deallocate: deallocate(node)
        case .declareCursor: try declareCursor(node)
        case .fetch: try fetch(node)
        case .closeCursor: closeCursor(node)
        case .notify: notify()
        case .listen: make(.listen, .reads, entry, pins: .listen, reason: "holds on a pinned link")
        case .unlisten: make(.listen, .reads, entry, reason: "on the pinned link, if there is one")
        default: nil
        }
    }

    /// Statements that carry rows, and EXPLAIN.
    private func plan(_ node: Node, data entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan? {
        switch entry.family {
        case .insert: try insert(node)
        case .copy: try copy(node)
        case .explain: try explain(node)
        default: nil
        }
    }

    /// Statements about the schema, and maintenance; nil for queries.
    private func plan(_ node: Node, definition entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan? {
        switch entry.family {
        case .createTable: try createTable(node, entry)
        case .alterTable: try alterTable(node, entry)
        case .alterSequence: try alterSequence(node, entry)
        case .createIndex: try createIndex(node, entry)
        case .createView: try createView(node, entry)
        case .createTableAs: try createTableAs(node, entry)
        case .createSchema: try createSchema(node, entry)
        case .drop: try drop(node, entry)
        case .rename: try rename(node, entry)
        case .setSchema: try setSchema(node, entry)
        case .role: try role(node, entry)
        case .vacuum: try vacuum(node)
        case .reindex: try reindex(node, entry)
        case .cluster: try cluster(node, entry)
        case .lock: try everywhere(node, entry, effect: .unknown)
        case .policy: try definePolicy(node, entry)
        case .definition(let changesCatalog): try everywhere(node, entry, changesCatalog: changesCatalog)
        case .shardByShard: shardByShard(entry)
        case .refused(let message, let hint): throw Refusal("0A000", message, hint: hint)
        default: nil
        }
    }
}

extension Analyser {
    /// Plans every kind of statement.
    package init() {
        self.init { node, context throws(Refusal) in try StatementClassifier.classify(node, context) }
    }
}

extension StatementClassifier {
    /// The plan of a query inside.
    func planQuery(_ query: Node) throws(Refusal) -> StatementPlan { try StatementPlanner.plan(query, context) }

    /// A plan without key parameters; `commandName` is the entry's.
    func make(
        _ action: Action, _ effect: DataEffect, _ entry: StatementFamily.Entry, pins: PinReasons = [], changesCatalog: Bool = false,
        temporary: TemporaryNames = TemporaryNames(), sequences: SequenceChange? = nil, reason: String = ""
    ) -> StatementPlan {
        StatementPlan(
            action: action, effect: effect, pins: pins, changesCatalog: changesCatalog, commandName: entry.command,
            temporaryNames: temporary, sequences: sequences, reason: reason)
    }

    /// A statement that acts on all shards alike: in one transaction, or on the home link if all it names is temporary.
    func everywhere(
        _ node: Node, _ entry: StatementFamily.Entry, effect: DataEffect = .writes, changesCatalog: Bool = false
    ) throws(Refusal) -> StatementPlan {
        if let home = try onHomeLink(TableReference.all(in: node), entry) { return home }
        return onAllShards(entry, effect: effect, changesCatalog: changesCatalog)
    }

    func onAllShards(
        _ entry: StatementFamily.Entry, effect: DataEffect = .writes, changesCatalog: Bool = false, sequences: SequenceChange? = nil
    ) -> StatementPlan {
        make(
            .modify(.all, text: nil, tag: .first), effect, entry, changesCatalog: changesCatalog, sequences: sequences,
            reason: "all shards alike")
    }

    func shardByShard(_ entry: StatementFamily.Entry, changesCatalog: Bool = false) -> StatementPlan {
        make(
            .shardByShard(.all), .writes, entry, changesCatalog: changesCatalog,
            reason: "not allowed in a transaction block: one shard after the other")
    }

    /// The plan of a statement about temporary tables only; nil if it names none.
    /// - Throws: if it names both kinds, which no single link has.
    func onHomeLink(
        _ tables: [TableReference], _ entry: StatementFamily.Entry, temporary: TemporaryNames = TemporaryNames()
    ) throws(Refusal) -> StatementPlan? {
        let temporaries = tables.filter { $0.isTemporary(in: context) }
        guard let first = temporaries.first else { return nil }
        guard temporaries.count == tables.count else {
            throw Refusal(
                "0A000", "temporary table \"\(first.name)\" cannot be used in one \(entry.command) with tables on the shards",
                hint: "Use one statement for the temporary tables and one for the others.", position: context.position(first.location))
        }
        return make(
            .passThrough(.home), .writes, entry, pins: .temporaryTable, temporary: temporary, reason: "temporary: home link")
    }
}
