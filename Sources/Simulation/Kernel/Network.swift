// Network: moves bytes between the parties of a world.
import Primitives

extension World {
    /// Opens a connection; `Event.connect` decides what becomes of it.
    func open(_ near: Party, to far: Party) -> Connection {
        let connection = Connection(number: connections.count, near: near, far: far)
        connections.append(connection)
        if dice.chance(climate.lostConnects), !isHealing {
            // No answer, ever: who connects must give up by itself.
            note(.lostConnect)
            return connection
        }
        schedule(.connect(connection: connection.number), after: dice.span(upTo: latency(of: connection)))
        return connection
    }

    /// The longest time a message takes on this connection.
    private func latency(of connection: Connection) -> Span {
        guard let (server, factor) = climate.distant, case .server(server) = connection.far else { return climate.latency }
        return Span(nanoseconds: climate.latency.nanoseconds * factor)
    }

    /// Puts bytes on their way.
    func send(_ bytes: UnsafeRawBufferPointer, on connection: Connection, _ direction: Direction) {
        guard connection.state == .open, !connection.isSenderClosed[direction.rawValue], bytes.count > 0 else { return }
        var start = 0
        while start < bytes.count {
            let rest = bytes.count - start
            let count = rest > 1 && dice.chance(climate.fragmentation) ? 1 + dice.below(rest - 1) : rest
            put(.bytes(Array(bytes[start..<start + count])), on: connection, direction)
            start += count
        }
    }

    private func put(_ piece: Piece, on connection: Connection, _ direction: Direction) {
        let place = direction.rawValue
        connection.lastSent = now
        var arrival = max(now, connection.stalledUntil) + dice.span(upTo: latency(of: connection))
        if dice.chance(climate.slowPieces), !isHealing {
            note(.slowPiece)
            arrival = arrival + dice.span(upTo: climate.longestSlowPiece)
        }
        arrival = max(arrival, connection.lastArrival[place])
        connection.lastArrival[place] = arrival
        connection.pieces[place].append(piece)
        queue.add(.deliver(connection: connection.number, direction), at: arrival)
    }

    /// One end closes: what it sent before still arrives, then the end; what is on the way to it is thrown away.
    /// - Parameter isAbrupt: any tail of what it sent may be lost with it.
    func close(_ connection: Connection, by sender: Direction, isAbrupt: Bool, reason: String = "the peer closed the connection") {
        let place = sender.rawValue
        guard !connection.isSenderClosed[place] else { return }
        if connection.state == .connecting { connection.state = .closed }
        connection.isSenderClosed[place] = true
        connection.isReceiverClosed[sender.opposite.rawValue] = true
        if isAbrupt { loseTail(connection, sender) }
        if connection.state == .open { put(.end(reason), on: connection, sender) }
    }

    /// The network loses the connection: both ends learn it, each in its time, and any tail of what is in flight is lost.
    func cut(_ connection: Connection, reason: String) {
        guard connection.state == .open else { return }
        for direction in [Direction.toFar, .toNear] where !connection.isSenderClosed[direction.rawValue] {
            loseTail(connection, direction)
            connection.isSenderClosed[direction.rawValue] = true
            put(.end(reason), on: connection, direction)
        }
    }

    /// Loses any number of the last bytes in flight.
    private func loseTail(_ connection: Connection, _ direction: Direction) {
        var pieces = connection.pieces[direction.rawValue]
        guard !pieces.isEmpty else { return }
        let kept = dice.below(pieces.count + 1)
        // The events of the lost pieces remain and find nothing; the order of the others is not disturbed.
        if kept < pieces.count {
            if case .bytes(let bytes) = pieces[kept], dice.chance(50) {
                pieces[kept] = .bytes(Array(bytes.prefix(dice.below(bytes.count + 1))))
                pieces.removeLast(pieces.count - kept - 1)
            } else {
                pieces.removeLast(pieces.count - kept)
            }
        }
        connection.pieces[direction.rawValue] = pieces
    }

    /// The next piece of a connection arrives.
    func deliver(_ number: Int, _ direction: Direction) {
        let connection = connections[number]
        let place = direction.rawValue
        guard !connection.pieces[place].isEmpty else { return }
        if climate.stallsFlight, now < connection.stalledUntil {
            return queue.add(.deliver(connection: number, direction), at: connection.stalledUntil)
        }
        let piece = connection.pieces[place].removeFirst()
        guard !connection.isReceiverClosed[place] else { return }
        switch piece {
        case .bytes(let bytes):
            fingerprint.add(UInt64(bytes.count))
            bytes.withUnsafeBytes { arrived($0, connection, direction) }
        case .end(let reason):
            connection.isReceiverClosed[place] = true
            ended(connection, direction, reason)
        }
    }

    private func arrived(_ bytes: UnsafeRawBufferPointer, _ connection: Connection, _ direction: Direction) {
        switch connection.receiver(direction) {
        case .proxy(let proxy, let incarnation, let stream):
            proxies[proxy].received(bytes, incarnation: incarnation, stream)
        case .server(let server): servers[server].received(bytes, connection)
        case .client(let client, let turn): clients[client].received(bytes, turn: turn)
        case .nobody: break
        }
    }

    private func ended(_ connection: Connection, _ direction: Direction, _ reason: String) {
        switch connection.receiver(direction) {
        case .proxy(let proxy, let incarnation, let stream):
            proxies[proxy].peerClosed(incarnation: incarnation, stream, reason)
        case .server(let server): servers[server].peerClosed(connection)
        case .client(let client, let turn): clients[client].peerClosed(turn: turn)
        case .nobody: break
        }
    }

    /// Decides an attempt to connect.
    func decideConnect(_ number: Int) {
        let connection = connections[number]
        guard connection.state == .connecting else { return }
        let isRefused: Bool
        switch connection.far {
        case .server(let server): isRefused = !servers[server].isUp || !isHealing && dice.chance(climate.refusedConnects)
        case .proxy(let proxy, _, _): isRefused = !proxies[proxy].isAlive
        case .client, .nobody: isRefused = true
        }
        if isRefused { connection.state = .closed } else { connection.state = .open }
        switch connection.near {
        case .proxy(let proxy, let incarnation, let stream):
            if !isRefused { servers[serverNumber(connection)].accept(connection) }
            proxies[proxy].connectDecided(incarnation: incarnation, stream, isRefused: isRefused)
        case .client(let client, let turn):
            if !isRefused { acceptAtProxy(connection) }
            clients[client].connectDecided(turn: turn, isRefused: isRefused)
        case .nobody:
            guard !isRefused else { return }
            acceptAtProxy(connection)
            connection.greeting.withUnsafeBytes { send($0, on: connection, .toFar) }
        case .server: break
        }
    }

    private func serverNumber(_ connection: Connection) -> Int {
        guard case .server(let number) = connection.far else { preconditionFailure("a proxy connects to servers only") }
        return number
    }

    private func acceptAtProxy(_ connection: Connection) {
        guard case .proxy(let proxy, _, _) = connection.far else { return }
        proxies[proxy].accept(connection)
    }
}
