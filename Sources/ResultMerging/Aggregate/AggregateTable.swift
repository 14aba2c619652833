// AggregateTable: GROUP BY over partial aggregates. Each row is found its group by the bytes of its group columns, and
// its values are added to the group's accumulators. Groups are numbered in order of arrival.
import WireProtocol

/// Groups and their combined values. Owns memory: call `free` exactly once.
struct AggregateTable {
    let outputs: [AggregateOutput]
    private let groupColumns: [Int]
    private let limit: Int
    private var groups: KeyTable
    /// `outputs.count` a group.
    var accumulators = GrowingArray<Accumulator>()
    var values = GrowingBytes()
    var sums = GrowingArray<NumericSum>()
    private var sumBytes = 0

    /// Throws 0A000 for aggregates that cannot be combined.
    init(_ merge: AggregateMerge, sortKeys: [SortKey], formats: [FormatCode], limit: Int) throws(MergeError) {
        outputs = try AggregateOutput.all(merge, sortKeys: sortKeys, formats: formats)
        groupColumns = outputs.filter { $0.combination == .group && $0.visibleColumn != nil }.map(\.inputColumn)
            + merge.hiddenGroupColumns
        self.limit = limit
        groups = KeyTable()
    }

    mutating func free() {
        for index in 0..<sums.count { sums.elements[index].free() }
        groups.free()
        accumulators.free()
        values.free()
        sums.free()
    }

    var groupCount: Int { accumulators.count / max(1, outputs.count) }

    /// Memory in use, in bytes.
    var bytes: Int { groups.bytes + accumulators.bytes + values.count + sums.bytes + sumBytes }

    /// Adds a row whose fields have been read.
    mutating func combine(_ frame: UnsafeRawBufferPointer, fields: borrowing RowFields) throws(MergeError) {
        let first = group(of: frame, fields: fields) * outputs.count
        for index in outputs.indices {
            try combine(first + index, outputs[index], frame, fields: fields)
        }
        guard bytes <= limit else { throw .tooManyBytes(limit: limit) }
    }

    /// Without group columns there is one group even without rows.
    mutating func addGroupOfNothing() {
        if groupColumns.isEmpty, groupCount == 0 { addGroup() }
    }

    /// The number of the row's group; makes a new one for new keys.
    private mutating func group(of frame: UnsafeRawBufferPointer, fields: borrowing RowFields) -> Int {
        groups.beginKey()
        for column in groupColumns { groups.appendField(AggregateTable.field(column, frame, fields)) }
        let (index, isNew) = groups.insert()
        if isNew { addGroup() }
        return index
    }

    private mutating func addGroup() {
        for output in outputs {
            var accumulator = Accumulator()
            if output.combination == .count { accumulator.isNull = false }
            if output.combination == .sumNumeric {
                accumulator.number = Int64(sums.count)
                sums.append(NumericSum())
            }
            accumulators.append(accumulator)
        }
    }

    @inline(__always)
    private static func field(
        _ column: Int, _ frame: UnsafeRawBufferPointer, _ fields: borrowing RowFields
    ) -> UnsafeRawBufferPointer? {
        let range = fields[column]
        return range.isNull ? nil : frame.part(from: Int(range.offset), length: Int(range.length))
    }

    private mutating func combine(
        _ index: Int, _ output: AggregateOutput, _ frame: UnsafeRawBufferPointer, fields: borrowing RowFields
    ) throws(MergeError) {
        guard let input = AggregateTable.field(output.inputColumn, frame, fields) else {
            if output.combination == .count { throw .malformedValue(column: output.inputColumn) }
            return
        }
        switch output.combination {
        case .count, .sumBigint: try addInteger(index, input, output)
        case .sumNumeric: try addNumeric(index, input, output)
        case .boolAnd, .boolOr: try combineBool(index, input, output)
        case .group:
            if accumulators[index].isNull { keep(index, input, output, frame, fields: fields) }
        case .minimum, .maximum:
            if try replaces(index, input, output) { keep(index, input, output, frame, fields: fields) }
        }
        accumulators.elements[index].isNull = false
    }

    private mutating func addInteger(
        _ index: Int, _ input: UnsafeRawBufferPointer, _ output: AggregateOutput
    ) throws(MergeError) {
        guard input.count == 8 else { throw .malformedValue(column: output.inputColumn) }
        let (sum, overflow) = accumulators[index].number.addingReportingOverflow(input.integer(at: 0, as: Int64.self))
        guard !overflow else { throw .outOfRange(IntegerType.int8.name) }
        accumulators.elements[index].number = sum
    }

    private mutating func addNumeric(
        _ index: Int, _ input: UnsafeRawBufferPointer, _ output: AggregateOutput
    ) throws(MergeError) {
        guard let number = BinaryNumeric(input) else { throw .malformedValue(column: output.inputColumn) }
        let place = Int(accumulators[index].number)
        let before = sums[place].bytes
        sums.elements[place].add(number)
        sumBytes += sums[place].bytes - before
    }

    private mutating func combineBool(
        _ index: Int, _ input: UnsafeRawBufferPointer, _ output: AggregateOutput
    ) throws(MergeError) {
        guard input.count == 1 else { throw .malformedValue(column: output.inputColumn) }
        let value: Int64 = input[0] == 0 ? 0 : 1
        let accumulator = accumulators[index]
        let known = accumulator.isNull ? value : accumulator.number
        accumulators.elements[index].number = output.combination == .boolAnd ? known & value : known | value
    }

    /// Whether a value comes before the kept minimum or after the kept maximum.
    private func replaces(
        _ index: Int, _ input: UnsafeRawBufferPointer, _ output: AggregateOutput
    ) throws(MergeError) -> Bool {
        guard let kind = output.kind, kind.accepts(input) else { throw .malformedValue(column: output.inputColumn) }
        guard !accumulators[index].isNull else { return true }
        let order = KeyComparison.compare(input, bytes(accumulators[index].key), kind)
        if case .minimum = output.combination { return order < 0 }
        return order > 0
    }

    /// Keeps the row's value as the group's, in the client's format and in binary.
    private mutating func keep(
        _ index: Int, _ input: UnsafeRawBufferPointer, _ output: AggregateOutput, _ frame: UnsafeRawBufferPointer,
        fields: borrowing RowFields
    ) {
        if let visible = output.visibleColumn, let value = AggregateTable.field(visible, frame, fields) {
            store(value, in: \.visible, of: index)
        }
        store(input, in: \.key, of: index)
    }

    private mutating func store(
        _ value: UnsafeRawBufferPointer, in place: WritableKeyPath<Accumulator, StoredBytes>, of index: Int
    ) {
        var stored = accumulators[index][keyPath: place]
        if value.count <= Int(stored.capacity) {
            values.replace(at: stored.offset, with: value)
        } else {
            stored.offset = values.count
            stored.capacity = Int32(truncatingIfNeeded: value.count)
            values.append(value)
        }
        stored.length = Int32(truncatingIfNeeded: value.count)
        accumulators.elements[index][keyPath: place] = stored
    }

    /// The bytes kept; valid until more are.
    func bytes(_ stored: StoredBytes) -> UnsafeRawBufferPointer {
        values.part(from: stored.offset, to: stored.offset + max(0, Int(stored.length)))
    }
}
