// NestedRange: where a subquery stands in the text. The tree has locations of names and operators only, so that the
// parentheses around the first of them are tried, the innermost first, until one holds the same tree.
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
}

extension TreeWalk {
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
