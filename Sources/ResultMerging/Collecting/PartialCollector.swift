// PartialCollector: the rows of several shards as array parameters, one a column, for a query that makes the final rows
// out of them: `... FROM unnest($1::numeric[], $2::bigint[]) AS p(c1, c2)`.
//
// Rows come in text format and leave as array literals in text form. An array of arrays is a matrix to PostgreSQL, and
// unnest takes it apart to the last element, so a column of an array type cannot travel as `T[]`: it is refused, unless
// the query takes it as `text[]` and casts each element.
import Primitives
import WireProtocol

/// Collects rows as array literals. Not thread safe.
public final class PartialCollector {
    private let columnCount: Int
    private let sourceCount: Int
    private let bounds: RowMerger.Bounds
    private let columnsPassedAsText: Set<Int>
    private var fields = RowFields()
    private var types = ColumnTypes()
    private let literals: UnsafeMutablePointer<ArrayLiteral>

    /// Rows collected.
    public private(set) var rowCount = 0

    /// Bytes of the literals so far.
    public private(set) var bufferedBytes = 0

    /// - Parameters:
    ///   - columnCount: columns of every row.
    ///   - columnsPassedAsText: columns whose parameter is declared `text[]`, whatever the column's type.
    public init(
        columnCount: Int, sourceCount: Int, bounds: RowMerger.Bounds, columnsPassedAsText: Set<Int> = []
    ) {
        self.columnCount = columnCount
        self.sourceCount = sourceCount
        self.bounds = bounds
        self.columnsPassedAsText = columnsPassedAsText
        literals = .allocate(capacity: max(1, columnCount))
        for column in 0..<columnCount { (literals + column).initialize(to: ArrayLiteral()) }
    }

    deinit {
        for column in 0..<columnCount { literals[column].free() }
        literals.deinitialize(count: columnCount)
        literals.deallocate()
        fields.free()
    }

    /// Learns the columns' types and checks that the shards agree. Call it before the rows where columns may be of type
    /// box (its arrays have another delimiter) or of an array type. Throws 0A000 for array types, 42804 for shards that
    /// disagree.
    public func rowDescription(source: Int, frame: UnsafeRawBufferPointer) throws(MergeError) {
        precondition(source < sourceCount, "no such source")
        let message: RowDescriptionMessage
        do { message = try RowDescriptionMessage(frame) } catch { throw .malformed(error) }
        guard message.fieldCount == columnCount else {
            throw .unexpectedColumnCount(message.fieldCount, expected: columnCount)
        }
        let descriptions = message.fields
        try types.learn(descriptions)
        for (column, field) in descriptions.enumerated() where !columnsPassedAsText.contains(column) {
            if ArrayTypes.contains(field.typeOID) { throw .arrayColumn(field.nameText) }
            literals[column].delimiter = ArrayTypes.delimiter(ofElementTypeOID: field.typeOID)
        }
    }

    /// Takes one row of a source, all columns in text format.
    ///
    /// Throws 53400 when a limit is passed, 08P01 for a malformed row.
    public func dataRow(source: Int, frame: UnsafeRawBufferPointer) throws(MergeError) {
        precondition(source < sourceCount, "no such source")
        guard frame.count <= bounds.rowBytes else { throw .rowTooLarge(bytes: frame.count, limit: bounds.rowBytes) }
        try fields.expect(columnCount: columnCount)
        try fields.read(frame)
        for column in 0..<columnCount {
            let range = fields[column]
            let before = literals[column].count
            literals[column].append(
                range.isNull ? nil : frame.part(from: Int(range.offset), length: Int(range.length)))
            bufferedBytes += literals[column].count - before
        }
        rowCount += 1
        guard bufferedBytes <= bounds.totalBytes else { throw .tooManyBytes(limit: bounds.totalBytes) }
    }

    /// One literal a column, such as `{"1","a \"quoted\" word",NULL}`; valid as long as the collector. No row can be
    /// added afterwards.
    public var arrays: [UnsafeRawBufferPointer] { (0..<columnCount).map { literals[$0].close() } }
}
