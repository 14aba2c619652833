// AggregateOutput: an aggregate merge made ready: for each column what is read, how it is combined and how it is written.
import WireProtocol

/// One combined value of every group.
struct AggregateOutput {
    let combination: PartialCombination
    /// The hidden binary column that is read.
    let inputColumn: Int
    /// The column the client sees; nil for a column that is kept only to sort by.
    let visibleColumn: Int?
    let typeOID: UInt32
    let isBinary: Bool
    /// For min and max.
    let kind: KeyKind?

    private init(
        _ combination: PartialCombination, input: Int, visible: Int?, typeOID: UInt32, isBinary: Bool
    ) throws(MergeError) {
        self.combination = combination
        inputColumn = input
        visibleColumn = visible
        self.typeOID = typeOID
        self.isBinary = isBinary
        switch combination {
        case .minimum(let typeOID), .maximum(let typeOID):
            guard let kind = KeyKind(typeOID: typeOID) else { throw .cannotOrder(typeOID: typeOID) }
            self.kind = kind
        case .group, .count, .sumBigint, .sumNumeric, .boolAnd, .boolOr: kind = nil
        }
        guard visible == nil || isWritable else { throw .unsupportedAggregate }
    }

    /// Whether the combined value can be written as the column's type.
    private var isWritable: Bool {
        switch combination {
        case .group, .minimum, .maximum: true
        case .count, .sumBigint: IntegerType(rawValue: typeOID) != nil
        case .sumNumeric: typeOID == 1700
        case .boolAnd, .boolOr: typeOID == 16
        }
    }

    /// All outputs of a plan: the visible columns, then columns that only a sort key reads. Throws 0A000 for what cannot be
    /// combined.
    static func all(
        _ merge: AggregateMerge, sortKeys: [SortKey], formats: [FormatCode]
    ) throws(MergeError) -> [AggregateOutput] {
        guard merge.outputs.count == merge.inputColumns.count, merge.outputs.count == merge.outputTypeOIDs.count else {
            throw .unsupportedAggregate
        }
        var all: [AggregateOutput] = []
        for (column, combination) in merge.outputs.enumerated() {
            all.append(
                try AggregateOutput(
                    combination, input: merge.inputColumns[column], visible: column,
                    typeOID: merge.outputTypeOIDs[column], isBinary: isBinary(column, formats)))
        }
        for key in sortKeys where !all.contains(where: { $0.inputColumn == key.column }) {
            all.append(
                try AggregateOutput(.group, input: key.column, visible: nil, typeOID: key.typeOID, isBinary: true))
        }
        return all
    }

    /// Bind's rule: no format code means text, one counts for all columns.
    private static func isBinary(_ column: Int, _ formats: [FormatCode]) -> Bool {
        switch formats.count {
        case 0: false
        case 1: formats[0] == .binary
        default: column < formats.count && formats[column] == .binary
        }
    }
}

/// Integer types a count or sum may be written as. Raw values are type OIDs.
enum IntegerType: UInt32 {
    case int8 = 20
    case int2 = 21
    case int4 = 23

    /// PostgreSQL's name in "... out of range".
    var name: String {
        switch self {
        case .int8: "bigint"
        case .int2: "smallint"
        case .int4: "integer"
        }
    }
}
