// Passing: when a link's answers have all passed to the client, and what the session does next.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// The link in use by pass-through owes nothing more.
    @inline(__always)
    func passingQuiet(_ index: Int32, link: Int32) {
        let session = sessions.at(index)
        // The shard has ended a COPY in the middle of a frame; the link is of use again behind its last byte.
        if session.pointee.frameRemaining > 0 { return unpause(index) }
        session.pointee.isCopyingIn = false
        if session.pointee.isBatchOpen || session.pointee.isLinkUnsynced {
            if hasLostLateBlock(session, link) { return breakLink(link, reason: "BEGIN behind a part of a pipeline failed on it") }
            // More of the pipeline may come for this link, or what waits may go on now.
            return unpause(index)
        }
        session.pointee.activity = .idle
        guard session.pointee.isPlain else { return passingQuietInBlock(index, link: link) }
        session.pointee.link = -1
        release(link)
        if session.pointee.phase == .leaving { return leavingQuiet(index) }
        session.pointee.lastActive = now
        statistics.passedDurations.add(now - session.pointee.askedAt)
        unpause(index)
    }

    /// The same of a session in a block, or one that keeps its links.
    private func passingQuietInBlock(_ index: Int32, link: Int32) {
        let session = sessions.at(index)
        settleTransaction(index, link: link)
        if session.pointee.phase == .leaving { return leavingQuiet(index) }
        session.pointee.lastActive = now
        statistics.passedDurations.add(now - session.pointee.askedAt)
        if !session.pointee.isPlain, let execution = executionAtRest(index) { return start(execution, on: index) }
        unpause(index)
    }

    /// BEGIN behind what a pipeline had executed failed, by a cancel: the server has rolled that back, and nothing is open.
    private func hasLostLateBlock(_ session: UnsafeMutablePointer<Session>, _ link: Int32) -> Bool {
        guard !session.pointee.isPlain, links.at(link).pointee.injectedFailed,
            links.at(link).pointee.status == TransactionStatus.idle.rawValue, let transaction = session.pointee.detail?.transaction
        else { return false }
        return !transaction.isExplicit && transaction.participants.contains { $0.link == link }
    }

    @inline(__always)
    func unpause(_ index: Int32) {
        let stream = sessions.at(index).pointee.stream
        if streams.at(stream.index).pointee.isReadPaused { resumeReading(stream) }
    }

    /// After a statement in a block, or on a pinned session.
    func settleTransaction(_ index: Int32, link: Int32) {
        let session = sessions.at(index)
        session.pointee.link = -1
        guard let detail = session.pointee.detail else { return }
        detail.deadlock = nil
        if detail.transaction != nil {
            // Nobody commits the batch of a client that has left within it.
            let isUndone = session.pointee.phase == .leaving && detail.transaction?.isExplicit == false
            if session.pointee.status == TransactionStatus.idle.rawValue { endTransaction(index, committed: !isUndone) }
            return
        }
        giveBack(link, from: index)
    }

    /// The block is over on all shards: links go back, settings are as the outcome says.
    func endTransaction(_ index: Int32, committed: Bool) {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail, let transaction = detail.transaction else { return }
        detail.transaction = nil
        if committed {
            detail.temporaryTables.removeAll(where: transaction.temporaryTablesUntilCommit.contains)
        } else {
            detail.settings = transaction.settingsBefore
            detail.idempotencyKey = transaction.idempotencyKeyBefore
            detail.temporaryTables = transaction.temporaryTablesBefore
            detail.temporaryVersion += 1
        }
        if transaction.idempotentRequest != nil { letGoOfKey(transaction, detail) }
        let number = settingsTable.number(of: detail.settings)
        let before = session.pointee.settings
        session.pointee.settings = number
        forgetCatalog(of: transaction)
        if transaction.oidTranslations != nil {
            for participant in transaction.participants { setTranslation(ofLink: participant.link) }
        }
        if transaction.changesCatalog || transaction.catalog != nil || transaction.hasChangedSettings || transaction.startedAt <= pools[Int(session.pointee.pool)].defaultsChangedAt {
            session.pointee.environment = 0
            if transaction.changesCatalog, committed { noteCatalogChange() }
        } else if number != before {
            renewEnvironment(of: index)
        }
        detail.portals = [:]
        session.pointee.hasPortals = false
        detail.cursors.blockEnded(committed: committed)
        session.pointee.status = TransactionStatus.idle.rawValue
        session.pointee.isPlain = isPlainAtRest(index)
        for participant in transaction.participants where links.at(participant.link).pointee.session == index {
            if committed { links.at(participant.link).pointee.settings = number }
            giveBack(participant.link, from: index)
        }
    }

    /// A link for a statement of a block: the shard's participant, or a new one that is sent BEGIN first.
    /// - Parameter takesSnapshot: the statement is one for which PostgreSQL takes the block's snapshot.
    func enlist(_ index: Int32, shard: ShardIndex, effect: DataEffect, takesSnapshot: Bool = true) -> Lease {
        guard let detail = sessions.at(index).pointee.detail, let transaction = detail.transaction else {
            return lease(index, shard: shard)
        }
        // To its shards the block is over, or whole: what they would say of its state is not so.
        if transaction.hasLetGo {
            return .failed(firstUntold(sessions.at(index), .blockIsAborted))
        }
        // The answer that was on its way when a part was lost has said that the block goes on.
        if transaction.hasLostParticipant { return .failed(firstUntold(sessions.at(index), .blockIsAborted)) }
        if transaction.snapshotState == .torn, takesSnapshot { return .failed(takeWaitFailure(sessions.at(index)) ?? .snapshotIsTorn) }
        if transaction.snapshotState == .due, takesSnapshot {
            if let failure = detail.takeWaitFailure() { return .failed(failure) }
            let parent = detail.execution
            takeSnapshots(index, transaction, parent: parent)
            // Failed at once: a parent has heard of it, but nobody else would.
            if parent == nil, transaction.snapshotState == .due, let failure = detail.takeWaitFailure() { return .failed(failure) }
            return .waiting
        }
        if transaction.participant(on: shard) == nil {
            // A shard that knows of no failure would say that the block goes on.
            if sessions.at(index).pointee.status == TransactionStatus.failed.rawValue { return .failed(.blockIsAborted) }
            if let problem = cannotJoin(transaction, shard) { return .failed(firstUntold(sessions.at(index), problem)) }
        }
        return join(index, shard: shard, effect: effect)
    }

    /// Makes the shard a participant of the session's block.
    func join(_ index: Int32, shard: ShardIndex, effect: DataEffect) -> Lease {
        guard let transaction = sessions.at(index).pointee.detail?.transaction else { return lease(index, shard: shard) }
        if let place = transaction.participant(on: shard) {
            transaction.note(effect, on: shard)
            return .link(transaction.participants[place].link)
        }
        let lease = lease(index, shard: shard)
        guard case .link(let link) = lease else { return lease }
        if transaction.oidTranslations != nil { setTranslation(ofLink: link) }
        sendJoin(transaction, on: link)
        transaction.noteChange(effect)
        transaction.participants.append(Participant(link: link, shard: shard, effect: effect))
        return lease
    }

    /// BEGIN, the settings changed in the block and the open savepoints, in the same write as what follows. BEGIN goes without a Sync, so that
    /// nothing behind it is carried out where it fails (manual, section 55.2.3): outside the block it would stay.
    func sendJoin(_ transaction: Transaction, on link: Int32) {
        let record = links.at(link)
        let stream = outputEndingUnnamed(ofLink: link)
        stream.pointee.output.writeParse(name: "", text: transaction.beginText)
        stream.pointee.output.writeBind()
        stream.pointee.output.writeExecute(portal: "")
        for _ in 0..<3 { record.pointee.expectations.append(.join) }
        if transaction.steps.isEmpty {
            stream.pointee.output.writeFlush()
        } else {
            stream.pointee.output.writeQuery(transaction.stepsText)
            record.pointee.expectations.append(.dropQuery)
        }
        streams.markDirty(record.pointee.stream.index)
    }

    private func takeSnapshots(_ index: Int32, _ transaction: Transaction, parent: Execution?) {
        transaction.snapshotState = .taking
        let scope = (transaction.snapshotScope ?? .all(shardCount)).shards
        start(SnapshotExecution(worker: self, session: index, parent: parent, scope: scope), on: index)
    }

    /// Why no further shard can join the block.
    private func cannotJoin(_ transaction: Transaction, _ shard: ShardIndex) -> DatabaseMessage? {
        if transaction.formerDefaults != nil {
            return DatabaseMessage(
                error: .serializationFailure, "the role's default settings have changed since the transaction began, and shard \(shard) only knows the new ones",
                hint: "Run the transaction again.")
        }
        if transaction.snapshotState == .taken {
            if cluster.fences.isClosed(shard) { return closed(shard) }
            return DatabaseMessage(
                error: .serializationFailure, "shard \(shard) was not reachable when the transaction's snapshot was taken",
                hint: "Run the transaction again.")
        }
        guard transaction.isolation == .serializable, settings.serializable == .oneShard, !transaction.participants.isEmpty else { return nil }
        return DatabaseMessage(
            error: .featureNotSupported, "a SERIALIZABLE transaction cannot use a second shard",
            detail: "Shards do not see each other's conflicts, so that write skew between them would go unnoticed.",
            hint: "Use REPEATABLE READ, or set transactions.serializable = \"per_shard\" to have it on each shard by itself.")
    }

    /// Opens a block; links join it as statements need them.
    func openTransaction(_ index: Int32, isExplicit: Bool, modes: String) {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail else { return }
        let transaction = Transaction(
            isExplicit: isExplicit, beginText: modes.isEmpty ? "BEGIN" : "BEGIN " + modes, settingsBefore: detail.settings,
            idempotencyKeyBefore: detail.idempotencyKey, temporaryTablesBefore: detail.temporaryTables, startedAt: now)
        detail.transaction = transaction
        setIsolation(IsolationLevel(modes: modes) ?? defaultIsolation(index), of: transaction)
        session.pointee.isPlain = false
        if isExplicit { session.pointee.status = TransactionStatus.inTransaction.rawValue }
    }

    /// Opens the block of AND CHAIN.
    func openTransaction(_ index: Int32, _ characteristics: TransactionCharacteristics) {
        openTransaction(index, isExplicit: true, modes: characteristics.modes)
        guard let transaction = sessions.at(index).pointee.detail?.transaction else { return }
        transaction.inherited = characteristics
        transaction.steps = characteristics.steps
        if let isolation = characteristics.isolation { setIsolation(isolation, of: transaction) }
    }

    /// The isolation level of blocks whose BEGIN names none.
    func defaultIsolation(_ index: Int32) -> IsolationLevel {
        guard let detail = sessions.at(index).pointee.detail else { return .readCommitted }
        let variable = detail.settings.value(of: "default_transaction_isolation").flatMap { IsolationLevel(name: $0.trimming { $0 == "\"" }) }
        return variable ?? pools[Int(sessions.at(index).pointee.pool)].defaults?.isolation ?? .readCommitted
    }

    /// BEGIN or SET TRANSACTION has named a level.
    func setIsolation(_ level: IsolationLevel, of transaction: Transaction) {
        transaction.isolation = level
        guard transaction.snapshotState == .free || transaction.snapshotState == .due else { return }
        transaction.snapshotState = lasts(snapshotOf: level) && shardCount > 1 && settings.consistentReads != .off ? .due : .free
    }

    /// What the client hears of a link that broke.
    func linkLossMessage(_ shard: ShardIndex, _ reason: String) -> DatabaseMessage {
        DatabaseMessage(
            error: .connectionFailure, "connection to shard \(shard) was lost: \(reason)",
            hint: "Whether a statement outside a transaction block took effect is not known; look before you repeat it.")
    }

    /// A link broke under a session: the block cannot be committed any more.
    /// - Parameter isTold: the client will hear of it as the answer to what it runs now.
    func sessionLetsGo(_ index: Int32, of link: Int32, _ loss: DatabaseMessage, isTold: Bool) {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail else { return }
        detail.pinnedLinks.removeAll { $0.link == link }
        detail.cursors.linkLost(link)
        if let transaction = detail.transaction, let place = transaction.participants.firstIndex(where: { $0.link == link }) {
            transaction.participants.remove(at: place)
            transaction.hasLostParticipant = true
            if !isTold, transaction.untoldLoss == nil { transaction.untoldLoss = loss }
            if transaction.isExplicit { session.pointee.status = TransactionStatus.failed.rawValue }
        }
        if session.pointee.link == link {
            session.pointee.link = -1
            // Woken with the link, but its frame has not come to take it yet: the frame asks for another one.
            if session.pointee.activity != .waiting { session.pointee.isLinkReserved = false }
        }
        session.pointee.isCopyingIn = false
        if streams.at(session.pointee.stream.index).pointee.awaitsCancel { unpause(index) }
    }

    /// What the session does about a link it has just let go of.
    func sessionLostLink(_ index: Int32, link: Int32, _ message: DatabaseMessage, _ pending: PendingAnswers, hadTask: Bool) {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail else { return }
        if session.pointee.isLinkReserved, session.pointee.link == -1 {
            // Nothing was sent on it yet; whoever is not told of the loss asks for another.
            session.pointee.isLinkReserved = false
            guard session.pointee.activity == .waiting else { return }
            noteWaitFailure(session, message)
            return wake(index)
        }
        switch session.pointee.activity {
        // Another participant's loss does not end what passes on this one; COMMIT will tell of it.
        case .passing: if session.pointee.link == -1 { passingLost(index, message, pending) }
        case .executing: if !hadTask { detail.execution?.passedLost(link, message) }
        case .idle: if !session.pointee.isBatchOpen { letGoIfFailed(index) }
        case .waiting:
            // A frame waits for the catalog behind what its batch did on this link: that is undone, and the frame is not to run without it.
            guard detail.execution == nil, session.pointee.link == -1, pending.any || session.pointee.isLinkUnsynced else { return }
            stopWaiting(index)
            passingLost(index, message, pending)
        }
    }

    private func passingLost(_ index: Int32, _ message: DatabaseMessage, _ pending: PendingAnswers) {
        let session = sessions.at(index)
        session.pointee.isLinkUnsynced = false
        session.pointee.activity = .idle
        if session.pointee.phase == .leaving { return leavingQuiet(index) }
        undoAllNameChanges(index)
        if session.pointee.detail?.transaction == nil { session.pointee.status = TransactionStatus.idle.rawValue }
        for position in 0..<pending.readyCount {
            if position > 0 || !pending.isErrorTold { output(ofSession: index).pointee.output.writeErrorResponse(message) }
            writeReady(index)
        }
        if pending.isOpen || session.pointee.isBatchOpen {
            // Of the proxy itself or of the link: the batch has its error.
            let isErrorTold = session.pointee.skipsUntilSync || pending.readyCount == 0 && pending.isErrorTold
            if !isErrorTold { output(ofSession: index).pointee.output.writeErrorResponse(message) }
            session.pointee.skipsUntilSync = session.pointee.isBatchOpen
            session.pointee.detail?.transaction?.untoldLoss = nil
        }
        if !session.pointee.isBatchOpen { letGoIfFailed(index) }
        unpause(index)
    }
}
