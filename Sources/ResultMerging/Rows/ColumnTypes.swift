// ColumnTypes: what the shards say about the columns of a result. The first description fixes the types; a later one
// that differs means that the shards' tables differ, and merging their rows would give the client garbage.
import WireProtocol

struct ColumnTypes {
    /// OIDs from here on belong to user-defined types and differ from shard to shard.
    static let firstUserOID: UInt32 = 16384

    private(set) var typeOIDs: [UInt32] = []
    private var names: [[UInt8]] = []

    /// Whether a description was seen.
    var isKnown: Bool { !typeOIDs.isEmpty }

    /// Notes or checks the fields one shard describes. The number of fields has been checked.
    mutating func learn(_ fields: [FieldDescription]) throws(MergeError) {
        guard isKnown else {
            typeOIDs = fields.map(\.typeOID)
            names = fields.map(\.name)
            return
        }
        for (column, field) in fields.enumerated() where field.typeOID != typeOIDs[column] {
            let known = typeOIDs[column]
            if min(known, field.typeOID) < ColumnTypes.firstUserOID {
                throw .differentTypes(column: String(decoding: names[column], as: UTF8.self), known, field.typeOID)
            }
        }
    }
}
