// What the server tells the proxy of itself: identity, catalog, decisions, prepared transactions, who is connected.
import Primitives
import QueryPlanning
import WireProtocol

extension SimulatedServer {
    func answerProxy(_ statement: Statement, _ backend: Backend, _ context: ExecutionContext) -> Progress {
        switch statement {
        case .selectOne: return rows([["1"]], of: statement, backend, context)
        case .emitMessage:
            backend.transaction?.changes.hasMessage = true
            return rows([["0/0"]], of: statement, backend, context)
        case .isTransactionIDAssigned:
            return rows([[backend.transaction?.id ?? 0 == 0 ? "f" : "t"]], of: statement, backend, context)
        case .roleDefaults:
            return rows([["\"$user\", public", "read committed", "on", "off", "0", "ISO, MDY", "1", "alike", "10 alike"]], of: statement, backend, context)
        case .history: return rows([["7/\(timeline)"]], of: statement, backend, context)
        case .lockWaits: return rows(lockWaits, of: statement, backend, context)
        case .instanceLock(let first, let second):
            backend.instanceLocks.append((first, second))
            return rows([[""]], of: statement, backend, context)
        case .selectOutcome(let hash):
            let own = backend.transaction?.changes.insertedDecisions.last { $0.hash == hash }
            let found = own ?? storage.decisions[hash]
            return rows(found.map { [[$0.outcome]] } ?? [], of: statement, backend, context)
        case .listDecisions(let seconds):
            let old = storage.decisions.values.filter { $0.outcome == "abort" || (world.now - $0.decidedAt).seconds > seconds }
                .sorted { ($0.decidedAt, $0.hash) < ($1.decidedAt, $1.hash) }
            let listed = old.map { [$0.hash, $0.outcome, $0.instance, "\((world.now - $0.decidedAt).seconds)"] }
            return rows(listed, of: statement, backend, context)
        case .listInstances(let key): return rows(instances(key).map { ["\($0)"] }, of: statement, backend, context)
        case .listPrepared:
            let listed = storage.prepared.map {
                [$0.gid, $0.owner, ProxyParts.database, "\((world.now - $0.preparedAt).seconds)"]
            }
            return rows(listed, of: statement, backend, context)
        case .asksForStandbys: return rows([[isSynchronous ? "t" : "f"]], of: statement, backend, context)
        case .objectOIDs: return rows(SimulatedCatalog.objectOIDs, of: statement, backend, context)
        case .catalog(let query): return rows(SimulatedCatalog.rows(query), of: statement, backend, context)
        default: return identity(statement, backend, context)
        }
    }

    /// The second keys of all instance locks, without repetition.
    private func instances(_ classKey: Int) -> [UInt32] {
        var keys: [UInt32] = []
        for case let backend? in backends {
            for lock in backend.instanceLocks where Int(UInt32(bitPattern: lock.0)) == classKey {
                let key = UInt32(bitPattern: lock.1)
                if !keys.contains(key) { keys.append(key) }
            }
        }
        return keys
    }

    /// The schema and who the shard is: written once, and so early that no crash takes it back.
    private func identity(_ statement: Statement, _ backend: Backend, _ context: ExecutionContext) -> Progress {
        switch statement {
        case .install:
            if !storage.isInstalled { writeForGood(.install) }
            return .done(tag: "COMMIT")
        case .insertIdentity(let cluster, let shard):
            guard storage.cluster == nil else { return .done(tag: "INSERT 0 0") }
            writeForGood(.identity(cluster: cluster, shard: shard))
            return .done(tag: "INSERT 0 1")
        default: return rows([[storage.cluster, storage.shard, "100"]], of: statement, backend, context)
        }
    }

    private func writeForGood(_ record: LogRecord) {
        storage.replay(record)
        let position = log.append(record)
        log.flushedCount = max(log.flushedCount, position)
        log.replicatedCount = max(log.replicatedCount, position)
    }
}

/// The catalog of every server: one table, sharded by user_id.
enum SimulatedCatalog {
    /// The same on all servers.
    static let objectOIDs: [[String?]] = [["16400", "public", "accounts", "f", "table", "0"]]

    static func rows(_ query: CatalogQuery) -> [[String?]] {
        switch query {
        case .database: [[ProxyParts.database, "UTF8", "C", "C", "c", nil, "150000"]]
        case .schemas: [["pg_catalog"], ["public"], ["pgbraid"]]
        case .relations: [["16400", "public", "accounts", "r", nil, "f", "f", "f", "f", nil, "f", "1"]]
        case .columns:
            [
                ["16400", "1", "user_id", "20", "-1", "0", "t", "f", "", nil],
                ["16400", "2", "balance", "20", "-1", "0", "f", "f", "", nil],
            ]
        case .constraints: [["16400", "accounts_pkey", "p", "1", "0", nil, nil, nil]]
        case .types:
            [("bool", 16), ("int8", 20), ("int4", 23), ("text", 25), ("numeric", 1700)].map { name, oid in
                ["\(oid)", "pg_catalog", name, "b", name == "text" ? "S" : "N", "0", "-1", "0", "0", name == "text" ? "100" : "0", nil, "f", "t", "f"]
            }
        case .collations: [["100", "pg_catalog", "default", "d", "t", "f"]]
        case .enumLabels, .functions, .operators, .placements: []
        }
    }
}
