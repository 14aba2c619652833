// ShapeBuilder: the state of one scan. Each step appends one token to the shape and decides what a literal behind it
// would mean; the rules are those of ShapeScanner's opening comment.

/// The working state of a scan; lives in registers.
struct ShapeBuilder {
    /// Which literal may be taken out as the next token.
    enum Expectation: UInt8 {
        case nothing
        case number
        case literal
    }

    /// What stands before the next token.
    enum Previous: UInt8 {
        case other
        case name
        case dot
        /// Something that ends an operand: a literal, a parameter, a closing parenthesis.
        case operand
        case group
        /// IN, or VALUES, or the comma between two rows of VALUES: a parenthesis opens a list of values.
        case list
    }

    /// What may still put back the literal taken out last.
    enum Attachment: UInt8 {
        case none
        /// The literal is the token before.
        case literal
        /// A cast is the token before.
        case cast
        /// The type of a cast is the token before.
        case type
    }

    /// Ends words, operators and numbers in the shape; begins no token.
    static let terminator: UInt8 = 0x1F
    static let numberMark: UInt8 = 0x0B
    static let putBackMark: UInt8 = 0x0C
    static let maximumDepth = 63

    var lexer: Lexer
    var output: UnsafeMutablePointer<UInt8>
    let literals: UnsafeMutablePointer<ShapeLiteral>
    var refusal = Shape.Refusal.none
    var literalCount = 0
    var tokenCount = 0
    var expectation = Expectation.nothing
    var previous = Previous.other
    var attachment = Attachment.none
    /// Where the unary minus before the next token stands; -1: there is none.
    var signStart = -1
    /// One bit a level of parentheses, the innermost lowest: they hold arguments; they hold a list of values.
    var argumentLevels: UInt64 = 0
    var listLevels: UInt64 = 0
    var depth = 0
    /// The level at which rows of VALUES are being listed; -1: none.
    var rowsDepth = -1
    /// BETWEEN waits for its AND.
    var isBetween = false
    /// Where the semicolon stands; -1: none yet.
    var semicolon = -1

    init(lexer: Lexer, output: UnsafeMutablePointer<UInt8>, literals: UnsafeMutablePointer<ShapeLiteral>) {
        self.lexer = lexer
        self.output = output
        self.literals = literals
    }

    /// Takes the next token in; false at the end of the text.
    @inline(__always)
    mutating func step() -> Bool {
        let kind = lexer.next()
        if kind == .end { return false }
        if semicolon >= 0 { refusal = .severalStatements }
        switch kind {
        case .word: word()
        case .punctuation: punctuation()
        case .operation: operation()
        case .integer: integer()
        case .decimal, .string, .escapeString: literal(kind)
        case .parameter, .otherString, .quotedIdentifier: opaque(kind)
        case .invalid, .end: refusal = .invalidToken
        }
        tokenCount += 1
        return true
    }

    // MARK: What each token does

    @inline(__always)
    private mutating func word() {
        let length = lexer.position - lexer.start
        let packed = appendFolded(length)
        let keyword = previous == .dot || length > 8 ? ShapeKeyword.name : ShapeKeyword(packed: packed)
        if tokenCount == 0, !ShapeKeyword.beginsQuery(packed: length > 8 ? 0 : packed) { refusal = .notAQuery }
        if attachment != .none { attachWord(packed: length > 8 ? 0 : packed) }
        if depth <= rowsDepth { rowsDepth = -1 }
        expectation = .nothing
        signStart = -1
        switch keyword {
        case .name: previous = .name
        case .group: previous = .group
        case .and:
            previous = .group
            if isBetween { expect(.literal) }
            isBetween = false
        case .query:
            previous = .group
            argumentLevels &= ~1
            listLevels &= ~1
        case .membership: previous = .list
        case .values:
            previous = .list
            argumentLevels &= ~1
            listLevels &= ~1
            rowsDepth = depth
        case .operandPrefix:
            previous = .group
            expect(.literal)
        case .between:
            previous = .group
            isBetween = true
            expect(.literal)
        }
    }

    @inline(__always)
    private mutating func punctuation() {
        let byte = lexer.base[lexer.start]
        if lexer.position - lexer.start == 1 { append(byte) } else { appendTerminated() }
        if attachment != .none { attachPunctuation(byte) }
        expectation = .nothing
        signStart = -1
        switch byte {
        case UInt8(ascii: "("): open(asList: previous == .list, asArguments: previous == .name)
        case UInt8(ascii: "["): open(asList: false, asArguments: true)
        case UInt8(ascii: ")"), UInt8(ascii: "]"): close()
        case UInt8(ascii: ","):
            if listLevels & 1 != 0 { expect(.literal) }
            previous = depth == rowsDepth ? .list : .other
        case UInt8(ascii: "."): previous = .dot
        case UInt8(ascii: ";"):
            semicolon = lexer.start
            previous = .other
        default: previous = .other
        }
    }

    @inline(__always)
    private mutating func operation() {
        let byte = lexer.base[lexer.start]
        let length = lexer.position - lexer.start
        appendTerminated()
        attachment = .none
        defer { previous = .other }
        guard length == 1 else {
            signStart = -1
            expectation = .nothing
            if isLongComparison(byte) { expect(.literal) }
            return
        }
        switch byte {
        case UInt8(ascii: "="), UInt8(ascii: "<"), UInt8(ascii: ">"):
            signStart = -1
            expect(.literal)
        case UInt8(ascii: "-") where previous != .operand && previous != .name: sign()
        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "/"), UInt8(ascii: "%"):
            signStart = -1
            let isBinary = previous == .operand || previous == .name
            expectation = .nothing
            if isBinary { expect(.number) }
        default:
            signStart = -1
            expectation = .nothing
        }
    }

    /// A unary minus keeps what was expected, but only of numbers, and only once.
    @inline(__always)
    private mutating func sign() {
        expectation = expectation != .nothing && signStart < 0 ? .number : .nothing
        signStart = lexer.start
    }

    /// `<=`, `>=`, `<>` or `!=`; `first` is the operator's first byte.
    @inline(__always)
    private func isLongComparison(_ first: UInt8) -> Bool {
        guard lexer.position - lexer.start == 2 else { return false }
        let second = lexer.base[lexer.start + 1]
        if second == UInt8(ascii: "=") {
            return first == UInt8(ascii: "<") || first == UInt8(ascii: ">") || first == UInt8(ascii: "!")
        }
        return second == UInt8(ascii: ">") && first == UInt8(ascii: "<")
    }

    @inline(__always)
    private mutating func integer() {
        if expectation == .nothing {
            stay(number: true)
        } else {
            let (literalClass, magnitude) = ShapeLiteral.classify(
                digits: lexer.base + lexer.start, count: lexer.position - lexer.start)
            let value = Int64(truncatingIfNeeded: magnitude)
            takeOut(literalClass, integer: signStart >= 0 ? -value : value)
        }
        literalDone()
    }

    @inline(__always)
    private mutating func literal(_ kind: TokenKind) {
        if expectation == .nothing || (expectation == .number && kind != .decimal) {
            stay(number: kind == .decimal)
        } else {
            takeOut(kind == .decimal ? .decimal : kind == .string ? .string : .escapeString, integer: 0)
        }
        literalDone()
    }

    /// A token that goes into the shape as it is.
    private mutating func opaque(_ kind: TokenKind) {
        if kind == .parameter { appendTerminated() } else { appendRaw() }
        if attachment == .cast { putBack() }
        attachment = .none
        previous = kind == .quotedIdentifier ? .name : .operand
        expectation = .nothing
        signStart = -1
        if kind == .quotedIdentifier, depth <= rowsDepth { rowsDepth = -1 }
        if tokenCount == 0 { refusal = .notAQuery }
    }

    @inline(__always)
    private mutating func literalDone() {
        previous = .operand
        expectation = .nothing
        signStart = -1
    }

    // MARK: Levels

    /// Expects a literal, unless these are arguments of a function.
    @inline(__always)
    private mutating func expect(_ what: Expectation) {
        expectation = argumentLevels & 1 == 0 ? what : .nothing
    }

    @inline(__always)
    private mutating func open(asList: Bool, asArguments: Bool) {
        guard depth < Self.maximumDepth else {
            refusal = .tooDeep
            return
        }
        depth += 1
        let holdsArguments = asArguments || argumentLevels & 1 != 0
        argumentLevels = argumentLevels << 1 | (holdsArguments ? 1 : 0)
        listLevels = listLevels << 1 | (asList ? 1 : 0)
        previous = .other
        isBetween = false
        if asList { expect(.literal) }
    }

    @inline(__always)
    private mutating func close() {
        guard depth > 0 else {
            refusal = .invalidToken
            return
        }
        depth -= 1
        if depth < rowsDepth { rowsDepth = -1 }
        argumentLevels >>= 1
        listLevels >>= 1
        previous = .operand
        isBetween = false
    }
}
