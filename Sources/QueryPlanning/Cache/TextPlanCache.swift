// TextPlanCache: plans by exact text, for all statements whose plans a shape cannot serve.

/// The cache behind `Planner.plan`. Not thread safe.
struct TextPlanCache {
    /// Longer texts are not kept: they are bulk loads, which come once.
    static let maximumTextBytes = 64 << 10

    private let table: ByteKeyTable
    private let plans: UnsafeMutablePointer<[PlannedStatement]?>

    /// - Parameters:
    ///   - capacity: how many texts are kept.
    ///   - byteLimit: how many bytes the kept texts take at most; their plans take a small multiple of it.
    init(capacity: Int, byteLimit: Int) {
        table = ByteKeyTable(capacity: capacity, byteLimit: byteLimit)
        plans = .allocate(capacity: table.slotCount)
        plans.initialize(repeating: nil, count: table.slotCount)
    }

    func free() {
        plans.deinitialize(count: table.slotCount)
        plans.deallocate()
        table.free()
    }

    var statistics: CacheStatistics { table.statistics }

    /// Allocates nothing.
    func find(_ key: UnsafeRawBufferPointer) -> [PlannedStatement]? {
        guard let address = key.baseAddress else { return nil }
        let slot = table.find(address, count: key.count, hash: ByteHash.hash(address, count: key.count))
        return slot >= 0 ? plans[slot] : nil
    }

    /// Keeps plans under a key that has none yet.
    func insert(_ key: UnsafeRawBufferPointer, environment: UInt32, plans statements: [PlannedStatement]) {
        guard let address = key.baseAddress else { return }
        let hash = ByteHash.hash(address, count: key.count)
        if let slot = table.insert(key, hash: hash, environment: environment, evicted: { plans[$0] = nil }) {
            plans[slot] = statements
        }
    }

    func remove(environment: UInt32) {
        table.remove(environment: environment) { plans[$0] = nil }
    }
}
