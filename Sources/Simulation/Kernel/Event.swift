// Event: what happens at one moment of a simulated world. Events wait in a TimerQueue, which keeps those of one moment
// in the order in which they were made.

/// Which way bytes go on a connection: its near end opened it.
enum Direction: Int {
    case toFar, toNear

    var opposite: Direction { self == .toFar ? .toNear : .toFar }
}

/// Something that happens. Numbers are places in the world's lists; an incarnation or turn tells whether what was meant
/// is still there.
enum Event {
    /// The next piece in flight arrives.
    case deliver(connection: Int, Direction)
    /// An attempt to connect is decided.
    case connect(connection: Int)
    /// A proxy's next deadline.
    case tick(proxy: Int, incarnation: Int)
    /// A worker reads what another one of its process has told it.
    case mail(proxy: Int, incarnation: Int)
    /// A client does what comes next.
    case client(Int, turn: Int)
    /// A client has waited long enough for an answer.
    case patience(client: Int, turn: Int)
    /// A backend goes on with what it has to do.
    case backend(server: Int, number: Int)
    /// The log is on disk up to here.
    case flush(server: Int, incarnation: Int, position: Int)
    /// The log is on the standby up to here.
    case replicate(server: Int, incarnation: Int, position: Int)
    /// A lock was waited for too long: lock_timeout, or deadlock_timeout.
    case lockTimeout(server: Int, number: Int, wait: Int)
    case deadlockTimeout(server: Int, number: Int, wait: Int)
    case fault
    /// A fault aimed at a step of the protocol strikes.
    case strike(Strike)
    case startServer(Int)
    case startProxy(Int)
    /// The faults are over.
    case heal
    /// Look whether everything has come to rest.
    case inspect
    /// Look whether transactions wait for each other for ever.
    case watchDeadlocks

    /// A number for the kind, for the fingerprint of a run.
    var code: UInt64 {
        switch self {
        case .deliver(let connection, let direction): UInt64(connection) << 8 | UInt64(direction.rawValue) << 5 | 1
        case .connect(let connection): UInt64(connection) << 8 | 2
        case .tick(let proxy, let incarnation): UInt64(proxy) << 8 | UInt64(incarnation) << 16 | 3
        case .client(let client, let turn): UInt64(client) << 8 | UInt64(turn) << 16 | 4
        case .patience(let client, let turn): UInt64(client) << 8 | UInt64(turn) << 16 | 5
        case .backend(let server, let number): UInt64(server) << 8 | UInt64(number) << 16 | 6
        case .flush(let server, _, let position): UInt64(server) << 8 | UInt64(position) << 16 | 7
        case .replicate(let server, _, let position): UInt64(server) << 8 | UInt64(position) << 16 | 8
        case .lockTimeout(let server, let number, _): UInt64(server) << 8 | UInt64(number) << 16 | 9
        case .deadlockTimeout(let server, let number, _): UInt64(server) << 8 | UInt64(number) << 16 | 10
        case .fault: 11
        case .strike: 12
        case .startServer(let server): UInt64(server) << 8 | 13
        case .startProxy(let proxy): UInt64(proxy) << 8 | 14
        case .heal: 15
        case .inspect: 16
        case .watchDeadlocks: 17
        case .mail(let proxy, let incarnation): UInt64(proxy) << 8 | UInt64(incarnation) << 16 | 18
        }
    }
}
