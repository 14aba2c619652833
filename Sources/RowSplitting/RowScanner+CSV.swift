// CSV rows: line ends and everything else inside quotes are data, and only a `\.` alone on its line ends the data.

extension RowScanner {
    mutating func nextCSVRow(
        in bytes: UnsafeRawBufferPointer, from start: Int, atEnd: Bool
    ) throws(RowSyntaxError) -> ScannedRow? {
        if scanned == 0, start < bytes.count, bytes[start] == UInt8(ascii: "\\") {
            switch try csvMarker(at: start, in: bytes, atEnd: atEnd) {
            case .found: return ScannedRow(contentEnd: start, end: start, isPlain: true, endsData: true)
            case .undecided: return nil
            case .otherStyle: throw .markerStyle
            case .notAlone: break
            }
        }
        var position = start + scanned
        while true {
            if inQuote {
                position = skipQuoted(in: bytes, from: position)
                if inQuote { return rest(of: bytes, from: start, upTo: position, atEnd: atEnd) }
            }
            let quoteStart = specials.next(in: bytes, from: position)
            let lineEnd = min(newlines.next(in: bytes, from: position), returns.next(in: bytes, from: position))
            if lineEnd < quoteStart { return try row(from: start, endingAt: lineEnd, in: bytes, atEnd: atEnd) }
            guard quoteStart < bytes.count else { return rest(of: bytes, from: start, upTo: quoteStart, atEnd: atEnd) }
            isPlain = false
            inQuote = true
            position = quoteStart + 1
        }
    }

    private func csvMarker(
        at start: Int, in bytes: UnsafeRawBufferPointer, atEnd: Bool
    ) throws(RowSyntaxError) -> MarkerEnd {
        guard start + 1 < bytes.count else { return atEnd ? .notAlone : .undecided }
        guard bytes[start + 1] == UInt8(ascii: ".") else { return .notAlone }
        return try markerEnd(at: start, in: bytes, atEnd: atEnd)
    }

    /// Goes on behind the closing quote and leaves the quote, or goes to the buffer's end and stays inside.
    private mutating func skipQuoted(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        // PostgreSQL counts lines inside quotes by this byte while the style is yet unknown, too.
        let countsNewlines = newline == .newline
        var position = start
        while true {
            let quoteAt = specials.next(in: bytes, from: position)
            let escapeAt = escape == nil ? bytes.count : escapes.next(in: bytes, from: position)
            let lineAt =
                countsNewlines ? newlines.next(in: bytes, from: position) : returns.next(in: bytes, from: position)
            let next = min(quoteAt, escapeAt, lineAt)
            // An escape counts only for the byte right behind it.
            if next > position { afterEscape = false }
            guard next < bytes.count else { return bytes.count }
            position = next + 1
            if next == escapeAt {
                afterEscape.toggle()
            } else if next == lineAt {
                embeddedLines += 1
                afterEscape = false
            } else if afterEscape {
                afterEscape = false
            } else {
                inQuote = false
                return position
            }
        }
    }
}
