// What both lines and binary rows need to know about the key: the value that is stored, and the errors of the one given.
import ShardMap

extension CopySplitter {
    /// The key as its column stores it.
    @inline(__always)
    func stored(
        _ text: UnsafeRawBufferPointer, _ key: CopyKeyColumn, place: (UnsafeRawBufferPointer) -> CopyError.Place
    ) throws(CopyError) -> UnsafeRawBufferPointer {
        guard let limit = key.limit else { return text }
        if let value = limit.stored(text) { return value }
        throw CopyError(sqlState: "22001", message: limit.message, line: lineNumber, place: place(text))
    }

    func nullKey(place: CopyError.Place) -> CopyError {
        let name = options.key.map { options.columnNames[$0.column] } ?? ""
        return CopyError(
            sqlState: "23502", message: "null value in sharding key column \"\(name)\"",
            hint: "A row without a key has no shard.", line: lineNumber, place: place)
    }
}
