// OwnConnections: how work in the background reaches the proxy that it belongs to: as a client like any other, over a pair of connected
// sockets, so that nobody else can and no password is needed.
import Glibc
import Synchronization

/// Makes connections to this process's workers in turn.
public final class OwnConnections: Sendable {
    private let mailboxes: [Mailbox]
    private let next = Atomic<Int>(0)

    init(_ mailboxes: [Mailbox]) { self.mailboxes = mailboxes }

    /// The caller's end of a connection that may log in as `role`; the caller owns it.
    /// - Throws: SystemError when the process is out of files.
    public func connect(role: String) throws(SystemError) -> Int32 {
        let (own, other) = try System.makeSocketPair()
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        mailboxes[number % mailboxes.count].put(.connect(descriptor: other, role: role))
        return own
    }

    public var workerCount: Int { mailboxes.count }

    /// As `connect(role:)`, to the worker of this number.
    public func connect(role: String, worker: Int) throws(SystemError) -> Int32 {
        let (own, other) = try System.makeSocketPair()
        mailboxes[worker].put(.connect(descriptor: other, role: role))
        return own
    }
}
