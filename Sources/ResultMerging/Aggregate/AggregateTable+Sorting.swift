// What groups are sorted by: binary values in the table's memory. Group columns, minima and maxima lie there already;
// counts, sums and booleans are written there when all rows are in.
import WireProtocol

extension AggregateTable {
    /// The value of a group by which a sort key over `column` sorts.
    func sortValue(of group: Int, column: Int) -> StoredBytes {
        guard let index = outputs.firstIndex(where: { $0.inputColumn == column }) else { return StoredBytes() }
        let accumulator = accumulators[group * outputs.count + index]
        return accumulator.isNull ? StoredBytes() : accumulator.key
    }

    /// Writes the combined values that sort keys read.
    mutating func storeSortValues(of group: Int, _ sortKeys: [SortKey]) throws(MergeError) {
        for key in sortKeys {
            guard let index = outputs.firstIndex(where: { $0.inputColumn == key.column }) else { continue }
            let place = group * outputs.count + index
            let accumulator = accumulators[place]
            guard !accumulator.isNull, accumulator.key.length < 0 else { continue }
            switch outputs[index].combination {
            case .group, .minimum, .maximum: continue
            case .count, .sumBigint: storeInteger(accumulator.number, at: place)
            case .sumNumeric: try storeSum(Int(accumulator.number), at: place)
            case .boolAnd, .boolOr: storeBool(accumulator.number != 0, at: place)
            }
        }
    }

    private mutating func storeInteger(_ number: Int64, at place: Int) {
        withUnsafeBytes(of: number.bigEndian) { store(key: $0, at: place) }
    }

    private mutating func storeBool(_ value: Bool, at place: Int) {
        withUnsafeBytes(of: UInt8(value ? 1 : 0)) { store(key: $0, at: place) }
    }

    private mutating func storeSum(_ sum: Int, at place: Int) throws(MergeError) {
        let start = values.count
        try sums.elements[sum].appendBinary(to: &values)
        accumulators.elements[place].key = StoredBytes(
            offset: start, length: Int32(truncatingIfNeeded: values.count - start), capacity: 0)
    }

    private mutating func store(key bytes: UnsafeRawBufferPointer, at place: Int) {
        let start = values.count
        values.append(bytes)
        accumulators.elements[place].key = StoredBytes(offset: start, length: Int32(bytes.count), capacity: 0)
    }
}
