// GrowingMemory: arrays and bytes that grow by doubling, without reference counts and uniqueness checks on each access.
// Explicitly freed, as everything here that is touched per row.
#if canImport(Glibc)
import Glibc
#endif

/// Elements back to back. Owns memory: call `free` exactly once.
struct GrowingArray<Element: BitwiseCopyable> {
    private var base: UnsafeMutablePointer<Element>?
    private var capacity = 0
    private(set) var count = 0

    init() {}

    mutating func free() {
        base?.deallocate()
        base = nil
        capacity = 0
        count = 0
    }

    var last: Element? { count > 0 ? self[count - 1] : nil }

    /// Memory in use, in bytes.
    var bytes: Int { count * MemoryLayout<Element>.stride }

    @inline(__always)
    subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count, "index outside the array")
            return base.unsafelyUnwrapped[index]
        }
        nonmutating set {
            precondition(index >= 0 && index < count, "index outside the array")
            base.unsafelyUnwrapped[index] = newValue
        }
    }

    /// The elements; valid until one is appended.
    var elements: UnsafeMutableBufferPointer<Element> { UnsafeMutableBufferPointer(start: base, count: count) }

    /// Amortised O(1).
    mutating func append(_ element: Element) {
        if count == capacity { grow() }
        (base.unsafelyUnwrapped + count).initialize(to: element)
        count += 1
    }

    mutating func removeAll() { count = 0 }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: max(16, capacity * 2))
        if let base {
            larger.initialize(from: base, count: count)
            base.deallocate()
        }
        base = larger
        capacity = max(16, capacity * 2)
    }
}

/// Bytes back to back. Owns memory: call `free` exactly once.
struct GrowingBytes {
    private var base: UnsafeMutableRawPointer?
    private var capacity = 0
    private(set) var count = 0

    init() {}

    mutating func free() {
        base?.deallocate()
        base = nil
        capacity = 0
        count = 0
    }

    /// The first byte; valid until bytes are appended.
    var start: UnsafeRawPointer? { UnsafeRawPointer(base) }

    /// A view, valid until bytes are appended.
    func part(from start: Int, to end: Int) -> UnsafeRawBufferPointer {
        precondition(start >= 0 && start <= end && end <= count, "part outside the bytes")
        guard let base else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: base + start, count: end - start)
    }

    /// Amortised O(bytes). `bytes` must not lie in this memory.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        if capacity - count < bytes.count { grow(bytes.count) }
        memcpy(base.unsafelyUnwrapped + count, source, bytes.count)
        count += bytes.count
    }

    /// Makes room for `bytes` more and returns where they go; `commit` then makes them part of the whole.
    mutating func prepare(_ bytes: Int) -> UnsafeMutablePointer<UInt8> {
        if capacity - count < bytes { grow(bytes) }
        return (base.unsafelyUnwrapped + count).assumingMemoryBound(to: UInt8.self)
    }

    mutating func commit(_ bytes: Int) {
        precondition(bytes <= capacity - count, "committed more bytes than were prepared")
        count += bytes
    }

    /// Overwrites bytes that are there.
    func replace(at offset: Int, with bytes: UnsafeRawBufferPointer) {
        precondition(offset >= 0 && offset + bytes.count <= count, "replaced outside the bytes")
        guard let source = bytes.baseAddress, let base, bytes.count > 0 else { return }
        memcpy(base + offset, source, bytes.count)
    }

    mutating func truncate(to count: Int) {
        precondition(count <= self.count, "cannot truncate to more bytes than there are")
        self.count = count
    }

    mutating func removeAll() { count = 0 }

    private mutating func grow(_ bytes: Int) {
        let size = max(1024, capacity * 2, count + bytes)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        if let base {
            memcpy(larger, base, count)
            base.deallocate()
        }
        base = larger
        capacity = size
    }
}
