// DistinctFilter: DISTINCT over columns whose types have byte equality. A row passes when its distinct columns were not
// seen before.
//
// When rows come in order and the leading sort keys are distinct columns, equal rows have equal leading keys: the rows
// seen are forgotten as soon as those keys change. With ORDER BY over the distinct columns the set never holds more
// than one row; without order it holds all, within the merge's limit.
import WireProtocol

/// Recognises duplicate rows. Owns memory: call `free` exactly once.
struct DistinctFilter {
    private let columns: [Int]
    private let limit: Int
    private var seen: KeyTable
    /// The leading sort keys that are distinct columns; nil: none.
    private let leading: SortOrder?
    private let images: UnsafeMutablePointer<KeyImage>
    private let lastImages: UnsafeMutablePointer<KeyImage>
    /// The row whose leading keys the seen rows share.
    private var lastRow = GrowingBytes()

    /// - Parameter limit: bytes the merge may hold in all.
    init(columns: [Int], sortKeys: [SortKey], typeOIDs: [UInt32], limit: Int) throws(MergeError) {
        self.columns = columns
        self.limit = limit
        let leadingKeys = Array(sortKeys.prefix { columns.contains($0.column) })
        leading = leadingKeys.isEmpty ? nil : try SortOrder(leadingKeys, typeOIDs: typeOIDs)
        seen = KeyTable()
        images = .allocate(capacity: max(1, leadingKeys.count))
        lastImages = .allocate(capacity: max(1, leadingKeys.count))
    }

    mutating func free() {
        seen.free()
        leading?.free()
        images.deallocate()
        lastImages.deallocate()
        lastRow.free()
    }

    /// Bytes held of rows seen.
    var heldBytes: Int { seen.bytes + lastRow.count }

    /// Whether the row was seen before; remembers it if not.
    /// - Parameter fields: the extents of the row's fields.
    mutating func isDuplicate(
        _ frame: UnsafeRawBufferPointer, fields: borrowing RowFields, otherBytes: Int
    ) throws(MergeError) -> Bool {
        try forgetPassedRows(frame, fields: fields)
        seen.beginKey()
        for column in columns {
            let range = fields[column]
            seen.appendField(range.isNull ? nil : frame.part(from: Int(range.offset), length: Int(range.length)))
        }
        let (_, isNew) = seen.insert()
        if isNew, heldBytes + otherBytes > limit { throw .tooManyBytes(limit: limit) }
        return !isNew
    }

    /// Empties the set when the leading keys have changed: no such row can come again.
    private mutating func forgetPassedRows(
        _ frame: UnsafeRawBufferPointer, fields: borrowing RowFields
    ) throws(MergeError) {
        guard let leading, let base = frame.baseAddress else { return }
        try leading.makeImages(images, fields: fields, base: base)
        if lastRow.count > 0 {
            let order = leading.compare(images, base, lastImages, lastRow.start, count: leading.keyCount)
            if order == 0 { return }
            seen.removeAll()
        }
        lastRow.removeAll()
        lastRow.append(frame)
        lastImages.update(from: images, count: leading.keyCount)
    }
}
