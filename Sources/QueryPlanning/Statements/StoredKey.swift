// StoredKey: the value a row's sharding key will have when the row is stored, as far as the text tells.
//
// What is stored has been coerced to the column's type by assignment. Only what that leaves unchanged, or changes in a
// way that is certain, is read; the rest is refused, never guessed.
import CPGQuery
import ShardMap

/// The key column of an INSERT's table.
struct ShardedKey {
    /// Position in the relation's columns.
    var column: Int
    var placement: KeyPlacement
    var relation: Relation

    var definition: Column { relation.columns[column] }
    var name: String { definition.name }

    /// n of varchar(n).
    var maximumCharacters: Int? { definition.typeOID == 1043 && definition.typeModifier > 4 ? Int(definition.typeModifier) - 4 : nil }

    /// A row's key is one of `operands`.
    func condition(_ operands: [KeyOperand], _ context: AnalysisContext, leavesNullToShards: Bool = false) -> KeyCondition {
        KeyCondition(
            placement: placement, operands: operands, isStored: true, leavesNullToShards: leavesNullToShards, limit: context.limit(of: self),
            column: KeyColumn(relation, column: column))
    }
}

extension AnalysisContext {
    /// n of a key of type varchar(n); nil for other types, and where the encoding's characters are not counted.
    func limit(of key: ShardedKey) -> CharacterLimit? {
        key.maximumCharacters.flatMap { CharacterLimit(maximumCharacters: $0, encoding: environment.catalog.facts.database.encoding) }
    }

    /// Whether it is known what the key's column stores of a value that is read when the statement runs.
    func countsCharacters(of key: ShardedKey) -> Bool { key.maximumCharacters == nil || limit(of: key) != nil }
}

extension StatementClassifier {
    /// Where the key of one row comes from.
    /// - Parameter isExact: nothing of the text may change later: values instead of places in the text.
    func storedKey(_ node: Node, _ key: ShardedKey, isExact: Bool) throws(Refusal) -> KeyOperand {
        if node.setToDefault != nil { return try defaultKey(key) }
        if let number = parameter(node, key) { return .parameter(number) }
        if let (literal, location) = node.literal { return try storedLiteral(literal, location, key, isExact: isExact) }
        if let value = foldedInteger(node), key.placement.keyType.family == .integer { return .constant(.integer(value)) }
        if let value = try castLiteral(node, key) { return .constant(value) }
        throw unreadableKey(key, node)
    }

    /// A parameter, plain or cast to a type whose values are stored in the key unchanged.
    private func parameter(_ node: Node, _ key: ShardedKey) -> Int? {
        guard context.countsCharacters(of: key) else { return nil }
        if let parameter = node.paramRef { return Int(parameter.pointee.number) }
        guard let cast = node.typeCast?.pointee, let parameter = Node(cast.arg)?.paramRef, let type = plainType(cast),
            KeyType(typeOID: type)?.family == key.placement.keyType.family
        else { return nil }
        return Int(parameter.pointee.number)
    }

    /// The type of a cast without modifiers.
    private func plainType(_ cast: PgQuery__TypeCast) -> UInt32? {
        guard let name = cast.type_name?.pointee, name.n_typmods == 0 else { return nil }
        return typeOID(name)
    }

    private func storedLiteral(
        _ literal: Literal, _ location: Int, _ key: ShardedKey, isExact: Bool
    ) throws(Refusal) -> KeyOperand {
        guard literal != .null else { throw nullKey(key) }
        let value = try literalValue(literal, location, key)
        return isExact || !isPlainToken(literal, at: location) || !isReadInPlace(literal, key)
            ? .constant(value) : .literal(offset: location)
    }

    /// Numbers stored in text keys become the text of the number, which only the planner knows.
    private func isReadInPlace(_ literal: Literal, _ key: ShardedKey) -> Bool {
        if case .string = literal { return context.countsCharacters(of: key) }
        return key.placement.keyType.family == .integer
    }

    /// The literal after assignment to the key's column.
    private func literalValue(_ literal: Literal, _ location: Int, _ key: ShardedKey) throws(Refusal) -> KeyValue {
        let type = key.placement.keyType
        switch (literal, type.family) {
        case (.integer(let value), .integer): return .integer(Int64(value))
        case (.integer(let value), .text): return .text(try fitted("\(value)", key))
        case (.number(let digits), .integer):
            if let value = Self.wholeNumber(digits) { return .integer(value) }
            if digits.utf8.allSatisfy({ $0 != UInt8(ascii: ".") && $0 | 0x20 != UInt8(ascii: "e") }) {
                throw Refusal("22003", "\(type.sqlName) out of range")
            }
        case (.number(let digits), .text):
            if let value = Int64(digits) { return .text(try fitted("\(value)", key)) }
        case (.string(let value), .text): return .text(try fitted(value, key))
        case (.string(let value), _):
            return try inputValue(value, type, location).get()
        default: break
        }
        throw Refusal(
            "0A000", "the value of sharding key \"\(key.name)\" cannot be read",
            hint: "Give it as a literal or a parameter of type \(type.sqlName).")
    }

    /// What the type's input function makes of a string.
    private func inputValue(_ string: String, _ type: KeyType, _ location: Int) -> Result<KeyValue, Refusal> {
        return Array(string.utf8).withUnsafeBytes { bytes in
            do throws(KeyFormatError) {
                return .success(try type.value(text: bytes))
            } catch {
                // Counting characters up to it takes as long as the text before it: only for an error.
                return .failure(Refusal(error.sqlState, error.message(type: type, text: string), position: context.position(location)))
            }
        }
    }

    /// Text as varchar(n) stores it: blanks beyond n are cut, anything else is an error.
    private func fitted(_ value: String, _ key: ShardedKey) throws(Refusal) -> String {
        guard let limit = key.maximumCharacters, value.unicodeScalars.count > limit else { return value }
        guard value.unicodeScalars.dropFirst(limit).allSatisfy({ $0 == " " }) else {
            throw Refusal("22001", "value too long for type character varying(\(limit))")
        }
        return String(String.UnicodeScalarView(value.unicodeScalars.prefix(limit)))
    }

    /// Numerics without a fraction, however written; others are rounded by PostgreSQL, and not read here.
    private static func wholeNumber(_ digits: String) -> Int64? {
        if let value = Int64(digits) { return value }
        guard let point = digits.firstIndex(of: "."), digits[digits.index(after: point)...].allSatisfy({ $0 == "0" }) else { return nil }
        return Int64(digits[..<point])
    }

    /// Whether the token at `location` is read alike by whoever looks at the text later: digits, or a string without
    /// escapes.
    private func isPlainToken(_ literal: Literal, at location: Int) -> Bool {
        switch literal {
        case .integer: return true
        case .number(let digits): return Int64(digits) != nil
        case .string(let value):
            let token = "'" + value + "'"
            guard !value.contains("'"), !value.contains("\\"), location + token.utf8.count <= context.range.upperBound else { return false }
            return context.slice(location..<location + token.utf8.count) == token
        default: return false
        }
    }

    /// 'x'::uuid, '5'::bigint, 5::integer: a literal cast to a type of the key's family, without modifiers.
    private func castLiteral(_ node: Node, _ key: ShardedKey) throws(Refusal) -> KeyValue? {
        guard let cast = node.typeCast?.pointee, let type = plainType(cast), let keyType = KeyType(typeOID: type),
            keyType.family == key.placement.keyType.family, let (literal, location) = Node(cast.arg)?.literal
        else { return nil }
        if literal == .null { throw nullKey(key) }
        var inner = key
        inner.placement.keyType = keyType
        if case .number(let digits) = literal, Self.wholeNumber(digits) == nil { return nil }
        let value = try literalValue(literal, location, inner)
        if case .integer(let number) = value, !keyType.integerRange.contains(number) {
            throw Refusal("22003", "\(keyType.sqlName) out of range")
        }
        return value
    }

    /// Sums, differences and products of integer literals, as PostgreSQL computes them; nil beyond int4.
    private func foldedInteger(_ node: Node) -> Int64? {
        if case .integer(let value)? = node.literal?.value { return Int64(value) }
        guard let expression = node.operatorExpression?.pointee, expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP,
            expression.n_name == 1, let symbol = NodeList(expression.name, expression.n_name).strings.first,
            context.environment.catalog.facts.operators[symbol] == nil, let right = Node(expression.rexpr).flatMap(foldedInteger)
        else { return nil }
        guard let leftNode = Node(expression.lexpr) else { return symbol == "-" ? inInt4(-right) : symbol == "+" ? right : nil }
        guard let left = foldedInteger(leftNode) else { return nil }
        switch symbol {
        case "+": return inInt4(left + right)
        case "-": return inInt4(left - right)
        case "*": return inInt4(left * right)
        default: return nil
        }
    }

    private func inInt4(_ value: Int64) -> Int64? { Int32(exactly: value).map(Int64.init) }

    /// The key's default: a constant is the key; anything else must be drawn first.
    func defaultKey(_ key: ShardedKey) throws(Refusal) -> KeyOperand {
        guard key.definition.hasDefault, let expression = key.definition.defaultExpression else {
            if key.definition.generation.isEmpty { throw nullKey(key) }
            throw missingKey(key)
        }
        let tree = try ParseTree("SELECT " + expression)
        let targets = tree.statements.first?.node.selectStmt.map { NodeList($0.pointee.target_list, $0.pointee.n_target_list) }
        guard let value = targets?.first??.resTarget.flatMap({ Node($0.pointee.val) }), ExpressionInspection(value, context).isSteady,
            let operand = try? storedKey(value, key, isExact: true)
        else { throw missingKey(key) }
        return operand
    }

    func missingKey(_ key: ShardedKey) -> Refusal {
        Refusal(
            "0A000", "the sharding key \"\(key.name)\" of table \"\(key.relation.name)\" must be given",
            detail: key.definition.defaultExpression.map { "Its default is \($0)." },
            hint: "Take the value first (for a sequence SELECT nextval(...)), then insert it.")
    }

    /// As PostgreSQL says it, where it would.
    func nullKey(_ key: ShardedKey) -> Refusal {
        if key.definition.isNotNull {
            return Refusal(
                "23502", "null value in column \"\(key.name)\" of relation \"\(key.relation.name)\" violates not-null constraint")
        }
        return Refusal(
            "0A000", "null value in the sharding key \"\(key.name)\" of table \"\(key.relation.name)\"",
            hint: "A row without a key belongs to no shard.")
    }

    private func unreadableKey(_ key: ShardedKey, _ node: Node) -> Refusal {
        Refusal(
            "0A000", "the sharding key \"\(key.name)\" of table \"\(key.relation.name)\" must be a literal or a parameter",
            hint: "Compute the key first, then insert it.")
    }
}
