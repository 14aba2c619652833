// SocketTable: the host's half of a stream: which file, what epoll watches, TLS.
//
// It runs beside the worker's StreamTable under the same indexes. Records are plain memory that never moves, and
// each caches the address of its stream's record, so an event reaches everything it needs in one step, without
// reference counting.
import Primitives
import ProxyCore

/// Where a socket is in its life.
enum SocketState: UInt8 {
    /// The slot is unused. Next: resolving, connecting, open.
    case vacant
    /// Its host name is being looked up; no file yet. Next: connecting, vacant.
    case resolving
    /// The kernel is connecting. Next: open, vacant (or connecting again, to the next address).
    case connecting
    /// Bytes flow. Next: vacant.
    case open
}

/// TLS that begins once the waiting plaintext output has been sent.
enum PendingTLS: Equatable {
    case none
    case server
    case client(ShardIndex)
}

/// The host's record of one stream.
struct Socket {
    var stream: UnsafeMutablePointer<ProxyCore.Stream>
    var tls: UnsafeMutablePointer<TLSFilter>?
    var descriptor: Int32 = -1
    /// What epoll watches for; 0 when the file is not in the epoll set.
    var interest: UInt32 = 0
    var index: UInt32
    var generation: UInt32 = 0
    var state: SocketState = .vacant
    /// Nothing has been received yet: a client that opens with TLS shows now.
    var isFresh = false
    /// The peer takes no more bytes; what it still says is read to the end.
    var isWriteBroken = false
    var pendingTLS = PendingTLS.none

    var id: StreamID { StreamID(index: index, generation: generation) }
    var eventData: UInt64 { UInt64(generation) << 32 | UInt64(index) }
}

/// All sockets of one event loop, by stream index. O(1).
final class SocketTable {
    private static let chunkCount = 256
    /// Each record has a cache line.
    private static var stride: Int { (MemoryLayout<Socket>.size + 63) & ~63 }

    private var chunks: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private var chunkCapacity = 64
    private var usedChunks = 0
    private let streams: StreamTable

    init(streams: StreamTable) {
        self.streams = streams
        chunks = .allocate(capacity: chunkCapacity)
    }

    deinit {
        for index in 0..<usedChunks { chunks[index].deallocate() }
        chunks.deallocate()
    }

    /// Indexes below this have a record.
    var count: UInt32 { UInt32(usedChunks * Self.chunkCount) }

    /// The record at `index`, which must be below `count`.
    @inline(__always)
    func at(_ index: UInt32) -> UnsafeMutablePointer<Socket> {
        (chunks[Int(index) / Self.chunkCount] + Int(index) % Self.chunkCount &* Self.stride)
            .assumingMemoryBound(to: Socket.self)
    }

    /// The record of an open stream, or nil when that stream is gone.
    @inline(__always)
    func find(_ id: StreamID) -> UnsafeMutablePointer<Socket>? {
        guard id.index < count else { return nil }
        let socket = at(id.index)
        return socket.pointee.generation == id.generation && socket.pointee.state != .vacant ? socket : nil
    }

    /// Takes the slot of a freshly opened stream.
    func open(_ id: StreamID, state: SocketState) -> UnsafeMutablePointer<Socket> {
        while id.index >= count { addChunk() }
        let socket = at(id.index)
        socket.pointee = Socket(stream: streams.at(id.index), index: id.index, generation: id.generation, state: state)
        return socket
    }

    private func addChunk() {
        if usedChunks == chunkCapacity { growDirectory() }
        let first = UInt32(usedChunks * Self.chunkCount)
        let chunk = UnsafeMutableRawPointer.allocate(byteCount: Self.chunkCount * Self.stride, alignment: 64)
        for offset in 0..<Self.chunkCount {
            let index = first + UInt32(offset)
            // The stream table grows in the same steps; its records are looked up when a slot is taken.
            (chunk + offset * Self.stride).initializeMemory(as: Socket.self, to: Socket(stream: streams.at(0), index: index))
        }
        chunks[usedChunks] = chunk
        usedChunks += 1
    }

    private func growDirectory() {
        let larger = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: chunkCapacity * 2)
        larger.initialize(from: chunks, count: usedChunks)
        chunks.deallocate()
        chunks = larger
        chunkCapacity *= 2
    }
}
