// EventLoop: one thread's traffic between the kernel and its Worker.
//
// A tick is: wait; one recv for every readable stream, straight into a buffer all streams of the thread share, from
// which the worker forwards; then effects; then one send for every client that got output, however many replies were
// joined in it. What is for a shard is sent as soon as the event that caused it is handled, so that the shard works
// while the other clients are read (the loop sleeps 4 % less often than with all sends at the end).
// System calls are 97 % of the cost of a forwarded transaction, so the saving is in joined writes; what is left is kept
// free of allocation, reference counting and closures: an event carries its stream's index and generation, and both
// records are reached through raw pointers.
//
// epoll watches edge-triggered (`watch` says what follows from that).
//
// Input is kept only while a frame is incomplete or the worker has paused the stream, output only while the peer's
// window is full, so an idle client holds no buffer.
//
// The extensions beside this file: Receiving, Sending, Closing, Effects, Connecting, Accepting, Encryption.
import CLinux
import DistributedCommit
import Glibc
import Logging
import Primitives
import ProxyCore

/// What an event loop needs from the process around it.
struct LoopEnvironment {
    var number: Int
    var settings: ProxySettings
    var listeners: [ListeningSocket]
    var tls: TLSContexts
    var resolver: Resolver
    var mailbox: Mailbox
    /// All loops' mailboxes, this one's included.
    var allMailboxes: [Mailbox]
    var report: LoopReport
    /// Shared by all loops.
    var gate: SharedSnapshotGate
    var sessionTable: SharedSessionTable
    var keyTraffic: SharedKeyTraffic
    var logger: Logger
}

/// A deadline of the host's own.
enum HostDeadline {
    /// The connection attempt has taken too long.
    case connect(StreamID)
    /// The peer does not take the last bytes of a stream that is being closed.
    case linger(StreamID)
    /// Accept again after the process ran out of files.
    case acceptAgain
}

/// One thread's sockets and its worker. Not thread safe; only its mailbox is touched from outside.
final class EventLoop {
    /// Bytes one recv may bring.
    static let receiveBytes = 64 << 10
    /// Plaintext that one recv of ciphertext can yield: OpenSSL may hold one more record of 16 kB.
    static let plaintextBytes = receiveBytes + (32 << 10)
    static let eventsPerWait = 512
    /// How long a stream being closed may take to send its last bytes.
    static let lingerTimeout = Span.seconds(10)

    // Values in `epoll_data` that are no stream.
    static let bellData = UInt64.max
    static let firstListenerData = UInt64.max - 0xFFFF

    static let readable = UInt32(EPOLLIN.rawValue)
    static let writable = UInt32(EPOLLOUT.rawValue)
    static let halfClosed = UInt32(EPOLLRDHUP.rawValue)
    static let broken = UInt32(EPOLLHUP.rawValue) | UInt32(EPOLLERR.rawValue)
    static let edgeTriggered = EPOLLET.rawValue
    static let watching = readable | halfClosed

    // What every turn needs comes first.
    let worker: Worker
    let streams: StreamTable
    let sockets: SocketTable
    let poll: Int32
    var isCarryingOut = false
    var isAccepting = false
    var isShuttingDown = false
    var isFinished = false
    let receiveBuffer: UnsafeMutableRawBufferPointer
    let events: UnsafeMutableBufferPointer<epoll_event>
    /// The earliest of `deadlines` in nanoseconds, kept beside the queue so that a tick pays one comparison.
    private var nextHostDeadline = Int64.max
    /// Streams whose waiting input is to be offered again.
    var resumed: [StreamID] = []

    var isOutOfFiles = false
    let lowWaterBytes: Int
    let plaintextBuffer: UnsafeMutableRawBufferPointer
    private var deadlines = TimerQueue<HostDeadline>()
    /// Connections being made, by stream index. Looked up, never iterated.
    var attempts: [UInt32: ConnectionAttempt] = [:]
    // Emptied lists that keep their memory for the next tick.
    var spareEffects: [Effect] = []
    var spareResumed: [StreamID] = []
    var environment: LoopEnvironment
    var logger: Logger { environment.logger }

    init(environment: LoopEnvironment) throws(SystemError) {
        self.environment = environment
        streams = StreamTable(pool: BlockPool())
        sockets = SocketTable(streams: streams)
        poll = try System.makePoll()
        lowWaterBytes = environment.settings.limits.outputLowWaterBytes
        receiveBuffer = .allocate(byteCount: Self.receiveBytes, alignment: 64)
        plaintextBuffer = .allocate(byteCount: Self.plaintextBytes, alignment: 64)
        events = .allocate(capacity: Self.eventsPerWait)
        worker = Worker(
            number: environment.number, settings: environment.settings, streams: streams,
            random: SystemRandomSource(), logger: environment.logger, now: System.now(), gate: environment.gate,
            sessionTable: environment.sessionTable, keyTraffic: environment.keyTraffic)
        try System.pollAdd(poll, environment.mailbox.bell, Self.readable, data: Self.bellData)
    }

    deinit {
        receiveBuffer.deallocate()
        plaintextBuffer.deallocate()
        events.deallocate()
        System.close(poll)
    }

    /// Serves until the worker has finished.
    func run() {
        var now = System.now()
        worker.start(now: now)
        flush(now)
        while !isFinished {
            openDoorsWhenReady()
            let count = System.wait(poll, events, milliseconds: waitMilliseconds(now))
            now = System.now()
            if count < 0 { fatalError("epoll_wait: \(System.message(Int32(-count)))") }
            for position in 0..<count {
                handle(events[position], now)
                if !streams.dirtyLinks.isEmpty { sendToLinks(now) }
            }
            fireDeadlines(now)
            flush(now)
        }
        sendLastWords()
        closeEverything()
    }

    @inline(__always)
    private func handle(_ event: epoll_event, _ now: Instant) {
        let data = event.data.u64
        if data >= Self.firstListenerData { return handleOwn(data, now) }
        let index = UInt32(truncatingIfNeeded: data)
        let socket = sockets.at(index)
        // An event of the stream that had this slot earlier in the same tick.
        guard socket.pointee.generation == UInt32(data >> 32), socket.pointee.state != .vacant else { return }
        if socket.pointee.state == .connecting { return connectionDecided(socket, now) }
        if event.events & Self.writable != 0 { streams.markDirty(index) }
        if event.events & ~Self.writable != 0 { receive(socket, event.events, now) }
    }

    @inline(never)
    private func handleOwn(_ data: UInt64, _ now: Instant) {
        if data == Self.bellData {
            readMail(now)
        } else if case let number = Int(data - Self.firstListenerData), number < environment.listeners.count {
            acceptBatch(environment.listeners[number], now)
        }
    }

    /// Carries out effects and sends output until neither is left.
    @inline(__always)
    private func flush(_ now: Instant) {
        repeat {
            carryOutEffects(now)
            if !resumed.isEmpty { offerResumed(now) }
            if !streams.dirtyLinks.isEmpty { sendToLinks(now) }
            if !streams.dirtyClients.isEmpty { sendToClients(now) }
        } while !worker.effects.isEmpty || !resumed.isEmpty || !streams.dirtyLinks.isEmpty
            || !streams.dirtyClients.isEmpty
    }

    /// How long epoll may sleep: rounded up, so that the deadline has passed on waking.
    private func waitMilliseconds(_ now: Instant) -> Int32 {
        var earliest = nextHostDeadline
        if let deadline = worker.nextDeadline { earliest = min(earliest, deadline.nanoseconds) }
        if earliest == .max { return -1 }
        let wait = (earliest &- now.nanoseconds &+ 999_999) / 1_000_000
        return Int32(clamping: max(0, wait))
    }

    /// Sets a deadline of the host's own.
    func schedule(_ deadline: HostDeadline, at instant: Instant) {
        deadlines.add(deadline, at: instant)
        nextHostDeadline = min(nextHostDeadline, instant.nanoseconds)
    }

    @inline(__always)
    private func fireDeadlines(_ now: Instant) {
        if let deadline = worker.nextDeadline, deadline <= now { worker.tick(now: now) }
        if nextHostDeadline <= now.nanoseconds { fireHostDeadlines(now) }
    }

    @inline(never)
    private func fireHostDeadlines(_ now: Instant) {
        while let due = deadlines.takeDue(at: now) {
            switch due {
            case .connect(let id): connectTimedOut(id, now)
            case .linger(let id): if let socket = sockets.find(id) { release(socket) }
            case .acceptAgain: watchListeners()
            }
        }
        nextHostDeadline = deadlines.nextDeadline?.nanoseconds ?? .max
    }

    private func readMail(_ now: Instant) {
        for message in environment.mailbox.take() {
            switch message {
            case .worker(let message): worker.deliver(message, now: now)
            case .resolved(let id, let addresses): resolved(id, addresses, now)
            case .connect(let descriptor, let role): admitOwn(descriptor, role, now)
            case .reload(let settings, let tls): reload(settings, tls, now)
            case .shutDown(let atOnce): shutDown(atOnce: atOnce, now)
            }
            carryOutEffects(now)
        }
    }

    private func reload(_ settings: ProxySettings, _ tls: TLSContexts, _ now: Instant) {
        environment.settings = settings
        environment.tls = tls
        worker.reload(settings, now: now)
    }

    private func shutDown(atOnce: Bool, _ now: Instant) {
        stopAccepting()
        if atOnce {
            isFinished = true
        } else if !isShuttingDown {
            worker.shutDown(now: now)
        }
        isShuttingDown = true
    }
}
