// Instant and Span: time as an input. Nothing below ProxyHost reads a clock; time arrives with each event.

/// A length of time in nanoseconds.
public struct Span: Comparable, Hashable, Sendable {
    public var nanoseconds: Int64

    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    @inlinable public static func microseconds(_ count: Int64) -> Span { Span(nanoseconds: count * 1_000) }
    @inlinable public static func milliseconds(_ count: Int64) -> Span { Span(nanoseconds: count * 1_000_000) }
    @inlinable public static func seconds(_ count: Int64) -> Span { Span(nanoseconds: count * 1_000_000_000) }

    @inlinable public static var zero: Span { Span(nanoseconds: 0) }
    @inlinable public static func < (left: Span, right: Span) -> Bool { left.nanoseconds < right.nanoseconds }

    public var milliseconds: Int64 { nanoseconds / 1_000_000 }
    public var seconds: Double { Double(nanoseconds) / 1e9 }
}

/// A point on a monotonic clock, in nanoseconds from an arbitrary origin.
public struct Instant: Comparable, Hashable, Sendable {
    public var nanoseconds: Int64

    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    @inlinable public static var origin: Instant { Instant(nanoseconds: 0) }
    @inlinable public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
    @inlinable public static func + (instant: Instant, span: Span) -> Instant {
        Instant(nanoseconds: instant.nanoseconds &+ span.nanoseconds)
    }
    @inlinable public static func - (later: Instant, earlier: Instant) -> Span {
        Span(nanoseconds: later.nanoseconds &- earlier.nanoseconds)
    }
}
