// Effect and the facts the host tells: the whole vocabulary between Worker and the outside world.
//
// Host -> Worker: the methods of Worker (`accepted`, `received`, `connected`, `connectFailed`, `closed`, `drained`,
// `tlsEstablished`, `tick`, `deliver`). Worker -> Host: bytes in `Stream.output` (marked dirty) and these effects,
// which the host carries out after each call, in order.
import DistributedCommit
import Primitives

/// What the worker asks of the host.
public enum Effect: Sendable {
    /// Open a socket to a shard and attach it to the stream. The host answers `connected` or `connectFailed`.
    case connect(StreamID, ShardIndex)
    /// Send what waits in the output, then close, then free the record. The worker has forgotten the stream.
    case close(StreamID)
    /// Close at once, dropping what waits.
    case abort(StreamID)
    /// Offer the waiting input again and read on.
    case resume(StreamID)
    /// Begin TLS as the server, after the output was sent. The host answers `tlsEstablished` or `closed`.
    case startServerTLS(StreamID)
    /// Begin TLS as the client towards a shard. The host answers `tlsEstablished` or `closed`.
    case startClientTLS(StreamID, ShardIndex)
    /// Something another worker must know (a cancel for its session, a new catalog epoch).
    case tellWorkers(WorkerMessage)
    /// The admin database asked for RELOAD: read the configuration file and call `reload` on every worker.
    case reloadConfiguration
    /// The admin database asked for SHUTDOWN: call `shutDown` on every worker.
    case requestShutdown
    /// A statement that took much memory was planned lately: give what is free back to the system.
    case releaseMemory
    /// This worker has no session left after shutdown was asked; its thread may end.
    case finished
}

/// What workers tell each other.
public enum WorkerMessage: Sendable {
    /// A client asks to cancel what the session with this key does.
    case cancel(process: Int32, secret: Int32)
    /// Windows of the snapshot gate that waited are open; each worker finds its own among them.
    case gateEntered(GateTicket)
    /// A session of some worker is to fail, since it is the youngest in a deadlock; only while it is busy with the same statement.
    case deadlockVictim(Waiter, lastActive: Instant, detail: String)
    /// DDL ran: table and type knowledge must be read again.
    case catalogChanged
}

/// How a client reached the proxy.
public struct AcceptFacts: Sendable {
    public var isUnixSocket: Bool
    /// "127.0.0.1:5432" or "[local]", for logs and SHOW CLIENTS.
    public var address: String
    /// A certificate is configured, so an SSLRequest may be answered with S.
    public var offersTLS: Bool
    /// The role that the process itself vouches for: work of the proxy's own, which may log in as any role and is no client to count.
    public var ownRole: String?

    public init(isUnixSocket: Bool, address: String, offersTLS: Bool, ownRole: String? = nil) {
        self.isUnixSocket = isUnixSocket
        self.address = address
        self.offersTLS = offersTLS
        self.ownRole = ownRole
    }
}

/// What is known of a stream's TLS session.
public struct TLSFacts: Sendable {
    public var version: String
    public var cipher: String
    /// The `tls-server-end-point` hash of the server's certificate (RFC 5929), for SCRAM-SHA-256-PLUS.
    public var serverEndPoint: [UInt8]

    public init(version: String, cipher: String, serverEndPoint: [UInt8]) {
        self.version = version
        self.cipher = cipher
        self.serverEndPoint = serverEndPoint
    }
}
