// FoldedTime: DDL with a word that PostgreSQL reads as the present time once and for all, such as DEFAULT 'now' and timestamptz 'now' in a
// view: each shard would keep a time of its own. The same word in a statement about rows is drawn, or refused there.
//
// A word is looked for where the text says that it is a time: in casts, and where the type of a column, a domain or an argument says so.
import CPGQuery

extension StatementClassifier {
    /// - Parameter plan: the statement's; a temporary object has its time from one server alone.
    func checkFoldedTimes(_ node: Node, _ plan: StatementPlan) throws(Refusal) {
        switch plan.action {
        case .modify(.all, _, _), .shardByShard: break
        default: return
        }
        guard context.environment.shardCount > 1, node.createTableAsStmt == nil, let location = foldedTime(in: node) else { return }
        throw Refusal(
            "0A000", "each shard would keep a time of its own for a word such as 'now', which is read when the statement runs",
            hint: "Use now(), CURRENT_TIMESTAMP or CURRENT_DATE; or write the time itself, if it shall remain the same.",
            position: context.position(location))
    }

    /// Where the first such word stands; -1 where the text does not tell.
    private func foldedTime(in node: Node) -> Int? {
        let altered = node.alterTableStmt?.pointee.relation.flatMap { TableReference($0).relation(in: context) }
        var found: Int?
        TreeWalk.nodes(under: node) { child in
            found = castTime(child) ?? definedTime(child) ?? alteredTime(child, altered) ?? bodyTime(child)
            return found == nil ? .descend : .stop
        }
        return found
    }

    private func word(_ value: Node?) -> Int? {
        guard let literal = value?.literal, case .string(let text) = literal.value, DateWords.isIn(text) else { return nil }
        return literal.location
    }

    private func castTime(_ node: Node) -> Int? {
        guard let cast = node.typeCast?.pointee, isTime(cast.type_name) else { return nil }
        return word(Node(cast.arg))
    }

    /// In the definition of a column, a domain or an argument.
    private func definedTime(_ node: Node) -> Int? {
        if let column = node.columnDef?.pointee, isTime(column.type_name) {
            return constraintTime(NodeList(column.constraints, column.n_constraints))
        }
        if let domain = node.createDomainStmt?.pointee, isTime(domain.type_name) {
            return constraintTime(NodeList(domain.constraints, domain.n_constraints))
        }
        if let parameter = node.functionParameter?.pointee, isTime(parameter.arg_type) { return word(Node(parameter.defexpr)) }
        guard let domain = node.alterDomainStmt?.pointee, let value = word(Node(domain.def)),
            let name = TableReference(identifiers: NodeList(domain.type_name, domain.n_type_name).strings)
        else { return nil }
        let facts = context.environment.catalog.facts
        return isTime(facts.type(schema: name.schema, name: name.name, searchPath: context.environment.searchPath)?.oid ?? 0) ? value : nil
    }

    private func constraintTime(_ constraints: NodeList) -> Int? {
        constraints.nodes.compactMap(\.constraint).lazy.compactMap { word(Node($0.pointee.raw_expr)) }.first
    }

    /// ALTER TABLE ... ALTER ... SET DEFAULT, and USING.
    private func alteredTime(_ node: Node, _ relation: Relation?) -> Int? {
        guard let command = node.alterTableCmd?.pointee else { return nil }
        if let column = Node(command.def)?.columnDef?.pointee, isTime(column.type_name) { return word(Node(column.raw_default)) }
        let name = text(command.name)
        guard let column = relation?.columns.first(where: { $0.name == name }), isTime(column.typeOID) else { return nil }
        return word(Node(command.def))
    }

    /// In an SQL function that is declared to give the same at all times; others are read when they are used.
    private func bodyTime(_ node: Node) -> Int? {
        guard let function = node.createFunctionStmt?.pointee else { return nil }
        var options: [String: Node] = [:]
        for option in NodeList(function.options, function.n_options).nodes.compactMap(\.defElem) {
            options[text(option.pointee.defname)] = Node(option.pointee.arg)
        }
        guard options["language"]?.string?.lowercased() == "sql", options["volatility"]?.string == "immutable",
            let list = options["as"]?.listNode, let body = NodeList(list.pointee.items, list.pointee.n_items).strings.first,
            let tree = try? ParseTree(body)
        else { return nil }
        let isFolded = tree.statements.contains { statement in
            !TreeWalk.nodes(under: statement.node) { castTime($0) == nil ? .descend : .stop }
        }
        return isFolded ? -1 : nil
    }

    /// A date, a time, or a range or array of them, by the name of the type; or a domain over one.
    private func isTime(_ type: Message<PgQuery__TypeName>?) -> Bool {
        guard let type = type?.pointee else { return false }
        let name = NodeList(type.names, type.n_names).strings.last ?? ""
        return DateWords.types.contains(name) || Self.rangeTypes.contains(name) || typeOID(type).map { isTime($0) } ?? false
    }

    private static let rangeTypes: Set<String> = ["daterange", "tsrange", "tstzrange", "datemultirange", "tsmultirange", "tstzmultirange"]

    private func isTime(_ oid: UInt32) -> Bool {
        let types = context.environment.catalog.facts.types
        var oid = oid
        // Domains over domains are few.
        for _ in 0..<8 {
            if DateWords.typeOIDs.contains(oid) || types[oid].map({ Self.rangeTypes.contains($0.name) }) ?? false { return true }
            guard let type = types[oid], type.baseTypeOID != 0 || type.elementTypeOID != 0 else { return false }
            oid = type.baseTypeOID != 0 ? type.baseTypeOID : type.elementTypeOID
        }
        return false
    }
}
