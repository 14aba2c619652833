// CatalogBuilder: the answers to `CatalogQuery`'s questions become a Catalog.
//
// Feed it every row of every answer (text format, in any order), then build. Where each relation's rows are is decided
// at the end, when types, collations and partition parents are known (`RelationPlacement`).
import ShardMap

/// Collects catalog rows; a value, one a load.
public struct CatalogBuilder: Sendable {
    private var facts = CatalogFacts()
    private var drafts: [UInt32: RelationDraft] = [:]
    private var enumLabels: [UInt32: [String]] = [:]

    public init() {}

    /// Takes one row of the answer to `query`.
    /// - Throws: `CatalogError` if the row is not what the question asks for.
    public mutating func add(_ query: CatalogQuery, row fields: [String?]) throws(CatalogError) {
        let row = try CatalogRow(query, fields)
        switch query {
        case .database: facts.database = try DatabaseFacts(row)
        case .schemas: facts.schemas.insert(try row.name(0))
        case .relations: try addRelation(row)
        case .columns: try addColumn(row)
        case .constraints: try addConstraint(row)
        case .types: try addType(row)
        case .enumLabels: enumLabels[try row.number(0), default: []].append(try row.text(1))
        case .collations: try addCollation(row)
        case .functions: try addFunction(row)
        case .operators: try addOperator(row)
        case .placements: drafts[try row.number(0), default: RelationDraft()].stored = try StoredPlacement(row)
        }
    }

    /// Takes from another catalog what was not asked for about relations that are as they were (`CatalogQuery.textWithoutWaiting`).
    public mutating func fill(from known: Catalog) {
        for (oid, draft) in drafts where draft.isKnown {
            guard let other = known.relation(oid: oid) else { continue }
            if draft.relation.kind == "v", draft.relation.viewDefinition == nil { drafts[oid]?.relation.viewDefinition = other.viewDefinition }
            for (index, column) in draft.relation.columns.enumerated() where column.hasDefault && column.defaultExpression == nil {
                drafts[oid]?.relation.columns[index].defaultExpression = other.columns.first { $0.number == column.number }?.defaultExpression
            }
        }
    }

    /// The catalog of all rows so far, its tables placed by `rules`. O(rows).
    public func build(rules: ShardingRules) -> Catalog {
        var facts = facts
        facts.rules = rules
        for (oid, labels) in enumLabels { facts.types[oid]?.enumLabels = labels }
        let parents = Set(drafts.values.flatMap(\.parents))
        let placer = RelationPlacement(drafts: drafts, facts: facts)
        let relations = drafts.values.filter(\.isKnown).sorted { $0.relation.oid < $1.relation.oid }.map { draft in
            var relation = draft.relation
            relation.placement = placer.placement(of: draft)
            relation.primaryKey = draft.primaryKeyNumbers.compactMap { number in
                relation.columns.firstIndex { $0.number == number }
            }
            relation.referencingTables = draft.referencedBy
            relation.hasChildren = parents.contains(relation.oid)
            relation.isChild = !draft.parents.isEmpty
            relation.storedPlacement = draft.stored
            return relation
        }
        return FunctionReading.reading(Catalog(relations: relations, facts: facts))
    }

    private mutating func addRelation(_ row: CatalogRow) throws(CatalogError) {
        let oid: UInt32 = try row.number(0)
        var relation = Relation(
            oid: oid, schema: try row.name(1), name: try row.name(2), kind: try row.character(3), columns: [],
            placement: .system, viewDefinition: row.optional(4), hasRowTriggers: try row.boolean(5),
            hasRowSecurity: try row.boolean(7))
        relation.hasStatementTriggers = try row.boolean(6)
        var draft = drafts[oid] ?? RelationDraft(relation: relation)
        relation.columns = draft.relation.columns
        relation.constraints = draft.relation.constraints
        draft.relation = relation
        draft.isKnown = true
        draft.hasRules = try row.boolean(8)
        draft.parents = try row.numbers(9)
        draft.isPartition = try row.boolean(10)
        draft.primaryKeyNumbers = try row.numbers(11)
        drafts[oid] = draft
    }

    private mutating func addColumn(_ row: CatalogRow) throws(CatalogError) {
        let column = Column(
            name: try row.name(2), number: try row.number(1), typeOID: try row.number(3), typeModifier: try row.number(4),
            collationOID: try row.number(5), isNotNull: try row.boolean(6), hasDefault: try row.boolean(7),
            generation: try row.text(8), defaultExpression: row.optional(9))
        drafts[try row.number(0), default: RelationDraft()].relation.columns.append(column)
    }

    private mutating func addConstraint(_ row: CatalogRow) throws(CatalogError) {
        guard let kind = RelationConstraint.Kind(rawValue: try row.character(2)) else { throw row.error(2) }
        let table: UInt32 = try row.number(0)
        var constraint = RelationConstraint(
            name: try row.text(1), kind: kind, columnNumbers: try row.numbers(3), referencedTable: try row.number(4),
            referencedColumnNumbers: try row.numbers(5))
        if let actions = row.optional(6) {
            guard actions.count == 2, let update = actions.first, let delete = actions.last else { throw row.error(6) }
            (constraint.updateAction, constraint.deleteAction) = (update, delete)
        }
        constraint.overwrittenColumnNumbers = try row.numbers(7)
        drafts[table, default: RelationDraft()].relation.constraints.append(constraint)
        if kind == .foreignKey { drafts[constraint.referencedTable, default: RelationDraft()].referencedBy.append(table) }
    }

    private mutating func addType(_ row: CatalogRow) throws(CatalogError) {
        let type = CatalogType(
            oid: try row.number(0), schema: try row.name(1), name: try row.name(2), kind: try row.character(3),
            category: try row.character(4), baseTypeOID: try row.number(5), typeModifier: try row.number(6),
            elementTypeOID: try row.number(7), arrayTypeOID: try row.number(8), collationOID: try row.number(9),
            defaultExpression: row.optional(10), isConstrained: try row.boolean(11), hasBinarySend: try row.boolean(12),
            hasTextCast: try row.boolean(13))
        facts.types[type.oid] = type
        facts.typeOIDs[type.name, default: []].append(type.oid)
    }

    private mutating func addCollation(_ row: CatalogRow) throws(CatalogError) {
        let oid: UInt32 = try row.number(0)
        facts.collations[oid] = CatalogCollation(
            oid: oid, schema: try row.name(1), name: try row.name(2), provider: try row.character(3),
            isDeterministic: try row.boolean(4), isBytewise: try row.boolean(5))
    }

    private mutating func addFunction(_ row: CatalogRow) throws(CatalogError) {
        guard let volatility = Volatility(catalogCode: try row.text(4)) else { throw row.error(4) }
        let function = CatalogFunction(
            oid: try row.number(0), schema: try row.name(1), name: try row.name(2), kind: try row.character(3),
            volatility: volatility, isStrict: try row.boolean(5), returnsSet: try row.boolean(6),
            argumentTypeOIDs: try row.numbers(7), defaultedArgumentCount: try row.number(8), isVariadic: try row.boolean(9),
            returnTypeOID: try row.number(10), language: try row.text(11), body: try row.text(12),
            isSecurityDefiner: try row.boolean(13), extensionName: row.optional(14), comment: row.optional(15))
        facts.functions[function.name, default: []].append(function)
    }

    private mutating func addOperator(_ row: CatalogRow) throws(CatalogError) {
        guard let volatility = Volatility(catalogCode: try row.text(4)) else { throw row.error(4) }
        let found = CatalogOperator(
            schema: try row.text(0), name: try row.text(1), leftTypeOID: try row.number(2), rightTypeOID: try row.number(3),
            volatility: volatility)
        facts.operators[found.name, default: []].append(found)
    }
}

/// A relation while its rows come in.
struct RelationDraft: Sendable {
    var relation = Relation(
        oid: 0, schema: "", name: "", kind: "r", columns: [], placement: .system, hasRowTriggers: false, hasRowSecurity: false)
    /// Whether its own row has come, and not only rows that belong to it.
    var isKnown = false
    var hasRules = false
    var isPartition = false
    /// Partitioned table or inheritance parents.
    var parents: [UInt32] = []
    var primaryKeyNumbers: [Int] = []
    var referencedBy: [UInt32] = []
    var stored: StoredPlacement?
}

extension DatabaseFacts {
    init(_ row: CatalogRow) throws(CatalogError) {
        self.init()
        name = try row.text(0)
        encoding = try row.text(1)
        collate = try row.text(2)
        characterType = try row.text(3)
        provider = try row.character(4)
        icuLocale = row.optional(5)
        serverVersion = try row.number(6)
    }
}
