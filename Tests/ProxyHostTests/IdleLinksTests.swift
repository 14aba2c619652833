// Which idle link is leased first, and that places beyond the first 64 are links like any other.
import Testing

@testable import ProxyCore

@Suite struct IdleLinksTests {
    @Test func theLowestPlaceComesFirst() {
        var idle = IdleLinks()
        defer { idle.free() }
        let places = [70, 71, 72].map { idle.open($0) }
        #expect(places == [0, 1, 2])
        #expect(idle.first == -1)
        for place in places.reversed() { idle.insert(place) }
        #expect(idle.first == 70)
        idle.remove(0)
        #expect(idle.first == 71)
        idle.insert(0)
        #expect(idle.first == 70 && idle.count == 3)
    }

    @Test func aPlaceIsUsedAgain() {
        var idle = IdleLinks()
        defer { idle.free() }
        _ = idle.open(7)
        let second = idle.open(8)
        _ = idle.open(9)
        idle.close(second)
        #expect(idle.open(10) == second)
    }

    /// Against a plain set of numbers, over two hundred links.
    @Test func agreesWithASet() {
        var idle = IdleLinks()
        defer { idle.free() }
        var random = SystemRandomNumberGenerator()
        var placeOfLink: [Int32: Int32] = [:]
        var expected: Set<Int32> = []
        for link in Int32(0)..<200 { placeOfLink[1000 + link] = idle.open(1000 + link) }
        for _ in 0..<20_000 {
            let link = Int32.random(in: 1000..<1200, using: &random)
            guard let place = placeOfLink[link] else { continue }
            if expected.remove(link) != nil { idle.remove(place) } else {
                idle.insert(place)
                expected.insert(link)
            }
            #expect(idle.first == expected.min() ?? -1 && Int(idle.count) == expected.count)
        }
        var seen: [Int32] = []
        idle.forEach { link in
            seen.append(link)
            return seen.count < 50
        }
        #expect(seen == Array(expected.sorted().prefix(50)))
    }
}
