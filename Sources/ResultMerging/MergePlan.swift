// MergePlan: how the rows of many shards become the rows of one. Pure data, made by QueryPlanning, obeyed by RowMerger.
//
// Each shard answers with `visibleColumnCount` columns in the client's own formats, followed by hidden columns in
// binary that only the merge reads and the client never sees.
import WireProtocol

/// One ORDER BY key: a column and how to compare it.
public struct SortKey: Sendable, Equatable {
    /// Position among all columns of the shard's row, from 0; always a hidden (binary) column.
    public var column: Int
    /// PostgreSQL type OID of the column; decides the comparison.
    public var typeOID: UInt32
    public var isDescending: Bool
    public var nullsFirst: Bool

    public init(column: Int, typeOID: UInt32, isDescending: Bool, nullsFirst: Bool) {
        self.column = column
        self.typeOID = typeOID
        self.isDescending = isDescending
        self.nullsFirst = nullsFirst
    }
}

/// How partial values of one output column of an aggregate query are combined in the proxy.
///
/// Only the simple and frequent cases; everything else goes through the finisher (a query on a shard).
public enum PartialCombination: Sendable, Equatable {
    /// A grouping column: equal in all rows of the group; the first row's bytes.
    case group
    /// count: the sum of bigint, never NULL.
    case count
    /// sum whose result type is bigint (of int2 or int4): NULL when all are NULL.
    case sumBigint
    /// sum whose result type is numeric (of int8 or numeric).
    case sumNumeric
    /// min or max of a type with a comparison.
    case minimum(typeOID: UInt32)
    case maximum(typeOID: UInt32)
    case boolAnd
    case boolOr
}

extension PartialCombination {
    /// The type of the partial values; nil: any.
    var inputType: UInt32? {
        switch self {
        case .group: nil
        case .count, .sumBigint: 20
        case .sumNumeric: 1700
        case .minimum(let type), .maximum(let type): type
        case .boolAnd, .boolOr: 16
        }
    }
}

/// How rows of one result are grouped and combined in the proxy.
public struct AggregateMerge: Sendable, Equatable {
    /// One entry a visible column.
    public var outputs: [PartialCombination]
    /// The hidden binary columns that hold the inputs of `outputs`, same order: the visible column itself cannot be read
    /// in every format. For `.group` the hidden column is the equality key (its type has byte equality).
    public var inputColumns: [Int]
    /// Type OIDs of the visible columns, for writing combined values in the client's format.
    public var outputTypeOIDs: [UInt32]
    /// Hidden binary columns of GROUP BY expressions that the client does not see.
    public var hiddenGroupColumns: [Int]

    public init(
        outputs: [PartialCombination], inputColumns: [Int], outputTypeOIDs: [UInt32], hiddenGroupColumns: [Int] = []
    ) {
        self.outputs = outputs
        self.inputColumns = inputColumns
        self.outputTypeOIDs = outputTypeOIDs
        self.hiddenGroupColumns = hiddenGroupColumns
    }
}

/// How the rows of many shards become the rows of one.
public struct MergePlan: Sendable, Equatable {
    /// Leading columns shown to the client.
    public var visibleColumnCount: Int
    /// ORDER BY keys; empty: rows pass in order of arrival. With keys each shard's rows come sorted by them, except with
    /// `aggregate`: then the combined groups are sorted here. There a key over a column of `inputColumns` sorts by the
    /// combined value, and any other column must be the same in all rows of a group.
    public var sortKeys: [SortKey]
    /// DISTINCT over hidden binary columns whose types have byte equality; empty: no duplicates removed.
    public var distinctColumns: [Int]
    /// Combine partial aggregates; nil: rows are final.
    public var aggregate: AggregateMerge?

    public init(
        visibleColumnCount: Int, sortKeys: [SortKey] = [], distinctColumns: [Int] = [], aggregate: AggregateMerge? = nil
    ) {
        self.visibleColumnCount = visibleColumnCount
        self.sortKeys = sortKeys
        self.distinctColumns = distinctColumns
        self.aggregate = aggregate
    }
}

extension MergePlan {
    /// Compares the types that the plan was made for with those that a shard gives.
    ///
    /// The planner infers types; where it should ever be wrong, values would be compared as what they are not.
    func check(_ fields: [FieldDescription]) throws(MergeError) {
        for key in sortKeys { try check(fields, key.column, key.typeOID) }
        guard let aggregate else { return }
        for (output, column) in zip(aggregate.outputs, aggregate.inputColumns) {
            if let type = output.inputType { try check(fields, column, type) }
        }
        for (column, type) in aggregate.outputTypeOIDs.enumerated() { try check(fields, column, type) }
    }

    private func check(_ fields: [FieldDescription], _ column: Int, _ type: UInt32) throws(MergeError) {
        // No type was expected: the shard's is taken.
        if type == 0 { return }
        guard fields.indices.contains(column), fields[column].typeOID != type else { return }
        // text and varchar are the same bytes.
        let texts: Set<UInt32> = [25, 1043]
        guard !texts.contains(type) || !texts.contains(fields[column].typeOID) else { return }
        throw .unexpectedType(column: String(decoding: fields[column].name, as: UTF8.self), fields[column].typeOID, expected: type)
    }

    /// Columns behind the visible ones, up to the last that the merge reads.
    public var hiddenColumnCount: Int { highestColumn + 1 - visibleColumnCount }

    /// The highest column the merge touches, or -1.
    var highestColumn: Int {
        let aggregateColumns = (aggregate?.inputColumns ?? []) + (aggregate?.hiddenGroupColumns ?? [])
        return (sortKeys.map(\.column) + distinctColumns + aggregateColumns + [visibleColumnCount - 1]).max() ?? -1
    }
}
