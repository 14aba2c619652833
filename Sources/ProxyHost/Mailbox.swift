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
    /// The configuration was read again.
    case reload(ProxySettings, TLSContexts)
    /// Finish what is open (or, at once, nothing) and end.
    case shutDown(atOnce: Bool)
}

/// A queue into one event loop. Any thread may put, the loop takes.
final class Mailbox: Sendable {
    /// Readable while mail waits.
    let bell: Int32
    private let waiting = Mutex<[Mail]>([])

    init() throws(SystemError) { bell = try System.makeBell() }

    deinit { System.close(bell) }

    func put(_ mail: Mail) {
        waiting.withLock { $0.append(mail) }
        System.ring(bell)
    }

    /// Takes everything that waits, in order.
    func take() -> [Mail] {
        System.silence(bell)
        return waiting.withLock { mail in
            let taken = mail
            mail = []
            return taken
        }
    }
}
