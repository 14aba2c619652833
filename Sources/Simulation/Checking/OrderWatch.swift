// OrderWatch: whether what clients saw of single users fits one order of all transactions.
//
// Every change of a user makes a version, and the servers' logs say in which order. A transaction comes behind those whose
// versions it follows or saw, and before those whose versions it did not see yet; and whatever was answered before another
// thing was asked comes before that. If these relations have a cycle, no order explains what was seen (Adya's
// serialization graph, "Weak Consistency", 1999, with the order in real time added: strict serializability).
import Primitives

struct OrderWatch {
    /// A transaction that committed, or one statement or REPEATABLE READ block that looked.
    private struct Node {
        var name: String
        var begin: Instant
        /// Nil: it was never answered.
        var end: Instant?
    }

    /// Names a client's block by the turn it began with.
    struct Block: Hashable {
        var client: Int
        var turn: Int
    }

    /// What one look saw.
    private struct Sight {
        var look: Int
        var user: Int
        var balance: Int
    }

    private var looks: [Node] = []
    private var sights: [Sight] = []
    private var lookOfBlock: [Block: Int] = [:]
    /// Looks of one request come one after the other.
    private var steps: [(Int, Int)] = []
    /// The changes of each user in the order of its server's log; user n stands at n - 1.
    private var versions: [[(operation: Int, amount: Int)]]
    private var asked: [Int: Instant] = [:]
    private var answered: [Int: Instant] = [:]

    init(userCount: Int) { versions = Array(repeating: [], count: userCount) }

    // MARK: What happens

    mutating func committed(_ operation: Int, user: Int, amount: Int) { versions[user - 1].append((operation, amount)) }

    /// A server's log is read anew.
    mutating func forget(users: [Int]) { for user in users { versions[user - 1] = [] } }

    mutating func commitAsked(_ operation: Int, at moment: Instant) { asked[operation] = moment }
    mutating func commitAnswered(_ operation: Int, at moment: Instant) { answered[operation] = moment }

    /// Statements of one request saw these balances.
    /// - Parameter block: the REPEATABLE READ block they belong to, all of which is one look.
    mutating func saw(_ statements: [[(user: Int, balance: Int)]], block: Block?, by client: Int, asked: Instant, answered: Instant) {
        var last: Int?
        for statement in statements where !statement.isEmpty {
            let known = block.flatMap { lookOfBlock[$0] }
            let look = known ?? looks.count
            if known == nil { looks.append(Node(name: "a look of client \(client)", begin: asked, end: answered)) }
            if let block { lookOfBlock[block] = look }
            if let last, last != look { steps.append((last, look)) }
            last = look
            sights += statement.map { Sight(look: look, user: $0.user, balance: $0.balance) }
        }
    }

    // MARK: The end

    /// What contradicts every order; nil: there is one.
    /// - Parameter excused: operations whose commit may come at any time: nobody was told, and one shard did it alone.
    func contradiction(excused: Set<Int>) -> String? {
        var graph = Graph(looks.map { ($0.name, $0.begin, $0.end) })
        var places: [Int: Int] = [:]
        for operation in Set(versions.joined().map(\.operation)).subtracting(excused).sorted() {
            guard let begin = asked[operation] else { continue }
            places[operation] = graph.add("operation \(operation)", begin, answered[operation])
        }
        for user in versions.indices {
            let nodes = versions[user].map { places[$0.operation] }
            let known = nodes.compactMap { $0 }
            for (earlier, later) in zip(known, known.dropFirst()) { graph.addEdge(earlier, later, "changed user \(user + 1) before") }
        }
        for sight in sights {
            guard let version = version(sight) else { return "a balance of user \(sight.user) that never was: \(sight.balance)" }
            guard version >= 0 else { continue }
            let nodes = versions[sight.user - 1].map { places[$0.operation] }
            if let made = nodes[..<version].last(where: { $0 != nil }) ?? nil { graph.addEdge(made, sight.look, "made user \(sight.user) as seen by") }
            if let next = nodes[version...].first(where: { $0 != nil }) ?? nil { graph.addEdge(sight.look, next, "saw user \(sight.user) as before") }
        }
        for (earlier, later) in steps { graph.addEdge(earlier, later, "asked before") }
        return graph.cycle()
    }

    /// How many changes the balance is behind; -1: several numbers fit; nil: none does.
    private func version(_ sight: Sight) -> Int? {
        var balance = Ledger.initialBalance
        var found: Int?
        if balance == sight.balance { found = 0 }
        for (place, change) in versions[sight.user - 1].enumerated() {
            balance += change.amount
            guard balance == sight.balance else { continue }
            if found != nil { return -1 }
            found = place + 1
        }
        return found
    }
}
