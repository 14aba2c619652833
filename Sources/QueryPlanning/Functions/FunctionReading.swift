// FunctionReading: what the functions of a database do and read, from their declarations and their bodies. Done once a catalog.
//
//   declaration   COMMENT ON FUNCTION f IS 'pgbraid: reads none' (or `reads reference`; `key = argument 1` or `local`: see KeyedFunction)
//   extension     functions of well-known extensions that only compute
//   SQL body      parsed: SELECTs whose tables are all reference tables
//   PL/pgSQL      read by its tokens: without any word that reaches a table or runs text it can only compute. (libpg_query
//                 has a PL/pgSQL parser too; a proxy that parses every function it finds cannot afford its crashes.)
//
// Names in bodies are resolved wherever they could be found, as search_path is the caller's: a table must be a reference table
// in every schema that has one of its name, and all functions of a name must be harmless.
import CPGQuery
import Primitives

struct FunctionReading {
    /// The same catalog with `CatalogFunction.known` filled in. Functions that call each other are settled in a few rounds.
    static func reading(_ catalog: Catalog) -> Catalog {
        var catalog = catalog
        for _ in 0..<4 {
            var facts = catalog.facts
            let reading = FunctionReading(catalog)
            var isChanged = false
            for (name, functions) in facts.functions {
                for index in functions.indices where functions[index].known == nil {
                    guard let known = reading.known(functions[index]) else { continue }
                    facts.functions[name]?[index].known = known
                    isChanged = true
                }
            }
            guard isChanged else { return catalog }
            catalog = Catalog(relations: catalog.relations, facts: facts)
        }
        return catalog
    }

    private let catalog: Catalog
    private let environment: PlanningEnvironment

    private init(_ catalog: Catalog) {
        self.catalog = catalog
        let schemas = ["pg_catalog"] + catalog.facts.schemas.filter { $0 != "pg_catalog" }.sorted()
        environment = PlanningEnvironment(catalog: catalog, searchPath: schemas, number: 0, temporaryTables: [], shardCount: 2)
    }

    /// What can be told of a function; nil: nothing.
    private func known(_ function: CatalogFunction) -> KnownFunction? {
        if function.kind != "f" { return nil }
        let isDeclared = Self.declaresHarmless(function.comment)
        if isDeclared || Self.isPlainExtension(function) {
            return KnownFunction(
                effect: function.volatility == .volatile ? .freshValue : .none, volatility: function.volatility,
                tableNames: Self.identifiers(in: function), isDeclared: isDeclared && readBody(of: function) == nil)
        }
        return readBody(of: function)
    }

    private func readBody(of function: CatalogFunction) -> KnownFunction? {
        guard function.body.utf8.count <= Self.bodyLimitBytes else { return nil }
        switch function.language {
        case "sql": return readSQL(function.body)
        case "plpgsql": return readTokens(function.body)
        default: return nil
        }
    }

    /// Longer bodies are not read.
    private static let bodyLimitBytes = 64 << 10

    static func declaresHarmless(_ comment: String?) -> Bool {
        guard let comment, let mark = comment.firstRange(of: "pgbraid:") else { return false }
        let words = comment[mark.upperBound...].split { $0 == " " || $0 == "\n" || $0 == "\t" || $0 == ";" || $0 == "." }.prefix(2)
        return words == ["reads", "none"] || words == ["reads", "reference"]
    }

    /// Extensions whose functions only compute; of pg_trgm two handle a setting.
    private static let plainExtensions: Set<String> = [
        "pgcrypto", "uuid-ossp", "citext", "hstore", "pg_trgm", "unaccent", "fuzzystrmatch", "cube", "earthdistance", "ltree", "intarray",
        "btree_gin", "btree_gist", "seg", "isn", "vector",
    ]

    /// The names in the body of a function that is declared to read reference tables: these are among them.
    private static func identifiers(in function: CatalogFunction) -> Set<String> {
        guard function.comment?.firstRange(of: "reads reference") != nil, function.body.utf8.count <= bodyLimitBytes, let list = try? StatementTokens(function.body)
        else { return [] }
        return Set(list.tokens.map { token in
            let word = list.text(token)
            return word.first == "\"" ? String(word.dropFirst().dropLast()) : word.lowercased()
        })
    }

    private static func isPlainExtension(_ function: CatalogFunction) -> Bool {
        guard let name = function.extensionName, plainExtensions.contains(name), function.language != "plpgsql" else { return false }
        return function.name != "set_limit" && function.name != "show_limit"
    }
}

extension FunctionReading {
    /// A body of SQL: queries only, over reference tables.
    private func readSQL(_ body: String) -> KnownFunction? {
        guard let text = Self.statements(of: body), let tree = try? Self.parsed(text) else { return nil }
        let context = AnalysisContext(environment: environment, text: text, range: 0..<text.utf8.count)
        var inspection = ExpressionInspection(context)
        var readsTables = false
        var tableNames: Set<String> = []
        for statement in tree.statements {
            guard isPlainQuery(statement.node) else { return nil }
            let commonTables = Self.commonTables(statement.node)
            for table in TableReference.all(in: statement.node) where table.schema != nil || !commonTables.contains(table.name) {
                guard isReferenceEverywhere(table) else { return nil }
                readsTables = true
                if table.schema == nil { tableNames.insert(table.name) }
            }
            inspection.add(statement.node)
        }
        guard let effect = Self.harmlessEffect(inspection.effects) else { return nil }
        return KnownFunction(
            effect: effect, volatility: readsTables ? max(inspection.volatility, .stable) : inspection.volatility,
            tableNames: tableNames.union(inspection.tableNames))
    }

    /// The statements of a body; those of BEGIN ATOMIC and RETURN without these words.
    private static func statements(of body: String) -> String? {
        let words = body.split(whereSeparator: \.isWhitespace)
        guard let first = words.first?.lowercased() else { return nil }
        if first == "return" { return "SELECT" + body.drop(while: \.isWhitespace).dropFirst(6) }
        guard first == "begin" else { return body }
        guard words.count > 3, words[1].lowercased() == "atomic", words[words.count - 1].lowercased() == "end" else { return nil }
        return String(body[words[1].endIndex..<words[words.count - 1].startIndex])
    }

    private static func parsed(_ text: String) throws(Refusal) -> ParseTree {
        let result: Result<Void, Refusal> = Array(text.utf8).withUnsafeBytes { bytes in
            do throws(Refusal) { return .success(try StatementGuard.check(bytes, depthLimit: Limits().statementDepth, tokenLimit: Limits().statementTokens)) } catch { return .failure(error) }
        }
        try result.get()
        return try ParseTree(text)
    }

    private func isPlainQuery(_ node: Node) -> Bool {
        guard node.selectStmt != nil else { return false }
        return TreeWalk.nodes(under: node) { child in
            let writes = child.insertStmt != nil || child.updateStmt != nil || child.deleteStmt != nil || child.mergeStmt != nil
            let select = child.selectStmt?.pointee
            return writes || select?.into_clause != nil || select?.n_locking_clause ?? 0 > 0 ? .stop : .descend
        }
    }

    private static func commonTables(_ node: Node) -> Set<String> {
        var names: Set<String> = []
        TreeWalk.nodes(under: node) { child in
            if let item = child.commonTableExpr { names.insert(text(item.pointee.ctename)) }
            return .descend
        }
        return names
    }

    private func isReferenceEverywhere(_ table: TableReference) -> Bool {
        let candidates = catalog.facts.schemas.filter { table.schema == nil || $0 == table.schema }
            .compactMap { catalog.relation(schema: $0, name: table.name, searchPath: []) }
        return !candidates.isEmpty && candidates.allSatisfy { $0.placement == .reference && $0.kind != "v" && !$0.hasRowSecurity }
    }

    /// The worst of harmless effects; nil if one is not harmless.
    private static func harmlessEffect(_ effects: Set<FunctionEffect>) -> FunctionEffect? {
        guard effects.isSubset(of: [.none, .transactionTime, .freshValue]) else { return nil }
        return effects.contains(.freshValue) ? .freshValue : effects.contains(.transactionTime) ? .transactionTime : FunctionEffect.none
    }
}

extension FunctionReading {
    /// A body of PL/pgSQL by its tokens.
    private func readTokens(_ body: String) -> KnownFunction? {
        let context = AnalysisContext(environment: environment, text: body, range: 0..<body.utf8.count)
        guard let tokens = try? StatementTokens(context) else { return nil }
        var effects: Set<FunctionEffect> = [.none]
        var volatility = Volatility.immutable
        var tableNames: Set<String> = []
        for index in tokens.tokens.indices {
            // A name of escapes could be any.
            if tokens.tokens[index].kind == PG_QUERY__TOKEN__UIDENT { return nil }
            let word = tokens.text(tokens.tokens[index]).lowercased()
            if Self.reachingWords.contains(word), !isOperatorFrom(tokens, index) { return nil }
            if Self.timeWords.contains(word) { effects.insert(.transactionTime) }
            if catalog.facts.operators[word] != nil { return nil }
            guard let name = identifier(word, tokens, index) else { continue }
            let own = catalog.facts.functions[name] ?? []
            for function in own {
                guard function.volatility == .immutable || function.known != nil else { return nil }
                effects.insert(function.known?.effect ?? .none)
                volatility = max(volatility, function.known?.volatility ?? .immutable)
                tableNames.formUnion(function.known?.tableNames ?? [])
            }
            guard let builtIn = BuiltInFunctions.byName[name] else { continue }
            for function in builtIn {
                effects.insert(FunctionEffects.effect(name: name, argumentCount: function.argumentTypeOIDs.count, volatility: function.volatility))
                volatility = max(volatility, function.volatility)
            }
        }
        guard let effect = Self.harmlessEffect(effects) else { return nil }
        return KnownFunction(effect: effect, volatility: volatility, tableNames: tableNames)
    }

    /// The name a token may call a function by: followed by a parenthesis, or anything that is a function of the database
    /// (a function of one argument can be written like a column).
    private func identifier(_ word: String, _ tokens: StatementTokens, _ index: Int) -> String? {
        let next = index + 1
        let isCall = next < tokens.tokens.count && tokens.tokens[next].kind == PG_QUERY__TOKEN__ASCII_40
        let name = word.first == "\"" ? String(tokens.text(tokens.tokens[index]).dropFirst().dropLast()) : word
        return isCall || catalog.facts.functions[name] != nil ? name : nil
    }

    /// FROM of IS DISTINCT FROM and of EXTRACT(field FROM value).
    private func isOperatorFrom(_ tokens: StatementTokens, _ index: Int) -> Bool {
        guard tokens.tokens[index].kind == PG_QUERY__TOKEN__FROM, index >= 3 else { return false }
        let words = (1...3).map { tokens.text(tokens.tokens[index - $0]).lowercased() }
        return words[0] == "distinct" && (words[1] == "is" || words[1] == "not") || words[1] == "(" && words[2] == "extract"
    }

    /// Words without which PL/pgSQL reaches no table, setting, sequence, lock or other code than by calling a function.
    private static let reachingWords: Set<String> = [
        "from", "join", "table", "insert", "update", "delete", "merge", "into", "copy", "truncate", "lock", "execute", "perform", "call",
        "do", "open", "fetch", "move", "close", "cursor", "create", "alter", "drop", "set", "reset", "notify", "listen", "unlisten",
        "vacuum", "analyze", "analyse", "commit", "rollback", "savepoint", "query", "prepare", "deallocate", "grant", "revoke", "refresh",
        "reindex", "cluster", "comment", "discard", "import", "security", "reassign", "load", "checkpoint", "show", "explain",
    ]

    private static let timeWords: Set<String> = [
        "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "'now'", "'today'", "'tomorrow'", "'yesterday'",
    ]
}
