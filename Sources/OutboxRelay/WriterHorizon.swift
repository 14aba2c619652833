// WriterHorizon: up to which sequence number everything is known, so that nothing that commits later comes before it.
//
// A transaction draws the sequence number of an event before it commits, so a younger event may be visible while an older one is not yet. Who
// inserts has locked the table (ROW EXCLUSIVE) before it draws, and keeps the lock to its end, prepared or not. So the relay looks twice, in
// this order:
//
//   1. the newest number that is visible, n
//   2. who has the lock: the writers
//
// Who is not among the writers has either ended, or locks later, and then draws a number above n. So once these writers have ended, all events
// up to n are visible or will never be. New writers do not matter, and neither do transactions that do not write to the outbox, however long
// they are. Each look is such a pair; later looks strike off the writers that have ended.
//
// Writers are told apart by their virtual transaction identifiers, which prepared transactions keep (since PostgreSQL 14.1) until the server
// starts anew. Then all begins again. The server also starts anew when one of its processes crashes, and its start time stays then; but the
// prepared transactions that it finds are called -1/ and their number from then on. So an identifier of this kind that was not there at the
// look before tells of it.
//
// That new writers draw higher numbers is so until somebody lets the numbers begin anew, who empties the table first. Then all begins again, too.

/// How far events of one shard may be delivered.
public struct WriterHorizon {
    /// The most looks that wait at a time; beyond that the last one is replaced.
    static let lookLimit = 32

    /// What the identifiers of prepared transactions begin with that the server has found at its start.
    private static let recoveredPrefix = "-1/"

    private struct Look {
        var newest: Int64
        var writers: Set<String>
    }

    /// All events up to this number are visible or will never be.
    public private(set) var sequence: Int64 = 0
    private var looks: [Look] = []
    private var origin: String?
    /// Who wrote at the last look; nil: there was none.
    private var lastWriters: Set<String>?
    private var firstSeen: [String: ContinuousClock.Instant] = [:]

    public init() {}

    /// Whether there are writers that events wait for.
    public var isWaiting: Bool { !looks.isEmpty }

    /// Who writes for the longest time, and since when this is known; nil: nobody is waited for.
    public var oldestWriter: (identifier: String, since: ContinuousClock.Instant)? {
        firstSeen.min { ($0.value, $0.key) < ($1.value, $1.key) }.map { ($0.key, $0.value) }
    }

    /// Takes note of a look.
    /// - Parameters:
    ///   - newest: the newest visible number, read before the writers; nil: there is none.
    ///   - origin: when the server was started, and the numbers have begun, read together with the writers.
    /// - Returns: whether this is another server than at the look before, or other numbers: what was read of the former holds no more.
    @discardableResult
    public mutating func look(newest: Int64?, writers: Set<String>, origin: String, now: ContinuousClock.Instant) -> Bool {
        let isRecovered = lastWriters.map { last in writers.contains { $0.hasPrefix(Self.recoveredPrefix) && !last.contains($0) } } ?? false
        let isOther = isRecovered || self.origin.map { $0 != origin } ?? false
        (self.origin, lastWriters) = (origin, writers)
        if isOther {
            sequence = 0
            looks = []
            firstSeen = [:]
        } else if let newest, newest > (looks.last?.newest ?? sequence) {
            // Behind as many looks the last one waits for whoever writes now, instead.
            if looks.count == Self.lookLimit { looks.removeLast() }
            looks.append(Look(newest: newest, writers: writers))
        }
        firstSeen = firstSeen.filter { writers.contains($0.key) }
        for writer in writers where firstSeen[writer] == nil { firstSeen[writer] = now }
        for index in looks.indices { looks[index].writers.formIntersection(writers) }
        if let last = looks.lastIndex(where: \.writers.isEmpty) {
            sequence = max(sequence, looks[last].newest)
            looks.removeSubrange(...last)
        }
        return isOther
    }
}
