// Stream: one byte stream to a peer as Worker and Host both see it: what came in, what waits to go out.
//
// The host owns sockets and TLS and numbers its files by the same index; the worker owns the meaning. A stream
// record is plain memory in a table that never moves, so neither side pays reference counting to reach it.
import Primitives

/// Names one stream; the generation tells a reused slot from the stream that was there before.
public struct StreamID: Hashable, Sendable {
    public var index: UInt32
    public var generation: UInt32

    @inlinable public init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }
}

/// What the worker uses a stream for.
public enum StreamRole: UInt8, Sendable {
    case free
    /// A client's connection.
    case session
    /// A connection to a shard.
    case link
    /// A short connection to a shard that carries one CancelRequest.
    case canceller
}

/// The record of one stream.
public struct Stream {
    public var generation: UInt32 = 0
    public var role: StreamRole = .free
    /// The slab index of the session or link this stream belongs to.
    public var owner: Int32 = -1
    /// In the host's list of streams with output to send.
    public var isDirty = false
    /// The worker wants no bytes for now; it says `.resume` when it does again. Set by the worker, heeded by the host.
    public var isReadPaused = false
    /// The peer takes bytes slower than they come; the host tells `drained` once little waits. Set by the worker.
    public var wantsDrained = false
    /// Close once the output is sent; no further input is delivered. Set by the worker through `.close`.
    public var isClosing = false
    /// Bytes received and not consumed. Filled by the host after `received` returned; consumed by the host.
    public var input: ByteQueue
    /// Bytes to send. Appended by the worker, sent and consumed by the host.
    public var output: ByteQueue

    init(pool: BlockPool.Reference) {
        input = ByteQueue(pool: pool)
        output = ByteQueue(pool: pool)
    }
}

/// All streams of one worker. Records never move; O(1) to open, reach and free.
public final class StreamTable {
    static let chunkCount = 256

    private var chunks: [UnsafeMutablePointer<Stream>] = []
    private var freeIndexes: [UInt32] = []
    /// Streams with output to send, in the order they became dirty. The host takes and clears it each tick.
    public var dirty: [UInt32] = []
    public let pool: BlockPool
    /// Open streams.
    public private(set) var openCount = 0

    public init(pool: BlockPool) {
        self.pool = pool
        dirty.reserveCapacity(1024)
    }

    deinit {
        for chunk in chunks {
            for index in 0..<Self.chunkCount {
                chunk[index].input.free()
                chunk[index].output.free()
            }
            chunk.deallocate()
        }
    }

    /// The record at `index`; valid as long as the table.
    @inline(__always)
    public func at(_ index: UInt32) -> UnsafeMutablePointer<Stream> {
        chunks[Int(index) / Self.chunkCount] + Int(index) % Self.chunkCount
    }

    /// The record of `id`, or nil when that stream is gone.
    @inline(__always)
    public func find(_ id: StreamID) -> UnsafeMutablePointer<Stream>? {
        guard Int(id.index) < chunks.count * Self.chunkCount else { return nil }
        let stream = at(id.index)
        return stream.pointee.generation == id.generation && stream.pointee.role != .free ? stream : nil
    }

    /// Opens a stream record.
    public func open(_ role: StreamRole) -> StreamID {
        if freeIndexes.isEmpty { addChunk() }
        let index = freeIndexes.removeLast()
        let stream = at(index)
        stream.pointee.role = role
        stream.pointee.owner = -1
        stream.pointee.isDirty = false
        stream.pointee.isReadPaused = false
        stream.pointee.wantsDrained = false
        stream.pointee.isClosing = false
        openCount += 1
        return StreamID(index: index, generation: stream.pointee.generation)
    }

    /// Frees the record and what waits in it. The host calls this when the socket is closed.
    public func free(_ id: StreamID) {
        guard let stream = find(id) else { return }
        stream.pointee.input.free()
        stream.pointee.output.free()
        stream.pointee.role = .free
        stream.pointee.generation &+= 1
        freeIndexes.append(id.index)
        openCount -= 1
    }

    /// Notes that the stream has output to send at the end of this tick.
    @inline(__always)
    public func markDirty(_ index: UInt32) {
        let stream = at(index)
        if stream.pointee.isDirty { return }
        stream.pointee.isDirty = true
        dirty.append(index)
    }

    private func addChunk() {
        let chunk = UnsafeMutablePointer<Stream>.allocate(capacity: Self.chunkCount)
        for index in 0..<Self.chunkCount { (chunk + index).initialize(to: Stream(pool: pool.reference)) }
        let first = UInt32(chunks.count * Self.chunkCount)
        chunks.append(chunk)
        for offset in (0..<UInt32(Self.chunkCount)).reversed() { freeIndexes.append(first + offset) }
    }
}
