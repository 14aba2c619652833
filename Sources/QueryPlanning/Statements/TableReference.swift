// TableReference: the names of relations in a statement, wherever in its tree they stand.
import CPGQuery
import Glibc

/// A relation as a statement names it.
struct TableReference: Equatable {
    var schema: String?
    var name: String
    /// Byte offset in the text; -1 where the grammar keeps none.
    var location: Int

    init(schema: String?, name: String, location: Int = -1) {
        self.schema = schema
        self.name = name
        self.location = location
    }

    init(_ rangeVar: Message<PgQuery__RangeVar>) {
        schema = nonEmptyText(rangeVar.pointee.schemaname)
        name = text(rangeVar.pointee.relname)
        location = Int(rangeVar.pointee.location)
    }

    /// A name as a list of identifiers: `name`, `schema.name` or `database.schema.name`.
    init?(identifiers: [String]) {
        guard let name = identifiers.last else { return nil }
        self.init(schema: identifiers.count > 1 ? identifiers[identifiers.count - 2] : nil, name: name)
    }

    func isTemporary(in context: AnalysisContext) -> Bool {
        schema == SearchPath.temporary || context.isTemporary(schema: schema, name: name)
    }

    func relation(in context: AnalysisContext) -> Relation? {
        isTemporary(in: context) ? nil : context.relation(schema: schema, name: name)
    }

    /// For messages.
    var displayName: String { (schema.map { $0 + "." } ?? "") + name }

    /// All relations below a node that the grammar marks as such (RangeVar), in order of the tree.
    static func all(in node: Node) -> [TableReference] {
        var found: [TableReference] = []
        collect(node.message, &found)
        return found
    }

    private static func collect(_ message: Message<ProtobufCMessage>, _ found: inout [TableReference]) {
        if let descriptor = message.pointee.descriptor, strcmp(descriptor.pointee.short_name, "RangeVar") == 0 {
            found.append(TableReference(UnsafeMutableRawPointer(message).assumingMemoryBound(to: PgQuery__RangeVar.self)))
        }
        _ = TreeWalk.forEachField(of: message) { child in
            collect(child, &found)
            return true
        }
    }
}

extension AnalysisContext {
    /// The schema a new object of this name goes to.
    func creationSchema(_ reference: TableReference) -> String {
        reference.schema ?? environment.searchPath.first { $0 != "pg_catalog" } ?? "public"
    }

    /// Whether a new relation is temporary: by the word, by its schema, or because search_path names pg_temp first.
    func makesTemporary(_ target: Message<PgQuery__RangeVar>) -> Bool {
        nonEmptyText(target.pointee.relpersistence) == "t" || creationSchema(TableReference(target)) == SearchPath.temporary
    }

    /// A byte offset of the text as ErrorResponse counts positions: in characters, from 1; 0 for none.
    func position(_ offset: Int) -> Int {
        offset < 0 ? 0 : characterPosition(ofByte: offset)
    }
}
