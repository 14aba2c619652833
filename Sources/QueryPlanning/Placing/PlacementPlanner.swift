// PlacementPlanner: from a request to what is to be done, with every reason why it cannot be done that the catalog knows.
//
// What only the shards know (who owns the table, rows without a key) they are asked when it is carried out.
import ShardMap

public struct PlacementPlanner {
    let environment: PlanningEnvironment
    let request: PlacementRequest

    /// - Throws: what forbids the change, with a hint what would make it possible.
    public static func plan(_ request: PlacementRequest, _ environment: PlanningEnvironment) throws(Refusal) -> PlacementChange {
        try PlacementPlanner(environment: environment, request: request).plan()
    }

    private var facts: CatalogFacts { environment.catalog.facts }

    private func plan() throws(Refusal) -> PlacementChange {
        let table = try relation(request.table)
        try checkStanding(table)
        let (placement, stored) = try target(table)
        try checkConfiguration(table, stored ?? .reference)
        let movesRows = placement != table.placement && environment.shardCount > 1
        if placement != table.placement {
            try PlacementConstraints(table: table, placement: placement, catalog: environment.catalog).check()
        }
        if movesRows { try checkRows(table) }
        return PlacementChange(
            table: table, placement: placement, stored: stored, encoding: facts.database.encoding, movesRows: movesRows)
    }

    /// The table a name means.
    private func relation(_ name: String?) throws(Refusal) -> Relation {
        guard let name else { throw Refusal("22004", "the name of a table cannot be NULL") }
        guard let parsed = try? TableName(parsing: name) else { throw Refusal("42602", "invalid name syntax") }
        if environment.isTemporary(schema: parsed.schema, name: parsed.table) {
            throw Refusal("0A000", "temporary table \"\(parsed.table)\" lives in one session", hint: "Create an ordinary table.")
        }
        let found = environment.catalog.relation(schema: parsed.schema, name: parsed.table, searchPath: environment.searchPath)
        guard let found else { throw Refusal("42P01", "relation \"\(name)\" does not exist") }
        guard found.kind == "r" || found.kind == "p" else { throw Refusal("42809", "\"\(found.name)\" is not a table") }
        return found
    }

    /// - Throws: for tables that are not placed by themselves.
    private func checkStanding(_ table: Relation) throws(Refusal) {
        switch table.placement {
        case .system: throw Refusal("42501", "permission denied: \"\(table.name)\" is a system catalog")
        case .unusable(let reason): throw Refusal("0A000", "the rows of table \"\(table.name)\" cannot be moved: \(reason)")
        case .local:
            throw Refusal(
                "0A000", "table \"\(table.name)\" is a local one by its [[table]] entry in the configuration",
                hint: "Take the entry out of the configuration of all proxies while the table is empty.")
        case .sharded, .reference: break
        }
        if table.isChild {
            throw Refusal(
                "0A000", "table \"\(table.name)\" is placed as its parent",
                hint: "Name the topmost parent; partitions follow it.")
        }
        if table.kind == "r", table.hasChildren {
            throw Refusal("0A000", "the rows of table \"\(table.name)\" cannot be moved: it has inheritance children", hint: "Use partitions.")
        }
    }

    // MARK: Where the rows shall be

    private func target(_ table: Relation) throws(Refusal) -> (Placement, StoredPlacement?) {
        switch request.function {
        case .distribute: return try distributed(table)
        case .replicate: return (.reference, .reference)
        case .undistribute:
            if table.placement == .reference, table.storedPlacement == nil {
                throw Refusal("55000", "table \"\(table.name)\" is not distributed")
            }
            let byRules = TableKey.placement(
                schema: table.schema, name: table.name, columns: table.columns.map(TableKey.Candidate.init), facts: facts)
            return (.reference, byRules == .reference ? nil : .reference)
        }
    }

    private func distributed(_ table: Relation) throws(Refusal) -> (Placement, StoredPlacement?) {
        guard let name = request.column else { throw Refusal("22004", "the name of the distribution column cannot be NULL") }
        guard let index = table.columns.firstIndex(where: { $0.name == name }) ?? table.columns.firstIndex(where: { $0.name == name.lowercased() })
        else { throw Refusal("42703", "column \"\(name)\" of relation \"\(table.name)\" does not exist") }
        let neighbour = try request.neighbour.map { (name) throws(Refusal) in try neighbourKey(name) }
        let method = try method(neighbour)
        let column = table.columns[index]
        let placement = TableKey.placement(key: TableKey.Candidate(column), at: index, method: method, facts: facts)
        if case .unusable(let reason) = placement {
            throw Refusal("0A000", "table \"\(table.name)\" cannot be distributed: \(reason)", hint: "Name another column.")
        }
        if let neighbour, case .sharded(_, let key) = placement, !key.isColocated(with: neighbour) {
            throw Refusal(
                "42804", "cannot colocate tables \"\(table.name)\" and \"\(request.neighbour ?? "")\"",
                detail: "Their sharding keys have types that are not placed alike.")
        }
        return (placement, .sharded(keyNumber: column.number, method: method))
    }

    private func neighbourKey(_ name: String) throws(Refusal) -> KeyPlacement {
        let other = try relation(name)
        guard case .sharded(_, let key) = other.placement else {
            throw Refusal(
                "42P16", "cannot colocate with table \"\(other.name)\", which is not sharded",
                hint: "Reference tables are on every shard, so that any table is beside them.")
        }
        return key
    }

    private func method(_ neighbour: KeyPlacement?) throws(Refusal) -> PlacementMethod {
        let preferred = neighbour?.method ?? facts.rules.defaultMethod
        let chosen: PlacementMethod
        switch request.method?.lowercased() {
        case nil: chosen = preferred == .modulo || neighbour != nil ? preferred : .hash
        case "hash"?: chosen = .hash
        case "modulo"?: chosen = .modulo
        case let name?:
            throw Refusal("0A000", "distribution type \"\(name)\" is not supported", hint: "hash or modulo; ranges and lists are written in the configuration.")
        }
        if let neighbour, neighbour.method != chosen {
            throw Refusal("42P16", "a table beside \"\(request.neighbour ?? "")\" must be distributed by \(neighbour.method.name)")
        }
        guard chosen == .hash || chosen == .modulo else {
            throw Refusal(
                "0A000", "tables distributed by \(chosen.name) are written in the configuration",
                hint: "Add a [[table]] entry to the configuration of every proxy before the table is created.")
        }
        return chosen
    }

    // MARK: What forbids it

    /// A rule for just this table is the operator's word: nothing that differs is stored beside it.
    private func checkConfiguration(_ table: Relation, _ stored: StoredPlacement) throws(Refusal) {
        guard !TableKey.agrees(facts.rules.kind(schema: table.schema, table: table.name), stored, table, facts.rules) else { return }
        throw Refusal(
            "0A000", "table \"\(table.name)\" has a [[table]] entry in the configuration that says otherwise",
            hint: "Store what the entry says (create_distributed_table or create_reference_table), take the entry out of the configuration of all proxies, then try again.")
    }

    /// - Throws: where moving the rows would do more than move them, or could not find them.
    private func checkRows(_ table: Relation) throws(Refusal) {
        if table.hasTriggers {
            throw Refusal(
                "0A000", "the rows of table \"\(table.name)\" cannot be moved: it has triggers, which would run",
                hint: "ALTER TABLE ... DISABLE TRIGGER USER, and ENABLE it afterwards.")
        }
        guard environment.writesExactText else { throw StatementPlanner.inexactText }
        guard case .sharded(_, let key) = table.placement, key.method != .hash, key.method != .modulo else { return }
        throw Refusal(
            "0A000", "the rows of table \"\(table.name)\" cannot be moved: they are placed by \(key.method.name)",
            hint: "Create a new table and copy the rows.")
    }
}
