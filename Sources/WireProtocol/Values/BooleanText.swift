// bool as text, read as PostgreSQL's boolin: any case, white space around, unambiguous beginnings of the words.

/// Reads a bool's text; nil for what PostgreSQL refuses with 22P02.
public func booleanText(_ text: UnsafeRawBufferPointer) -> Bool? {
    var (start, end) = (0, text.count)
    while start < end, isSpace(text[start]) { start += 1 }
    while start < end, isSpace(text[end - 1]) { end -= 1 }
    let word = text.part(from: start, length: end - start)
    guard word.count > 0 else { return nil }
    switch word[0] | 0x20 {
    case UInt8(ascii: "t"): return begins("true", word) ? true : nil
    case UInt8(ascii: "f"): return begins("false", word) ? false : nil
    case UInt8(ascii: "y"): return begins("yes", word) ? true : nil
    case UInt8(ascii: "n"): return begins("no", word) ? false : nil
    case UInt8(ascii: "o"):
        guard word.count >= 2 else { return nil }
        return begins("on", word) ? true : (begins("off", word) ? false : nil)
    default:
        guard word.count == 1 else { return nil }
        return word[0] == UInt8(ascii: "1") ? true : (word[0] == UInt8(ascii: "0") ? false : nil)
    }
}

/// Whether `full` (in lower case) begins with `word`, in whatever case that is.
private func begins(_ full: StaticString, _ word: UnsafeRawBufferPointer) -> Bool {
    guard word.count <= full.utf8CodeUnitCount else { return false }
    for index in 0..<word.count where !matches(full.utf8Start[index], word[index]) { return false }
    return true
}

private func matches(_ letter: UInt8, _ byte: UInt8) -> Bool { byte == letter || byte == letter ^ 0x20 }
