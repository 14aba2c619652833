// ProtocolWatch: stands between the machines of DistributedCommit and a proxy's worker: counts steps, lets aimed faults
// strike, and in canaries breaks the protocol.
import DistributedCommit
import Primitives
import ProxyCore

final class ProtocolWatch: ProtocolProbe {
    private unowned let world: World
    private let proxy: Int

    init(world: World, proxy: Int) {
        self.world = world
        self.proxy = proxy
    }

    func inputs(for input: CommitInput, _ commit: ProbedCommit) -> [CommitInput] {
        world.trace { "proxy \(self.proxy) T\(commit.hash) <- \(input)" }
        if let step = ProtocolStep(input) { world.reached(step, proxy: proxy, server: shard(of: input, commit)) }
        return world.flaw?.inputs(for: input, commit) ?? [input]
    }

    func inputs(insteadOf action: CommitAction, _ commit: ProbedCommit) -> [CommitInput]? {
        world.trace { "proxy \(self.proxy) T\(commit.hash) -> \(action)" }
        if let step = ProtocolStep(action) { world.reached(step, proxy: proxy, server: shard(of: action, commit)) }
        return world.flaw?.inputs(insteadOf: action, commit)
    }

    func inputs(for input: RecoveryInput) -> [RecoveryInput] {
        world.trace { "proxy \(self.proxy) recovery <- \(input)" }
        return world.flaw?.inputs(for: input) ?? [input]
    }

    func inputs(insteadOf action: RecoveryAction) -> [RecoveryInput]? {
        world.trace { "proxy \(self.proxy) recovery -> \(action)" }
        if let step = ProtocolStep(action) { world.reached(step, proxy: proxy, server: shard(of: action)) }
        return world.flaw?.inputs(insteadOf: action, world)
    }

    private func shard(of action: CommitAction, _ commit: ProbedCommit) -> Int? {
        switch action {
        case .prepare(let leg), .checkConstraints(let leg), .decideAndCommit(let leg), .commitPrepared(let leg),
            .retryCommitPrepared(let leg, _), .rollbackPrepared(let leg), .retryRollbackPrepared(let leg, _), .rollback(let leg),
            .commitReader(let leg), .cancel(let leg), .closeLink(let leg), .resynchronizeSettings(let leg), .fence(let leg):
            commit.shards[leg].int
        default: commit.decider.map { commit.shards[$0].int }
        }
    }

    private func shard(of input: CommitInput, _ commit: ProbedCommit) -> Int? {
        switch input {
        case .prepareAnswered(let leg, _), .finishAnswered(let leg, _): commit.shards[leg].int
        default: commit.decider.map { commit.shards[$0].int }
        }
    }

    private func shard(of action: RecoveryAction) -> Int? {
        switch action {
        case .listDecisions(let shard), .listPrepared(let shard), .fenceAndRead(let shard, _, _), .commitPrepared(let shard, _, _),
            .rollbackPrepared(let shard, _, _), .deleteDecision(let shard, _, _), .show(let shard, _, _):
            shard.int
        case .finished: nil
        }
    }
}
