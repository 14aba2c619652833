// TreeWalk: visits every message below a message by protobuf's own field descriptors, so that no kind of node, today's or a
// later version's, can be forgotten. Used where the question is "does anything in here ...".
import CPGQuery
import Glibc

/// Whether a walk goes below the visited message.
enum WalkDecision {
    case descend
    case skip
    case stop
}

enum TreeWalk {
    /// Visits the node's message and all messages below it, parents first. `visit` gets nodes only (every message but the
    /// few that fields hold directly, such as RangeVar in `relation`, WithClause or larg / rarg of a SelectStmt; these are
    /// passed through `visitMessage`).
    /// - Returns: false when a visit stopped the walk.
    @discardableResult
    static func nodes(under node: Node, _ visit: (Node) -> WalkDecision) -> Bool {
        switch visit(node) {
        case .stop: return false
        case .skip: return true
        case .descend: return children(of: node.message, visit)
        }
    }

    /// Visits all nodes below a message that is not wrapped in a node.
    @discardableResult
    static func nodes<T>(below message: Message<T>, _ visit: (Node) -> WalkDecision) -> Bool {
        children(of: UnsafeMutableRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self), visit)
    }

    private static func children(of message: Message<ProtobufCMessage>, _ visit: (Node) -> WalkDecision) -> Bool {
        forEachField(of: message) { child in
            if let node = asNode(child) { return nodes(under: node, visit) }
            return isNode(child) || children(of: child, visit)
        }
    }

    static func isNode(_ message: Message<ProtobufCMessage>) -> Bool {
        guard let descriptor = message.pointee.descriptor else { return false }
        return strcmp(descriptor.pointee.short_name, "Node") == 0
    }

    static func asNode(_ message: Message<ProtobufCMessage>) -> Node? {
        guard isNode(message) else { return nil }
        return Node(UnsafeMutableRawPointer(message).assumingMemoryBound(to: PgQuery__Node.self))
    }

    /// Calls `body` for each message in the message's fields, in field order; stops when it returns false.
    static func forEachField(of message: Message<ProtobufCMessage>, _ body: (Message<ProtobufCMessage>) -> Bool) -> Bool {
        guard let descriptor = message.pointee.descriptor else { return true }
        let base = UnsafeMutableRawPointer(message)
        for index in 0..<Int(descriptor.pointee.n_fields) {
            let field = descriptor.pointee.fields[index]
            guard field.type == PROTOBUF_C_TYPE_MESSAGE else { continue }
            if field.label == PROTOBUF_C_LABEL_REPEATED {
                let count = base.load(fromByteOffset: Int(field.quantifier_offset), as: Int.self)
                guard let items = base.load(
                    fromByteOffset: Int(field.offset), as: UnsafeMutablePointer<Message<ProtobufCMessage>?>?.self)
                else { continue }
                for item in 0..<count {
                    if let child = items[item], !body(child) { return false }
                }
            } else {
                let isChoice = field.flags & UInt32(PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue) != 0
                if isChoice, base.load(fromByteOffset: Int(field.quantifier_offset), as: UInt32.self) != field.id { continue }
                guard let child = base.load(fromByteOffset: Int(field.offset), as: Message<ProtobufCMessage>?.self) else { continue }
                if !body(child) { return false }
            }
        }
        return true
    }
}
