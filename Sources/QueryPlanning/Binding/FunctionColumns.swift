// FunctionColumns: the columns of functions in FROM.
import CPGQuery

enum FunctionColumns {
    /// The name a function in FROM goes by.
    static func name(of node: Node) -> String { ColumnNames.name(of: node) }

    /// Functions with OUT parameters keep their column's name under an alias.
    static func isNamedByAlias(_ function: String) -> Bool { outNames[function] == nil }

    /// Functions whose result is an array of the elements of another.
    static let arrayMakers: Set<String> = ["array_append", "array_cat", "array_prepend", "array_remove", "array_replace", "trim_array"]

    /// Columns of built-in functions that return rows.
    static let outNames: [String: [(String, UInt32)]] = [
        "json_each": [("key", TypeOID.text), ("value", TypeOID.json)],
        "jsonb_each": [("key", TypeOID.text), ("value", TypeOID.jsonb)],
        "json_each_text": [("key", TypeOID.text), ("value", TypeOID.text)],
        "jsonb_each_text": [("key", TypeOID.text), ("value", TypeOID.text)],
        "json_array_elements": [("value", TypeOID.json)],
        "jsonb_array_elements": [("value", TypeOID.jsonb)],
        "json_array_elements_text": [("value", TypeOID.text)],
        "jsonb_array_elements_text": [("value", TypeOID.text)],
    ]
    /// Set-returning built-ins with one column of one type.
    static let single: [String: UInt32] = [
        "generate_subscripts": TypeOID.int4, "json_object_keys": TypeOID.text, "jsonb_object_keys": TypeOID.text,
        "regexp_split_to_table": TypeOID.text, "string_to_table": TypeOID.text, "jsonb_path_query": TypeOID.jsonb,
    ]
}

extension Binder {
    /// The columns of a built-in function in FROM; nil when they are not known.
    func functionColumns(_ node: Node) -> [BoundColumn]? {
        guard let call = node.funcCall, let name = FunctionNames.name(of: call) else {
            return node.sqlvalueFunction.map { _ in [BoundColumn(name: FunctionColumns.name(of: node), type: nil)] }
        }
        let arguments = NodeList(call.pointee.args, call.pointee.n_args).nodes
        if let columns = FunctionColumns.outNames[name] { return columns.map { BoundColumn(name: $0.0, type: SQLType($0.1)) } }
        if let type = FunctionColumns.single[name] {
            let collation = TypeOID.isCollatable(type) ? resultCollation(arguments) : nil
            return [BoundColumn(name: name, type: SQLType(type, collation: collation))]
        }
        switch name {
        case "unnest":
            var columns: [BoundColumn] = []
            for argument in arguments {
                if let type = inferType(argument) {
                    guard let column = elementColumn(type, name) else { return nil }
                    columns.append(column)
                } else {
                    guard let type = arrayType(argument), var column = elementColumn(type, name) else { return nil }
                    if column.type?.collation != Collation.none { column.type = nil }
                    columns.append(column)
                }
            }
            return columns
        case "generate_series": return [BoundColumn(name: name, type: seriesType(arguments.prefix(2).map { inferType($0) }))]
        default:
            guard let type = inferType(node) else { return nil }
            return [BoundColumn(name: name, type: type)]
        }
    }

    /// The type of an array that is made from another by a slice, `||` or a function; its elements may compare by another collation.
    private func arrayType(_ node: Node) -> SQLType? {
        if let type = inferType(node) { return context.elementOID(of: type.oid) == nil ? nil : type }
        if let slice = node.indirection { return Node(slice.pointee.arg).flatMap { arrayType($0) } }
        if let expression = node.operatorExpression?.pointee, NodeList(expression.name, expression.n_name).strings == ["||"] {
            return [Node(expression.lexpr), Node(expression.rexpr)].compactMap { $0.flatMap { arrayType($0) } }.first
        }
        guard let call = node.funcCall, let name = FunctionNames.name(of: call), FunctionColumns.arrayMakers.contains(name) else { return nil }
        return NodeList(call.pointee.args, call.pointee.n_args).nodes.compactMap { arrayType($0) }.first
    }

    /// The column that unnest makes of a value; nil where it makes several: one for each field of a composite element, and those of a tsvector.
    private func elementColumn(_ type: SQLType, _ name: String) -> BoundColumn? {
        let types = context.environment.catalog.facts.types
        if TypeOID.isMultirange(type.oid) || types[type.oid]?.kind == "m" { return BoundColumn(name: name, type: nil) }
        guard let element = context.elementOID(of: type.oid) else { return nil }
        if TypeOID.nameByOID[element] != nil || types[element]?.kind == "e" {
            return BoundColumn(name: name, type: SQLType(element, collation: TypeOID.isCollatable(element) ? type.collation : nil))
        }
        guard let kind = types[context.baseOID(element)]?.kind, kind != "c" else { return nil }
        return BoundColumn(name: name, type: nil)
    }

    /// The type of generate_series: that of the function its bounds choose, which for dates is timestamptz.
    private func seriesType(_ bounds: [SQLType?]) -> SQLType? {
        guard bounds.contains(where: { $0.map { $0.oid != TypeOID.unknown } ?? false }), let type = commonType(bounds) else { return nil }
        switch type.oid {
        case TypeOID.date: return SQLType(TypeOID.timestamptz)
        case TypeOID.int2: return .int4
        case TypeOID.int4, TypeOID.int8, TypeOID.numeric, TypeOID.timestamp, TypeOID.timestamptz: return type
        default: return nil
        }
    }
}
