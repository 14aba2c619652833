// What both lines and binary rows need to know about the key: its length limit and the errors of its value.
import ShardMap

extension CopyKeyColumn {
    /// `text` as a varchar(n) column stores it, without blanks beyond n characters; nil if it does not fit.
    ///
    /// Source: varchar_input in src/backend/utils/adt/varchar.c.
    func limited(_ text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let maximumCharacters, text.count > maximumCharacters else { return text }
        var end = 0
        var characters = 0
        while end < text.count {
            let startsCharacter = charactersAreBytes || text[end] & 0xC0 != 0x80
            if startsCharacter, characters == maximumCharacters { break }
            if startsCharacter { characters += 1 }
            end += 1
        }
        guard text[end...].allSatisfy({ $0 == UInt8(ascii: " ") }) else { return nil }
        return text.part(0..<end)
    }
}

extension CopySplitter {
    func tooLong(_ key: CopyKeyColumn, place: CopyError.Place) -> CopyError {
        CopyError(
            sqlState: "22001",
            message: "value too long for type character varying(\(key.maximumCharacters ?? 0))", line: lineNumber,
            place: place)
    }

    func nullKey(place: CopyError.Place) -> CopyError {
        let name = options.key.map { options.columnNames[$0.column] } ?? ""
        return CopyError(
            sqlState: "23502", message: "null value in sharding key column \"\(name)\"",
            hint: "A row without a key has no shard.", line: lineNumber, place: place)
    }
}
