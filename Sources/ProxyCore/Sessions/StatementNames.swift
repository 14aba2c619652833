// StatementNames: a session's names of prepared statements, looked up by the bytes of a frame without allocating.
import Primitives
import WireProtocol

/// Prepared statement names and the shared statements they mean. O(1) to look up.
final class StatementNames {
    private struct Entry {
        var hash: UInt64 = 0
        var name = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        /// 0: the slot is free.
        var number: UInt32 = 0
    }

    /// An open-addressing table in raw memory: every Bind looks a name up.
    private var slots = UnsafeMutableBufferPointer<Entry>(start: nil, count: 0)
    private(set) var count = 0

    deinit {
        for slot in slots { slot.name.deallocate() }
        slots.deallocate()
    }

    /// The number the name means, 0 when there is none.
    @inline(__always)
    func number(of name: UnsafeRawBufferPointer) -> UInt32 {
        guard count > 0, let base = slots.baseAddress else { return 0 }
        let hash = Self.hash(name)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count &- 1)
        while base[slot].number != 0 {
            if base[slot].hash == hash, UnsafeRawBufferPointer(base[slot].name).hasSameBytes(as: name) {
                return base[slot].number
            }
            slot = (slot &+ 1) & (slots.count &- 1)
        }
        return 0
    }

    /// A name of the statement; any one where it has several. O(n).
    func name(of number: UInt32) -> String? {
        for entry in slots where entry.number == number && number != 0 {
            return UnsafeRawBufferPointer(entry.name).text
        }
        return nil
    }

    /// Adds a name that is not there yet.
    func add(_ name: UnsafeRawBufferPointer, number: UInt32) {
        if (count + 1) * 2 > slots.count { rebuild(capacity: max(8, slots.count * 2)) }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, name.count), alignment: 1)
        copy.copyMemory(from: name)
        place(
            Entry(
                hash: Self.hash(name), name: UnsafeMutableRawBufferPointer(rebasing: copy[0..<name.count]),
                number: number))
        count += 1
    }

    /// Removes a name; returns the number it meant, 0 when there was none.
    func remove(_ name: UnsafeRawBufferPointer) -> UInt32 {
        let number = number(of: name)
        guard number != 0 else { return 0 }
        rebuild(capacity: slots.count, without: name)
        count -= 1
        return number
    }

    /// Forgets all names; returns what they meant.
    func removeAll() -> [UInt32] {
        let numbers = slots.map(\.number).filter { $0 != 0 }
        for slot in slots { slot.name.deallocate() }
        slots.deallocate()
        slots = UnsafeMutableBufferPointer(start: nil, count: 0)
        count = 0
        return numbers
    }

    private func place(_ entry: Entry) {
        var slot = Int(truncatingIfNeeded: entry.hash) & (slots.count - 1)
        while slots[slot].number != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = entry
    }

    private func rebuild(capacity: Int, without removed: UnsafeRawBufferPointer? = nil) {
        let old = slots
        slots = .allocate(capacity: capacity)
        slots.initialize(repeating: Entry())
        for entry in old where entry.number != 0 {
            if let removed, UnsafeRawBufferPointer(entry.name).hasSameBytes(as: removed) {
                entry.name.deallocate()
            } else {
                place(entry)
            }
        }
        old.deallocate()
    }

    @inline(__always)
    private static func hash(_ name: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash ^ hash >> 32
    }
}
