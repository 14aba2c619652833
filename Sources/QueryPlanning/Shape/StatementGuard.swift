// StatementGuard: keeps texts from the C parser that would overflow its stack, or whose tree would take too much memory.
//
// The tree's size goes by the number of tokens, whatever they are: 150 bytes each for the rows of an INSERT, 500 for a script
// of the shortest statements, measured as the growth of the process while the text was planned. The guard counts them.
//
// libpg_query serialises and unpacks trees recursively and checks no depth, so a chain of a few hundred thousand operators
// could end the process. The guard estimates the tree's depth from the tokens, in one pass, and refuses beyond a limit of
// the same size as PostgreSQL's own (max_stack_depth stops it between 1,000 and 5,000 additions in a row).
//
// The estimate: parentheses, brackets and CASE ... END make a level. Within a level, operators and the keywords that act
// like them make a chain, in which each holds the one before; set operations and joins hold all before them and add up over
// the whole level. A level is as deep as its longest chain, its joins and its deepest inner level together. A new chain
// begins where the grammar keeps lists flat: behind a comma, AND and OR, WHEN, THEN and ELSE of a CASE, and reserved words
// that cannot stand inside an expression. Whatever could be a name, or could stand inside an expression, begins none:
// the estimate may be too high, never too low by more than a constant factor.
//
// Measured with libpg_query 15-4.0.0: the deepest trees take six messages a level (a subquery in an expression), and
// unpacking takes 960 bytes of stack a message, serialising 180. See `stackBytesPerLevel`.

/// Estimates how deep a statement's parse tree is.
struct StatementGuard {
    /// Stack that libpg_query needs for each level of the estimate, in bytes, at most.
    static let stackBytesPerLevel = 6 * 1024

    private struct Level {
        var isCase = false
        var chain = 0
        var longestChain = 0
        var joins = 0
        var deepestInner = 0
        /// BETWEEN waits for its AND.
        var isBetween = false

        var depth: Int { 1 + longestChain + joins + deepestInner }

        mutating func lengthen() {
            chain += 1
            longestChain = max(longestChain, chain)
        }
    }

    private let depthLimit: Int
    private let tokenLimit: Int
    private var tokenCount = 0
    private var levels: [Level] = [Level()]
    private var deepestStatement = 0

    private init(depthLimit: Int, tokenLimit: Int) {
        self.depthLimit = depthLimit
        self.tokenLimit = tokenLimit
    }

    /// Refuses a text whose parse tree may be deeper than `depthLimit`, or that has more tokens than `tokenLimit`. O(bytes).
    /// - Throws: 54001, as PostgreSQL does beyond max_stack_depth.
    static func check(_ text: UnsafeRawBufferPointer, depthLimit: Int, tokenLimit: Int) throws(Refusal) {
        // Each level, each operator and each token takes a byte.
        if text.count <= min(depthLimit, tokenLimit) { return }
        var estimate = StatementGuard(depthLimit: depthLimit, tokenLimit: tokenLimit)
        let depth = estimate.run(Lexer(text))
        if estimate.tokenCount > tokenLimit {
            throw Refusal(
                "54001", "statement is too complex",
                hint: "A statement may have \(tokenLimit) words, numbers and signs (statement_tokens in section [limits] of "
                    + "proxy.conf); use COPY, an array parameter or several statements.")
        }
        if depth <= depthLimit { return }
        throw Refusal(
            "54001", "stack depth limit exceeded",
            hint:
                "Write the statement with fewer nested expressions, operators in a row, set operations or joins; the limit is "
                + "\(depthLimit) levels.")
    }

    /// The estimated depth of the deepest statement of a text; some number above `depthLimit` as soon as it is passed.
    static func estimate(_ text: UnsafeRawBufferPointer, upTo depthLimit: Int) -> Int {
        var estimate = StatementGuard(depthLimit: depthLimit, tokenLimit: .max)
        return estimate.run(Lexer(text))
    }

    private mutating func run(_ start: Lexer) -> Int {
        var lexer = start
        var isBehindDot = false
        // Every level is at least one deep, so this bounds the memory, too.
        while levels.count <= depthLimit, deepestStatement <= depthLimit, tokenCount <= tokenLimit {
            tokenCount += 1
            let kind = lexer.next()
            switch kind {
            // What the scanner refuses ends PostgreSQL's reading, too.
            case .end, .invalid:
                endStatement()
                return deepestStatement
            case .operation: levels[levels.count - 1].lengthen()
            case .word: if !isBehindDot { word(lexer) }
            case .punctuation: punctuation(lexer.firstByte)
            case .quotedIdentifier, .integer, .decimal, .string, .escapeString, .otherString, .parameter: break
            }
            isBehindDot = kind == .punctuation && lexer.firstByte == UInt8(ascii: ".")
        }
        return depthLimit + 1
    }

    private mutating func endStatement() {
        while levels.count > 1 { close() }
        deepestStatement = max(deepestStatement, levels[0].depth)
        levels[0] = Level()
    }

    private mutating func close() {
        guard levels.count > 1, let inner = levels.popLast() else { return }
        levels[levels.count - 1].deepestInner = max(levels[levels.count - 1].deepestInner, inner.depth)
    }

    private mutating func punctuation(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "("), UInt8(ascii: "["): levels.append(Level())
        case UInt8(ascii: ")"), UInt8(ascii: "]"):
            while levels[levels.count - 1].isCase { close() }
            close()
        case UInt8(ascii: ","): levels[levels.count - 1].chain = 0
        case UInt8(ascii: ":"): levels[levels.count - 1].lengthen()
        case UInt8(ascii: ";"): endStatement()
        default: break
        }
    }

    private mutating func word(_ lexer: Lexer) {
        guard lexer.length >= 2, lexer.length <= 9 else { return }
        let bytes = UnsafeBufferPointer(start: lexer.text.base + lexer.start, count: lexer.length)
        let current = levels.count - 1
        switch String(decoding: bytes, as: UTF8.self).lowercased() {
        case "case": levels.append(Level(isCase: true))
        case "end": if levels[current].isCase { close() }
        case "when", "then", "else": if levels[current].isCase { levels[current].chain = 0 }
        case "union", "intersect", "except", "join": levels[current].joins += 1
        case "between":
            levels[current].lengthen()
            levels[current].isBetween = true
        case "not", "is", "isnull", "notnull", "collate", "at", "in", "like", "ilike", "similar", "overlaps",
            "operator", "escape":
            levels[current].lengthen()
        case "and":
            if !levels[current].isBetween { levels[current].chain = 0 }
            levels[current].isBetween = false
        case "or", "select", "where", "having", "on": levels[current].chain = 0
        default: break
        }
    }
}
