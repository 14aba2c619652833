// Campaign: lives many worlds on several threads, each with a shop of its own, and adds up what came of them.
import Dispatch
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// Lives the worlds of some seeds.
package final class Campaign: Sendable {
    private struct State {
        /// What is still to be lived, the next chunk last.
        var chunks: [Range<UInt64>]
        var journal: Journal
        var writtenAt = DispatchTime.now().uptimeNanoseconds
        var isStopped = false
    }

    private let options: SimulationOptions
    private let path: String?
    private let state: Mutex<State>
    /// Worlds between two looks at what others do.
    private static let chunkWorlds: UInt64 = 100
    /// Nanoseconds between two versions of the file.
    private static let writeInterval: UInt64 = 10_000_000_000
    /// Worlds that broke a promise are not counted, and lived again by the next run. With a file a campaign goes on after failures, up to so many.
    private static let failureLimit = 50

    /// - Parameter path: a file to add to; without one the first failure ends the campaign.
    package init(seeds: Range<UInt64>, options: SimulationOptions, path: String?) {
        self.options = options
        self.path = path
        let journal = path.map { Journal(path: $0) } ?? Journal()
        let chunks = journal.seeds.missing(of: seeds).flatMap { range in
            stride(from: range.lowerBound, to: range.upperBound, by: Int(Self.chunkWorlds)).map {
                $0..<min($0 + Self.chunkWorlds, range.upperBound)
            }
        }
        state = Mutex(State(chunks: chunks.reversed(), journal: journal))
    }

    package var journal: Journal { state.withLock { $0.journal } }

    /// Lives all of them; false: the file cannot be written.
    package func run(threadCount: Int) -> Bool {
        DispatchQueue.concurrentPerform(iterations: threadCount) { _ in
            let shop = WorldShop()
            while let chunk = state.withLock({ $0.isStopped ? nil : $0.chunks.popLast() }) { live(chunk, shop) }
        }
        return state.withLock { write($0.journal) }
    }

    private func live(_ chunk: Range<UInt64>, _ shop: WorldShop) {
        var totals = Totals()
        var failures: [Failure] = []
        var lived = SeedSet()
        let begin = Self.processorMilliseconds()
        for seed in chunk {
            let report = World(seed: seed, options: options, shop: shop).run()
            guard let violation = report.violation else {
                totals.add(report)
                lived.insert(seed..<seed + 1)
                continue
            }
            failures.append(Failure(seed: seed, violation: violation))
            print("seed \(seed) FAILS: \(violation)")
            if path == nil { break }
        }
        totals.sums["processorMilliseconds"] = Self.processorMilliseconds() - begin
        var news = Journal()
        news.seeds = lived
        news.totals = totals
        news.failures = failures
        state.withLock { add(news, &$0) }
    }

    private func add(_ news: Journal, _ state: inout State) {
        state.journal.add(news)
        if state.journal.failures.count >= (path == nil ? 1 : Self.failureLimit) { state.isStopped = true }
        let now = DispatchTime.now().uptimeNanoseconds
        guard now - state.writtenAt > Self.writeInterval else { return }
        state.writtenAt = now
        if !write(state.journal) { state.isStopped = true }
    }

    private func write(_ journal: Journal) -> Bool { path.map { journal.write(to: $0) } ?? true }

    /// What this thread has used.
    private static func processorMilliseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
