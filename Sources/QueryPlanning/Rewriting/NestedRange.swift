// NestedRange: where a subquery or an expression stands in the text. The tree has locations of names and operators only, so
// that what is around the first of them is tried until it gives the same tree.
import CPGQuery
import Glibc

extension TokenList {
    /// The tokens of a nested query, its parentheses left out.
    func range(of query: Node, _ context: AnalysisContext) -> Range<Int>? {
        guard let location = TreeWalk.firstLocation(below: query.message) else { return nil }
        guard let inside = tokens.lastIndex(where: { $0.range.lowerBound <= location }) else { return nil }
        var index = inside
        while index >= 0 {
            if tokens[index].kind == PG_QUERY__TOKEN__ASCII_40, let close = closing(index), close > inside, close > index + 1 {
                let range = index + 1..<close
                let text = context.slice(bytes(range))
                if let tree = try? ParseTree(text), tree.statements.count == 1,
                    TreeComparison.isEqual(tree.statements[0].node, query)
                {
                    return range
                }
            }
            index -= 1
        }
        return nil
    }

    /// The tokens of a condition that stands between AND, WHERE, ON and what follows these.
    func range(ofExpression expression: Node, _ context: AnalysisContext) -> Range<Int>? {
        guard let first = TreeWalk.firstLocation(below: expression.message), let last = TreeWalk.lastLocation(below: expression.message),
            var start = index(startingAt: first), let inside = index(startingAt: last)
        else { return nil }
        // The expression may begin with parentheses, which have no location.
        for _ in 0...Self.maximumParentheses {
            let range = start..<end(ofExpressionFrom: start, past: inside)
            if let tree = try? ParseTree("SELECT " + context.slice(bytes(range))), tree.statements.count == 1,
                let select = tree.statements[0].node.selectStmt?.pointee, select.n_target_list == 1, select.from_clause == nil,
                let value = NodeList(select.target_list, 1)[0]?.resTarget.flatMap({ Node($0.pointee.val) }),
                TreeComparison.isEqual(value, expression)
            {
                return range
            }
            guard kind(start - 1) == PG_QUERY__TOKEN__ASCII_40 else { return nil }
            start -= 1
        }
        return nil
    }

    /// Each means to parse the expression once more.
    private static let maximumParentheses = 8

    private func end(ofExpressionFrom start: Int, past inside: Int) -> Int {
        var depth = 0
        for index in start..<count {
            if Self.closes(tokens[index].kind) {
                if depth == 0 { return index }
                depth -= 1
            }
            if depth == 0, index > inside, Self.endings.contains(tokens[index].kind.rawValue) { return index }
            if Self.opens(tokens[index].kind) { depth += 1 }
        }
        return count
    }

    /// What follows a condition.
    private static let endings: Set<UInt32> = Set([
        PG_QUERY__TOKEN__AND, PG_QUERY__TOKEN__WHERE, PG_QUERY__TOKEN__GROUP_P, PG_QUERY__TOKEN__HAVING, PG_QUERY__TOKEN__WINDOW,
        PG_QUERY__TOKEN__ORDER, PG_QUERY__TOKEN__LIMIT, PG_QUERY__TOKEN__OFFSET, PG_QUERY__TOKEN__FETCH, PG_QUERY__TOKEN__UNION,
        PG_QUERY__TOKEN__INTERSECT, PG_QUERY__TOKEN__EXCEPT, PG_QUERY__TOKEN__JOIN, PG_QUERY__TOKEN__INNER_P, PG_QUERY__TOKEN__LEFT,
        PG_QUERY__TOKEN__RIGHT, PG_QUERY__TOKEN__FULL, PG_QUERY__TOKEN__CROSS, PG_QUERY__TOKEN__NATURAL, PG_QUERY__TOKEN__ASCII_44,
        PG_QUERY__TOKEN__ON, PG_QUERY__TOKEN__FOR,
    ].map(\.rawValue))
}

extension TreeWalk {
    /// The greatest location of anything below a message.
    static func lastLocation(below message: Message<ProtobufCMessage>) -> Int? {
        var last = location(of: message)
        _ = forEachField(of: message) { child in
            if let found = lastLocation(below: child) { last = max(last ?? found, found) }
            return true
        }
        return last
    }

    /// The least location of anything below a message.
    static func firstLocation(below message: Message<ProtobufCMessage>) -> Int? {
        var first = location(of: message)
        _ = forEachField(of: message) { child in
            if let found = firstLocation(below: child) { first = min(first ?? found, found) }
            return true
        }
        return first
    }

    private static func location(of message: Message<ProtobufCMessage>) -> Int? {
        guard let descriptor = message.pointee.descriptor else { return nil }
        for index in 0..<Int(descriptor.pointee.n_fields) {
            let field = descriptor.pointee.fields[index]
            guard field.type == PROTOBUF_C_TYPE_INT32, strcmp(field.name, "location") == 0 else { continue }
            let value = UnsafeMutableRawPointer(message).load(fromByteOffset: Int(field.offset), as: Int32.self)
            // A nested query cannot stand at the start of the text; 0 is an absent location.
            return value > 0 ? Int(value) : nil
        }
        return nil
    }
}
