// PartialCollector: the rows of several shards as array parameters, one a column, for a query that makes the final rows
// out of them: `... FROM unnest($1::text[], $2::text[]) AS p(c1, c2)`.
//
// Rows come in text format and leave as literals of text[], whatever a column's type: an array of arrays would be a matrix
// to PostgreSQL, which unnest takes apart to the last element. The query casts each element to its type.
//
// Rows may be of several kinds, each with arrays of its own. A row then begins with the number of its kind, and is as wide
// as the widest kind.
import Primitives
import WireProtocol

/// Collects rows as array literals. Not thread safe.
public final class PartialCollector {
    /// Columns of each kind of rows, and where its literals begin.
    private let kinds: [(columnCount: Int, first: Int)]
    private let literalCount: Int
    /// Columns of every row.
    private let columnCount: Int
    private let sourceCount: Int
    private let bounds: RowMerger.Bounds
    private var fields = RowFields()
    private var types = ColumnTypes()
    private let literals: UnsafeMutablePointer<ArrayLiteral>

    /// Rows collected.
    public private(set) var rowCount = 0

    /// Bytes of the literals so far.
    public private(set) var bufferedBytes = 0

    /// - Parameter columnCounts: columns of each kind of rows.
    public init(columnCounts: [Int], sourceCount: Int, bounds: RowMerger.Bounds) {
        precondition(!columnCounts.isEmpty, "rows of no kind")
        var first = 0
        kinds = columnCounts.map { count in
            defer { first += count }
            return (count, first)
        }
        literalCount = first
        columnCount = columnCounts.count == 1 ? columnCounts[0] : 1 + (columnCounts.max() ?? 0)
        self.sourceCount = sourceCount
        self.bounds = bounds
        literals = .allocate(capacity: max(1, literalCount))
        for column in 0..<literalCount { (literals + column).initialize(to: ArrayLiteral()) }
    }

    deinit {
        for column in 0..<literalCount { literals[column].free() }
        literals.deinitialize(count: literalCount)
        literals.deallocate()
        fields.free()
    }

    /// Checks that the shards agree on the columns' types. Throws 42804 for shards that disagree.
    public func rowDescription(source: Int, frame: UnsafeRawBufferPointer) throws(MergeError) {
        precondition(source < sourceCount, "no such source")
        let message: RowDescriptionMessage
        do { message = try RowDescriptionMessage(frame) } catch { throw .malformed(error) }
        guard message.fieldCount == columnCount else {
            throw .unexpectedColumnCount(message.fieldCount, expected: columnCount)
        }
        try types.learn(message.fields)
    }

    /// Takes one row of a source, all columns in text format.
    ///
    /// Throws 53400 when a limit is passed, 08P01 for a malformed row.
    public func dataRow(source: Int, frame: UnsafeRawBufferPointer) throws(MergeError) {
        precondition(source < sourceCount, "no such source")
        guard frame.count <= bounds.rowBytes else { throw .rowTooLarge(bytes: frame.count, limit: bounds.rowBytes) }
        try fields.expect(columnCount: columnCount)
        try fields.read(frame)
        let kind = kinds.count == 1 ? kinds[0] : try kinds[number(frame) - 1]
        for column in 0..<kind.columnCount {
            let range = fields[kinds.count == 1 ? column : column + 1]
            let literal = literals + kind.first + column
            let before = literal.pointee.count
            literal.pointee.append(range.isNull ? nil : frame.part(from: Int(range.offset), length: Int(range.length)))
            bufferedBytes += literal.pointee.count - before
        }
        rowCount += 1
        guard bufferedBytes <= bounds.totalBytes else { throw .tooManyBytes(limit: bounds.totalBytes) }
    }

    /// The number of a row's kind, from 1.
    private func number(_ frame: UnsafeRawBufferPointer) throws(MergeError) -> Int {
        let range = fields[0]
        guard !range.isNull, let number = Int(frame.part(from: Int(range.offset), length: Int(range.length)).text),
            kinds.indices.contains(number - 1)
        else { throw .malformedRow }
        return number
    }

    /// One literal a column, kind by kind, such as `{"1","a \"quoted\" word",NULL}`; valid as long as the collector. No row can be
    /// added afterwards.
    public var arrays: [UnsafeRawBufferPointer] { (0..<literalCount).map { literals[$0].close() } }
}
