// Workload: deals operations to the clients of a world: at least four transactions over several shards, and others
// between them, with readers that look for half a transaction.

/// Makes operations. Each has amounts of its own, so that every change found in a server tells whose it is.
///
/// All readers check the sum of all balances modulo M = N * P, N users and P a large prime. A transfer's amounts are
/// smaller than P and cancel out; a broadcast adds d = P * (1 + k * N) to each row, together N * d, a multiple of M, while any
/// part of it is none; a deposit is a multiple of M.
struct Workload {
    let world: World
    private var dice: Dice { world.dice }
    private var servers: [Int] { world.parts.servers }
    private var appetite: Appetite { world.climate.appetite }

    init(world: World) { self.world = world }

    /// Fills the clients' lists.
    func deal() {
        var operations: [Operation] = []
        for _ in 0..<dice.within(appetite.crossShard) {
            operations.append(dice.chance(100 - appetite.broadcasts) ? transfer(operations.count) : broadcast(operations.count))
        }
        for _ in 0..<dice.within(appetite.local) {
            operations.append(dice.chance(appetite.localBlocks) ? localTransfer(operations.count) : deposit(operations.count))
        }
        for _ in 0..<appetite.lockers { operations.append(lockingTransfer(operations.count)) }
        if dice.chance(appetite.abandoned) { operations.append(abandoned()) }
        for _ in 0..<dice.within(appetite.reads) { operations.append(read()) }
        if world.options.strictReads != .unused { for _ in 0..<dice.within(appetite.looks) { operations.append(looks()) } }
        for operation in operations where operation.kind != .read { world.ledger.add(operation) }
        var lists: [[Int]] = Array(repeating: [], count: world.clients.count)
        for operation in operations where operation.kind == .read { world.ledger.add(operation) }
        let others = appetite.watchers + appetite.keepers
        for index in dice.shuffled(Array(operations.indices)) { lists[dice.below(lists.count - others)].append(index) }
        for (client, list) in zip(world.clients, lists) { client.operations = list }
        for (place, client) in world.clients.suffix(others).enumerated() {
            client.operations = (0..<3).map { _ in add(place < appetite.keepers ? lockKeeper() : watch()) }
        }
    }

    private func add(_ operation: Operation) -> Int {
        world.ledger.add(operation)
        return world.ledger.operations.count - 1
    }

    /// A read that is repeated while things go wrong.
    private func watch() -> Operation {
        var operation = world.options.strictReads != .unused && dice.chance(80) ? looks() : read()
        operation.isRepeated = true
        return operation
    }

    private func users(on server: Int) -> [Int] { servers.indices.filter { servers[$0] == server }.map { $0 + 1 } }

    /// The user of a server that a transfer takes.
    private func user(on server: Int) -> Int { appetite.isFocused ? users(on: server)[0] : dice.one(of: users(on: server)) }

    /// Any user.
    private func anyUser() -> Int { appetite.isFocused ? user(on: dice.below(world.servers.count)) : 1 + dice.below(servers.count) }

    private func update(_ user: Int, _ amount: Int, isExtended: Bool) -> Call {
        if isExtended {
            return Call(text: "UPDATE accounts SET balance = balance + $1 WHERE user_id = $2", parameters: [amount, user])
        }
        let sign = amount < 0 ? "-" : "+"
        return Call(text: "UPDATE accounts SET balance = balance \(sign) \(abs(amount)) WHERE user_id = \(user)")
    }

    private func transfer(_ number: Int) -> Operation {
        let order = dice.shuffled(Array(0..<world.servers.count))
        let places = order.count > 2 && dice.chance(appetite.triples) ? 3 : 2
        let chosen = order.prefix(places).map { user(on: $0) }
        return block(.transfer, Array(zip(chosen, amounts(number, places))).map { (user: $0, amount: $1) })
    }

    /// Amounts that add up to nothing and that no other operation has.
    private func amounts(_ number: Int, _ count: Int) -> [Int] {
        let amount = number + 1
        return count == 2 ? [-amount, amount] : [amount, Ledger.partAmount + amount, -Ledger.partAmount - 2 * amount]
    }

    private func localTransfer(_ number: Int) -> Operation {
        let pair = dice.shuffled(users(on: dice.below(world.servers.count)))
        return block(.localTransfer, [(pair[0], -number - 1), (pair[1], number + 1)])
    }

    /// Updates in a block of their own, in one of many ways.
    private func block(_ kind: Operation.Kind, _ changes: [(user: Int, amount: Int)]) -> Operation {
        let changes = dice.chance(100 - appetite.sorted) ? changes : changes.sorted { $0.user < $1.user }
        let isExtended = dice.chance(50)
        let calls = changes.map { update($0.user, $0.amount, isExtended: isExtended) }
        var requests: [Request]
        var savepoint: Int?
        if dice.chance(appetite.scripts) {
            requests = [Request(calls: calls, kind: isExtended ? .extended : .simple, isFinal: true)]
        } else {
            requests = [.simple(dice.chance(30) ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "BEGIN")]
            if dice.chance(15) { requests.append(look()) }
            let first = requests.count
            for call in calls { requests.append(Request(calls: [call], kind: isExtended ? .extended : .simple)) }
            if dice.chance(appetite.savepoints) { savepoint = first + dice.below(calls.count + 1) }
            if let savepoint { requests.insert(contentsOf: savepointRequests(), at: savepoint) }
            if dice.chance(15) { requests.append(look()) }
            requests.append(.simple("COMMIT", isFinal: true))
        }
        var operation = Operation(kind: kind, requests: requests, changes: changes)
        operation.isSingleStatement = kind == .localTransfer
        operation.savepoint = savepoint
        return operation
    }

    /// SAVEPOINT, and perhaps an update on any shard that is undone at once.
    private func savepointRequests() -> [Request] {
        let begin = Request.simple("SAVEPOINT a")
        guard dice.chance(50) else { return [begin] }
        let isExtended = dice.chance(50)
        let vain = Request(calls: [vainUpdate(isExtended: isExtended)], kind: isExtended ? .extended : .simple)
        return [begin, vain, .simple(dice.chance(50) ? "ROLLBACK TO a" : "ROLLBACK TO SAVEPOINT a")]
            + (dice.chance(30) ? [.simple("SAVEPOINT a")] : [])
    }

    /// An update that must never be committed: its amount belongs to no operation.
    private func vainUpdate(isExtended: Bool) -> Call {
        update(1 + dice.below(servers.count), Ledger.vainAmount + dice.below(1000), isExtended: isExtended)
    }

    /// A block that ends with ROLLBACK.
    private func abandoned() -> Operation {
        let calls = (0..<dice.within(1...3)).map { _ in vainUpdate(isExtended: false) }
        let updates = calls.map { Request(calls: [$0], kind: .simple) }
        return Operation(kind: .abandoned, requests: [.simple("BEGIN")] + updates + [.simple("ROLLBACK", isFinal: true)])
    }

    private func look() -> Request {
        guard dice.chance(appetite.pairs) else { return .simple("SELECT balance FROM accounts WHERE user_id = \(anyUser())") }
        let pair = dice.shuffled(Array(0..<world.servers.count)).prefix(2).map { user(on: $0) }
        return .simple("SELECT user_id, balance FROM accounts WHERE user_id IN (\(pair[0]), \(pair[1]))")
    }

    // MARK: Locks

    /// A transfer that takes advisory locks before or between its updates.
    private func lockingTransfer(_ number: Int) -> Operation {
        let order = dice.shuffled(Array(0..<world.servers.count)).prefix(2)
        let changes = Array(zip(order.map { user(on: $0) }, amounts(number, 2))).map { (user: $0, amount: $1) }
        var requests = changes.map { Request(calls: [update($0.user, $0.amount, isExtended: false)], kind: .simple) }
        for _ in 0..<dice.within(1...2) { requests.insert(lock(), at: dice.below(requests.count + 1)) }
        return Operation(kind: .transfer, requests: [.simple("BEGIN")] + requests + [.simple("COMMIT", isFinal: true)], changes: changes)
    }

    /// Takes a lock and thinks for long.
    private func lockKeeper() -> Operation {
        var end = Request.simple("ROLLBACK", isFinal: true)
        end.pause = .seconds(Int64(dice.within(5...20)))
        return Operation(kind: .abandoned, requests: [.simple("BEGIN"), lock(sharedChance: 90), end])
    }

    private func lock(sharedChance: Int = 50) -> Request {
        .simple("SELECT pg_advisory_xact_lock\(dice.chance(sharedChance) ? "_shared" : "")(\(1 + dice.below(2)))")
    }

    private func broadcast(_ number: Int) -> Operation {
        let amount = Ledger.prime * (1 + (number + 1) * servers.count)
        let isExtended = dice.chance(50)
        let call = isExtended
            ? Call(text: "UPDATE accounts SET balance = balance + $1", parameters: [amount])
            : Call(text: "UPDATE accounts SET balance = balance + \(amount)")
        let request = Request(calls: [call], kind: isExtended ? .extended : .simple, isFinal: true)
        return Operation(kind: .broadcast, requests: [request], changes: servers.indices.map { ($0 + 1, amount) })
    }

    private func deposit(_ number: Int) -> Operation {
        let user = anyUser()
        let amount = Ledger.modulus(userCount: servers.count) * (number + 1)
        let isExtended = dice.chance(50)
        let request = Request(
            calls: [update(user, amount, isExtended: isExtended)], kind: isExtended ? .extended : .simple, isFinal: true)
        var operation = Operation(kind: .deposit, requests: [request], changes: [(user, amount)])
        operation.isSingleStatement = true
        return operation
    }

    /// Looks at single users, one after the other.
    private func looks() -> Operation {
        var requests = (0..<dice.within(1...4)).map { _ in
            Request(calls: (0..<dice.within(1...2)).flatMap { _ in look().calls }, kind: dice.chance(50) ? .extended : .simple)
        }
        requests[requests.count - 1].isFinal = true
        return Operation(kind: .read, requests: requests)
    }

    private func read() -> Operation {
        let texts = ["SELECT sum(balance) FROM accounts", "SELECT user_id, balance FROM accounts"]
        func one() -> Request {
            Request(calls: [Call(text: dice.one(of: texts))], kind: dice.chance(50) ? .extended : .simple)
        }
        var requests = (0..<dice.within(1...3)).map { _ in one() }
        if dice.chance(40) {
            requests.insert(.simple("BEGIN ISOLATION LEVEL REPEATABLE READ"), at: 0)
            requests.append(.simple("COMMIT"))
        }
        requests[requests.count - 1].isFinal = true
        return Operation(kind: .read, requests: requests)
    }
}
