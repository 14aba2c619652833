// ClusterListings: the SHOW commands of the patterns, which ask the shards and so may take long or fail, each by itself.
import DatabaseClient
import WireProtocol

/// A pattern whose state is shown.
enum ClusterListing: String, CaseIterable, Sendable {
    case sagas, outbox, capacity
}

/// What a listing came to.
enum ListingOutcome: Equatable, Sendable {
    case rows(ShownRows)
    /// This version has no such command.
    case unknown
    /// In a sentence.
    case failed(String)

    var rows: ShownRows? { if case .rows(let rows) = self { rows } else { nil } }
}

typealias ClusterListings = [ClusterListing: ListingOutcome]

struct ListingsReader: Sendable {
    /// For each listing. The proxy itself gives a shard five seconds.
    static let patience = Duration.seconds(3)

    let access: AdminAccess

    /// Any worker knows as much as the others.
    func read(_ listing: ClusterListing) -> ListingOutcome {
        do {
            let connection = try access.connect(0, Self.patience)
            connection.deadline = ContinuousClock.now + Self.patience
            defer { connection.terminate() }
            return .rows(try connection.execute("SHOW \(listing.rawValue)").first.map(ShownRows.init) ?? ShownRows(columns: [], rows: []))
        } catch let message as DatabaseMessage {
            // A shard's own syntax errors read otherwise.
            return message.message == "the admin database does not know this command" ? .unknown : .failed(message.message)
        } catch {
            return .failed("\(error)")
        }
    }
}

/// Looks at each listing on a thread of its own, so that one that takes long holds up no other. Any thread may ask.
final class ListingLookouts: Sendable {
    private let lookouts: [ClusterListing: Lookout<ListingOutcome>]

    /// - Parameter whenSeen: called behind each look at one of them.
    init(access: AdminAccess, whenSeen: @escaping @Sendable () -> Void) {
        let reader = ListingsReader(access: access)
        var lookouts: [ClusterListing: Lookout<ListingOutcome>] = [:]
        for listing in ClusterListing.allCases {
            lookouts[listing] = Lookout(name: "http \(listing.rawValue)", whenSeen: whenSeen) { reader.read(listing) }
        }
        self.lookouts = lookouts
    }

    /// What was seen of each since `earliest`; at those that are missing a look is taken.
    func seen(since earliest: ContinuousClock.Instant) -> ClusterListings { lookouts.compactMapValues { $0.sight(since: earliest)?.value } }

    /// What was seen of each last.
    var latest: ClusterListings { lookouts.compactMapValues { $0.latest?.value } }
}

extension ClusterListings {
    /// None is missing.
    var isWhole: Bool { count == ClusterListing.allCases.count }
}
