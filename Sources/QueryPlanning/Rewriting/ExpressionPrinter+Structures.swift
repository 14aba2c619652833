// CASE, COALESCE, arrays, rows, tests and types as SQL text.
import CPGQuery

extension ExpressionPrinter {
    func printStructure(_ node: Node, _ substitute: Substitution) throws(Refusal) -> String {
        if let choice = node.caseExpr { return try printCase(choice, substitute) }
        if let coalesce = node.coalesceExpr {
            return "COALESCE(\(try list(NodeList(coalesce.pointee.args, coalesce.pointee.n_args), substitute)))"
        }
        if let extreme = node.minMaxExpr {
            let word = extreme.pointee.op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "GREATEST" : "LEAST"
            return "\(word)(\(try list(NodeList(extreme.pointee.args, extreme.pointee.n_args), substitute)))"
        }
        if let test = node.nullTest {
            let word = test.pointee.nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NULL ? "IS NULL" : "IS NOT NULL"
            return "(\(try print(Node(test.pointee.arg), substitute)) \(word))"
        }
        if let test = node.booleanTest { return try printBooleanTest(test, substitute) }
        if let collate = node.collateClause {
            let name = NodeList(collate.pointee.collname, collate.pointee.n_collname).strings.map(SQLText.quoted)
            return "(\(try print(Node(collate.pointee.arg), substitute)) COLLATE \(name.joined(separator: ".")))"
        }
        if let array = node.arrayExpression {
            return "ARRAY[\(try list(NodeList(array.pointee.elements, array.pointee.n_elements), substitute))]"
        }
        if let row = node.rowExpr { return try printRow(row, substitute) }
        if let grouping = node.groupingFunc {
            return "GROUPING(\(try list(NodeList(grouping.pointee.args, grouping.pointee.n_args), substitute)))"
        }
        if let value = node.sqlvalueFunction { return try printValueFunction(value) }
        if let indirection = node.indirection { return try printIndirection(indirection, substitute) }
        if let argument = node.namedArgExpr {
            return "\(SQLText.quoted(text(argument.pointee.name))) => \(try print(Node(argument.pointee.arg), substitute))"
        }
        throw refusal("an expression")
    }

    private func printCase(_ choice: Message<PgQuery__CaseExpr>, _ substitute: Substitution) throws(Refusal) -> String {
        var text = "CASE"
        if let argument = Node(choice.pointee.arg) { text += " " + (try print(argument, substitute)) }
        for when in NodeList(choice.pointee.args, choice.pointee.n_args).nodes.compactMap(\.caseWhen) {
            text += " WHEN \(try print(Node(when.pointee.expr), substitute)) THEN \(try print(Node(when.pointee.result), substitute))"
        }
        if let otherwise = Node(choice.pointee.defresult) { text += " ELSE " + (try print(otherwise, substitute)) }
        return text + " END"
    }

    private func printBooleanTest(_ test: Message<PgQuery__BooleanTest>, _ substitute: Substitution) throws(Refusal) -> String {
        let words = ["", "IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE", "IS UNKNOWN", "IS NOT UNKNOWN"]
        let index = Int(test.pointee.booltesttype.rawValue)
        guard words.indices.contains(index), index > 0 else { throw refusal("a test") }
        return "(\(try print(Node(test.pointee.arg), substitute)) \(words[index]))"
    }

    private func printRow(_ row: Message<PgQuery__RowExpr>, _ substitute: Substitution) throws(Refusal) -> String {
        let arguments = try list(NodeList(row.pointee.args, row.pointee.n_args), substitute)
        return row.pointee.row_format == PG_QUERY__COERCION_FORM__COERCE_EXPLICIT_CALL ? "ROW(\(arguments))" : "(\(arguments))"
    }

    private func printValueFunction(_ value: Message<PgQuery__SQLValueFunction>) throws(Refusal) -> String {
        let words = [
            "", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIME",
            "LOCALTIMESTAMP", "LOCALTIMESTAMP", "CURRENT_ROLE", "CURRENT_USER", "USER", "SESSION_USER", "CURRENT_CATALOG", "CURRENT_SCHEMA",
        ]
        let index = Int(value.pointee.op.rawValue)
        guard words.indices.contains(index), index > 0 else { throw refusal("a value") }
        let hasPrecision = [3, 5, 7, 9].contains(index)
        return words[index] + (hasPrecision ? "(\(value.pointee.typmod))" : "")
    }

    private func printIndirection(_ indirection: Message<PgQuery__AIndirection>, _ substitute: Substitution) throws(Refusal) -> String {
        var text = "(\(try print(Node(indirection.pointee.arg), substitute)))"
        for step in NodeList(indirection.pointee.indirection, indirection.pointee.n_indirection).nodes {
            if let field = step.string {
                text += "." + SQLText.quoted(field)
            } else if let index = step.indices {
                let lower = try Node(index.pointee.lidx).map { (node) throws(Refusal) in try print(node, substitute) } ?? ""
                let upper = try Node(index.pointee.uidx).map { (node) throws(Refusal) in try print(node, substitute) } ?? ""
                text += index.pointee.is_slice != 0 ? "[\(lower):\(upper)]" : "[\(upper)]"
            } else {
                throw refusal("an expression")
            }
        }
        return text
    }

    /// A type's name with its modifiers.
    func printType(_ name: Message<PgQuery__TypeName>?) throws(Refusal) -> String {
        guard let name, name.pointee.setof == 0, name.pointee.pct_type == 0 else { throw refusal("a type") }
        let names = NodeList(name.pointee.names, name.pointee.n_names).strings
        let modifiers = NodeList(name.pointee.typmods, name.pointee.n_typmods)
        // The grammar makes names of its own types pg_catalog's; only those with keywords print otherwise.
        if names == ["pg_catalog", "interval"], !modifiers.isEmpty { throw refusal("an interval with fields") }
        var text = names.map(SQLText.quoted).joined(separator: ".")
        if !modifiers.isEmpty { text += "(\(try list(modifiers) { _ throws(Refusal) in nil }))" }
        for bound in NodeList(name.pointee.array_bounds, name.pointee.n_array_bounds) {
            guard let size = bound?.integerNode?.pointee.ival else { throw refusal("an array type") }
            text += size < 0 ? "[]" : "[\(size)]"
        }
        return text
    }
}
