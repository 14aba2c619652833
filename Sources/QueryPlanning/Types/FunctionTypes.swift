// Result types of common built-in functions and aggregates.
import CPGQuery

extension Binder {
    func functionType(_ call: Message<PgQuery__FuncCall>) -> SQLType? {
        guard let name = FunctionNames.name(of: call), context.environment.catalog.facts.functions[name] == nil else { return nil }
        let arguments = NodeList(call.pointee.args, call.pointee.n_args).nodes
        if let oid = Self.fixedTypes[name], isOfUsualType(name, arguments.first) {
            var type = SQLType(oid)
            if TypeOID.isCollatable(oid) { type.collation = resultCollation(arguments) }
            return type
        }
        if let type = windowType(name, arguments) { return type }
        guard let first = arguments.first.flatMap({ inferType($0) }) else { return catalogType(call, arguments) }
        if name == "string_agg", let type = aggregateType(name, first) {
            return SQLType(type.oid, collation: type.collation == .none ? nil : resultCollation(arguments))
        }
        return aggregateType(name, first) ?? dependentType(name, first, arguments) ?? catalogType(call, arguments)
    }

    /// lower and upper are also of ranges, length of paths and bits, age of transactions: other types come of these.
    private func isOfUsualType(_ name: String, _ argument: Node?) -> Bool {
        let usual: Set<UInt32>
        switch name {
        case "lower", "upper", "length": usual = [TypeOID.text, TypeOID.varchar, TypeOID.bpchar, TypeOID.name, TypeOID.unknown]
        case "age": usual = [TypeOID.timestamp, TypeOID.timestamptz, TypeOID.date, TypeOID.unknown]
        default: return true
        }
        return argument.flatMap { inferType($0) }.map { usual.contains($0.oid) } ?? false
    }

    /// The result type where all functions the call may mean agree.
    private func catalogType(_ call: Message<PgQuery__FuncCall>, _ arguments: [Node]) -> SQLType? {
        let types = arguments.compactMap { inferType($0)?.oid }
        let facts = context.facts(of: call, argumentTypes: types.count == arguments.count ? types : nil)
        guard let facts, facts.isBuiltIn, let oid = facts.returnTypeOID, TypeOID.nameByOID[oid] != nil else { return nil }
        return SQLType(oid, collation: TypeOID.isCollatable(oid) ? resultCollation(arguments) : nil)
    }

    /// The collation of a function's text result comes from its text arguments.
    func resultCollation(_ arguments: [Node]) -> Collation {
        var result: Collation?
        for argument in arguments {
            guard let type = inferType(argument) else { return .indeterminate }
            guard type.collation != .none else { continue }
            result = result?.combined(with: type.collation) ?? type.collation
        }
        return result ?? .default
    }

    private func windowType(_ name: String, _ arguments: [Node]) -> SQLType? {
        switch name {
        case "count", "row_number", "rank", "dense_rank": .int8
        case "percent_rank", "cume_dist": .float8
        case "ntile": .int4
        case "first_value", "last_value", "nth_value": arguments.first.flatMap { inferType($0) }
        case "lag", "lead": arguments.count == 1 ? arguments.first.flatMap { inferType($0) } : nil
        default: nil
        }
    }

    private func aggregateType(_ name: String, _ argument: SQLType) -> SQLType? {
        switch name {
        case "min", "max":
            if argument.oid == TypeOID.name { return nil }
            let base = context.baseOID(argument.oid)
            // They are those of text and of inet (pg_aggregate.dat).
            if base == TypeOID.varchar { return SQLType(TypeOID.text, collation: argument.collation) }
            if base == TypeOID.cidr { return SQLType(TypeOID.inet) }
            return base == TypeOID.unknown ? SQLType(TypeOID.text) : SQLType(base, collation: argument.collation)
        case "sum": return AggregateTypes.sum(argument.oid).map { SQLType($0) }
        case "avg": return AggregateTypes.average(argument.oid).map { SQLType($0) }
        case "bool_and", "bool_or", "every": return .bool
        case "bit_and", "bit_or", "bit_xor": return argument
        case "string_agg":
            return argument.oid == TypeOID.bytea ? argument : SQLType(TypeOID.text, collation: argument.collation)
        case "array_agg": return TypeOID.arrayByElement[argument.oid].map { SQLType($0, collation: argument.collation) }
        default: return nil
        }
    }

    private func dependentType(_ name: String, _ first: SQLType, _ arguments: [Node]) -> SQLType? {
        switch name {
        case "abs": return NumberRank.rank(first.oid) == nil ? nil : SQLType(first.oid)
        case "round", "trunc", "ceil", "ceiling", "floor", "sign":
            if first.oid == TypeOID.numeric { return .numeric }
            if arguments.count > 1 { return TypeOID.isInteger(first.oid) ? .numeric : nil }
            return NumberRank.rank(first.oid) == nil ? nil : .float8
        case "mod":
            return arguments.count == 2 ? commonType(arguments.map { inferType($0) }) : nil
        case "sqrt", "exp", "ln", "power", "pow":
            guard let common = commonType(arguments.map { inferType($0) }), NumberRank.rank(common.oid) != nil else { return nil }
            return common.oid == TypeOID.numeric ? .numeric : .float8
        case "date_trunc":
            guard arguments.count >= 2, let value = inferType(arguments[1]) else { return nil }
            if value.oid == TypeOID.date { return SQLType(TypeOID.timestamptz) }
            let known = [TypeOID.timestamp, TypeOID.timestamptz, TypeOID.interval]
            return known.contains(value.oid) ? SQLType(value.oid) : nil
        case "timezone":
            guard arguments.count == 2, let value = inferType(arguments[1]) else { return nil }
            switch value.oid {
            case TypeOID.timestamp: return SQLType(TypeOID.timestamptz)
            case TypeOID.timestamptz: return SQLType(TypeOID.timestamp)
            default: return nil
            }
        default: return nil
        }
    }

    /// Functions whose result type does not depend on the arguments.
    static let fixedTypes: [String: UInt32] = [
        "lower": TypeOID.text, "upper": TypeOID.text, "initcap": TypeOID.text, "concat": TypeOID.text, "concat_ws": TypeOID.text,
        "replace": TypeOID.text, "left": TypeOID.text, "right": TypeOID.text, "split_part": TypeOID.text, "md5": TypeOID.text,
        "to_char": TypeOID.text, "regexp_replace": TypeOID.text, "format": TypeOID.text, "repeat": TypeOID.text,
        "lpad": TypeOID.text, "rpad": TypeOID.text, "translate": TypeOID.text, "chr": TypeOID.text,
        "length": TypeOID.int4, "char_length": TypeOID.int4, "character_length": TypeOID.int4, "octet_length": TypeOID.int4,
        "bit_length": TypeOID.int4, "ascii": TypeOID.int4, "strpos": TypeOID.int4, "position": TypeOID.int4,
        "array_length": TypeOID.int4, "cardinality": TypeOID.int4, "jsonb_array_length": TypeOID.int4,
        "json_array_length": TypeOID.int4, "extract": TypeOID.numeric, "date_part": TypeOID.float8, "age": TypeOID.interval,
        "now": TypeOID.timestamptz, "transaction_timestamp": TypeOID.timestamptz, "statement_timestamp": TypeOID.timestamptz,
        "clock_timestamp": TypeOID.timestamptz, "to_timestamp": TypeOID.timestamptz, "to_date": TypeOID.date,
        "make_date": TypeOID.date, "random": TypeOID.float8, "gen_random_uuid": TypeOID.uuid, "starts_with": TypeOID.bool,
        "jsonb_typeof": TypeOID.text, "json_typeof": TypeOID.text, "hashtext": TypeOID.int4, "pg_typeof": 2206,
        "jsonb_extract_path_text": TypeOID.text, "json_extract_path_text": TypeOID.text,
    ]
}

/// Result types of aggregates by their argument's type.
enum AggregateTypes {
    static func sum(_ argument: UInt32) -> UInt32? {
        switch argument {
        case TypeOID.int2, TypeOID.int4: TypeOID.int8
        case TypeOID.int8, TypeOID.numeric: TypeOID.numeric
        case TypeOID.float4, TypeOID.float8, TypeOID.money, TypeOID.interval: argument
        case TypeOID.time: TypeOID.interval
        default: nil
        }
    }

    static func average(_ argument: UInt32) -> UInt32? {
        switch argument {
        case TypeOID.int2, TypeOID.int4, TypeOID.int8, TypeOID.numeric: TypeOID.numeric
        case TypeOID.float4, TypeOID.float8: TypeOID.float8
        case TypeOID.interval, TypeOID.time: TypeOID.interval
        default: nil
        }
    }
}
