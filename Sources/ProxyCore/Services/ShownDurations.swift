// SHOW LATENCY: how long statements took since the start, of one worker.
import Primitives

extension Worker {
    /// A row for each bucket that has counts, its bound above; then one without bound for all of the way, with the sum of their durations.
    var shownDurations: ShownTable {
        var table = ShownTable(columns: ["way", "below_nanoseconds", "count", "total_nanoseconds"])
        for (way, histogram) in [("passed", statistics.passedDurations), ("executed", statistics.executedDurations)] {
            var total: UInt64 = 0
            for bucket in 0..<DurationHistogram.bucketCount {
                let count = histogram.count(ofBucket: bucket)
                total &+= count
                guard count > 0, let bound = DurationHistogram.upperBound(ofBucket: bucket) else { continue }
                table.rows.append([way, "\(bound)", "\(count)", nil])
            }
            table.rows.append([way, nil, "\(total)", "\(histogram.sum)"])
        }
        return table
    }
}
