// Connection: one byte stream between two of the world's parties, as TCP gives it: each direction in order, in pieces
// of any size, as late as it likes. Different connections overtake each other. A cut loses any tail of what is in flight.
import Primitives

/// Who is at an end of a connection.
enum Party {
    case proxy(Int, incarnation: Int, StreamReference)
    case server(Int)
    case client(Int, turn: Int)
    /// Someone who opened it, wrote and does not read: a client's cancel request.
    case nobody
}

/// A stream of a proxy's worker.
struct StreamReference {
    var index: UInt32
    var generation: UInt32
}

/// What arrives at one moment.
enum Piece {
    case bytes([UInt8])
    /// Nothing more comes.
    case end(String)
}

/// One connection. Its state and what is in flight; `Network` moves it.
final class Connection {
    enum State { case connecting, open, closed }

    let number: Int
    var near: Party
    var far: Party
    var state = State.connecting
    /// In flight, by direction.
    var pieces: [[Piece]] = [[], []]
    /// When something was last sent, either way.
    var lastSent = Instant.origin
    /// When the last piece of each direction arrives.
    var lastArrival: [Instant] = [.origin, .origin]
    /// The sender's end is closed: nothing more may be sent this way.
    var isSenderClosed = [false, false]
    /// The receiver's end is closed: what arrives is thrown away.
    var isReceiverClosed = [false, false]
    /// The backend at the far end, for a server's connection.
    var backend = -1
    /// What the near end says as soon as the connection stands.
    var greeting: [UInt8] = []
    /// Nothing arrives before this moment.
    var stalledUntil = Instant.origin

    init(number: Int, near: Party, far: Party) {
        self.number = number
        self.near = near
        self.far = far
    }

    /// Where pieces of this direction arrive.
    func receiver(_ direction: Direction) -> Party { direction == .toFar ? far : near }

    var isAlive: Bool { state != .closed }
}
