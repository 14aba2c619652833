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

/// The record of one stream. All but `input` lies in one cache line.
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
    /// The output waits for commits over several shards that are half done. Set by the worker, heeded by the host.
    public var isHeld = false
    /// A cancel for one of the session's links may be on its way: frames of the client wait for it.
    var awaitsCancel = false
    /// Close once the output is sent; no further input is delivered. Set by the worker through `.close`.
    public var isClosing = false
    /// Bytes to send. Appended by the worker, sent and consumed by the host.
    public var output: ByteQueue
    /// Bytes received and not consumed. Filled by the host after `received` returned; consumed by the host.
    public var input: ByteQueue

    init(pool: BlockPool.Reference) {
        input = ByteQueue(pool: pool)
        output = ByteQueue(pool: pool)
    }
}

/// All streams of one worker. Records never move; O(1) to open, reach and free.
public final class StreamTable {
    @inlinable static var chunkStreams: Int { 256 }
    /// Each record begins a cache line.
    @inlinable static var stride: Int { (MemoryLayout<Stream>.size + 63) & ~63 }

    // Raw memory, because nearly every step of a query reaches for it: an array would be checked for its bounds each time.
    @usableFromInline var chunks: UnsafeMutablePointer<UnsafeMutableRawPointer>
    /// Links with output to send. The host takes them after each event.
    public var dirtyLinks = DirtyList()
    /// All other streams with output to send. The host takes them at the end of each tick.
    public var dirtyClients = DirtyList()
    private var chunkCount = 0
    private var chunkCapacity = 64
    private var freeIndexes: [UInt32] = []
    public let pool: BlockPool
    /// Open streams.
    public private(set) var openCount = 0

    public init(pool: BlockPool) {
        self.pool = pool
        chunks = .allocate(capacity: chunkCapacity)
    }

    deinit {
        for index in 0..<UInt32(chunkCount * Self.chunkStreams) {
            at(index).pointee.input.free()
            at(index).pointee.output.free()
        }
        for index in 0..<chunkCount { chunks[index].deallocate() }
        chunks.deallocate()
        dirtyLinks.free()
        dirtyClients.free()
    }

    /// The record at `index`; valid as long as the table.
    @inlinable @inline(__always)
    public func at(_ index: UInt32) -> UnsafeMutablePointer<Stream> {
        (chunks[Int(index) / Self.chunkStreams] + Int(index) % Self.chunkStreams &* Self.stride)
            .assumingMemoryBound(to: Stream.self)
    }

    /// The record of `id`, or nil when that stream is gone.
    @inline(__always)
    public func find(_ id: StreamID) -> UnsafeMutablePointer<Stream>? {
        guard Int(id.index) < chunkCount * Self.chunkStreams else { return nil }
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
        stream.pointee.isHeld = false
        stream.pointee.awaitsCancel = false
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

    /// Notes that the stream has output to send.
    @inline(__always)
    public func markDirty(_ index: UInt32) {
        let stream = at(index)
        if stream.pointee.isDirty { return }
        stream.pointee.isDirty = true
        if stream.pointee.role == .link { dirtyLinks.append(index) } else { dirtyClients.append(index) }
    }

    private func addChunk() {
        if chunkCount == chunkCapacity { growDirectory() }
        let chunk = UnsafeMutableRawPointer.allocate(byteCount: Self.chunkStreams * Self.stride, alignment: 64)
        for index in 0..<Self.chunkStreams {
            (chunk + index * Self.stride).initializeMemory(as: Stream.self, to: Stream(pool: pool.reference))
        }
        let first = UInt32(chunkCount * Self.chunkStreams)
        (chunks + chunkCount).initialize(to: chunk)
        chunkCount += 1
        for offset in (0..<UInt32(Self.chunkStreams)).reversed() { freeIndexes.append(first + offset) }
    }

    private func growDirectory() {
        let larger = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: chunkCapacity * 2)
        larger.initialize(from: chunks, count: chunkCount)
        chunks.deallocate()
        chunks = larger
        chunkCapacity *= 2
    }
}
