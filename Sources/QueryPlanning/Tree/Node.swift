// Node: thin access to libpg_query's parse tree. A node is a pointer into memory that a ParseTree owns; nothing of it may
// outlive that tree, so everything that leaves this module is copied out first.
import CPGQuery

/// One node of the parse tree: a kind and a message of that kind.
struct Node: Equatable {
    let pointer: Message<PgQuery__Node>

    /// nil for an absent node: C's NULL, and the empty node that stands for a NULL list element.
    init?(_ pointer: Message<PgQuery__Node>?) {
        guard let pointer, pointer.pointee.node_case != PG_QUERY__NODE__NODE__NOT_SET else { return nil }
        self.pointer = pointer
    }

    var kind: PgQuery__Node__NodeCase { pointer.pointee.node_case }

    /// The message itself, whatever its kind, for `TreeWalk`.
    var message: Message<ProtobufCMessage> { UnsafeMutableRawPointer(pointer.pointee.alias).assumingMemoryBound(to: ProtobufCMessage.self) }

    /// The text of a String node (names are lists of these), else nil.
    var string: String? { stringNode.map { text($0.pointee.sval) } }
}

/// The text of a C string of the tree; absent strings are empty there.
func text(_ string: UnsafeMutablePointer<CChar>?) -> String {
    guard let string else { return "" }
    return String(cString: string)
}

/// The text of a C string of the tree, nil when it is absent or empty.
func nonEmptyText(_ string: UnsafeMutablePointer<CChar>?) -> String? {
    guard let string, string.pointee != 0 else { return nil }
    return String(cString: string)
}

/// A repeated field of nodes.
struct NodeList: RandomAccessCollection {
    typealias Pointers = UnsafeMutablePointer<Message<PgQuery__Node>?>
    private let pointers: Pointers?
    private let length: Int

    init(_ pointers: Pointers?, _ length: Int) {
        self.pointers = pointers
        self.length = pointers == nil ? 0 : length
    }

    var startIndex: Int { 0 }
    var endIndex: Int { length }

    /// nil for an absent element (the trailing NULLs of some lists).
    subscript(position: Int) -> Node? { Node(pointers?[position]) }

    /// The elements that are present.
    var nodes: [Node] { compactMap { $0 } }
    /// The elements that are strings, as for qualified names.
    var strings: [String] { compactMap { $0?.string } }
}
