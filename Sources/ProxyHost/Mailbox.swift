// Mailbox: how other threads speak to an event loop: a short locked list and a bell that wakes its epoll.
import Primitives
import ProxyCore
import Synchronization

/// What an event loop can be told from outside.
enum Mail: Sendable {
    /// Another worker says something.
    case worker(WorkerMessage)
    /// A host name was looked up for a connection.
    case resolved(StreamID, Result<[SocketAddress], ResolveError>)
    /// A connection of the process itself, as this role; the loop owns the descriptor.
    case connect(descriptor: Int32, role: String)
    /// The configuration was read again.
    case reload(ProxySettings, TLSContexts)
    /// Finish what is open (or, at once, nothing) and end.
    case shutDown(atOnce: Bool)
}

/// A queue into one event loop. Any thread may put, the loop takes.
final class Mailbox: Sendable {
    /// Readable while mail waits.
    let bell: Int32
    /// nil: the loop has ended, and nobody takes what is put.
    private let waiting = Mutex<[Mail]?>([])

    init() throws(SystemError) { bell = try System.makeBell() }

    deinit { System.close(bell) }

    func put(_ mail: Mail) {
        let isTaken = waiting.withLock { waiting in
            waiting?.append(mail)
            return waiting != nil
        }
        if isTaken { System.ring(bell) } else { Self.drop(mail) }
    }

    /// The loop has ended: what nobody takes any more is dropped, and connections closed.
    func close() {
        let left = waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting ?? []
        }
        for mail in left { Self.drop(mail) }
    }

    private static func drop(_ mail: Mail) {
        if case .connect(let descriptor, _) = mail { System.close(descriptor) }
    }

    /// Takes everything that waits, in order.
    func take() -> [Mail] {
        System.silence(bell)
        return waiting.withLock { mail in
            let taken = mail
            if mail != nil { mail = [] }
            return taken ?? []
        }
    }
}
