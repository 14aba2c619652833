// Environments: numbers for what the meaning of a statement depends on beside its text: catalog, search_path, role,
// temp tables. Sessions with equal numbers share plans.
import Primitives
import QueryPlanning

/// Planning environments by number.
final class EnvironmentTable {
    private var environments: [UInt32: PlanningEnvironment] = [:]
    private var numbers: [Key: UInt32] = [:]
    private var lastNumber: UInt32 = 0

    private struct Key: Hashable {
        var epoch: Int
        var searchPath: [String]
        var user: String
        var temporaryTables: [String]
        var usesServerEncoding: Bool
        var writesExactText: Bool
        var addressedShard: Int?
    }

    func at(_ number: UInt32) -> PlanningEnvironment? { environments[number] }

    /// The number of an environment, made on first use.
    func number(
        catalog: Catalog, epoch: Int, searchPath: [String], user: String, temporaryTables: [String], shardCount: Int,
        usesServerEncoding: Bool, writesExactText: Bool, addressedShard: Int?
    ) -> UInt32 {
        let key = Key(
            epoch: epoch, searchPath: searchPath, user: user, temporaryTables: temporaryTables, usesServerEncoding: usesServerEncoding,
            writesExactText: writesExactText, addressedShard: addressedShard)
        if let number = numbers[key] { return number }
        lastNumber += 1
        numbers[key] = lastNumber
        var environment = PlanningEnvironment(
            catalog: catalog, searchPath: searchPath, number: lastNumber, temporaryTables: temporaryTables, shardCount: shardCount)
        environment.usesServerEncoding = usesServerEncoding
        environment.writesExactText = writesExactText
        environment.addressedShard = addressedShard
        environments[lastNumber] = environment
        return lastNumber
    }

    private static let leastSweep = 1024
    private var sweepAbove = leastSweep

    var isDueForSweep: Bool { environments.count > sweepAbove }

    /// Forgets all environments but `used`; returns the numbers of those forgotten.
    func sweep(used: Set<UInt32>) -> [UInt32] {
        let unused = forget { !used.contains($1) }
        sweepAbove = max(Self.leastSweep, 2 * environments.count)
        return unused
    }

    /// Forgets the environments of a catalog that only one block saw; returns their numbers.
    func forget(epoch: Int) -> [UInt32] { forget { key, _ in key.epoch == epoch } }

    private func forget(_ isForgotten: (Key, UInt32) -> Bool) -> [UInt32] {
        let old = numbers.filter { isForgotten($0.key, $0.value) }
        for (key, number) in old {
            numbers[key] = nil
            environments[number] = nil
        }
        return old.values.sorted()
    }

    /// Forgets environments of older catalogs; returns their numbers.
    func forget(olderThan epoch: Int) -> [UInt32] {
        forget { key, _ in key.epoch < epoch }
    }
}

extension Worker {
    /// The number of the session's present environment.
    func environmentNumber(of index: Int32) -> UInt32 {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail, session.pointee.pool >= 0 else { return 0 }
        let pool = pools[Int(session.pointee.pool)]
        let setRole = detail.value(ofSetting: "role").flatMap { $0.uppercased() == "NONE" ? nil : $0 }
        let role = setRole ?? detail.value(ofSetting: "session_authorization") ?? detail.user
        let defaults = detail.transaction?.formerDefaults ?? pool.defaults
        let path = detail.value(ofSetting: "search_path") ?? defaults?.searchPath ?? "\"$user\", public"
        let catalog = detail.transaction?.catalog ?? cluster.catalog
        let schemas = catalog.facts.schemas
        return environments.number(
            catalog: catalog, epoch: detail.transaction?.catalogEpoch ?? cluster.catalogEpoch,
            searchPath: SearchPath.resolve(path, user: role, schemas: schemas) ?? ["pg_catalog", "public"], user: role,
            temporaryTables: detail.temporaryTables, shardCount: shardCount, usesServerEncoding: usesServerEncoding(detail),
            writesExactText: writesExactText(detail, defaults), addressedShard: detail.value(ofSetting: "pgbraid.shard").flatMap(Int.init))
    }

    /// A DateStyle that names no style keeps the one before.
    private func writesExactText(_ detail: SessionDetail, _ defaults: RoleDefaults?) -> Bool {
        let styles = [detail.transaction?.localSettings.value(of: "datestyle"), detail.settings.value(of: "datestyle"), defaults?.dateStyle].map { $0.map { DateStyle($0).map { $0.style ?? "" } ?? "unknown" } }
        let style = styles.lazy.compactMap { $0 }.first { !$0.isEmpty }
        let digits = detail.value(ofSetting: "extra_float_digits") ?? defaults?.extraFloatDigits ?? "1"
        return style == "ISO" && (Int(digits.trimming { $0 == "'" }) ?? 0) >= 1
    }

    /// The client's texts come in the encoding the keys are hashed in.
    private func usesServerEncoding(_ detail: SessionDetail) -> Bool {
        guard let encoding = detail.value(ofSetting: "client_encoding")?.uppercased() else { return true }
        return ["UTF8", "UTF-8", "UNICODE"].contains(encoding.trimming { $0 == "\"" || $0 == "'" })
    }

    /// What the session's next statement means may have changed.
    func renewEnvironment(of index: Int32) {
        let pool = sessions.at(index).pointee.pool
        let isAwaited = cluster.isPlanningPaused || pool >= 0 && pools[Int(pool)].isRenewing
        sessions.at(index).pointee.environment = isAwaited ? 0 : environmentNumber(of: index)
    }

    func planningEnvironment(_ index: Int32) -> PlanningEnvironment {
        let session = sessions.at(index)
        if session.pointee.environment != 0, let known = environments.at(session.pointee.environment) { return known }
        // While planning is paused, what still runs plans as it has begun, and nothing else is planned.
        let number = environmentNumber(of: index)
        let isOld = cluster.isCatalogOld && session.pointee.detail?.transaction?.catalog == nil
        if !cluster.isPlanningPaused, !isOld { session.pointee.environment = number }
        return environments.at(number)
            ?? PlanningEnvironment(
                catalog: cluster.catalog, searchPath: ["pg_catalog", "public"], number: 0, temporaryTables: [], shardCount: shardCount)
    }

    /// A statement changed tables or types: everyone's knowledge of them is read again before the next plan. Until then
    /// no session has an environment, so that no plan made before is found.
    func noteCatalogChange() {
        catalogChanged()
        effects.append(.tellWorkers(.catalogChanged))
        runAdmin(cluster.catalogShard, "NOTIFY \(PlanningLock.catalogChannel), '\(cluster.instance)'") { _ in }
    }

    func catalogChanged() {
        forgetEnvironments()
        askLoginFacts()
        loadCatalog()
    }

    /// The block is over and with it what only it saw of the catalog.
    func forgetCatalog(of transaction: Transaction) {
        guard let epoch = transaction.catalogEpoch else { return }
        for number in environments.forget(epoch: epoch) { planner.forget(environment: number) }
    }

    func forgetEnvironments() {
        for index in 0..<sessions.highWater { sessions.at(index).pointee.environment = 0 }
    }

    /// The session goes on once the catalog is read again.
    func awaitCatalog(_ index: Int32) {
        let session = sessions.at(index)
        session.pointee.activity = .waiting
        session.pointee.waitingSince = now
        // It is there already when its last wait for the catalog was cut short.
        let generation = session.pointee.generation
        if !catalogWaiters.contains(where: { $0 == (index, generation) }) { catalogWaiters.append((index, generation)) }
    }

    /// Temp tables a statement created or dropped: they shadow everything else for this session.
    func noteTemporaryTables(_ index: Int32, _ names: TemporaryNames) {
        guard !names.isEmpty, let detail = sessions.at(index).pointee.detail else { return }
        detail.temporaryTables = names.applied(to: detail.temporaryTables)
        detail.temporaryVersion += 1
        if let transaction = detail.transaction {
            // A table of the name that was made before is gone, by DROP or ROLLBACK TO.
            transaction.temporaryTablesUntilCommit.removeAll(where: names.created.contains)
            transaction.temporaryTablesUntilCommit += names.untilCommit
            transaction.hasChangedSettings = true
        } else {
            detail.temporaryTables.removeAll(where: names.untilCommit.contains)
        }
        renewEnvironment(of: index)
    }
}

extension TemporaryNames {
    var isEmpty: Bool { created.isEmpty && dropped.isEmpty }

    /// The names a session has after the statement.
    func applied(to names: [String]) -> [String] {
        names.filter { !dropped.contains($0) && !created.contains($0) } + created
    }
}
