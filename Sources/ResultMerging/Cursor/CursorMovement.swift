// CursorMovement: how far and which way FETCH and MOVE go, and where a cursor stands after it.
//
// A cursor stands before its first row, on a row, or behind its last. What each form of FETCH gives from there is what
// PostgreSQL's DoPortalRunFetch (pquery.c) gives; all forms come down to a run of neighbouring rows, forward or backward.

/// The direction and count of a FETCH or MOVE.
public struct CursorMovement: Sendable, Equatable {
    public enum Direction: UInt8, Sendable {
        case forward, backward, absolute, relative
    }

    /// The count that means ALL.
    public static let all = Int64.max

    public var direction: Direction
    /// Rows, or the row's number with `absolute`. Negative numbers turn the direction, or count from the end.
    public var count: Int64

    public init(_ direction: Direction, _ count: Int64) {
        self.direction = direction
        self.count = count
    }

    /// The same movement without negative counts where the direction alone says it.
    var normalized: CursorMovement {
        guard count < 0 else { return self }
        switch direction {
        // The count whose negation does not exist is as good as ALL.
        case .forward: return CursorMovement(.backward, count == .min ? Self.all : -count)
        case .backward: return CursorMovement(.forward, count == .min ? Self.all : -count)
        case .absolute, .relative: return self
        }
    }
}

/// Rows next to each other, in the order they are given.
public struct CursorRows: Sendable, Equatable {
    /// The number of the first row given, from 1; means nothing when there are none.
    public var first: Int64
    public var count: Int64
    public var isBackward: Bool

    public init(first: Int64, count: Int64, isBackward: Bool = false) {
        self.first = first
        self.count = count
        self.isBackward = isBackward
    }

    static let none = CursorRows(first: 0, count: 0)
}
