// SharedKeyTraffic: which sharding keys clients ask for most, over all workers of a proxy.
//
// One statement in about a thousand is looked at. How many until the next one is drawn at random, so that no rhythm of the clients' fits that of the
// looking. Statements pay for a number that is counted down in place of one that was counted up; who looks takes a lock, a few times a second.
import Primitives
import QueryPlanning
import Synchronization
import WireProtocol

/// Shared by all workers of a proxy; any thread may call.
public final class SharedKeyTraffic: Sendable {
    /// Keys that are kept.
    static let capacity = 1_000
    /// After which a statement counts half.
    static let halfLife = Span.seconds(3600)

    private struct State {
        var keys = SpaceSaving<SampledKey>(capacity: SharedKeyTraffic.capacity)
        var samples: UInt64 = 0
        var halvedAt: Instant?
    }

    private let state = Mutex(State())

    public init() {}

    /// - Parameter weight: of how many statements this is the one that was looked at.
    func count(_ key: SampledKey, weight: UInt64, now: Instant) {
        state.withLock { state in
            age(&state, now)
            state.keys.count(key, weight: weight)
            state.samples += 1
        }
    }

    /// The most frequent first.
    func top(_ count: Int, now: Instant) -> (keys: [SpaceSaving<SampledKey>.Entry], total: UInt64, samples: UInt64) {
        state.withLock { state in
            age(&state, now)
            return (state.keys.top(count), state.keys.total, state.samples)
        }
    }

    private func age(_ state: inout State, _ now: Instant) {
        guard let last = state.halvedAt else { return state.halvedAt = now }
        guard now - last > Self.halfLife else { return }
        // What was asked for so long ago that 64 halves are nothing of it does not count.
        let halves = min(64, (now - last).nanoseconds / Self.halfLife.nanoseconds)
        for _ in 0..<halves { state.keys.halve() }
        state.halvedAt = now
    }
}

extension Worker {
    /// Looks at the key of a statement that is passed on, in the simple protocol.
    @inline(never)
    func sampleKey(_ frame: UnsafeRawBufferPointer, _ session: UnsafeMutablePointer<Session>) {
        statistics.drawSample()
        guard let text = try? QueryMessage(frame).text, let key = planner.sampledKey(text: text, environment: session.pointee.environment) else { return }
        keyTraffic.count(key, weight: statistics.sampleInterval, now: now)
    }

    /// The same of a prepared statement.
    @inline(never)
    func sampleKey(_ statement: UnsafeMutablePointer<HotStatement>, _ message: BindMessage) {
        statistics.drawSample()
        let types = UnsafeBufferPointer(statement.pointee.parameterTypes)
        guard let key = planner.sampledKey(of: statement.pointee.plan, bind: message, typeOIDs: types) else { return }
        keyTraffic.count(key, weight: statistics.sampleInterval, now: now)
    }

    /// The same where the batch has begun with it.
    @inline(never)
    func sampleKey(_ statement: SharedStatement, _ message: BindMessage) {
        isKeySampleDue = false
        guard let plan = statement.hotPlan else { return }
        let key = statement.routingTypes.withUnsafeBufferPointer { planner.sampledKey(of: plan, bind: message, typeOIDs: $0) }
        if let key { keyTraffic.count(key, weight: statistics.sampleInterval, now: now) }
    }
}
