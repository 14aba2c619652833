// CopyOptionReader: the options of COPY, in today's and in the older syntax, which the grammar turns into the same.
//
// Source: PostgreSQL manual, COPY; `ProcessCopyOptions` in src/backend/commands/copy.c.
import CPGQuery

struct CopyOptionReader {
    private(set) var options = CopyOptions()
    private var forcedNull: [String]? = []
    private var forcedNotNull: [String]? = []

    /// - Throws: for options the proxy cannot follow; wrong ones are left to the shards.
    init(_ statement: PgQuery__CopyStmt, _ context: AnalysisContext) throws(Refusal) {
        let elements = NodeList(statement.options, statement.n_options).nodes.compactMap(\.defElem)
        options.format = Self.format(statement)
        if options.format == .csv {
            options.delimiter = UInt8(ascii: ",")
            options.null = ""
        }
        for element in elements { try read(element, context) }
        let hasEscape = elements.contains { text($0.pointee.defname) == "escape" }
        if !hasEscape { options.escape = options.quote }
    }

    static func format(_ statement: PgQuery__CopyStmt) -> CopyFormat {
        let elements = NodeList(statement.options, statement.n_options).nodes.compactMap(\.defElem)
        switch elements.last(where: { text($0.pointee.defname) == "format" }).flatMap({ DefinitionOption.string($0) }) {
        case "csv": return .csv
        case "binary": return .binary
        default: return .text
        }
    }

    private mutating func read(_ element: Message<PgQuery__DefElem>, _ context: AnalysisContext) throws(Refusal) {
        let value = DefinitionOption.string(element)
        switch text(element.pointee.defname) {
        case "delimiter": options.delimiter = try byte(value, "delimiter")
        case "null": options.null = value ?? options.null
        case "quote": options.quote = try byte(value, "quote")
        case "escape": options.escape = try byte(value, "escape")
        case "header": options.hasHeader = value?.lowercased() == "match" || DefinitionOption.isTrue(element)
        case "force_null": forcedNull = Self.columns(element)
        case "force_not_null": forcedNotNull = Self.columns(element)
        case "encoding":
            let encoding = context.environment.catalog.facts.database.encoding
            guard let value, value.lowercased().filter({ $0.isLetter || $0.isNumber }) != encoding.lowercased() else { return }
            throw Refusal(
                "0A000", "COPY with ENCODING '\(value)' is not supported", hint: "Convert the data to the server's encoding \(encoding).")
        case "default", "on_error", "reject_limit":
            // Which rows have the key, and which are left out, the proxy would not know.
            guard context.environment.shardCount > 1 else { return }
            throw Refusal("0A000", "COPY with \(text(element.pointee.defname).uppercased()) is not supported")
        default: return
        }
    }

    private func byte(_ value: String?, _ option: String) throws(Refusal) -> UInt8 {
        guard let value, value.utf8.count == 1, let byte = value.utf8.first else {
            throw Refusal("0A000", "COPY \(option) must be a single one-byte character")
        }
        return byte
    }

    /// The columns of FORCE_NULL and FORCE_NOT_NULL; nil for all of them.
    private static func columns(_ element: Message<PgQuery__DefElem>) -> [String]? {
        guard let list = Node(element.pointee.arg)?.listNode else { return nil }
        return NodeList(list.pointee.items, list.pointee.n_items).strings
    }

    /// - Throws: if the data of the key column are read in a way the proxy does not follow.
    func checkKey(_ key: ShardedKey, _ context: AnalysisContext) throws(Refusal) {
        let isForced = [forcedNull, forcedNotNull].contains { $0.map { $0.contains(key.name) } ?? true }
        guard isForced || !context.countsCharacters(of: key) else { return }
        throw Refusal(
            "0A000", "COPY cannot read the sharding key \"\(key.name)\"\(isForced ? " with FORCE_NULL or FORCE_NOT_NULL" : " of type varchar(n) in encoding \(context.environment.catalog.facts.database.encoding)")",
            hint: isForced ? "Leave the key out of the option." : "Change the key's type to text or varchar.")
    }
}
