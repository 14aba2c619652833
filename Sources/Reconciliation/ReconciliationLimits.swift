// ReconciliationLimits: what bounds a comparison's memory, its result and its time.

/// The limits of one proxy's, or one command's, comparisons.
public struct ReconciliationLimits: Sendable {
    /// Differences that are kept to be looked at again. Further ones are counted as they were seen first.
    public var candidates = 10_000
    /// Bytes of rows kept for that; beyond them differences are only counted.
    public var candidateBytes = 64 << 20
    /// Differences told one by one; the others are counted.
    public var details = 1000
    /// Characters told of one value.
    public var valueCharacters = 1000
    /// Bytes of what is told one by one, as JSON.
    public var detailBytes = 1 << 20
    /// Bytes of the repairs of one comparison; how many are left out beyond them is told in their place.
    public var repairBytes = 64 << 20
    /// How often a difference that changes is looked at again.
    public var looks = 3
    /// Before the first of these looks, where the comparison does not say; each further one waits twice as long.
    public var pauseMilliseconds = 1000
    /// Keys that one statement asks for again.
    public var keysPerStatement = 100
    /// Parameters that PostgreSQL's protocol has room for, and some less.
    static let parametersPerStatement = 60_000
    /// Bytes and rows read at a time of each side.
    public var partBytes = 1 << 20
    public var partRows = 5000
    /// What one part may have at most, where rows are suddenly large; what does not fit is asked for again, in smaller parts.
    public var largestPartBytes = 128 << 20
    /// What one row may have at most.
    public var rowBytes = 64 << 20
    /// How long one answer of a server may take, also one that must be sorted first.
    public var answerSeconds = 3600
    /// Results kept of each comparison.
    public var keptTasks = 100
    /// How long a comparison is left alone by other proxies after a sign of life of the one that runs it.
    public var leaseSeconds = 60
    /// Between two looks for comparisons that are due.
    public var lookMilliseconds = 2000

    public init() {}
}

/// A comparison could not be made, so that nothing is known of what it compares.
public struct ReconciliationError: Error, CustomStringConvertible, Equatable {
    /// In words for people.
    public let message: String
    /// The SQLSTATE of the same mistake in a database.
    public let state: String
    public let hint: String?

    public init(_ state: String, _ message: String, hint: String? = nil) {
        self.state = state
        self.message = message
        self.hint = hint
    }

    public var description: String { "\(message) (\(state))" + (hint.map { "; \($0)" } ?? "") }
}
