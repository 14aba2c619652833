// RowScanner: where does a row of text or CSV data end?
//
// The rules are those of CopyReadLineText (src/backend/commands/copyfromparse.c of PostgreSQL 15): the first line end
// decides between \n, \r and \r\n for the whole stream, and anything else that looks like a line end is an error; in
// text a backslash takes the next byte along; in CSV line ends inside quotes are data; `\.` alone on a line ends the
// data. A row may be cut anywhere between chunks: what is known about its beginning is kept, so that no byte is
// scanned twice however many chunks a row has.

/// The kind of line end that the stream's first line had.
enum NewlineStyle {
    case unknown
    case newline
    case carriageReturn
    case carriageReturnNewline
}

/// One row, or the rest of the data, found in a buffer.
struct ScannedRow {
    /// Behind the row's last byte.
    var contentEnd: Int
    /// Behind its line end.
    var end: Int
    /// Line ends inside quotes.
    var embeddedLines = 0
    /// No backslash (text) or quote (CSV) in it.
    var isPlain: Bool
    /// Nothing that follows is data: end of input, or an end-of-data marker.
    var endsData = false
}

/// Finds the ends of rows. Positions are in the buffer of the current call.
struct RowScanner {
    let isCSV: Bool
    let quote: UInt8
    /// nil if the escape character is the quote character, which then needs no care of its own.
    let escape: UInt8?
    var newline = NewlineStyle.unknown

    // What is known about a row that began in an earlier call.
    /// How many of its bytes are scanned.
    var scanned = 0
    var inQuote = false
    var afterEscape = false
    var embeddedLines = 0
    var isPlain = true

    var newlines = ByteFinder(UInt8(ascii: "\n"))
    var returns = ByteFinder(UInt8(ascii: "\r"))
    /// Backslashes in text, quotes in CSV.
    var specials: ByteFinder
    var escapes: ByteFinder

    init(format: CopyDataFormat) {
        isCSV = format.kind == .csv
        quote = format.quote
        escape = format.escape == format.quote ? nil : format.escape
        specials = ByteFinder(isCSV ? format.quote : UInt8(ascii: "\\"))
        escapes = ByteFinder(format.escape)
    }

    /// Another buffer follows; it begins with the row that is unfinished, if any.
    mutating func startBuffer() {
        newlines.reset()
        returns.reset()
        specials.reset()
        escapes.reset()
    }

    /// The row that begins at `start`; nil if its end is not in `bytes` yet. At the end of input there is always a row,
    /// if only an empty one with `endsData`.
    @inline(__always)
    mutating func nextRow(
        in bytes: UnsafeRawBufferPointer, from start: Int, atEnd: Bool
    ) throws(RowSyntaxError) -> ScannedRow? {
        let row =
            isCSV
            ? try nextCSVRow(in: bytes, from: start, atEnd: atEnd)
            : try nextTextRow(in: bytes, from: start, atEnd: atEnd)
        if row != nil { forgetRow() }
        return row
    }

    private mutating func forgetRow() {
        scanned = 0
        inQuote = false
        afterEscape = false
        embeddedLines = 0
        isPlain = true
    }

    private mutating func nextTextRow(
        in bytes: UnsafeRawBufferPointer, from start: Int, atEnd: Bool
    ) throws(RowSyntaxError) -> ScannedRow? {
        var position = start + scanned
        while true {
            let backslash = specials.next(in: bytes, from: position)
            let lineEnd = min(newlines.next(in: bytes, from: position), returns.next(in: bytes, from: position))
            if lineEnd < backslash {
                return try row(from: start, endingAt: lineEnd, in: bytes, atEnd: atEnd)
            }
            guard backslash + 1 < bytes.count else {
                return rest(of: bytes, from: start, upTo: backslash, atEnd: atEnd)
            }
            if bytes[backslash + 1] == UInt8(ascii: ".") {
                return try marker(at: backslash, from: start, in: bytes, atEnd: atEnd)
            }
            isPlain = false
            position = backslash + 2
        }
    }

    /// The row that ends at a line end of one of the two characters; nil if the next byte must be seen first.
    @inline(__always)
    mutating func row(
        from start: Int, endingAt position: Int, in bytes: UnsafeRawBufferPointer, atEnd: Bool
    ) throws(RowSyntaxError) -> ScannedRow? {
        guard bytes[position] == UInt8(ascii: "\n") else {
            return try rowEndingInReturn(from: start, at: position, in: bytes, atEnd: atEnd)
        }
        if newline == .unknown { newline = .newline }
        guard newline == .newline else { throw .newline(isCSV: isCSV) }
        return finishedRow(contentEnd: position, end: position + 1)
    }

    private mutating func rowEndingInReturn(
        from start: Int, at position: Int, in bytes: UnsafeRawBufferPointer, atEnd: Bool
    ) throws(RowSyntaxError) -> ScannedRow? {
        switch newline {
        case .newline: throw .carriageReturn(isCSV: isCSV)
        case .carriageReturn: return finishedRow(contentEnd: position, end: position + 1)
        case .unknown, .carriageReturnNewline:
            guard position + 1 < bytes.count || atEnd else {
                scanned = position - start
                return nil
            }
            if position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "\n") {
                newline = .carriageReturnNewline
                return finishedRow(contentEnd: position, end: position + 2)
            }
            guard newline == .unknown else { throw .carriageReturn(isCSV: isCSV) }
            newline = .carriageReturn
            return finishedRow(contentEnd: position, end: position + 1)
        }
    }

    @inline(__always)
    private func finishedRow(contentEnd: Int, end: Int) -> ScannedRow {
        ScannedRow(contentEnd: contentEnd, end: end, embeddedLines: embeddedLines, isPlain: isPlain)
    }

    /// The buffer's end came first: the rest is the last row at the end of input, or waits for more.
    @inline(__always)
    mutating func rest(
        of bytes: UnsafeRawBufferPointer, from start: Int, upTo position: Int, atEnd: Bool
    ) -> ScannedRow? {
        guard atEnd else {
            scanned = position - start
            return nil
        }
        // A lone backslash at the very end of text is a special byte, too.
        let plain = isPlain && (isCSV || position == bytes.count)
        return ScannedRow(
            contentEnd: bytes.count, end: bytes.count, embeddedLines: embeddedLines, isPlain: plain, endsData: true)
    }

    /// The end-of-data marker of text, `\.` anywhere; what stands before it on its line is a last row.
    private mutating func marker(
        at position: Int, from start: Int, in bytes: UnsafeRawBufferPointer, atEnd: Bool
    ) throws(RowSyntaxError) -> ScannedRow? {
        switch try markerEnd(at: position, in: bytes, atEnd: atEnd) {
        case .found:
            return ScannedRow(contentEnd: position, end: position, isPlain: isPlain, endsData: true)
        case .undecided:
            scanned = position - start
            return nil
        case .notAlone: throw .markerCorrupt
        case .otherStyle: throw .markerStyle
        }
    }
}
