// How each aggregate is split: what the shards compute, and what the finisher makes of it.
//
// Exactness: sums of bigint partials are numeric in PostgreSQL and are cast back to the aggregate's own type, so that an
// overflow is the same error; avg of integers and numeric divides the same numeric sum by the same count as numeric_avg
// does, which gives the same scale.
import CPGQuery

extension AggregatePlanner {
    /// The finisher's expression for one aggregate call.
    func combine(_ call: Message<PgQuery__FuncCall>) throws(Refusal) -> String {
        guard let name = FunctionNames.name(of: call), context.facts(of: call)?.isBuiltIn == true else {
            throw scatter.planner.refusal("an aggregate that is not PostgreSQL's own")
        }
        if call.pointee.agg_within_group != 0 { throw uncombinable(name) }
        let ignoresRepetition = ["min", "max", "bool_and", "bool_or", "every", "bit_and", "bit_or"].contains(name)
        if call.pointee.agg_distinct != 0, !ignoresRepetition { return try distinct(call) }
        let ignoresOrder = ignoresRepetition || ["count", "sum", "avg", "bit_xor"].contains(name)
        if call.pointee.n_agg_order > 0, !ignoresOrder { throw uncombinable("\(name) with ORDER BY") }
        let arguments = NodeList(call.pointee.args, call.pointee.n_args).nodes
        if name == "count" { return "COALESCE(sum(\(try partial(call, .int8))), 0)::pg_catalog.int8" }
        guard let argument = arguments.first else { throw uncombinable(name) }
        return try combine(call, name, argument, arguments)
    }

    private func combine(
        _ call: Message<PgQuery__FuncCall>, _ name: String, _ argument: Node, _ arguments: [Node]
    ) throws(Refusal) -> String {
        guard var type = binder.inferType(argument) else { throw unknownType("the argument of \(name)") }
        if type.oid == TypeOID.unknown { type = .text }
        switch name {
        case "sum":
            guard let result = AggregateTypes.sum(type.oid) else { throw unknownType("the argument of sum") }
            let column = try partial(call, SQLType(result))
            return result == TypeOID.int8 ? "sum(\(column))::pg_catalog.int8" : "sum(\(column))"
        case "avg": return try average(call, argument, type)
        case "min", "max", "bool_and", "bool_or", "every", "bit_and", "bit_or", "bit_xor":
            guard let result = binder.functionType(call) else { throw unknownType("the argument of \(name)") }
            return "\(name)(\(try partial(call, result)))"
        case "string_agg":
            guard arguments.count == 2, arguments[1].literal != nil || arguments[1].paramRef != nil,
                let result = binder.functionType(call)
            else { throw uncombinable("string_agg with a varying delimiter") }
            return "string_agg(\(try partial(call, result)), \(try printer.print(arguments[1])))"
        case "array_agg": return try array(call, type)
        default: throw uncombinable(name)
        }
    }

    private func uncombinable(_ name: String) -> Refusal {
        scatter.planner.refusal("partial results of \(name) cannot be combined")
    }

    /// A column with the aggregate as it is written, computed on each shard.
    private func partial(_ call: Message<PgQuery__FuncCall>, _ type: SQLType) throws(Refusal) -> String {
        guard let node = rewrittenNode(call) else { throw uncombinable("an aggregate") }
        return try add(try printer.print(node), type)
    }

    private func rewrittenNode(_ call: Message<PgQuery__FuncCall>) -> Node? {
        var found: Node?
        let lists = [
            NodeList(rewriting.select.pointee.target_list, rewriting.select.pointee.n_target_list),
            NodeList(rewriting.select.pointee.sort_clause, rewriting.select.pointee.n_sort_clause),
            NodeList(rewriting.select.pointee.window_clause, rewriting.select.pointee.n_window_clause),
        ].flatMap(\.nodes) + [Node(rewriting.select.pointee.having_clause)].compactMap { $0 }
        for root in lists where found == nil {
            TreeWalk.nodes(under: root) { node in
                guard node.funcCall == call else { return .descend }
                found = node
                return .stop
            }
        }
        return found
    }

    /// avg as sum and count of the same rows.
    private func average(_ call: Message<PgQuery__FuncCall>, _ argument: Node, _ type: SQLType) throws(Refusal) -> String {
        // Sum and count would each draw values of their own.
        if scatter.isVolatile(argument) || scatter.isVolatile(Node(call.pointee.agg_filter)) { throw uncombinable("avg of volatile values") }
        let text = try printer.print(argument)
        let filter = try Node(call.pointee.agg_filter).map { (node) throws(Refusal) in " FILTER (WHERE \(try printer.print(node)))" } ?? ""
        let count = try add("pg_catalog.count(\(text))\(filter)", .int8)
        switch type.oid {
        case TypeOID.int2, TypeOID.int4, TypeOID.int8, TypeOID.numeric:
            let sum = try add("pg_catalog.sum(\(text))\(filter)", SQLType(AggregateTypes.sum(type.oid) ?? TypeOID.numeric))
            return "(sum(\(sum)) / NULLIF(sum(\(count)), 0))"
        case TypeOID.float4, TypeOID.float8:
            let sum = try add("pg_catalog.sum((\(text))::pg_catalog.float8)\(filter)", .float8)
            return "(sum(\(sum)) / NULLIF(sum(\(count)), 0)::pg_catalog.float8)"
        case TypeOID.interval:
            let sum = try add("pg_catalog.sum(\(text))\(filter)", SQLType(TypeOID.interval))
            return "(sum(\(sum)) / NULLIF(sum(\(count)), 0)::pg_catalog.float8)"
        default: throw unknownType("the argument of avg")
        }
    }

    /// The shards' arrays, unpacked and put into one: array_agg of arrays would nest them.
    private func array(_ call: Message<PgQuery__FuncCall>, _ type: SQLType) throws(Refusal) -> String {
        guard let arrayOID = TypeOID.arrayByElement[type.oid], let name = context.castName(SQLType(arrayOID)),
            let collate = context.collateClause(type)
        else { throw unknownType("the argument of array_agg") }
        let column = try partial(call, SQLType(arrayOID))
        return "(SELECT pg_catalog.array_agg(pgbraid_element.value\(collate)) "
            + "FROM pg_catalog.unnest(pg_catalog.array_agg(\(column)::pg_catalog.text)) AS pgbraid_array (value), "
            + "pg_catalog.unnest(pgbraid_array.value::\(name)) AS pgbraid_element (value))"
    }

    /// An aggregate with DISTINCT: the shards also group by its arguments, and the finisher computes it over these.
    private func distinct(_ call: Message<PgQuery__FuncCall>) throws(Refusal) -> String {
        guard let node = rewrittenNode(call) else { throw uncombinable("an aggregate") }
        let arguments = NodeList(call.pointee.args, call.pointee.n_args).nodes.flatMap { argument in
            argument.rowExpr.map { NodeList($0.pointee.args, $0.pointee.n_args).nodes } ?? [argument]
        }
        let sorts = NodeList(call.pointee.agg_order, call.pointee.n_agg_order).nodes.compactMap { $0.sortBy.flatMap { Node($0.pointee.node) } }
        var columns: [(node: Node, column: String)] = []
        for part in arguments + sorts + [Node(call.pointee.agg_filter)].compactMap({ $0 }) where part.literal == nil && part.paramRef == nil {
            columns.append((part, try addKey(part)))
        }
        // Of constants alone each shard would send a row, also when it has none.
        if columns.isEmpty { throw uncombinable("DISTINCT over constants in an aggregate") }
        return try printer.printReplacing(node) { node throws(Refusal) in columns.first { $0.node == node }?.column }
    }
}
