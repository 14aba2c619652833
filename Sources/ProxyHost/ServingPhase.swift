// ServingPhase: whether a process lets clients in, for other threads to ask.
import Synchronization

/// starting -> serving -> draining, or starting -> draining.
public enum ServingPhase: String, Sendable {
    case starting, serving
    /// Open transactions may finish; nobody new is let in.
    case draining
}

/// The present phase. Any thread may ask.
public final class ServingPhaseRecord: Sendable {
    private let phase = Mutex(ServingPhase.starting)

    public init() {}

    public var current: ServingPhase { phase.withLock { $0 } }

    /// There is no way back from draining.
    func enter(_ next: ServingPhase) {
        phase.withLock { if $0 != .draining { $0 = next } }
    }
}
