// CursorPosition: where a cursor stands among its rows.

/// Before the first row, on a row, or behind the last.
public struct CursorPosition: Sendable, Equatable {
    /// The row it stands on, from 1; 0 before the first. Behind the last it is one more than there are rows.
    public private(set) var row: Int64 = 0
    public private(set) var isBehindLast = false

    public init() {}

    private var isOnRow: Bool { row > 0 && !isBehindLast }

    /// Whether PostgreSQL would have to go back for this movement, which a cursor declared NO SCROLL cannot.
    /// - Parameter isMove: MOVE 0 only asks whether there is a row.
    public func goesBack(_ movement: CursorMovement, isMove: Bool) -> Bool {
        let movement = movement.normalized
        switch movement.direction {
        case .forward: return movement.count == 0 && isOnRow && !isMove
        case .backward:
            if movement.count == 0 { return isOnRow && !isMove }
            return !(isMove && movement.count == CursorMovement.all && row == 0)
        case .absolute:
            if movement.count > 0 { return movement.count <= row }
            return movement.count < 0 || row > 0
        case .relative:
            if movement.count == 0 { return isOnRow && !isMove }
            return movement.count < 0
        }
    }

    /// Makes the movement among `total` rows.
    /// - Returns: the rows that FETCH gives and MOVE counts.
    public mutating func move(_ movement: CursorMovement, total: Int64) -> CursorRows {
        let movement = movement.normalized
        switch movement.direction {
        case .forward: return movement.count == 0 ? current : forward(movement.count, total)
        case .backward: return movement.count == 0 ? current : backward(movement.count, total)
        case .absolute:
            let (fromEnd, _) = (total + 1).addingReportingOverflow(movement.count)
            return land(on: movement.count < 0 ? fromEnd : movement.count, total, isBackward: movement.count < 0)
        case .relative:
            if movement.count == 0 { return current }
            let (target, overflows) = row.addingReportingOverflow(movement.count)
            return land(on: overflows ? total + 1 : target, total, isBackward: movement.count < 0)
        }
    }

    // MARK: Reading forward, while it is not known how many rows there are

    /// A movement that does not go back, as rows to pass over and rows to give. MOVE 0 and the like, which give no row, count 1 if there is
    /// a present row.
    public func forwardSteps(_ movement: CursorMovement) -> (skipped: Int64, given: Int64, standing: Int64) {
        let movement = movement.normalized
        if movement.count == 0 { return (0, 0, movement.direction != .absolute && isOnRow ? 1 : 0) }
        switch movement.direction {
        case .forward: return (0, movement.count, 0)
        case .backward: return (0, 0, 0)
        case .absolute: return (movement.count - row - 1, 1, 0)
        case .relative: return (movement.count - 1, 1, 0)
        }
    }

    /// Rows were read; `isAtEnd`: more were asked for than there are.
    public mutating func advance(by rows: Int64, isAtEnd: Bool) {
        guard !isBehindLast else { return }
        row += rows + (isAtEnd ? 1 : 0)
        isBehindLast = isAtEnd
    }

    // MARK: Steps

    private var current: CursorRows { isOnRow ? CursorRows(first: row, count: 1) : .none }

    private mutating func forward(_ count: Int64, _ total: Int64) -> CursorRows {
        let first = row + 1
        let left = max(0, total - row)
        set(count > left ? total + 1 : row + count, total)
        return CursorRows(first: first, count: min(count, left))
    }

    private mutating func backward(_ count: Int64, _ total: Int64) -> CursorRows {
        let first = row - 1
        let left = max(0, row - 1)
        set(count > left ? 0 : row - count, total)
        return CursorRows(first: first, count: min(count, left), isBackward: true)
    }

    /// Goes to one row, or beyond the first or the last.
    private mutating func land(on target: Int64, _ total: Int64, isBackward: Bool) -> CursorRows {
        set(min(max(0, target), total + 1), total)
        return isOnRow ? CursorRows(first: row, count: 1, isBackward: isBackward) : .none
    }

    private mutating func set(_ row: Int64, _ total: Int64) {
        self.row = row
        isBehindLast = row > total
    }
}
