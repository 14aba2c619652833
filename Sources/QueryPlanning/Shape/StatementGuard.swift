// StatementGuard: keeps texts from the C parser that would overflow its stack.
//
// libpg_query serialises and unpacks trees recursively and checks no depth, so a text of a few thousand nested parentheses or
// a chain of as many operators could end the process. The guard estimates the tree's depth from the tokens, in one pass
// and never too low, and refuses what PostgreSQL itself would refuse by max_stack_depth at about the same size.
//
// The estimate: parentheses, brackets and CASE ... END make a level. Within a level, operators and the keywords that act
// like them make a chain, in which each holds the one before; a comma, AND, OR and the beginning of a clause start a new
// chain (the grammar keeps lists and runs of AND and OR flat). Set operations and joins hold all before them and add up
// over the whole level. A level is as deep as its longest chain, its joins and its deepest inner level together.

/// Estimates how deep a statement's parse tree is.
struct StatementGuard {
    private struct Level {
        var isCase = false
        var chain = 0
        var longestChain = 0
        var joins = 0
        var deepestInner = 0

        var depth: Int { 1 + longestChain + joins + deepestInner }

        mutating func lengthen() {
            chain += 1
            longestChain = max(longestChain, chain)
        }
    }

    private let depthLimit: Int
    private var levels: [Level] = [Level()]

    private init(depthLimit: Int) { self.depthLimit = depthLimit }

    /// Refuses a text whose parse tree may be deeper than `depthLimit`. O(bytes).
    /// - Throws: 54001, as PostgreSQL does beyond max_stack_depth.
    static func check(_ text: UnsafeRawBufferPointer, depthLimit: Int) throws(Refusal) {
        guard isShallow(text, depthLimit: depthLimit) else {
            throw Refusal(
                "54001", "stack depth limit exceeded",
                hint: "The statement is nested more than \(depthLimit) levels deep; write it with fewer nested expressions, "
                    + "set operations or joins.")
        }
    }

    /// Whether the estimated depth is within the limit.
    static func isShallow(_ text: UnsafeRawBufferPointer, depthLimit: Int) -> Bool {
        // Each level and each operator takes a byte.
        if text.count <= depthLimit { return true }
        var estimate = StatementGuard(depthLimit: depthLimit)
        return estimate.run(Lexer(text))
    }

    private mutating func run(_ start: Lexer) -> Bool {
        var lexer = start
        while true {
            switch lexer.next() {
            // What the scanner refuses ends PostgreSQL's reading, too.
            case .end, .invalid: return isWithinLimit()
            case .operation: levels[levels.count - 1].lengthen()
            case .word: word(lexer)
            case .punctuation:
                guard punctuation(lexer) else { return false }
            case .quotedIdentifier, .integer, .decimal, .string, .escapeString, .otherString, .parameter: break
            }
            // Every level is at least one deep, so this bounds the memory, too.
            guard levels.count <= depthLimit else { return false }
        }
    }

    private mutating func isWithinLimit() -> Bool {
        while levels.count > 1 { close() }
        return levels[0].depth <= depthLimit
    }

    private mutating func close() {
        guard levels.count > 1, let inner = levels.popLast() else { return }
        levels[levels.count - 1].deepestInner = max(levels[levels.count - 1].deepestInner, inner.depth)
    }

    /// False when a finished statement is too deep.
    private mutating func punctuation(_ lexer: Lexer) -> Bool {
        switch lexer.firstByte {
        case UInt8(ascii: "("), UInt8(ascii: "["): levels.append(Level())
        case UInt8(ascii: ")"), UInt8(ascii: "]"):
            while levels[levels.count - 1].isCase { close() }
            close()
        case UInt8(ascii: ","): levels[levels.count - 1].chain = 0
        case UInt8(ascii: ":"): levels[levels.count - 1].lengthen()
        case UInt8(ascii: ";"):
            guard isWithinLimit() else { return false }
            levels = [Level()]
        default: break
        }
        return true
    }

    private mutating func word(_ lexer: Lexer) {
        let length = lexer.length
        guard length >= 2, length <= 9 else { return }
        let word = String(decoding: UnsafeBufferPointer(start: lexer.text.base + lexer.start, count: length), as: UTF8.self)
        switch word.lowercased() {
        case "case": levels.append(Level(isCase: true))
        case "end": if levels[levels.count - 1].isCase { close() }
        case "union", "intersect", "except", "join": levels[levels.count - 1].joins += 1
        case "not", "is", "isnull", "notnull", "collate", "at", "in", "like", "ilike", "similar", "between", "overlaps",
            "operator", "escape":
            levels[levels.count - 1].lengthen()
        case "and", "or", "select", "from", "where", "group", "having", "order", "when", "then", "else", "set", "values",
            "returning":
            levels[levels.count - 1].chain = 0
        default: break
        }
    }
}
