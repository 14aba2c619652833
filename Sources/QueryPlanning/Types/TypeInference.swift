// Type inference: the types of expressions, as far as merging and partial results need them. Where a type is not certain
// the answer is nil, and who needs it refuses.
import CPGQuery

extension Binder {
    /// The type of a bound expression; nil when it is not known for certain. Literals in quotes have type unknown.
    func inferType(_ node: Node) -> SQLType? {
        if let literal = node.literal { return literalType(literal.value) }
        if let column = node.columnRef {
            guard case .column(let variable, let type)? = references[UnsafeMutableRawPointer(column)] else { return nil }
            return type ?? self.type(of: variable)
        }
        if let parameter = node.paramRef {
            let index = Int(parameter.pointee.number) - 1
            // An open parameter takes its type from its surroundings, as an untyped literal does.
            guard context.parameterTypes.indices.contains(index), context.parameterTypes[index] != 0 else {
                return SQLType(TypeOID.unknown)
            }
            return SQLType(context.parameterTypes[index])
        }
        // A call asks more than once for its arguments: without a memory, twice as often at each level of them. Names may be bound
        // meanwhile, so that it does not outlast the outermost expression.
        let message = UnsafeMutableRawPointer(node.message)
        if let known = inferredTypes[message] { return known }
        inferenceDepth += 1
        let type = compositeType(node)
        inferenceDepth -= 1
        if inferenceDepth > 0 { inferredTypes[message] = .some(type) } else { inferredTypes.removeAll(keepingCapacity: true) }
        return type
    }

    /// The type of an expression that has parts.
    private func compositeType(_ node: Node) -> SQLType? {
        if let cast = node.typeCast { return castType(cast) }
        if let call = node.funcCall { return functionType(call) }
        if let expression = node.operatorExpression { return operatorType(expression) }
        if let collate = node.collateClause {
            guard var type = Node(collate.pointee.arg).flatMap({ inferType($0) }) else { return nil }
            if type.oid == TypeOID.unknown { type = .text }
            type.collation = .named(NodeList(collate.pointee.collname, collate.pointee.n_collname).strings)
            return type
        }
        return structureType(node)
    }

    private func structureType(_ node: Node) -> SQLType? {
        if let choice = node.caseExpr {
            let results = NodeList(choice.pointee.args, choice.pointee.n_args).nodes.compactMap(\.caseWhen).map { Node($0.pointee.result) }
            return commonType((results + [Node(choice.pointee.defresult)]).compactMap { $0 }.map { inferType($0) })
        }
        if let coalesce = node.coalesceExpr {
            return commonType(NodeList(coalesce.pointee.args, coalesce.pointee.n_args).nodes.map { inferType($0) })
        }
        if let extreme = node.minMaxExpr {
            return commonType(NodeList(extreme.pointee.args, extreme.pointee.n_args).nodes.map { inferType($0) })
        }
        if let sublink = node.subLink { return sublinkType(sublink) }
        if let value = node.sqlvalueFunction { return Self.valueTypes[Int(value.pointee.op.rawValue)] }
        if let array = node.arrayExpression {
            return commonType(NodeList(array.pointee.elements, array.pointee.n_elements).nodes.map { inferType($0) }).flatMap { arrayType(of: $0) }
        }
        if let indirection = node.indirection { return elementType(indirection) }
        if node.groupingFunc != nil { return .int4 }
        let isBool = node.boolExpr != nil || node.nullTest != nil || node.booleanTest != nil
        return isBool ? .bool : nil
    }

    /// The type of arrays of values of a type; of arrays they are the same type with more dimensions, and not known here.
    private func arrayType(of element: SQLType) -> SQLType? {
        context.arrayOID(of: element.oid).map { SQLType($0, collation: element.collation) }
    }

    /// `array[1]`, `matrix[1][2]`; slices are arrays.
    private func elementType(_ indirection: Message<PgQuery__AIndirection>) -> SQLType? {
        let steps = NodeList(indirection.pointee.indirection, indirection.pointee.n_indirection).nodes
        let isElement = steps.allSatisfy { $0.indices?.pointee.is_slice == 0 }
        guard isElement, let array = Node(indirection.pointee.arg).flatMap({ inferType($0) }), let element = context.elementOID(of: array.oid)
        else { return nil }
        return SQLType(element, collation: TypeOID.isCollatable(element) ? array.collation : nil)
    }

    private func literalType(_ literal: Literal) -> SQLType? {
        switch literal {
        case .integer: return .int4
        case .number(let digits): return Int64(digits) != nil ? .int8 : .numeric
        case .boolean: return .bool
        case .string, .null: return SQLType(TypeOID.unknown)
        case .bitString: return SQLType(TypeOID.bit)
        }
    }

    /// A cast keeps the collation of what is cast, if that has one (`assign_collations_walker` in src/backend/parser/parse_collate.c).
    private func castType(_ cast: Message<PgQuery__TypeCast>) -> SQLType? {
        guard var type = type(named: cast.pointee.type_name) else { return nil }
        guard type.collation != .none, let node = Node(cast.pointee.arg) else { return type }
        if let argument = inferType(node) {
            if argument.collation != .none { type.collation = argument.collation }
        } else if !hasDefaultCollation(node) {
            type.collation = .indeterminate
        }
        return type
    }

    /// Nothing in an expression whose type is not known has a collation but the default.
    private func hasDefaultCollation(_ node: Node) -> Bool {
        let isDefault = { (type: SQLType?) in type.map { $0.collation == .none || $0.collation == .default } ?? false }
        return TreeWalk.nodes(under: node) { child in
            // A field of a row has a collation of its own.
            if child.collateClause != nil || child.subLink != nil || child.indirection != nil { return .stop }
            if child.columnRef != nil { return isDefault(inferType(child)) ? .skip : .stop }
            if let cast = child.typeCast, !isDefault(type(named: cast.pointee.type_name)) { return .stop }
            if let call = child.funcCall, !returnsDefaultCollation(call) { return .stop }
            return .descend
        }
    }

    /// Values of type name, and of some domains, have a collation by themselves.
    private func returnsDefaultCollation(_ call: Message<PgQuery__FuncCall>) -> Bool {
        guard let oid = context.facts(of: call)?.returnTypeOID else { return false }
        let collation = context.environment.catalog.facts.types[oid]?.collationOID ?? 0
        return oid != TypeOID.name && (collation == 0 || collation == Collation.defaultOID)
    }

    private func sublinkType(_ sublink: Message<PgQuery__SubLink>) -> SQLType? {
        switch sublink.pointee.sub_link_type {
        case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK:
            return sublinks[UnsafeMutableRawPointer(sublink)]?.query.columns.first?.type
        case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK:
            return (sublinks[UnsafeMutableRawPointer(sublink)]?.query.columns.first?.type).flatMap { arrayType(of: $0) }
        default: return .bool
        }
    }

    /// By SQLValueFunctionOp.
    private static let valueTypes: [SQLType?] = [
        nil, SQLType(TypeOID.date), SQLType(TypeOID.timetz), SQLType(TypeOID.timetz), SQLType(TypeOID.timestamptz),
        SQLType(TypeOID.timestamptz), SQLType(TypeOID.time), SQLType(TypeOID.time), SQLType(TypeOID.timestamp),
        SQLType(TypeOID.timestamp), SQLType(TypeOID.name), SQLType(TypeOID.name), SQLType(TypeOID.name), SQLType(TypeOID.name),
        SQLType(TypeOID.name), SQLType(TypeOID.name),
    ]

    /// The common type of CASE, UNION and their like (select_common_type), for inputs whose types are known.
    func commonType(_ types: [SQLType?]) -> SQLType? {
        var result: SQLType?
        for type in types {
            guard let type else { return nil }
            guard let current = result, current.oid != TypeOID.unknown else {
                result = type
                continue
            }
            if type.oid == TypeOID.unknown { continue }
            guard let common = commonType(current, type) else { return nil }
            result = common
        }
        if result?.oid == TypeOID.unknown { return .text }
        // A domain stays only where it is the type of all.
        guard let found = result, types.contains(where: { $0?.oid != found.oid }) else { return result }
        let base = context.baseOID(found.oid)
        return base == found.oid ? found : SQLType(base, collation: found.collation)
    }

    private func commonType(_ left: SQLType, _ right: SQLType) -> SQLType? {
        if left.oid == right.oid {
            return SQLType(
                left.oid, modifier: left.modifier == right.modifier ? left.modifier : -1, collation: left.collation.combined(with: right.collation))
        }
        if let one = NumberRank.rank(left.oid), let other = NumberRank.rank(right.oid) {
            return SQLType(max(one, other).oid)
        }
        return nil
    }
}

/// The order in which numeric types give way to each other (numeric category of pg_cast's implicit casts).
enum NumberRank: Int, Comparable {
    case int2, int4, int8, numeric, float4, float8

    static func < (left: NumberRank, right: NumberRank) -> Bool { left.rawValue < right.rawValue }

    static func rank(_ oid: UInt32) -> NumberRank? {
        switch oid {
        case TypeOID.int2: .int2
        case TypeOID.int4: .int4
        case TypeOID.int8: .int8
        case TypeOID.numeric: .numeric
        case TypeOID.float4: .float4
        case TypeOID.float8: .float8
        default: nil
        }
    }

    var oid: UInt32 {
        switch self {
        case .int2: TypeOID.int2
        case .int4: TypeOID.int4
        case .int8: TypeOID.int8
        case .numeric: TypeOID.numeric
        case .float4: TypeOID.float4
        case .float8: TypeOID.float8
        }
    }
}
