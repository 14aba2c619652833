// ByteQueue: bytes waiting to be read or written, first in first out, contiguous in memory.
//
// Contiguous, so that a frame is parsed where it lies and one system call sends everything. Memory is borrowed
// from a BlockPool on the first byte and given back when the queue has run empty (`releaseIfEmpty`).
//
// A queue is a plain value that owns memory: copy it only to move it, and call `free` exactly once.
#if canImport(Glibc)
import Glibc
#endif

/// A contiguous first-in first-out queue of bytes on pooled memory. Amortised O(1) per byte.
public struct ByteQueue {
    @usableFromInline var base: UnsafeMutableRawPointer?
    @usableFromInline var head: Int
    @usableFromInline var tail: Int
    @usableFromInline var capacity: Int
    @usableFromInline let pool: BlockPool.Reference

    public init(pool: BlockPool.Reference) {
        base = nil
        head = 0
        tail = 0
        capacity = 0
        self.pool = pool
    }

    /// Bytes waiting.
    @inlinable public var count: Int { tail - head }
    @inlinable public var isEmpty: Bool { tail == head }

    /// The waiting bytes; valid until the queue is next changed.
    @inlinable public var readable: UnsafeRawBufferPointer {
        guard let base else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: base + head, count: tail - head)
    }

    /// The waiting bytes for patching in place (lengths of frames under construction).
    @inlinable public var mutableReadable: UnsafeMutableRawBufferPointer {
        guard let base else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
        return UnsafeMutableRawBufferPointer(start: base + head, count: tail - head)
    }

    /// Drops `bytes` from the front.
    @inlinable
    public mutating func consume(_ bytes: Int) {
        precondition(bytes <= tail - head, "consumed more bytes than the queue holds")
        head += bytes
        if head == tail {
            head = 0
            tail = 0
        }
    }

    /// Drops bytes from the back, so that `count` bytes remain: undoes an unfinished append.
    public mutating func truncate(to count: Int) {
        precondition(count <= tail - head, "cannot truncate a queue to more than it holds")
        tail = head + count
    }

    /// Makes room for `bytes` more and returns where they go; `commit` then makes them part of the queue.
    @inlinable
    public mutating func prepare(_ bytes: Int) -> UnsafeMutableRawBufferPointer {
        if capacity - tail < bytes { grow(bytes) }
        return UnsafeMutableRawBufferPointer(start: base.unsafelyUnwrapped + tail, count: capacity - tail)
    }

    @inlinable
    public mutating func commit(_ bytes: Int) {
        precondition(bytes <= capacity - tail, "committed more bytes than were prepared")
        tail += bytes
    }

    /// Makes room for `bytes` more. Nearly always the queue is empty and a standard block will do.
    @inline(never) @usableFromInline
    mutating func grow(_ bytes: Int) {
        if base != nil || bytes > BlockPool.blockBytes { return growFurther(bytes) }
        base = pool.takeBlock()
        capacity = BlockPool.blockBytes
    }

    @inline(never)
    private mutating func growFurther(_ bytes: Int) {
        let used = tail - head
        if let base, capacity >= used + bytes, head >= used {
            memcpy(base, base + head, used)
        } else {
            let (block, size) = pool.take(atLeast: max(used + bytes, capacity > BlockPool.blockBytes ? used * 2 : 0))
            if let base {
                memcpy(block, base + head, used)
                pool.giveBack(base, size: capacity)
            }
            base = block
            capacity = size
        }
        head = 0
        tail = used
    }

    // One function with all that a query's frame needs in an empty queue.
    @inline(never)
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        let count = bytes.count
        guard count > 0, let source = bytes.baseAddress else { return }
        if capacity &- tail < count {
            if base == nil, count <= BlockPool.blockBytes {
                base = pool.takeBlock()
                capacity = BlockPool.blockBytes
            } else {
                growFurther(count)
            }
        }
        memcpy(base.unsafelyUnwrapped + tail, source, count)
        tail &+= count
    }

    @inlinable
    public mutating func append(_ byte: UInt8) {
        prepare(1)[0] = byte
        tail += 1
    }

    /// Appends an integer in network byte order.
    @inlinable
    public mutating func append<Number: FixedWidthInteger>(integer value: Number) {
        let size = MemoryLayout<Number>.size
        prepare(size).storeBytes(of: value.bigEndian, as: Number.self)
        tail += size
    }

    public mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    /// Appends the UTF-8 of `text` without a terminator.
    public mutating func append(utf8 text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// Appends the UTF-8 of `text` and a zero byte: the protocol's String type.
    public mutating func append(cString text: String) {
        append(utf8: text)
        append(UInt8(0))
    }

    /// Overwrites a big-endian Int32 at `offset` from the front.
    @inlinable
    public mutating func patch(int32 value: Int32, at offset: Int) {
        precondition(offset + 4 <= tail - head, "patched outside the queue")
        (base.unsafelyUnwrapped + head + offset).storeBytes(of: value.bigEndian, as: Int32.self)
    }

    /// Gives the memory back when nothing waits; the queue stays usable.
    @inlinable
    public mutating func releaseIfEmpty() {
        if head == tail, base != nil { free() }
    }

    /// Gives the memory back and drops whatever waited.
    @inline(never)
    public mutating func free() {
        if let base { pool.giveBack(base, size: capacity) }
        base = nil
        head = 0
        tail = 0
        capacity = 0
    }
}
