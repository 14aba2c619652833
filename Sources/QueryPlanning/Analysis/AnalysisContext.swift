// AnalysisContext: what is known beside the tree while one statement is analysed.

/// The surroundings of the statement under analysis.
struct AnalysisContext {
    let environment: PlanningEnvironment
    /// The text of the whole message, which may hold several statements; locations in the tree are byte offsets in it.
    let text: String
    /// The statement's bytes in the text, without the semicolon; may begin and end with white space and comments.
    let range: Range<Int>
    /// Declared types of `$1`, `$2`, ...; 0 or missing where the client left them open.
    let parameterTypes: [UInt32]
    /// A pass-through plan was made before, but its keys lie on several shards: plan for that.
    let acrossShards: Bool
    /// The statement is only explained: ctid and its kin are told of nobody. postgres_fdw asks so what to expect of an UPDATE, also
    /// where it then sends another one.
    let isExplained: Bool

    init(
        environment: PlanningEnvironment, text: String, range: Range<Int>, parameterTypes: [UInt32] = [], acrossShards: Bool = false,
        isExplained: Bool = false
    ) {
        self.environment = environment
        self.text = text
        self.range = range
        self.parameterTypes = parameterTypes
        self.acrossShards = acrossShards
        self.isExplained = isExplained
    }

    /// The same surroundings for another text.
    func replacingText(_ text: String) -> AnalysisContext {
        AnalysisContext(
            environment: environment, text: text, range: 0..<text.utf8.count, parameterTypes: parameterTypes, acrossShards: acrossShards,
            isExplained: isExplained)
    }

    /// The same statement where another shard is addressed, or none, of so many.
    func addressing(_ shard: Int?, shardCount: Int) -> AnalysisContext {
        var environment = environment
        environment.addressedShard = shard
        environment.shardCount = shardCount
        return AnalysisContext(
            environment: environment, text: text, range: range, parameterTypes: parameterTypes, acrossShards: acrossShards, isExplained: isExplained)
    }

    /// The statement's own text.
    var statementText: String { slice(range) }

    /// The text of a byte range.
    func slice(_ range: Range<Int>) -> String {
        let bytes = text.utf8
        let start = bytes.index(bytes.startIndex, offsetBy: range.lowerBound)
        return String(decoding: bytes[start..<bytes.index(start, offsetBy: range.count)], as: UTF8.self)
    }

    /// The literal that begins at a byte of the text, a minus before a number included.
    func literal(at offset: Int) -> String {
        let rest = text.utf8.dropFirst(offset)
        if rest.first == UInt8(ascii: "'"), let end = rest.dropFirst().firstIndex(of: UInt8(ascii: "'")) { return String(text[rest.startIndex...end]) }
        let sign = rest.prefix { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: " ") }
        let digits = rest.dropFirst(sign.count).prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        return String(text[rest.startIndex..<digits.endIndex])
    }

    /// The relation a table name means; nil for unknown names. Temp tables are not relations: ask `isTemporary` first.
    func relation(schema: String?, name: String) -> Relation? {
        environment.catalog.relation(schema: schema, name: name, searchPath: environment.searchPath)
    }

    /// Whether the name means one of the session's temp tables.
    func isTemporary(schema: String?, name: String) -> Bool { environment.isTemporary(schema: schema, name: name) }

    /// The position PostgreSQL reports for a byte of the text: in characters, from 1.
    func characterPosition(ofByte offset: Int) -> Int {
        text.utf8.prefix(offset).reduce(1) { $1 & 0xC0 == 0x80 ? $0 : $0 + 1 }
    }
}
