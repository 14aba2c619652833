// ByteFinder: where one byte value occurs next, remembered, so that a chunk is searched for it once.
//
// Row scanning asks for the nearest of several byte values at every step. A value that is rare or absent (a backslash,
// a carriage return) would be searched for from every row to the chunk's end; remembering the last answer makes the
// search of a whole chunk one pass of memchr per value.
#if canImport(Glibc)
    import Glibc
#endif

/// The next occurrence of a byte in a buffer that is asked about in ascending positions.
struct ByteFinder {
    private let byte: Int32
    private var known = -1

    init(_ byte: UInt8) { self.byte = Int32(byte) }

    /// Forgets the last answer: another buffer follows.
    mutating func reset() { known = -1 }

    /// The first position at or after `start` that holds the byte; `bytes.count` if none does.
    @inline(__always)
    mutating func next(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        if known < start { known = Self.find(byte, in: bytes, from: start) }
        return known
    }

    @inline(__always)
    private static func find(_ byte: Int32, in bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        guard start < bytes.count, let base = bytes.baseAddress,
            let found = memchr(base + start, byte, bytes.count - start)
        else { return bytes.count }
        return UnsafeRawPointer(found) - base
    }
}

extension UnsafeRawBufferPointer {
    /// The first position at or after `start` that holds `byte`; nil if none does.
    @inline(__always)
    func position(of byte: UInt8, from start: Int) -> Int? {
        guard start < count, let baseAddress, let found = memchr(baseAddress + start, Int32(byte), count - start)
        else { return nil }
        return UnsafeRawPointer(found) - baseAddress
    }

    /// The bytes of a range, without copying.
    @inline(__always)
    func part(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self[range]) }

    /// Whether these are exactly the bytes of `other`.
    @inline(__always)
    func isEqual(to other: [UInt8]) -> Bool {
        count == other.count
            && other.withUnsafeBytes { count == 0 || memcmp(baseAddress!, $0.baseAddress!, count) == 0 }
    }
}
