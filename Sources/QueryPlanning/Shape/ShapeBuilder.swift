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
    let keywords: ShapeKeywordTable
    var refusal = Shape.Refusal.none
    var literalCount = 0
    /// The first word, packed for ShapeKeywordTable.
    var firstWord: UInt64 = 0
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
    /// Where the statement's semicolon stands; -1: none yet.
    var statementEnd = -1

    @inline(__always)
    init(lexer: Lexer, scanner: ShapeScanner) {
        self.lexer = lexer
        output = scanner.bytes
        literals = scanner.literals
        keywords = scanner.keywords
    }

    /// Takes the next token in; false at the end of the text.
    @inline(__always)
    mutating func step() -> Bool {
        let kind = lexer.next()
        if statementEnd >= 0, kind != .end { refusal = .severalStatements }
        if kind == .word {
            word()
        } else if kind == .punctuation {
            punctuation()
        } else if kind == .operation {
            operation()
        } else if kind == .integer {
            integer()
        } else if kind == .end || kind == .invalid {
            if kind == .invalid { refusal = .invalidToken }
            return false
        } else {
            literal(kind)
        }
        return refusal == .none
    }

    // MARK: What each token does

    @inline(__always)
    private mutating func word() {
        let packed = appendFolded()
        if firstWord == 0 { firstWord = packed }
        let keyword = previous == .dot ? [] : keywords.find(packed)
        if attachment != .none { attachWord(keyword) }
        if depth <= rowsDepth { rowsDepth = -1 }
        signStart = -1
        expectation = .nothing
        previous = .name
        if !keyword.isDisjoint(with: [.group, .list]) { take(keyword) }
    }

    @inline(__always)
    private mutating func take(_ keyword: ShapeKeyword) {
        previous = keyword.contains(.list) ? .list : .group
        if keyword.contains(.query) {
            argumentLevels &= ~1
            listLevels &= ~1
        }
        if keyword.contains(.rows) { rowsDepth = depth }
        let isSecondHalf = isBetween && keyword.contains(.and)
        if isSecondHalf || keyword.contains(.operandPrefix) { expect(.literal) }
        isBetween = keyword.contains(.between) || (isBetween && !isSecondHalf)
    }

    @inline(__always)
    private mutating func punctuation() {
        let byte = lexer.firstByte
        if lexer.length == 1 { append(byte) } else { appendTerminated() }
        if attachment != .none { attachPunctuation(byte) }
        expectation = .nothing
        signStart = -1
        if byte == UInt8(ascii: "(") || byte == UInt8(ascii: "[") {
            open(
                asList: previous == .list && byte == UInt8(ascii: "("),
                asArguments: previous == .name || byte == UInt8(ascii: "["))
        } else if byte == UInt8(ascii: ")") || byte == UInt8(ascii: "]") {
            close()
        } else if byte == UInt8(ascii: ",") {
            if listLevels & 1 != 0 { expect(.literal) }
            previous = depth == rowsDepth ? .list : .other
        } else {
            previous = byte == UInt8(ascii: ".") ? .dot : .other
            if byte == UInt8(ascii: ";") { statementEnd = lexer.start }
        }
    }

    @inline(__always)
    private mutating func operation() {
        let byte = lexer.firstByte
        let length = lexer.length
        let isBinary = previous == .operand || previous == .name
        appendTerminated()
        attachment = .none
        previous = .other
        if length == 1, byte == UInt8(ascii: "-"), !isBinary {
            sign()
            return
        }
        signStart = -1
        expectation = .nothing
        if length == 1 {
            if byte == UInt8(ascii: "=") || byte == UInt8(ascii: "<") || byte == UInt8(ascii: ">") {
                expect(.literal)
            } else if isBinary, Self.isArithmetic(byte) {
                expect(.number)
            }
        } else if isLongComparison(byte) {
            expect(.literal)
        }
    }

    /// + - * / %
    @inline(__always)
    private static func isArithmetic(_ byte: UInt8) -> Bool {
        let place = byte &- UInt8(ascii: "%")
        return place < 11 && (1 << UInt16(place)) & 0b101_0110_0001 as UInt16 != 0
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
        guard lexer.length == 2 else { return false }
        let second = lexer.text.base[lexer.start + 1]
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
                digits: lexer.text.base + lexer.start, count: lexer.length)
            let value = Int64(truncatingIfNeeded: magnitude)
            takeOut(literalClass, integer: signStart >= 0 ? 0 &- value : value)
        }
        literalDone()
    }

    /// Any other literal, a parameter, or a quoted identifier.
    @inline(__always)
    private mutating func literal(_ kind: TokenKind) {
        if kind == .parameter || kind == .otherString || kind == .quotedIdentifier {
            // "a" "b" is not "a""b".
            if kind == .otherString { appendRaw() } else { appendTerminated() }
            if attachment == .cast { putBack() }
            attachment = .none
            if kind == .quotedIdentifier, depth <= rowsDepth { rowsDepth = -1 }
        } else if expectation == .nothing || (expectation == .number && kind != .decimal) {
            stay(number: kind == .decimal)
        } else {
            takeOut(kind == .decimal ? .decimal : kind == .string ? .string : .escapeString, integer: 0)
        }
        literalDone()
        if kind == .quotedIdentifier { previous = .name }
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
        if depth >= Self.maximumDepth { refusal = .tooDeep }
        depth &+= 1
        let holdsArguments = asArguments || argumentLevels & 1 != 0
        argumentLevels = argumentLevels << 1 | (holdsArguments ? 1 : 0)
        listLevels = listLevels << 1 | (asList ? 1 : 0)
        previous = .other
        isBetween = false
        if asList { expect(.literal) }
    }

    @inline(__always)
    private mutating func close() {
        if depth <= 0 { refusal = .invalidToken }
        depth &-= 1
        if depth < rowsDepth { rowsDepth = -1 }
        argumentLevels >>= 1
        listLevels >>= 1
        previous = .operand
        isBetween = false
    }
}
