// Statistics: counters of one worker, for SHOW STATS.
import Primitives

struct Statistics {
    /// Counted down to the next statement whose key is looked at, in place of counting up (`SharedKeyTraffic`).
    private var untilSample: UInt64 = 0
    /// What `untilSample` was when it was drawn, and the statements before that.
    private var drawn: UInt64 = 0
    private var statementsBeforeDraw: UInt64 = 0
    private var draws = SampleDraws()
    var statements: UInt64 { statementsBeforeDraw &+ (drawn &- untilSample) }
    /// Raw memory: an array would be checked for being shared at each statement.
    let statementsByShard: UnsafeMutablePointer<UInt64>
    var bytesToClients: UInt64 = 0
    /// Queries over several shards, and those of them whose rows the proxy made of partial aggregates, or one shard made of partial
    /// results or of fetched rows.
    var scatters: UInt64 = 0
    var aggregates: UInt64 = 0
    var finishes: UInt64 = 0
    var gathers: UInt64 = 0
    var broadcasts: UInt64 = 0
    /// Statements that wrote rows, or changed others with rows, that had been fetched.
    var fetchedWrites: UInt64 = 0
    /// Requests that have claimed their idempotency key, and those that were answered with what was stored.
    var keyedRequests: UInt64 = 0
    var replayedRequests: UInt64 = 0
    var onePhaseCommits: UInt64 = 0
    var twoPhaseCommits: UInt64 = 0
    var prepares: UInt64 = 0
    /// Times the shards were asked who waits for whom.
    var deadlockLooks: UInt64 = 0
    var deadlocks: UInt64 = 0
    /// Windows of the snapshot gate that had to wait.
    var gateWaits: UInt64 = 0
    /// Snapshots of several shards that were taken anew since a window was too short.
    var snapshotRetries: UInt64 = 0
    var errors: UInt64 = 0
    var queueTimeouts: UInt64 = 0
    var cancels: UInt64 = 0
    /// From when a statement was sent to its shard until all of the answer had come, of those that only pass.
    let passedDurations = DurationHistogram()
    /// From when an execution had the session until it ended.
    let executedDurations = DurationHistogram()
    private(set) var statementsPerSecond: UInt64 = 0
    private var statementsBefore: UInt64 = 0

    /// Statements between two whose keys are looked at, on average; 0: none is.
    var sampleInterval: UInt64 {
        didSet { if sampleInterval != oldValue { drawSample() } }
    }

    init(sampleInterval: UInt64) {
        self.sampleInterval = sampleInterval
        statementsByShard = .allocate(capacity: Limits.maximumShardCount)
        statementsByShard.initialize(repeating: 0, count: Limits.maximumShardCount)
        drawSample()
    }

    func free() {
        statementsByShard.deallocate()
        passedDurations.free()
        executedDurations.free()
    }

    /// Counts a statement.
    /// - Returns: whether it is this statement's key that is to be looked at.
    @inline(__always)
    mutating func isSampled(shard: ShardIndex) -> Bool {
        statementsByShard[shard.int] &+= 1
        untilSample &-= 1
        return untilSample == 0
    }

    /// Counts a statement that has no key to look at.
    @inline(__always)
    mutating func countStatement(shard: ShardIndex) {
        if isSampled(shard: shard) { drawSample() }
    }

    /// Draws when the next sample is due.
    @inline(never)
    mutating func drawSample() {
        statementsBeforeDraw = statements
        drawn = draws.next(interval: sampleInterval)
        untilSample = drawn
    }

    mutating func closeSecond() {
        statementsPerSecond = statements &- statementsBefore
        statementsBefore = statements
    }
}

/// How many statements pass until the next sample: anything up to twice the average, by a generator of its own (xorshift: Marsaglia, Xorshift RNGs,
/// Journal of Statistical Software 8, 2003), since nothing depends on its being unknown.
struct SampleDraws {
    private var state: UInt64 = 0x9E37_79B9_7F4A_7C15

    mutating func next(interval: UInt64) -> UInt64 {
        guard interval > 0 else { return .max }
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return 1 + state % (2 * interval - 1)
    }
}
