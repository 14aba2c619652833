// ShapeScanner: what two statements share that differ only in literals: their shape.
//
// A shape is a run of bytes: the statement's tokens in a normal form, without white space and comments, words in lower
// case, literals that were taken out as one byte that tells their class. Equal shapes mean: PostgreSQL's grammar makes
// the same tree of both texts, but for the values of the literals taken out. No two token sequences share a shape,
// because each token's first byte tells its kind and each kind tells its end:
//
//   word, $n, operator   its bytes, 0x1F          ( ) , ; [ ] . :           its byte
//   .. :: :=             its bytes, 0x1F
//   "name"               as written               '...' that stays           as written
//   number that stays    0x0B, its bytes, 0x1F    literal taken out          its class (1 to 6)
//   the text of the literal taken out last, put back after all: 0x0C, its bytes, 0x1F, behind the token that gave cause
//
// Which literals are taken out, and why that cannot change where a statement goes
//
// Shapes serve only plans that send the text untouched to one shard, so a literal matters only when the *choice of the
// shard* depends on it. That choice rests on conjuncts `key = literal` and the like, whose literal the plan reads anew
// for each text, and on what names mean. Taken out are therefore
//   * numbers and plain or escape strings right behind = < > <= >= <> !=, LIKE, ILIKE, BETWEEN and its AND, LIMIT, OFFSET;
//   * such literals as members of an IN list or of a row of VALUES;
//   * numbers right behind + - * / % (`SET balance = balance + 5`);
//   * each of these with a minus sign before the number (the sign itself stays in the shape).
// All else stays, by its text: arguments of functions, which may name sequences, tables, settings or locks; literals
// with a type before them (`regclass 'users'`) or behind them, unless it is a plain type; members of select lists,
// ORDER BY and GROUP BY (ordinals); B'', X'', N'', U&'' and $$ strings.
// Planner trusts none of this: before a plan goes to the cache it analyses two variants of the text with other literals.
import Primitives

/// The outcome of a scan; the shape's bytes and literals lie in the scanner's memory until the next scan.
struct Shape {
    /// Why a text has no shape.
    enum Refusal: UInt8 {
        case none
        case tooLong
        case tooManyLiterals
        case tooDeep
        case severalStatements
        case notAQuery
        case invalidToken
        case directive
    }

    var refusal = Refusal.none
    var byteCount = 0
    var literalCount = 0
    /// Where the statement ends: at its semicolon or with the text.
    var statementEnd = 0
}

/// Scans texts into memory of its own. One scanner belongs to one planner; it is not thread safe.
struct ShapeScanner {
    /// Literals that may be taken out; a statement with more has no shape.
    static let maximumLiteralCount = 64
    /// Longest text that may have a shape, in bytes.
    static let maximumTextBytes = 8192
    /// A token of one byte that stays a number takes three in the shape. The rest is room for what the planner appends
    /// (environment, parameter types) and for copying eight bytes at a time.
    static let bufferBytes = 3 * maximumTextBytes + 512

    let bytes: UnsafeMutablePointer<UInt8>
    let literals: UnsafeMutablePointer<ShapeLiteral>
    let keywords = ShapeKeywordTable()

    init() {
        bytes = .allocate(capacity: Self.bufferBytes)
        literals = .allocate(capacity: Self.maximumLiteralCount)
    }

    func free() {
        bytes.deallocate()
        literals.deallocate()
        keywords.free()
    }

    /// Scans one text. O(bytes); allocates nothing.
    func scan(_ text: UnsafeRawBufferPointer) -> Shape {
        guard text.count <= Self.maximumTextBytes else { return Shape(refusal: .tooLong) }
        var builder = ShapeBuilder(lexer: Lexer(text), scanner: self)
        while builder.step() {}
        let byteCount = builder.output - bytes
        var refusal = builder.refusal
        if builder.lexer.hasDirective { refusal = .directive }
        if refusal == .none, !keywords.find(builder.firstWord).contains(.beginning) { refusal = .notAQuery }
        return Shape(
            refusal: refusal, byteCount: byteCount, literalCount: builder.literalCount,
            statementEnd: builder.statementEnd >= 0 ? builder.statementEnd : text.count)
    }
}
