// The end-of-data marker: `\.` followed by a line end of the stream's style.

/// What follows the two bytes of an end-of-data marker.
enum MarkerEnd {
    case found
    /// Bytes that the buffer does not hold yet.
    case undecided
    /// Something else than a line end.
    case notAlone
    /// A line end of another style than the stream's.
    case otherStyle
}

extension RowScanner {
    /// Reads what follows the `\.` at `position`.
    func markerEnd(at position: Int, in bytes: UnsafeRawBufferPointer, atEnd: Bool) throws(RowSyntaxError) -> MarkerEnd
    {
        var behind = position + 2
        if newline == .carriageReturnNewline {
            guard behind < bytes.count else { return atEnd ? .notAlone : .undecided }
            if bytes[behind] == UInt8(ascii: "\n") { return isCSV ? .notAlone : .otherStyle }
            guard bytes[behind] == UInt8(ascii: "\r") else { return .notAlone }
            behind += 1
        }
        guard behind < bytes.count else { return atEnd ? .notAlone : .undecided }
        switch (bytes[behind], newline) {
        case (UInt8(ascii: "\n"), .carriageReturn): return .otherStyle
        case (UInt8(ascii: "\n"), _): return .found
        case (UInt8(ascii: "\r"), .unknown), (UInt8(ascii: "\r"), .carriageReturn): return .found
        case (UInt8(ascii: "\r"), _): return .otherStyle
        default: return .notAlone
        }
    }
}
