// LastGoodFacts: the last facts that all workers told, and when. Any thread may use it.
import Synchronization

final class LastGoodFacts: Sendable {
    private let facts = Mutex<Sight<ProxyFacts>?>(nil)

    var current: Sight<ProxyFacts>? { facts.withLock { $0 } }

    func note(_ value: ProxyFacts, at instant: ContinuousClock.Instant) { facts.withLock { $0 = Sight(value: value, begun: instant) } }
}
