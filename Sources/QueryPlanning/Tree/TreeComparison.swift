// TreeComparison: whether two subtrees say the same, wherever they stand in their texts.
import CPGQuery
import Glibc

enum TreeComparison {
    /// Decides for two nodes; nil leaves the decision to the comparison of their fields.
    typealias Override = (Node, Node) -> Bool?

    /// Compares everything but locations. O(size).
    static func isEqual(_ left: Node, _ right: Node, _ override: Override = { _, _ in nil }) -> Bool {
        guard left.kind == right.kind else { return false }
        if let decided = override(left, right) { return decided }
        return isEqual(left.message, right.message, override)
    }

    static func isEqual<T>(_ left: Message<T>, _ right: Message<T>, _ override: @escaping Override = { _, _ in nil }) -> Bool {
        isEqual(
            UnsafeMutableRawPointer(left).assumingMemoryBound(to: ProtobufCMessage.self),
            UnsafeMutableRawPointer(right).assumingMemoryBound(to: ProtobufCMessage.self), override)
    }

    private static func isEqual(
        _ left: Message<ProtobufCMessage>, _ right: Message<ProtobufCMessage>, _ override: Override
    ) -> Bool {
        guard let descriptor = left.pointee.descriptor, descriptor == right.pointee.descriptor else { return false }
        for index in 0..<Int(descriptor.pointee.n_fields) {
            let field = descriptor.pointee.fields[index]
            if strcmp(field.name, "location") == 0 || strcmp(field.name, "stmt_location") == 0 { continue }
            if strcmp(field.name, "stmt_len") == 0 { continue }
            guard isEqual(field, UnsafeMutableRawPointer(left), UnsafeMutableRawPointer(right), override) else { return false }
        }
        return true
    }

    private static func isEqual(
        _ field: ProtobufCFieldDescriptor, _ left: UnsafeMutableRawPointer, _ right: UnsafeMutableRawPointer, _ override: Override
    ) -> Bool {
        let offset = Int(field.offset)
        if field.label == PROTOBUF_C_LABEL_REPEATED {
            let count = left.load(fromByteOffset: Int(field.quantifier_offset), as: Int.self)
            guard count == right.load(fromByteOffset: Int(field.quantifier_offset), as: Int.self) else { return false }
            guard count > 0, field.type == PROTOBUF_C_TYPE_MESSAGE else { return count == 0 }
            typealias Items = UnsafeMutablePointer<Message<ProtobufCMessage>?>?
            guard let ours = left.load(fromByteOffset: offset, as: Items.self),
                let theirs = right.load(fromByteOffset: offset, as: Items.self)
            else { return false }
            return (0..<count).allSatisfy { isEqualChild(ours[$0], theirs[$0], override) }
        }
        if field.flags & UInt32(PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue) != 0 {
            let ours = left.load(fromByteOffset: Int(field.quantifier_offset), as: UInt32.self)
            let theirs = right.load(fromByteOffset: Int(field.quantifier_offset), as: UInt32.self)
            if ours != theirs { return false }
            if ours != field.id { return true }
        }
        switch field.type {
        case PROTOBUF_C_TYPE_MESSAGE:
            return isEqualChild(
                left.load(fromByteOffset: offset, as: Message<ProtobufCMessage>?.self),
                right.load(fromByteOffset: offset, as: Message<ProtobufCMessage>?.self), override)
        case PROTOBUF_C_TYPE_STRING:
            let ours = left.load(fromByteOffset: offset, as: UnsafePointer<CChar>?.self)
            let theirs = right.load(fromByteOffset: offset, as: UnsafePointer<CChar>?.self)
            guard let ours, let theirs else { return ours == theirs }
            return strcmp(ours, theirs) == 0
        case PROTOBUF_C_TYPE_INT64, PROTOBUF_C_TYPE_UINT64, PROTOBUF_C_TYPE_DOUBLE:
            return left.load(fromByteOffset: offset, as: UInt64.self) == right.load(fromByteOffset: offset, as: UInt64.self)
        default:
            return left.load(fromByteOffset: offset, as: UInt32.self) == right.load(fromByteOffset: offset, as: UInt32.self)
        }
    }

    private static func isEqualChild(
        _ left: Message<ProtobufCMessage>?, _ right: Message<ProtobufCMessage>?, _ override: Override
    ) -> Bool {
        guard let left, let right else { return left == nil && right == nil }
        if TreeWalk.isNode(left), TreeWalk.isNode(right) {
            let one = TreeWalk.asNode(left)
            let other = TreeWalk.asNode(right)
            guard let one, let other else { return one == nil && other == nil }
            return isEqual(one, other, override)
        }
        return isEqual(left, right, override)
    }
}
