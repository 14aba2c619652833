// Worker: a deterministic function (state, event, time) -> state and effects.
//
// One worker per thread owns its sessions, links and pools outright. The host calls the methods below and then
// sends what waits in dirty streams and carries out `effects`. Nothing here reads a clock, a socket or entropy.
import Logging
import Primitives

/// The proxy's conversation state for one thread.
public final class Worker {
    public let streams: StreamTable
    /// What the host must do next, in order; the host takes and clears it after each call.
    public var effects: [Effect] = []

    public init(
        number: Int, settings: ProxySettings, streams: StreamTable, random: any RandomSource, logger: Logger, now: Instant
    ) {
        self.streams = streams
    }

    /// The earliest moment at which `tick` has something to do.
    public var nextDeadline: Instant? { nil }

    /// Called once before anything else: connects to the shards, installs the schema, reads the catalog.
    public func start(now: Instant) {}

    /// True once clients may be let in.
    public var isReady: Bool { false }

    /// A client connected; its stream was opened by the host with role `.session`.
    public func accepted(_ stream: StreamID, facts: AcceptFacts, now: Instant) {}

    /// Bytes came in on the stream; returns how many were consumed from the front. The host keeps the rest and offers
    /// it again with the next bytes, or after `.resume`.
    public func received(_ stream: UInt32, bytes: UnsafeRawBufferPointer, now: Instant) -> Int { 0 }

    public func connected(_ stream: StreamID, now: Instant) {}
    public func connectFailed(_ stream: StreamID, reason: String, now: Instant) {}

    /// The peer closed or the stream broke; the record is freed by the host after this call.
    public func closed(_ stream: StreamID, reason: String, now: Instant) {}

    /// Little waits in the output of a stream with `wantsDrained` set (the host clears the flag).
    public func drained(_ stream: UInt32, now: Instant) {}

    public func tlsEstablished(_ stream: StreamID, facts: TLSFacts, now: Instant) {}

    /// Time has passed `nextDeadline`.
    public func tick(now: Instant) {}

    /// Another worker says something.
    public func deliver(_ message: WorkerMessage, now: Instant) {}

    /// New settings (SIGHUP or RELOAD). Shards cannot be added or removed while running.
    public func reload(_ settings: ProxySettings, now: Instant) {}

    /// Let no new client in, finish open transactions up to the limit, then `.finished`.
    public func shutDown(now: Instant) {}
}
