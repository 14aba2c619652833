// RetryDelay: how long to wait before the next attempt: twice as long each time, up to a limit.

public struct RetryDelay: Sendable, Equatable {
    public var first: Duration
    public var longest: Duration

    public init(first: Duration = .milliseconds(100), longest: Duration = .seconds(30)) {
        self.first = first
        self.longest = longest
    }

    /// - Parameter attempts: how many have failed, from 1.
    public func duration(after attempts: Int) -> Duration {
        min(longest, first * (1 << min(max(attempts - 1, 0), 30)))
    }
}
