// ShardListing: SHOW commands of the admin database that ask all shards: each runs one query, and the rows are shown one shard behind the other.
import DistributedCommit
import Primitives
import WireProtocol

/// What a SHOW command asks each shard, and how the answers are shown.
struct ShardQuery {
    /// Of the table that is shown.
    let columns: [String]
    /// Run on every shard with the proxy's own role. It bounds its rows itself.
    let text: String
    /// Of a row that the shard tells.
    let toldColumnCount: Int
    /// The rows to show of those that a shard has told.
    let shown: (_ shard: Int, _ rows: [[String?]]) -> [[String?]]

    init(columns: [String], text: String, toldColumnCount: Int, shown: @escaping (Int, [[String?]]) -> [[String?]]) {
        self.columns = columns
        self.text = text
        self.toldColumnCount = toldColumnCount
        self.shown = shown
    }

    /// Rows as they are told, behind the number of their shard.
    init(columns: [String], text: String) {
        self.init(columns: ["shard"] + columns, text: text, toldColumnCount: columns.count) { shard, rows in rows.map { ["\(shard)"] + $0 } }
    }
}

/// One such command under way.
private final class ShardListing {
    let session: Int32
    let generation: UInt32
    let columns: [String]
    var answersDue: Int
    var rows: [[[String?]]]
    var failure: DatabaseMessage?

    init(session: Int32, generation: UInt32, columns: [String], shards: Int) {
        self.session = session
        self.generation = generation
        self.columns = columns
        answersDue = shards
        rows = Array(repeating: [], count: shards)
    }
}

extension Worker {
    /// How long a shard may take to tell.
    private static let listingPatience = Span.seconds(5)

    /// The commands that ask the shards.
    func shardQuery(_ name: String) -> ShardQuery? {
        switch name {
        case "LOCKS": lockListing
        case "SAGAS": ShardQuery(columns: ["state", "count", "oldest_seconds", "oldest", "reason"], text: InternalSchema.sagasByState)
        case "OUTBOX": outboxListing
        case "IDEMPOTENCY": InternalSchema.idempotencyListing
        case "RECONCILIATIONS": InternalSchema.reconciliationListing
        case "CAPACITY": capacityListing
        default: nil
        }
    }

    /// Asks all shards that are up; the console session waits for the answer.
    func show(_ query: ShardQuery, to index: Int32) {
        let shards = cluster.shards.indices.filter { cluster.shards[$0].isUp }
        let session = sessions.at(index)
        let listing = ShardListing(session: index, generation: session.pointee.generation, columns: query.columns, shards: shards.count)
        streams.at(session.pointee.stream.index).pointee.isReadPaused = true
        guard !shards.isEmpty else { return tell(listing) }
        for (place, shard) in shards.enumerated() {
            runAdmin(ShardIndex(shard), query.text, limit: Self.listingPatience) { [unowned self] answer in
                listing.answersDue -= 1
                if let rows = answer.rows(of: 0, columns: query.toldColumnCount), answer.isSuccess {
                    listing.rows[place] = query.shown(shard, rows)
                } else {
                    listing.failure = answer.error ?? unreachable(ShardIndex(shard), "it did not tell")
                }
                if listing.answersDue == 0 { tell(listing) }
            }
        }
    }

    private func tell(_ listing: ShardListing) {
        let session = sessions.at(listing.session)
        guard session.pointee.generation == listing.generation, session.pointee.phase == .console else { return }
        let output = output(ofSession: listing.session)
        if let failure = listing.failure {
            output.pointee.output.writeErrorResponse(failure)
        } else {
            show(ShownTable(columns: listing.columns, rows: listing.rows.flatMap { $0 }), on: output)
        }
        output.pointee.output.writeReadyForQuery(.idle)
        unpause(listing.session)
    }
}
