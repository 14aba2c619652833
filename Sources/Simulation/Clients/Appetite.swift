// Appetite: how much of what the clients of a world want, and how they go about it.
import Primitives

struct Appetite {
    /// Transactions over several shards, of which so many in a hundred are one UPDATE of all rows.
    var crossShard = 4...7
    var broadcasts = 20
    /// Of transfers between more than two servers' users, those between three.
    var triples = 40
    /// Changes on one shard, of which so many in a hundred are blocks.
    var local = 0...3
    var localBlocks = 60
    var abandoned = 25
    var reads = 2...6
    /// Where clients look for an order: operations that look at single users, of whose looks so many in a hundred are at two users
    /// at once.
    var looks = 4...10
    var pairs = 0
    /// Of changes of several rows, those in one text or pipeline; of the others, those with a savepoint.
    var scripts = 25
    var savepoints = 30
    /// Changes in the order of users, so that they cannot be in each other's way in a circle.
    var sorted = 50
    /// All want the same user of each server.
    var isFocused = false
    /// Clients that read until the faults are over, and how long they think in between.
    var watchers = 0
    var watchTime = Span.milliseconds(20)
    /// Transfers that take advisory locks, shared or alone, and clients that keep such locks while they think.
    var lockers = 0
    var keepers = 0
}
