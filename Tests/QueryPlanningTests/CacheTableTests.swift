// The table beneath both caches: exact, bounded, least recently used first.
import Testing

@testable import QueryPlanning

@Suite struct CacheTableTests {
    private func find(_ table: ByteKeyTable, _ key: String, hash: UInt64) -> Int {
        Array(key.utf8).withUnsafeBytes { table.find($0.baseAddress.unsafelyUnwrapped, count: $0.count, hash: hash) }
    }

    @discardableResult
    private func insert(
        _ table: ByteKeyTable, _ key: String, hash: UInt64, environment: UInt32 = 1, evicted: (Int) -> Void = { _ in }
    ) -> Int? {
        Array(key.utf8).withUnsafeBytes { table.insert($0, hash: hash, environment: environment, evicted: evicted) }
    }

    @Test func equalHashesOfDifferentKeysAreToldApart() {
        let table = ByteKeyTable(capacity: 64, byteLimit: 1000)
        defer { table.free() }
        let first = insert(table, "a", hash: 5)
        #expect(find(table, "b", hash: 5) == -1)
        #expect(find(table, "aa", hash: 5) == -1)
        let second = insert(table, "b", hash: 5)
        #expect(first != second)
        #expect(find(table, "a", hash: 5) == first)
        #expect(find(table, "b", hash: 5) == second)
    }

    @Test func theSlotUnusedForLongestIsGivenAway() {
        let table = ByteKeyTable(capacity: 8, byteLimit: 1000)
        defer { table.free() }
        let slots = (0..<8).map { insert(table, "key\($0)", hash: UInt64($0)) }
        for index in [0, 1, 3, 4, 5, 6, 7] { #expect(find(table, "key\(index)", hash: UInt64(index)) == slots[index]) }
        var evicted: [Int] = []
        #expect(insert(table, "new", hash: 99, evicted: { evicted.append($0) }) == slots[2])
        #expect(evicted == [slots[2]])
        #expect(find(table, "key2", hash: 2) == -1)
        #expect(table.statistics.entries == 8)
        #expect(table.statistics.evictions == 1)
    }

    @Test func keysStayWithinTheirBytes() {
        let table = ByteKeyTable(capacity: 1024, byteLimit: 100)
        defer { table.free() }
        for index in 0..<500 {
            #expect(insert(table, "0123456789 \(index)", hash: UInt64(index) << 32 | 1) != nil)
            #expect(table.statistics.bytes <= 100)
        }
        #expect(find(table, "0123456789 499", hash: 499 << 32 | 1) >= 0)
        #expect(insert(table, String(repeating: "x", count: 101), hash: 3) == nil)
    }

    @Test func environmentsLeaveWithAllTheirKeys() {
        let table = ByteKeyTable(capacity: 64, byteLimit: 1000)
        defer { table.free() }
        for index in 0..<20 { insert(table, "key\(index)", hash: UInt64(index) << 32, environment: UInt32(index % 2)) }
        var removed = 0
        table.remove(environment: 0) { _ in removed += 1 }
        #expect(removed == 10)
        #expect(table.statistics.entries == 10)
        #expect(find(table, "key2", hash: 2 << 32) == -1)
        #expect(find(table, "key3", hash: 3 << 32) >= 0)
    }

    @Test func hashesDependOnEveryByteAndTheLength() {
        var seen: Set<UInt64> = []
        for length in 0...70 {
            var bytes = [UInt8](repeating: 0, count: length + 1)
            bytes.withUnsafeBytes { _ = seen.insert(ByteHash.hash($0.baseAddress.unsafelyUnwrapped, count: length)) }
            for place in 0..<length {
                bytes[place] = 1
                bytes.withUnsafeBytes {
                    _ = seen.insert(ByteHash.hash($0.baseAddress.unsafelyUnwrapped, count: length))
                }
                bytes[place] = 0
            }
        }
        #expect(seen.count == 71 + (0...70).reduce(0, +))
    }
}
