// CatalogWaiting: sessions whose next plan needs the catalog that is just being read, and catalogs that only one
// transaction block sees.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// The catalog is there: who waited for it goes on.
    func resumeCatalogWaiters() {
        let waiting = catalogWaiters
        catalogWaiters = []
        for (index, generation) in waiting where sessions.at(index).pointee.generation == generation {
            let session = sessions.at(index)
            // Who waits for a link by now is woken with it.
            let awaitsLink = session.pointee.waitingShard >= 0 || session.pointee.isLinkReserved
            if session.pointee.activity == .waiting, !awaitsLink { wake(index) }
        }
    }
}

/// Reads the catalog on a link of the session's own block, with the block's DDL in it, and on all of its links what OIDs the DDL gave away.
final class PrivateCatalogExecution: Execution {
    private var results: [[[String?]]] = []
    private var rowsOfOIDs: [ShardIndex: [[String?]]] = [:]
    private var wasSent = false

    /// The questions without a transaction of their own: a savepoint undoes the settings they need.
    private static let script =
        (["SAVEPOINT pgbraid_catalog", "SET LOCAL search_path TO ''", "SET LOCAL bytea_output TO hex"]
        + CatalogQuery.allCases.map(\.text) + ["ROLLBACK TO SAVEPOINT pgbraid_catalog", "RELEASE SAVEPOINT pgbraid_catalog"])
        .joined(separator: ";\n")

    override func resume() {
        guard !wasSent, let transaction = worker.sessions.at(session).pointee.detail?.transaction,
            let participant = transaction.participants.min(by: { $0.shard < $1.shard })
        else { return }
        wasSent = true
        for participant in [participant] + transaction.participants.filter({ $0.link != participant.link }) {
            ask(addLeg(link: participant.link), legs.count == 1 ? Self.script + ";\n" + ObjectOIDs.question : ObjectOIDs.question)
        }
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        switch type {
        case BackendMessageType.rowDescription where leg == 0 && results.count < CatalogQuery.allCases.count: results.append([])
        case BackendMessageType.rowDescription: rowsOfOIDs[legs[leg].shard] = []
        case BackendMessageType.dataRow:
            guard let row = try? DataRowMessage(frame) else { return }
            if rowsOfOIDs[legs[leg].shard] != nil {
                rowsOfOIDs[legs[leg].shard]?.append(row.texts)
            } else if !results.isEmpty {
                results[results.count - 1].append(row.texts)
            }
        default: collect(frame, type: type, leg: leg)
        }
    }

    override func allReady() {
        if let failure { return finish(.failure(failure)) }
        guard let transaction = worker.sessions.at(session).pointee.detail?.transaction, let catalog = worker.catalog(from: results),
            takeOIDs(transaction)
        else {
            return finish(.failure(DatabaseMessage(error: .internalError, "the catalog cannot be read within the transaction")))
        }
        worker.cluster.lastPrivateEpoch += 1
        transaction.catalog = catalog
        transaction.catalogEpoch = worker.cluster.lastPrivateEpoch
        worker.sessions.at(session).pointee.environment = worker.environmentNumber(of: session)
        finish(.success)
    }

    /// Has the block's links translate what its DDL has made.
    private func takeOIDs(_ transaction: Transaction) -> Bool {
        guard worker.shardCount > 1 else { return true }
        var oids = worker.cluster.objectOIDs
        for (shard, rows) in rowsOfOIDs {
            guard let known = Worker.objectOIDs(rows) else { return false }
            oids[shard.int] = known
        }
        transaction.oidTranslations = Worker.translations(oids, catalogShard: worker.cluster.catalogShard)
        for participant in transaction.participants { worker.setTranslation(ofLink: participant.link) }
        return true
    }
}
