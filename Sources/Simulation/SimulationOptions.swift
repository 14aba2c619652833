// What a run is to be, and what came of it.
import Primitives

/// Whether the proxies are to have `consistent_reads = strict`, and clients look for one order of all transactions.
public enum StrictReads: Sendable {
    case unused, offered
    /// Clients look for it, but the proxies keep no more than single reads whole.
    case missing
}

/// How a seed becomes a world. Earlier ways are kept for the seeds that once found a mistake.
public enum WorldDrawing: String, Sendable, CaseIterable {
    /// Every world draws all of its climate by itself.
    case plain
    /// Three of four worlds have a theme.
    case themed
}

/// How a world is to be.
public struct SimulationOptions: Sendable {
    /// A broken protocol.
    public var flaw: Flaw?
    /// Readers must never see half of a distributed commit. (They do while nothing keeps snapshots out of commit windows.)
    public var checksReads: Bool
    public var strictReads: StrictReads
    public var drawing: WorldDrawing
    /// Of each proxy.
    public var workerCount: Int
    public var isTracing: Bool

    public init(
        flaw: Flaw? = nil, checksReads: Bool, strictReads: StrictReads = .unused, drawing: WorldDrawing = .themed, workerCount: Int = 1,
        isTracing: Bool = false
    ) {
        self.flaw = flaw
        self.checksReads = checksReads
        self.strictReads = strictReads
        self.drawing = drawing
        self.workerCount = workerCount
        self.isTracing = isTracing
    }
}

/// What came of one world.
public struct RunReport: Sendable {
    public var seed: UInt64 = 0
    /// Nil: every promise was kept.
    public var violation: String?
    /// By `themeNames`.
    public var theme = 0
    /// Equal for equal lives.
    public var fingerprint: UInt64 = 0
    public var events = 0
    public var duration = Span.zero
    /// How often each fault happened, by `Fault.rawValue`.
    public var faults = [Int](repeating: 0, count: Fault.allCases.count)
    /// How often each protocol step was taken, by its place in `stepNames`.
    public var steps = [Int](repeating: 0, count: ProtocolStep.allCases.count)
    /// How often aimed faults struck, by step and, within it, by fault.
    public var strikes = [Int](repeating: 0, count: ProtocolStep.allCases.count * Fault.allCases.count)
    /// Errors that clients were told, by SQLSTATE.
    public var errors: [String: Int] = [:]
    /// How the clients' operations ended.
    public var committed = 0
    public var aborted = 0
    public var unknown = 0
    /// Transactions over several shards whose commit was asked for.
    public var crossShard = 0
    public var reads = 0
    public var fracturedReads = 0
    public var trace: [String] = []

    public init() {}

    public static var stepNames: [String] { ProtocolStep.allCases.map { "\($0)" } }
    public static var themeNames: [String] { ["none"] + Theme.allCases.map { "\($0)" } }
    public static var faultNames: [String] { Fault.allCases.map { "\($0)" } }
}

/// FNV-1a over whatever happens.
struct Fingerprint {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ number: UInt64) {
        value = (value ^ number) &* 0x0000_0100_0000_01B3
        value ^= value >> 29
    }
}
