// SortedKeys: the keys of a range or list placement, each family in an array of its own, so that looking a key up
// compares raw numbers and bytes and allocates nothing.
#if canImport(Glibc)
    import Glibc
#endif

/// Strictly ascending keys of one family. Text sorts by bytes (the C collation).
struct SortedKeys: Hashable, Sendable {
    private enum Storage: Hashable, Sendable {
        case integers([Int64])
        case texts([[UInt8]])
        case uuids([UUIDKey])
    }

    private let storage: Storage

    /// nil if the keys are of several families or not strictly ascending.
    init?(ascending keys: [KeyValue], family: KeyFamily) {
        guard keys.allSatisfy({ $0.family == family }) else { return nil }
        guard zip(keys, keys.dropFirst()).allSatisfy({ Self.areAscending($0, $1) }) else { return nil }
        switch family {
        case .integer: storage = .integers(keys.compactMap { if case .integer(let key) = $0 { key } else { nil } })
        case .text: storage = .texts(keys.compactMap { if case .text(let key) = $0 { key } else { nil } })
        case .uuid: storage = .uuids(keys.compactMap { if case .uuid(let key) = $0 { key } else { nil } })
        }
    }

    var family: KeyFamily {
        switch storage {
        case .integers: .integer
        case .texts: .text
        case .uuids: .uuid
        }
    }

    /// All keys in order.
    var values: [KeyValue] {
        switch storage {
        case .integers(let keys): keys.map { .integer($0) }
        case .texts(let keys): keys.map { .text($0) }
        case .uuids(let keys): keys.map { .uuid($0) }
        }
    }

    /// How many keys are less than or equal to `key`, which must be of this family. O(log keys).
    func countUpTo(integer key: Int64) -> Int {
        guard case .integers(let keys) = storage else { return 0 }
        return Self.partitionPoint(keys.count) { keys[$0] <= key }
    }

    func countUpTo(uuid key: UUIDKey) -> Int {
        guard case .uuids(let keys) = storage else { return 0 }
        return Self.partitionPoint(keys.count) { keys[$0] <= key }
    }

    func countUpTo(text key: UnsafeRawBufferPointer) -> Int {
        guard case .texts(let keys) = storage else { return 0 }
        return Self.partitionPoint(keys.count) { index in
            keys[index].withUnsafeBytes { Self.compare($0, key) <= 0 }
        }
    }

    /// Where `key` stands; nil if it is not among the keys. O(log keys).
    func index(integer key: Int64) -> Int? {
        let count = countUpTo(integer: key)
        guard case .integers(let keys) = storage, count > 0, keys[count - 1] == key else { return nil }
        return count - 1
    }

    func index(uuid key: UUIDKey) -> Int? {
        let count = countUpTo(uuid: key)
        guard case .uuids(let keys) = storage, count > 0, keys[count - 1] == key else { return nil }
        return count - 1
    }

    func index(text key: UnsafeRawBufferPointer) -> Int? {
        let count = countUpTo(text: key)
        guard case .texts(let keys) = storage, count > 0 else { return nil }
        return keys[count - 1].withUnsafeBytes { Self.compare($0, key) == 0 } ? count - 1 : nil
    }

    static func areAscending(_ left: KeyValue, _ right: KeyValue) -> Bool {
        switch (left, right) {
        case (.integer(let left), .integer(let right)): left < right
        case (.uuid(let left), .uuid(let right)): left < right
        case (.text(let left), .text(let right)): left.lexicographicallyPrecedes(right)
        default: false
        }
    }

    /// How many of `count` elements, from the first, satisfy a predicate that is true for a prefix.
    private static func partitionPoint(_ count: Int, _ holds: (Int) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if holds(middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Bytewise order; a prefix comes before what it begins.
    private static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        let common = min(left.count, right.count)
        if common > 0, let leftBase = left.baseAddress, let rightBase = right.baseAddress {
            let order = memcmp(leftBase, rightBase, common)
            if order != 0 { return Int(order) }
        }
        return left.count - right.count
    }
}
