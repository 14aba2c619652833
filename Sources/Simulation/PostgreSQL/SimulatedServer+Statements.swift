// What each statement does.
import Primitives
import WireProtocol

/// What a statement runs with.
struct ExecutionContext {
    var parameters: [String?]
    var snapshot: Int
    /// RowDescription has been sent, or is not wanted.
    var isDescribed: Bool
    /// Which columns are wanted in binary.
    var formats: ResultFormats = .text

    func value(_ operand: Operand) throws(StatementError) -> Int {
        switch operand {
        case .literal(let number): return number
        case .parameter(let number):
            guard number >= 1, number <= parameters.count, let text = parameters[number - 1], let value = Int(text) else {
                throw StatementError("22P02", "parameter $\(number) is no integer")
            }
            return value
        }
    }
}

extension SimulatedServer {
    func execute(_ statement: Statement, _ backend: Backend, _ context: ExecutionContext) throws(StatementError) -> Progress {
        world.trace { "s\(self.number) b\(backend.number) \(backend.block) runs \(statement)" }
        switch statement {
        case .begin, .commit, .rollback, .savepoint, .release, .rollbackTo, .prepare, .commitPrepared, .rollbackPrepared:
            return try control(statement, backend)
        case .set, .reset, .setRole, .setConstraints, .discardAll: return try setting(statement, backend)
        case .update(let delta, let isNegative, let user):
            let amount = try context.value(delta)
            var only: Int?
            if let user { only = try context.value(user) }
            return try update(amount: isNegative ? -amount : amount, user: only, backend, context)
        case .selectSum, .selectRows, .selectBalance, .addUp, .explain: return try read(statement, backend, context)
        case .decide(let token, let instance):
            return try decide(token: token, instance: instance, backend, context, statement)
        case .insertDecision(let hash, let outcome, let instance):
            let row = DecisionRow(hash: hash, outcome: outcome, instance: instance, decidedAt: world.now)
            return try insert(row, backend, doesNothingOnConflict: true) ?? .done(tag: "INSERT 0 0")
        case .deleteDecisions(let hashes, let outcome): return delete(hashes, outcome, backend)
        case .advisoryLock(let key, let isShared):
            if let waiting = try lock(key, isShared: isShared, backend) { return waiting }
            return rows([[""]], of: statement, backend, context)
        default: return answerProxy(statement, backend, context)
        }
    }

    /// One row after another, with their description unless it was given.
    func rows(_ rows: [[String?]], of statement: Statement, _ backend: Backend, _ context: ExecutionContext) -> Progress {
        if !context.isDescribed { describe(statement, context.formats, backend) }
        for row in rows {
            let mark = backend.outbox.beginDataRow(fieldCount: row.count)
            for (column, value) in row.enumerated() {
                if let value, context.formats.isBinary(column) {
                    backend.outbox.append(binaryNumeric: Int(value) ?? 0)
                } else {
                    backend.outbox.append(value: value)
                }
            }
            backend.outbox.endFrame(mark)
        }
        return .done(tag: "SELECT \(rows.count)")
    }

    // MARK: The clients' table

    private func update(
        amount: Int, user: Int?, _ backend: Backend, _ context: ExecutionContext
    ) throws(StatementError) -> Progress {
        guard let transaction = backend.transaction else { throw Self.failedBlock }
        var touched: [Int] = []
        for index in storage.accounts.indices where user == nil || storage.accounts[index].user == user {
            let holder = storage.accounts[index].lockedBy
            if holder != 0, holder != transaction.id { return wait(for: [holder], backend) }
            if transaction.isRepeatableRead, storage.accounts[index].latest.commit > context.snapshot {
                throw StatementError("40001", "could not serialize access due to concurrent update")
            }
            assignID(transaction)
            storage.accounts[index].lockedBy = transaction.id
            touched.append(index)
        }
        for index in touched {
            transaction.changes.accounts.append(AccountChange(account: index, user: storage.accounts[index].user, amount: amount))
        }
        return .done(tag: "UPDATE \(touched.count)")
    }

    private func assignID(_ transaction: ServerTransaction) {
        if transaction.id == 0 { transaction.id = storage.newTransactionID() }
    }

    private func read(_ statement: Statement, _ backend: Backend, _ context: ExecutionContext) throws(StatementError) -> Progress {
        guard let transaction = backend.transaction else { throw Self.failedBlock }
        func balance(_ index: Int) -> Int {
            let own = transaction.changes.accounts.reduce(0) { $1.account == index ? $0 + $1.amount : $0 }
            return storage.accounts[index].balance(at: context.snapshot) + own
        }
        switch statement {
        case .selectSum(let spelling):
            let sum = storage.accounts.indices.reduce(0) { $0 + balance($1) }
            return rows([spelling.columnNames.map { _ in "\(sum)" }], of: statement, backend, context)
        case .selectRows(let users):
            let wanted = storage.accounts.indices.filter { users?.contains(storage.accounts[$0].user) ?? true }
            let all = wanted.map { ["\(storage.accounts[$0].user)", "\(balance($0))"] }
            return rows(all, of: statement, backend, context)
        case .selectBalance(let user):
            let wanted = try context.value(user)
            let found = storage.accounts.indices.filter { storage.accounts[$0].user == wanted }
            return rows(found.map { ["\(balance($0))"] }, of: statement, backend, context)
        case .addUp:
            let parts = (context.parameters.first.flatMap { $0 } ?? "").split { "{},\"".contains($0) }
            let sum = parts.reduce(0) { $0 + (Int($1) ?? 0) }
            return rows([["\(sum)"]], of: statement, backend, context)
        default: return rows([["a plan"]], of: statement, backend, context)
        }
    }

    // MARK: Decisions

    private func decide(
        token: String, instance: String, _ backend: Backend, _ context: ExecutionContext, _ statement: Statement
    ) throws(StatementError) -> Progress {
        let digits = token.dropFirst(2)
        var bytes: [UInt8] = []
        var rest = digits[...]
        while let byte = UInt8(rest.prefix(2), radix: 16) {
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        guard bytes.count == 16 else { throw StatementError("P0001", "a token has 16 bytes") }
        let hash = Digest.sha256(bytes).prefix(16).map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
        let row = DecisionRow(hash: hash, outcome: "commit", instance: instance, decidedAt: world.now)
        if let waiting = try insert(row, backend, doesNothingOnConflict: false), case .waiting = waiting { return waiting }
        backend.transaction?.commitsSynchronously = true
        return rows([[""]], of: statement, backend, context)
    }

    /// Inserts a decision row; nil when there is one already and nothing is to be done about it.
    private func insert(_ row: DecisionRow, _ backend: Backend, doesNothingOnConflict: Bool) throws(StatementError) -> Progress? {
        guard let transaction = backend.transaction else { throw Self.failedBlock }
        if let holder = storage.insertedBy[row.hash] ?? storage.deletedBy[row.hash], holder != transaction.id {
            return wait(for: [holder], backend)
        }
        if storage.decisions[row.hash] != nil || storage.insertedBy[row.hash] != nil {
            if doesNothingOnConflict { return nil }
            throw StatementError("23505", "duplicate key value violates unique constraint \"decision_pkey\"")
        }
        assignID(transaction)
        storage.insertedBy[row.hash] = transaction.id
        transaction.changes.insertedDecisions.append(row)
        return .done(tag: "INSERT 0 1")
    }

    private func delete(_ hashes: [String], _ outcome: String, _ backend: Backend) -> Progress {
        guard let transaction = backend.transaction else { return .done(tag: "DELETE 0") }
        var count = 0
        for hash in hashes where storage.decisions[hash]?.outcome == outcome && storage.deletedBy[hash] == nil {
            assignID(transaction)
            storage.deletedBy[hash] = transaction.id
            transaction.changes.deletedDecisions.append(hash)
            count += 1
        }
        return .done(tag: "DELETE \(count)")
    }
}
