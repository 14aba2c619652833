// ReplayPlan: UPDATE or DELETE of a reference table whose outcome may differ from shard to shard: random values, the time, a choice
// that LIMIT makes, rows that WHERE finds on some shards only as a commit has not reached all of them. It runs on the lowest shard, and images of the rows it wrote are written on the others by primary key.

/// What is needed to run a statement on one shard, and to repeat its outcome on the others.
public struct ReplayPlan: Sendable, Equatable {
    /// The statement, returning the images as text behind what it returns itself; parameters keep their numbers.
    public var text: String
    /// Columns of an image: the primary key, and of an UPDATE the columns that are set.
    public var imageColumnCount: Int
    /// The statement for the other shards. Its parameters are arrays (text[]), one for each column of the images.
    public var replayText: String
    /// The statement itself returns rows.
    public var hasReturning: Bool
}
