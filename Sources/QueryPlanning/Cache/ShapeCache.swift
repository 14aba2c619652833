// ShapeCache: pass-through plans by shape. The key is the shape's bytes, followed by the environment's number and the
// declared parameter types; ShapeScanner's buffer holds them all, so that one hash and one comparison cover everything.

/// The cache behind `Planner.lookUp`. Not thread safe.
struct ShapeCache {
    private let table: ByteKeyTable
    private let hotPlans: UnsafeMutablePointer<HotPlan>
    private let plans: UnsafeMutablePointer<CachedShape?>

    /// - Parameter capacity: how many shapes are kept.
    init(capacity: Int, byteLimit: Int) {
        table = ByteKeyTable(capacity: capacity, byteLimit: byteLimit)
        hotPlans = .allocate(capacity: table.slotCount)
        hotPlans.initialize(repeating: .none, count: table.slotCount)
        plans = .allocate(capacity: table.slotCount)
        plans.initialize(repeating: nil, count: table.slotCount)
    }

    func free() {
        plans.deinitialize(count: table.slotCount)
        plans.deallocate()
        hotPlans.deallocate()
        table.free()
    }

    var statistics: CacheStatistics { table.statistics }

    /// Allocates nothing. Valid until the cache is next changed.
    @inline(__always)
    func find(_ key: UnsafeRawPointer, count: Int) -> UnsafePointer<HotPlan>? {
        let slot = table.find(key, count: count, hash: ByteHash.hash(key, count: count))
        return slot >= 0 ? UnsafePointer(hotPlans + slot) : nil
    }

    /// The plan of an entry, if it is still there. Valid until the cache is next changed.
    @inline(__always)
    func find(_ entry: ShapeEntry) -> UnsafePointer<HotPlan>? {
        table.use(entry.slot, serial: entry.serial) ? UnsafePointer(hotPlans + entry.slot) : nil
    }

    /// The entry of a plan that `find` has just found.
    func entry(of plan: UnsafePointer<HotPlan>) -> ShapeEntry {
        ShapeEntry(slot: plan.pointee.slot, serial: table.serial(plan.pointee.slot))
    }

    /// The full plan of a shape that `find` has just found.
    func shape(_ plan: HotPlan) -> CachedShape? { plans[plan.slot] }

    /// Keeps a plan under a key that has none yet.
    func insert(_ key: UnsafeRawBufferPointer, environment: UInt32, hotPlan: HotPlan, shape: CachedShape) {
        guard let address = key.baseAddress else { return }
        let hash = ByteHash.hash(address, count: key.count)
        guard let slot = table.insert(key, hash: hash, environment: environment, evicted: { plans[$0] = nil }) else {
            return
        }
        var hotPlan = hotPlan
        hotPlan.slot = slot
        hotPlans[slot] = hotPlan
        plans[slot] = shape
    }

    func remove(environment: UInt32) {
        table.remove(environment: environment) { plans[$0] = nil }
    }
}

/// Names an entry of the cache: the slot, and when it came there, so that no later entry of the slot is taken for it.
struct ShapeEntry: Equatable {
    var slot: Int
    var serial: UInt64
}

/// The full plan of a shape, and where its first text had its literals, to translate places.
struct CachedShape {
    let plan: StatementPlan
    /// Where each literal taken out began in the planned text.
    let literalStarts: [Int]
}
