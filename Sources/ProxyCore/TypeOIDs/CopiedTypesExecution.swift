// CopiedTypesExecution: whether values that COPY TO in binary format copies hold OIDs of types.
//
// COPY does not say of what types its columns are, so that its values cannot be translated as they pass. Where shards have OIDs of their
// own, what is copied is described first, and refused if it has columns that hold some.
import Primitives
import QueryPlanning
import WireProtocol

final class CopiedTypesExecution: DescribingExecution {
    init(worker: Worker, session: Int32, parent: Execution?, query: String) {
        super.init(worker: worker, session: session, parent: parent, text: Array(query.utf8), declaredTypes: [])
    }

    override func described() {
        if let failure { return finish(.failure(failure)) }
        let types = (columns ?? []).map(\.typeOID)
        let maps = (0..<worker.shardCount).compactMap { worker.translation(ShardIndex($0), session: session)?.toShard }
        guard let held = types.first(where: { type in maps.contains { $0.carriesOIDs(type) } }) else { return finish(.success) }
        finish(
            .failure(
                DatabaseMessage(
                    error: .featureNotSupported, "COPY in binary format of a column whose values hold the OIDs of other types is not supported",
                    detail: "The type with OID \(held) is an array, composite type or range of types that have another OID on each shard.",
                    hint: "Use the text or CSV format, or leave the column out.")))
    }
}
