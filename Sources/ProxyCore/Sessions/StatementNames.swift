// StatementNames: a session's names of prepared statements, looked up by the bytes of a frame without allocating.
import Primitives
import WireProtocol

/// Prepared statement names and the shared statements they mean. O(1) to look up.
final class StatementNames {
    private struct Entry {
        var hash: UInt64
        var name: UnsafeMutableRawBufferPointer
        var number: UInt32
    }

    private var slots: [Entry?] = []
    private(set) var count = 0

    deinit { for slot in slots { slot?.name.deallocate() } }

    /// The number the name means, 0 when there is none.
    func number(of name: UnsafeRawBufferPointer) -> UInt32 {
        guard count > 0 else { return 0 }
        let hash = Self.hash(name)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while let entry = slots[slot] {
            if entry.hash == hash, UnsafeRawBufferPointer(entry.name).hasSameBytes(as: name) { return entry.number }
            slot = (slot + 1) & (slots.count - 1)
        }
        return 0
    }

    /// A name of the statement; any one where it has several. O(n).
    func name(of number: UInt32) -> String? {
        for case let entry? in slots where entry.number == number { return UnsafeRawBufferPointer(entry.name).text }
        return nil
    }

    /// Adds a name that is not there yet.
    func add(_ name: UnsafeRawBufferPointer, number: UInt32) {
        if (count + 1) * 2 > slots.count { grow() }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, name.count), alignment: 1)
        copy.copyMemory(from: name)
        place(Entry(hash: Self.hash(name), name: UnsafeMutableRawBufferPointer(rebasing: copy[0..<name.count]), number: number))
        count += 1
    }

    /// Removes a name; returns the number it meant, 0 when there was none.
    func remove(_ name: UnsafeRawBufferPointer) -> UInt32 {
        let number = number(of: name)
        guard number != 0 else { return 0 }
        let old = slots
        slots = Array(repeating: nil, count: old.count)
        for case let entry? in old {
            if UnsafeRawBufferPointer(entry.name).hasSameBytes(as: name) { entry.name.deallocate() } else { place(entry) }
        }
        count -= 1
        return number
    }

    /// Forgets all names; returns what they meant.
    func removeAll() -> [UInt32] {
        let numbers = slots.compactMap { $0?.number }
        for slot in slots { slot?.name.deallocate() }
        slots = []
        count = 0
        return numbers
    }

    private func place(_ entry: Entry) {
        var slot = Int(truncatingIfNeeded: entry.hash) & (slots.count - 1)
        while slots[slot] != nil { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = entry
    }

    private func grow() {
        let old = slots
        slots = Array(repeating: nil, count: max(8, old.count * 2))
        for case let entry? in old { place(entry) }
    }

    private static func hash(_ name: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash ^ hash >> 32
    }
}
