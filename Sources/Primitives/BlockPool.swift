// BlockPool: recycled memory blocks for byte queues.
//
// A proxy moves bytes all day and keeps none: a stream needs memory only while bytes wait in it. Blocks of one
// standard size therefore live on a free list and are lent to a queue from its first byte to its last; an idle
// client holds no block at all. After warm-up no query allocates. Larger needs (a big frame that must be seen
// whole) go to malloc and straight back.
//
// The state is reached through a raw pointer, so that lending costs no reference counting. One pool belongs to
// one worker; it is not thread safe.

/// A source of recycled memory blocks, owned by one worker thread.
public final class BlockPool {
    /// Bytes in a standard block.
    public static let blockBytes = 16 * 1024

    @usableFromInline
    struct State {
        var free: UnsafeMutablePointer<UnsafeMutableRawPointer>
        var freeCount: Int
        var keepCount: Int
        var lentCount: Int
        var largeBytes: Int
    }

    /// A reference to a pool that costs no reference counting to copy; valid as long as the pool lives.
    public struct Reference: @unchecked Sendable {
        @usableFromInline let state: UnsafeMutablePointer<State>

        @usableFromInline
        init(state: UnsafeMutablePointer<State>) { self.state = state }
    }

    /// Hand this to the queues that draw from the pool.
    public let reference: Reference

    /// - Parameter keepCount: how many free blocks are kept for reuse; the rest go back to the system.
    public init(keepCount: Int = 4096) {
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        state.initialize(
            to: State(
                free: .allocate(capacity: keepCount), freeCount: 0, keepCount: keepCount, lentCount: 0, largeBytes: 0))
        reference = Reference(state: state)
    }

    deinit {
        let state = reference.state
        for index in 0..<state.pointee.freeCount { state.pointee.free[index].deallocate() }
        state.pointee.free.deallocate()
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Standard blocks now lent to queues.
    public var lentBlockCount: Int { reference.state.pointee.lentCount }

    /// Bytes now lent in blocks larger than the standard size.
    public var lentLargeBytes: Int { reference.state.pointee.largeBytes }
}

extension BlockPool.Reference {
    /// Lends memory of at least `bytes`; returns it with its true size.
    @inline(__always)
    func take(atLeast bytes: Int) -> (UnsafeMutableRawPointer, Int) {
        if bytes <= BlockPool.blockBytes { return (takeBlock(), BlockPool.blockBytes) }
        return takeLarge(bytes)
    }

    /// Lends a standard block.
    @inline(__always)
    func takeBlock() -> UnsafeMutableRawPointer {
        state.pointee.lentCount += 1
        if state.pointee.freeCount > 0 {
            state.pointee.freeCount -= 1
            return state.pointee.free[state.pointee.freeCount]
        }
        return UnsafeMutableRawPointer.allocate(byteCount: BlockPool.blockBytes, alignment: 16)
    }

    @inline(never)
    private func takeLarge(_ bytes: Int) -> (UnsafeMutableRawPointer, Int) {
        var size = BlockPool.blockBytes
        while size < bytes { size *= 2 }
        state.pointee.largeBytes += size
        return (UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16), size)
    }

    /// Takes lent memory back; `size` is what `take` returned.
    @inline(__always)
    func giveBack(_ block: UnsafeMutableRawPointer, size: Int) {
        if size == BlockPool.blockBytes {
            state.pointee.lentCount -= 1
            if state.pointee.freeCount < state.pointee.keepCount {
                state.pointee.free[state.pointee.freeCount] = block
                state.pointee.freeCount += 1
                return
            }
        } else {
            state.pointee.largeBytes -= size
        }
        block.deallocate()
    }
}
