// Effects: what the worker asks for beyond bytes.
import Primitives
import ProxyCore

extension EventLoop {
    /// Carries out all effects in order, and those that follow from them. When one of them leads back here, the outer
    /// call finishes the list.
    @inline(__always)
    func carryOutEffects(_ now: Instant) {
        if !worker.effects.isEmpty { carryOutAll(now) }
    }

    @inline(never)
    private func carryOutAll(_ now: Instant) {
        if isCarryingOut { return }
        isCarryingOut = true
        defer { isCarryingOut = false }
        while !worker.effects.isEmpty {
            var batch: [Effect] = []
            swap(&batch, &spareEffects)
            swap(&batch, &worker.effects)
            for effect in batch { carryOut(effect, now) }
            batch.removeAll(keepingCapacity: true)
            swap(&batch, &spareEffects)
        }
    }

    private func carryOut(_ effect: Effect, _ now: Instant) {
        switch effect {
        case .connect(let id, let shard): connect(id, shard, now)
        case .close(let id): close(id, now)
        case .abort(let id): if let socket = sockets.find(id) { release(socket) } else { streams.free(id) }
        case .resume(let id): resume(id)
        case .startServerTLS(let id): startTLS(id, .server, now)
        case .startClientTLS(let id, let shard): startTLS(id, .client(shard), now)
        case .tellWorkers(let message):
            for mailbox in environment.allMailboxes where mailbox !== environment.mailbox {
                mailbox.put(.worker(message))
            }
        case .reloadConfiguration: environment.report.ask(.reload)
        case .requestShutdown: environment.report.ask(.stop)
        case .releaseMemory: System.releaseMemory()
        case .finished: isFinished = true
        }
    }

    private func resume(_ id: StreamID) {
        guard let stream = streams.find(id) else { return }
        stream.pointee.isReadPaused = false
        resumed.append(id)
    }
}
