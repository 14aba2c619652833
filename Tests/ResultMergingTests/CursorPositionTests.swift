// Where cursors stand, against PostgreSQL's own rules written down again: DoPortalRunFetch and PortalRunSelect of its pquery.c keep two flags and
// a count where CursorPosition keeps a row number.
import Primitives
import Testing

@testable import ResultMerging

/// A portal as PostgreSQL has it, over rows 1, 2, ... `total`.
private struct Portal {
    let total: Int64
    var atStart = true
    var atEnd = false
    var position: Int64 = 0
    /// Where the executor stands, 0 before the first row and `total + 1` behind the last.
    var executor: Int64 = 0
    var wentBack = false

    mutating func run(forward: Bool, _ count: Int64) -> [Int64] {
        var rows: [Int64] = []
        if forward {
            if atEnd || count <= 0 { return [] }
            while executor <= total, count == .max || rows.count < count {
                executor += 1
                if executor <= total { rows.append(executor) }
            }
            if !rows.isEmpty { atStart = false }
            if count == .max || rows.count < count { atEnd = true }
            position += Int64(rows.count)
            return rows
        }
        wentBack = true
        if atStart || count <= 0 { return [] }
        while executor >= 1, count == .max || rows.count < count {
            executor -= 1
            if executor >= 1 { rows.append(executor) }
        }
        if !rows.isEmpty, atEnd {
            atEnd = false
            position += 1
        }
        if count == .max || rows.count < count {
            atStart = true
            atEnd = false
            position = 0
        } else {
            position -= Int64(rows.count)
        }
        return rows
    }

    mutating func rewind() {
        if atStart && !atEnd { return }
        wentBack = true
        (atStart, atEnd, position, executor) = (true, false, 0, 0)
    }

    /// The rows given; what only counts is told by their number.
    mutating func fetch(_ movement: CursorMovement, isMove: Bool) -> [Int64] {
        var (direction, count) = (movement.direction, movement.count)
        switch direction {
        case .forward, .backward:
            if count < 0 { (direction, count) = (direction == .forward ? .backward : .forward, -count) }
        case .absolute:
            if count > 0 { return absolute(count) }
            if count < 0 {
                _ = run(forward: true, .max)
                if count < -1 { _ = run(forward: false, -count - 1) }
                return run(forward: false, 1)
            }
            rewind()
            return []
        case .relative:
            if count > 0 {
                if count > 1 { _ = run(forward: true, count - 1) }
                return run(forward: true, 1)
            }
            if count < 0 {
                if count < -1 { _ = run(forward: false, -count - 1) }
                return run(forward: false, 1)
            }
            direction = .forward
        }
        if count == 0 {
            let onRow = !atStart && !atEnd
            if isMove { return onRow ? [executor] : [] }
            guard onRow else { return [] }
            _ = run(forward: false, 1)
            return run(forward: true, 1)
        }
        if direction == .backward, count == .max, isMove {
            let passed = position > 0 && !atEnd ? position - 1 : position
            rewind()
            return Array(repeating: 0, count: Int(passed))
        }
        return run(forward: direction == .forward, count)
    }

    private mutating func absolute(_ count: Int64) -> [Int64] {
        if count - 1 <= position / 2 {
            rewind()
            if count > 1 { _ = run(forward: true, count - 1) }
        } else {
            let present = position + (atEnd ? 1 : 0)
            if count <= present {
                _ = run(forward: false, present - count + 1)
            } else if count > present + 1 {
                _ = run(forward: true, count - present - 1)
            }
        }
        return run(forward: true, 1)
    }
}

@Suite("cursor positions") struct CursorPositionTests {
    private static let counts: [Int64] = [-.max, -7, -5, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 9, .max]

    @Test("every movement gives what PostgreSQL's rules give", arguments: [Int64(0), 1, 2, 5]) func agree(total: Int64) {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var portal = Portal(total: total)
            var position = CursorPosition()
            var path = ""
            // One that has gone back is scrolling: nobody asks it any more.
            var hasGoneBack = false
            for _ in 0..<12 {
                let directions: [CursorMovement.Direction] = [.forward, .backward, .absolute, .relative]
                let movement = CursorMovement(
                    directions.randomElement(using: &random) ?? .forward, Self.counts.randomElement(using: &random) ?? 0)
                let isMove = Bool.random(using: &random)
                path += " \(isMove ? "MOVE" : "FETCH") \(movement.direction) \(movement.count)"
                let goesBack = position.goesBack(movement, isMove: isMove)
                let rows = position.move(movement, total: total)
                portal.wentBack = false
                let right = portal.fetch(movement, isMove: isMove)
                #expect(rows.count == Int64(right.count), "of \(total):\(path)")
                if let first = right.first, first != 0 {
                    #expect(rows.first == first && rows.isBackward == (right.count > 1 && right[1] < first) || right.count == 1 && rows.first == first, "of \(total):\(path)")
                }
                #expect(hasGoneBack || goesBack == portal.wentBack, "of \(total):\(path)")
                guard rows.count == Int64(right.count), hasGoneBack || goesBack == portal.wentBack else { return }
                hasGoneBack = hasGoneBack || goesBack
            }
        }
    }

    @Test("reading forward arrives where moving among all rows does", arguments: [Int64(0), 1, 4]) func forward(total: Int64) {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var known = CursorPosition()
            var unknown = CursorPosition()
            for _ in 0..<8 {
                let directions: [CursorMovement.Direction] = [.forward, .absolute, .relative]
                let movement = CursorMovement(directions.randomElement(using: &random) ?? .forward, Self.counts.randomElement(using: &random) ?? 0)
                guard !known.goesBack(movement, isMove: false) else { continue }
                let start = unknown.isBehindLast ? total : unknown.row
                let right = known.move(movement, total: total)
                let steps = unknown.forwardSteps(movement)
                let passed = min(steps.skipped, total - start)
                let given = passed < steps.skipped ? 0 : min(steps.given, total - start - passed)
                unknown.advance(by: passed + given, isAtEnd: passed < steps.skipped || given < steps.given)
                #expect(right.count == given && unknown == known, "\(movement) of \(total)")
            }
        }
    }
}
