// ProxyProcess: the workers of one proxy, which live and die together, and what they share. Each worker is a SimulatedProxy.
//
// A real worker has a thread of its own: what it tells the others arrives in order and a little later, what it reads of
// the gate and the table of sessions is what they are now.
import DistributedCommit
import Primitives
import ProxyCore

final class ProxyProcess {
    let number: Int
    /// Places of its workers in the world's list.
    let workers: Range<Int>
    private unowned let world: World
    private var sharedGate = SharedSnapshotGate()
    private(set) var sessionTable = SharedSessionTable()

    init(world: World, number: Int, workerCount: Int) {
        self.world = world
        self.number = number
        workers = number * workerCount..<(number + 1) * workerCount
    }

    func start() {
        guard workers.allSatisfy({ !world.proxies[$0].isAlive }) else { return }
        sharedGate = SharedSnapshotGate()
        sessionTable = SharedSessionTable()
        for worker in workers { world.proxies[worker].start(in: self) }
    }

    /// The gate for one more of its workers.
    var gate: SharedSnapshotGate { world.flaw == .splitsGate ? SharedSnapshotGate() : sharedGate }

    func kill() {
        for worker in workers { world.proxies[worker].kill() }
    }

    /// A worker tells the others something.
    func tell(_ message: WorkerMessage, from sender: Int) {
        for worker in workers where worker != sender { world.proxies[worker].post(message) }
    }

    /// Any of its workers.
    func anyWorker() -> Int {
        workers.count == 1 ? workers.lowerBound : workers.lowerBound + world.dice.below(workers.count)
    }
}
