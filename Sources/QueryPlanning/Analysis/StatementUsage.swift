// StatementUsage: which kinds of tables and functions a bound statement touches, at all levels together.

struct StatementUsage {
    var hasSharded = false
    var hasReference = false
    var hasSystem = false
    var hasTemporary = false
    /// A table that cannot be served, with the reason.
    var unusable: (table: String, reason: String)?
    /// A sequence that is read as a table, with the reason why that needs all shards.
    var sequence: (table: String, reason: String)?
    /// A reference table whose rows a locking clause locks.
    var lockedReference: String?
    /// Functions that nobody knows, by name.
    var unknownFunction: String?
    /// Those of them that are declared to need one shard, and whether there are others.
    var keyedCalls: [(call: BoundCall, place: FunctionPlace)] = []
    var hasUnkeyedCalls = false
    /// A function that runs SQL it gets as text.
    var textFunction: String?
    var hasSessionFunctions = false
    /// set_config; setseed concerns only the server that answers.
    var changesSettings = false
    /// currval, lastval.
    var hasSequenceReads = false
    var hasCatalogFunctions = false
    var hasWritingFunctions = false
    /// Functions that may make the transaction a writer in other ways.
    var hasActingFunctions = false
    var hasVolatileFunctions = false
    /// Advisory locks and notifications, which are the lowest shard's alone: elsewhere nobody would meet them.
    var hasLocksOrNotifications = false
    /// Functions that nobody has read may have changed settings.
    var mayChangeSettings = false
    var pins: PinReasons = []

    init(_ binder: Binder) {
        for entry in binder.entries { add(entry) }
        for call in binder.calls { add(call, binder.context) }
        hasCatalogFunctions = hasCatalogFunctions || binder.castsToCatalogName
    }

    private mutating func add(_ entry: RangeEntry) {
        switch entry.source {
        case .temporaryTable: hasTemporary = true
        case .table(let relation):
            switch relation.placement {
            case .sharded, .local: hasSharded = true
            case .reference:
                hasReference = true
                if entry.isRowLocked { lockedReference = lockedReference ?? entry.name }
            case .system: hasSystem = true
            case .unusable(let reason) where relation.kind == "S": sequence = sequence ?? (relation.name, reason)
            case .unusable(let reason): unusable = unusable ?? (relation.name, reason)
            }
        case .query, .recursiveReference, .function, .mergedColumns: break
        }
    }

    private mutating func add(_ call: BoundCall, _ context: AnalysisContext) {
        if let facts = context.facts(of: call.node) {
            pins.formUnion(facts.pins)
            mayChangeSettings = mayChangeSettings || facts.mayChangeSettings
            let acting: [FunctionEffect] = [.assignsTransactionID, .administrative, .largeObject, .notification]
            hasSequenceReads = hasSequenceReads || facts.effect == .sequenceRead
            hasActingFunctions = hasActingFunctions || acting.contains(facts.effect)
            let ofLowestShard: [FunctionEffect] = [.sessionAdvisoryLock, .transactionAdvisoryLock, .advisoryUnlock, .notification]
            hasLocksOrNotifications = hasLocksOrNotifications || ofLowestShard.contains(facts.effect)
        }
        let name = NodeList(call.node.pointee.funcname, call.node.pointee.n_funcname).strings.joined(separator: ".")
        changesSettings = changesSettings || name == "set_config" || name == "pg_catalog.set_config"
        switch context.knowledge(of: call.node) {
        case .stable, .transactionTime: break
        case .volatile: hasVolatileFunctions = true
        case .sessionBound: hasSessionFunctions = true
        case .catalogShard: hasCatalogFunctions = true
        case .writing: hasWritingFunctions = true
        case .executesText: textFunction = textFunction ?? name
        case .unknown:
            unknownFunction = unknownFunction ?? name
            if let place = context.facts(of: call.node)?.place { keyedCalls.append((call, place)) } else { hasUnkeyedCalls = true }
        }
    }

    /// What the functions may do to data.
    var functionEffect: DataEffect {
        unknownFunction != nil || hasWritingFunctions || hasActingFunctions ? .unknown : .reads
    }
    var taintsLink: Bool { unknownFunction != nil || hasSessionFunctions || mayChangeSettings }
}
