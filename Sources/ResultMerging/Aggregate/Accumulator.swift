// Accumulator: the combined value of one output of one group. Values of variable length lie in the table's bytes.

/// Bytes kept in a table's memory.
struct StoredBytes: BitwiseCopyable {
    var offset = 0
    /// -1: NULL.
    var length: Int32 = -1
    /// Bytes reserved at `offset`: a later value that fits takes the same place.
    var capacity: Int32 = 0
}

/// The state of one output of one group.
struct Accumulator: BitwiseCopyable {
    /// No value but NULL so far.
    var isNull = true
    /// Counts and integer sums; 0 or 1 for booleans; for numeric sums the place in the table's sums.
    var number: Int64 = 0
    /// What the client sees, in its own format (group columns, min, max).
    var visible = StoredBytes()
    /// The binary value, for comparing (min, max, sort keys).
    var key = StoredBytes()
}
