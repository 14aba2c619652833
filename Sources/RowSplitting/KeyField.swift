// KeyField: the key's field of one row, with its quoting and escapes undone.

/// What a row has at the key's place.
enum KeyField {
    /// The key's text; valid until the reader is used again or the row's bytes go away.
    case text(UnsafeRawBufferPointer)
    case null
    /// The row ends before the key; the number of its fields.
    case missing(fieldCount: Int)
    case unterminatedQuote
}
