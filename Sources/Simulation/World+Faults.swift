// What goes wrong: at random times, and aimed at steps of the protocol.
import Primitives
import ProxyCore

extension World {
    /// A proxy took a step: aimed faults may strike.
    func reached(_ step: ProtocolStep, proxy: Int, server: Int?) {
        report.steps[step.rawValue] += 1
        guard !isHealing else { return }
        let count = report.steps[step.rawValue]
        for ambush in climate.ambushes where ambush.step == step {
            guard ambush.isRepeated ? count % ambush.occurrence == 0 : count == ambush.occurrence else { continue }
            trace { "ambush at \(step): \(ambush.fault)" }
            let aimed = Strike(fault: ambush.fault, step: step, server: server, proxy: proxy)
            if ambush.isBefore, ambush.fault != .crashProxy { strike(aimed) } else { schedule(.strike(aimed), after: dice.span(upTo: ambush.delay)) }
        }
    }

    /// An aimed fault strikes.
    func strike(_ strike: Strike) {
        guard !isHealing else { return }
        let before = report.faults[strike.fault.rawValue]
        cause(strike.fault, server: strike.server, proxy: strike.proxy)
        guard report.faults[strike.fault.rawValue] > before else { return }
        report.strikes[strike.step.rawValue * Fault.allCases.count + strike.fault.rawValue] += 1
    }

    /// The next of the faults that come at random.
    func causeFault() {
        guard !isHealing, !climate.faults.isEmpty else { return }
        let victim = climate.victim.flatMap { dice.chance(85) ? $0 : nil }
        cause(dice.one(of: climate.faults), server: victim, proxy: nil)
        schedule(.fault, after: dice.span(upTo: climate.faultInterval))
    }

    func cause(_ fault: Fault, server: Int?, proxy: Int?) {
        switch fault {
        case .cutConnection: onConnection(server) { cut($0, reason: "connection reset by peer"); note(fault) }
        case .stallConnection:
            onConnection(server) {
                $0.stalledUntil = now + dice.span(upTo: climate.stallTime)
                note(fault)
            }
        case .crashServer, .failover:
            let number = server ?? dice.below(servers.count)
            guard servers[number].isUp else { return }
            note(fault)
            trace { "s\(number) crashes" }
            servers[number].crash(losesTail: fault == .failover)
            schedule(.startServer(number), after: dice.span(upTo: climate.downTime))
        case .terminateBackend: terminateBackend(of: server ?? dice.below(servers.count))
        case .crashProxy:
            let number = proxy ?? dice.below(proxies.count)
            guard proxies[number].isAlive else { return }
            note(fault)
            process(of: number).kill()
            schedule(.startProxy(process(of: number).number), after: dice.span(upTo: climate.downTime))
        case .disconnectClient: if oneClient(of: proxy).disconnect() { note(fault) }
        case .cancelClient: if oneClient(of: proxy).cancel() { note(fault) }
        case .lostConnect, .slowPiece, .lockWait, .localDeadlock, .interruptedReplication: break
        }
    }

    /// A client that awaits the end of its transaction from this proxy, if one is named and there is one; otherwise any.
    private func oneClient(of proxy: Int?) -> SimulatedClient {
        guard let proxy else { return clients[dice.below(clients.count)] }
        let waiting = clients.filter { $0.awaitsDecision(of: proxy) }
        return dice.one(of: waiting.isEmpty ? clients : waiting)
    }

    /// One of the open connections, of this server if one is named.
    private func onConnection(_ server: Int?, _ body: (Connection) -> Void) {
        let candidates = connections.filter { connection in
            guard connection.state == .open, !connection.isSenderClosed[0], !connection.isSenderClosed[1] else { return false }
            guard let server else { return true }
            if case .server(server) = connection.far { return true }
            return false
        }
        guard !candidates.isEmpty else { return }
        var preferred = preferred(of: candidates)
        // Right behind a step it is what the step has just sent.
        let fresh = server == nil || climate.theme == nil ? [] : candidates.filter { now - $0.lastSent < .microseconds(2) }
        if !fresh.isEmpty { preferred = fresh }
        if preferred.isEmpty, climate.aim == .blocks { return }
        let connection = dice.one(of: preferred.isEmpty ? candidates : preferred)
        trace { "a fault hits connection \(connection.number) \(connection.near) - \(connection.far)" }
        body(connection)
    }

    /// Those the climate aims at.
    private func preferred(of all: [Connection]) -> [Connection] {
        switch climate.aim {
        case .anything: return []
        case .work: return dice.chance(70) ? all.filter(isBusy) : all.filter { isInTransaction(backend(of: $0)) }
        case .blocks:
            let blocks = all.filter { isInBlock(backend(of: $0)) }
            let busy = dice.chance(70) ? blocks.filter(isBusy) : []
            return busy.isEmpty ? blocks : busy
        }
    }

    /// Something is on its way there, or the process at its end waits for something.
    private func isBusy(_ connection: Connection) -> Bool {
        if !connection.pieces[0].isEmpty || !connection.pieces[1].isEmpty { return true }
        return backend(of: connection)?.wait != nil
    }

    private func isInTransaction(_ backend: Backend?) -> Bool { backend?.transaction != nil }

    /// A client's transaction is open in it.
    private func isInBlock(_ backend: Backend?) -> Bool { isInTransaction(backend) && backend?.user == ProxyParts.clientUser }

    private func backend(of connection: Connection) -> Backend? {
        guard case .server(let server) = connection.far, connection.backend >= 0 else { return nil }
        return servers[server].backends[connection.backend]
    }

    /// An administrator ends a process of the server.
    private func terminateBackend(of server: Int) {
        let backends = servers[server].backends.compactMap { $0 }
        let preferred = climate.aim == .anything ? [] : backends.filter(climate.aim == .blocks ? isInBlock : isInTransaction)
        let candidates = preferred.isEmpty && climate.aim != .blocks ? backends : preferred
        guard servers[server].isUp, !candidates.isEmpty else { return }
        note(.terminateBackend)
        servers[server].terminate(dice.one(of: candidates))
    }
}
