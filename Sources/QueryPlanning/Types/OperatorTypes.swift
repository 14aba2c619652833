// Result types of operators, for pg_catalog's operators on built-in types.
import CPGQuery

extension Binder {
    func operatorType(_ expression: Message<PgQuery__AExpr>) -> SQLType? {
        switch expression.pointee.kind {
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP: break
        case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
            return nullIfType(expression)
        default: return .bool
        }
        let names = NodeList(expression.pointee.name, expression.pointee.n_name).strings
        guard let name = names.last, names.count == 1 || names[0] == "pg_catalog",
            context.environment.catalog.facts.operators[name] == nil
        else { return nil }
        if Self.comparisons.contains(name), expression.pointee.lexpr != nil { return .bool }
        guard let right = Node(expression.pointee.rexpr).flatMap({ inferType($0) }) else { return nil }
        guard let leftNode = Node(expression.pointee.lexpr) else { return prefixType(name, right) }
        return inferType(leftNode).flatMap { binaryType(name, $0, right) }
    }

    /// NULLIF has the type that the operator = takes on its left, which differs where the two types do, and compares by both sides' collation.
    private func nullIfType(_ expression: Message<PgQuery__AExpr>) -> SQLType? {
        let arguments = [Node(expression.pointee.lexpr), Node(expression.pointee.rexpr)].compactMap { $0 }
        let types = arguments.compactMap { inferType($0) }
        guard types.count == 2, types[0].oid == types[1].oid || types[1].oid == TypeOID.unknown else { return nil }
        var result = types[0]
        if TypeOID.isCollatable(result.oid) { result.collation = resultCollation(arguments) }
        return result
    }

    static let comparisons: Set<String> = [
        "=", "<>", "!=", "<", "<=", ">", ">=", "~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*", "@>", "<@", "?", "?|", "?&",
        "&&", "@@",
    ]

    private func prefixType(_ name: String, _ operand: SQLType) -> SQLType? {
        name == "-" || name == "+" || name == "~" || name == "@" ? SQLType(context.baseOID(operand.oid), collation: Collation.none) : nil
    }

    private func binaryType(_ name: String, _ left: SQLType, _ right: SQLType) -> SQLType? {
        if name == "||" { return concatenationType(left, right) }
        if name == "->" || name == "#>" { return Self.isJSON(left.oid) ? left : nil }
        if name == "->>" || name == "#>>" { return Self.isJSON(left.oid) ? SQLType(TypeOID.text, collation: right.collation == .none ? nil : right.collation) : nil }
        if let type = numberType(name, left, right) { return type }
        return timeType(name, left.oid, right.oid)
    }

    private static func isJSON(_ oid: UInt32) -> Bool { oid == TypeOID.json || oid == TypeOID.jsonb }

    private func concatenationType(_ left: SQLType, _ right: SQLType) -> SQLType? {
        let isText = { (oid: UInt32) in oid == TypeOID.text || oid == TypeOID.varchar }
        let isPlain = { (type: SQLType) in isText(type.oid) || type.oid == TypeOID.unknown || TypeOID.isInteger(type.oid) }
        guard isText(left.oid) || isText(right.oid), isPlain(left), isPlain(right) else { return nil }
        guard isText(left.oid) else { return SQLType(TypeOID.text, collation: right.collation) }
        guard isText(right.oid) else { return SQLType(TypeOID.text, collation: left.collation) }
        return SQLType(TypeOID.text, collation: left.collation.combined(with: right.collation))
    }

    /// Arithmetic on numbers; an unknown literal takes the other side's type.
    private func numberType(_ name: String, _ left: SQLType, _ right: SQLType) -> SQLType? {
        let one = NumberRank.rank(left.oid) ?? (left.oid == TypeOID.unknown ? NumberRank.rank(right.oid) : nil)
        let other = NumberRank.rank(right.oid) ?? (right.oid == TypeOID.unknown ? NumberRank.rank(left.oid) : nil)
        guard let one, let other else { return nil }
        let common = max(one, other)
        switch name {
        case "+", "-", "*", "/": return SQLType(mixed(common, min(one, other)).oid)
        case "%": return common <= .numeric ? SQLType(common.oid) : nil
        case "^": return SQLType(common == .numeric ? TypeOID.numeric : TypeOID.float8)
        case "&", "|", "#": return common <= .int8 ? SQLType(common.oid) : nil
        case "<<", ">>": return one <= .int8 && other <= .int4 ? SQLType(one.oid) : nil
        default: return nil
        }
    }

    /// real with anything but real is computed in double precision.
    private func mixed(_ higher: NumberRank, _ lower: NumberRank) -> NumberRank {
        higher == .float4 && lower != .float4 ? .float8 : higher
    }

    private func timeType(_ name: String, _ left: UInt32, _ right: UInt32) -> SQLType? {
        let isStamp = { (oid: UInt32) in oid == TypeOID.timestamp || oid == TypeOID.timestamptz }
        switch (name, left, right) {
        case ("+", TypeOID.date, let number) where number == TypeOID.int4 || number == TypeOID.int2: return SQLType(TypeOID.date)
        case ("-", TypeOID.date, let number) where number == TypeOID.int4 || number == TypeOID.int2: return SQLType(TypeOID.date)
        case ("-", TypeOID.date, TypeOID.date): return .int4
        case ("+", TypeOID.date, TypeOID.interval), ("-", TypeOID.date, TypeOID.interval): return SQLType(TypeOID.timestamp)
        case ("+", let stamp, TypeOID.interval) where isStamp(stamp): return SQLType(stamp)
        case ("-", let stamp, TypeOID.interval) where isStamp(stamp): return SQLType(stamp)
        case ("-", let one, let other) where isStamp(one) && one == other: return SQLType(TypeOID.interval)
        case ("+", TypeOID.interval, TypeOID.interval), ("-", TypeOID.interval, TypeOID.interval): return SQLType(TypeOID.interval)
        case ("*", TypeOID.interval, _) where NumberRank.rank(right) != nil: return SQLType(TypeOID.interval)
        case ("/", TypeOID.interval, _) where NumberRank.rank(right) != nil: return SQLType(TypeOID.interval)
        default: return nil
        }
    }
}
