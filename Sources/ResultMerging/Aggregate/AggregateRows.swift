// AggregateRows: the combined groups as rows, in order, once every source has ended.
import Primitives
import WireProtocol

extension AggregateTable {
    /// Writes the row of one group. Throws 22003 when a value is out of its type's range.
    mutating func writeRow(_ group: Int, into output: inout ByteQueue) throws(MergeError) {
        let visibleCount = outputs.count { $0.visibleColumn != nil }
        let mark = output.beginDataRow(fieldCount: visibleCount)
        for index in 0..<visibleCount {
            try writeValue(outputs[index], accumulators[group * outputs.count + index], into: &output)
        }
        output.endFrame(mark)
    }

    private mutating func writeValue(
        _ output: AggregateOutput, _ accumulator: Accumulator, into queue: inout ByteQueue
    ) throws(MergeError) {
        guard !accumulator.isNull else { return queue.append(value: nil as UnsafeRawBufferPointer?) }
        switch output.combination {
        case .group, .minimum, .maximum: queue.append(value: bytes(accumulator.visible))
        case .count, .sumBigint: try AggregateTable.writeInteger(accumulator.number, output, into: &queue)
        case .sumNumeric: try writeSum(Int(accumulator.number), isBinary: output.isBinary, into: &queue)
        case .boolAnd, .boolOr:
            queue.append(integer: Int32(1))
            let isTrue = accumulator.number != 0
            queue.append(output.isBinary ? (isTrue ? 1 : 0) : UInt8(ascii: isTrue ? "t" : "f"))
        }
    }

    private mutating func writeSum(_ place: Int, isBinary: Bool, into queue: inout ByteQueue) throws(MergeError) {
        let start = queue.count
        queue.append(integer: Int32(0))
        if isBinary {
            try sums.elements[place].writeBinary(into: &queue)
        } else {
            try sums.elements[place].writeText(into: &queue)
        }
        queue.patch(int32: Int32(truncatingIfNeeded: queue.count - start - 4), at: start)
    }

    private static func writeInteger(
        _ number: Int64, _ output: AggregateOutput, into queue: inout ByteQueue
    ) throws(MergeError) {
        guard let type = IntegerType(rawValue: output.typeOID) else { throw .unsupportedAggregate }
        guard type.holds(number) else { throw .outOfRange(type.name) }
        let start = queue.count
        queue.append(integer: Int32(0))
        switch (output.isBinary, type) {
        case (true, .int8): queue.append(integer: number)
        case (true, .int4): queue.append(integer: Int32(truncatingIfNeeded: number))
        case (true, .int2): queue.append(integer: Int16(truncatingIfNeeded: number))
        case (false, _):
            if number < 0 { queue.append(UInt8(ascii: "-")) }
            queue.append(decimal: number.magnitude)
        }
        queue.patch(int32: Int32(truncatingIfNeeded: queue.count - start - 4), at: start)
    }
}

extension IntegerType {
    func holds(_ number: Int64) -> Bool {
        switch self {
        case .int8: true
        case .int4: Int32(exactly: number) != nil
        case .int2: Int16(exactly: number) != nil
        }
    }
}
