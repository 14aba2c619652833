// Console: the admin database: SHOW and a few commands, over simple queries, as PgBouncer's users know them.
import DistributedCommit
import Primitives
import WireProtocol

/// A table to show.
struct ShownTable {
    var columns: [String]
    var rows: [[String?]] = []
}

extension Worker {
    func enterConsole(_ index: Int32) {
        let session = sessions.at(index)
        session.pointee.phase = .console
        let output = output(ofSession: index)
        for (name, value) in [
            ("server_version", "15.0 (pgbraid \(Self.version))"), ("server_encoding", "UTF8"), ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"), ("integer_datetimes", "on"), ("standard_conforming_strings", "on"), ("TimeZone", "UTC"),
        ] {
            output.pointee.output.writeParameterStatus(name: name, value: value)
        }
        session.pointee.cancelSecret = Int32(bitPattern: random.number32())
        output.pointee.output.writeBackendKeyData(cancelKey(of: index))
        output.pointee.output.writeReadyForQuery(.idle)
    }

    public static let version = "0.1.0"

    /// Bytes of a console session; returns how many were consumed.
    func consoleReceived(_ index: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        var position = 0
        let generation = sessions.at(index).pointee.generation
        while sessions.at(index).pointee.generation == generation, sessions.at(index).pointee.phase == .console {
            let client = streams.at(sessions.at(index).pointee.stream.index)
            if client.pointee.output.count > settings.limits.outputHighWaterBytes, stall(client, behind: client) { return position }
            if client.pointee.isReadPaused { return position }
            switch FrameScanner.frame(in: bytes, at: position, limit: settings.limits.clientFrameBytes) {
            case .incomplete: return position
            case .violation:
                endSession(index, DatabaseMessage(fatal: .protocolViolation, "invalid message length"))
                return bytes.count
            case .frame(let header):
                let frame = UnsafeRawBufferPointer(rebasing: bytes[position..<position + header.length])
                position += header.length
                consoleFrame(index, frame, type: header.type)
            }
        }
        return bytes.count
    }

    private func consoleFrame(_ index: Int32, _ frame: UnsafeRawBufferPointer, type: UInt8) {
        switch type {
        case FrontendMessageType.terminate: dropSession(index)
        case FrontendMessageType.query:
            guard let message = try? QueryMessage(frame) else {
                return endSession(index, DatabaseMessage(fatal: .protocolViolation, "invalid message format"))
            }
            consoleQuery(index, message.text.text)
        case FrontendMessageType.sync: output(ofSession: index).pointee.output.writeReadyForQuery(.idle)
        default:
            guard !sessions.at(index).pointee.skipsUntilSync else { return }
            output(ofSession: index).pointee.output.writeErrorResponse(
                DatabaseMessage(error: .featureNotSupported, "the admin database understands simple queries only"))
        }
    }

    private func consoleQuery(_ index: Int32, _ text: String) {
        let output = output(ofSession: index)
        let written = text.split { $0.isWhitespace || $0 == ";" }.map(String.init)
        let words = written.map { $0.uppercased() }
        // These answer when they are done.
        if words.first == "RESOLVE" { return resolve(index, written) }
        if words.count == 2, words[0] == "SHOW", let query = shardQuery(words[1]) { return show(query, to: index) }
        if words.isEmpty {
            output.pointee.output.writeEmptyQueryResponse()
        } else if words == ["RELOAD"] {
            effects.append(.reloadConfiguration)
            output.pointee.output.writeCommandComplete("RELOAD")
        } else if words == ["SHUTDOWN"] {
            output.pointee.output.writeCommandComplete("SHUTDOWN")
            effects.append(.requestShutdown)
        } else if words.count == 2, words[0] == "SHOW", let table = shown(words[1]) {
            show(table, on: output)
        } else {
            output.pointee.output.writeErrorResponse(
                DatabaseMessage(error: .syntaxError, "the admin database does not know this command", hint: "SHOW HELP lists what it knows."))
        }
        output.pointee.output.writeReadyForQuery(.idle)
    }

    func show(_ table: ShownTable, on stream: UnsafeMutablePointer<Stream>) {
        stream.pointee.output.writeRowDescription(
            table.columns.map {
                FieldDescription(
                    name: Array($0.utf8), tableOID: 0, columnNumber: 0, typeOID: 25, typeSize: -1, typeModifier: -1, format: .text)
            })
        for row in table.rows { stream.pointee.output.writeDataRow(text: row) }
        stream.pointee.output.writeCommandComplete("SHOW")
    }

    private func shown(_ name: String) -> ShownTable? {
        switch name {
        case "HELP": shownHelp
        case "VERSION": ShownTable(columns: ["version"], rows: [["pgbraid \(Self.version)"]])
        case "SHARDS": shownShards
        case "POOLS": shownPools
        case "CLIENTS": shownClients
        case "SERVERS": shownServers
        case "STATS": shownStatistics
        case "LATENCY": shownDurations
        case "TRANSACTIONS": shownTransactions
        case "CONFIG": shownConfiguration
        case "MEMORY": shownMemory
        case "KEYS": shownKeys
        case "TABLES": shownTables
        default: nil
        }
    }

    private var shownHelp: ShownTable {
        ShownTable(
            columns: ["command", "meaning"],
            rows: [
                ["SHOW SHARDS", "the servers, whether they are up, fenced, able to prepare"],
                ["SHOW POOLS", "links by role and shard, and who waits"],
                ["SHOW CLIENTS", "client sessions"], ["SHOW SERVERS", "links to shards"],
                ["SHOW STATS", "counters since the start"], ["SHOW LATENCY", "how long statements took, counts by powers of two"],
                ["SHOW TRANSACTIONS", "prepared transactions, own, in doubt and foreign"],
                ["SHOW LOCKS", "advisory locks and who waits for whom, on all shards"], ["SHOW SAGAS", "sagas of each shard by their state"],
                ["SHOW OUTBOX", "who relays outbox tables, and how they stand"],
                ["SHOW IDEMPOTENCY", "what is kept of idempotent requests"], ["SHOW RECONCILIATIONS", "comparisons and what came of them"],
                ["SHOW CAPACITY", "sizes of tables on all shards and what they grow by"], ["SHOW KEYS", "the sharding keys asked for most"],
                ["SHOW TABLES", "which table is sharded by what"], ["SHOW CONFIG", "settings in force"], ["SHOW MEMORY", "buffers and records in use"],
                ["RESOLVE 'gid' COMMIT | ROLLBACK", "end a prepared transaction whose decider will not come back"],
                ["SHOW VERSION", "this version"], ["RELOAD", "read the configuration file again"],
                ["SHUTDOWN", "finish open transactions, then stop"],
            ])
    }

    private var shownShards: ShownTable {
        var table = ShownTable(
            columns: ["shard", "identifier", "host", "port", "database", "state", "max_prepared_transactions", "statements", "last_failure"])
        for (index, shard) in settings.shards.enumerated() {
            let facts = cluster.shards[index]
            let state = !facts.isReached ? "down" : cluster.fences.isClosed(ShardIndex(index)) ? "fenced" : "up"
            table.rows.append([
                "\(index)", facts.identifier, shard.host, "\(shard.port)", shard.database, state,
                "\(facts.maximumPreparedTransactions)", "\(statistics.statementsByShard[index])", facts.isReached ? nil : facts.lastFailure,
            ])
        }
        return table
    }

    private var shownPools: ShownTable {
        var table = ShownTable(columns: ["user", "shard", "links", "idle", "connecting", "waiting", "last_failure"])
        for pool in pools {
            for shard in 0..<shardCount {
                let facts = pool.shards[shard]
                table.rows.append([
                    pool.user, "\(shard)", "\(facts.linkCount)", "\(facts.idle.count)", "\(facts.connectingCount)",
                    "\(facts.waitingCount)", facts.lastFailure,
                ])
            }
        }
        return table
    }

    private var shownClients: ShownTable {
        var table = ShownTable(columns: ["id", "user", "database", "address", "application_name", "phase", "activity", "status", "statements", "tls"])
        for index in 0..<sessions.highWater {
            let session = sessions.at(index)
            // The proxy's own services are no clients.
            guard let detail = session.pointee.detail, detail.facts.ownRole == nil else { continue }
            table.rows.append([
                "\(index)", detail.user, detail.database, detail.facts.address, detail.applicationName, "\(session.pointee.phase)",
                "\(session.pointee.activity)", String(UnicodeScalar(session.pointee.status)), "\(session.pointee.statementCount)",
                detail.tls?.version,
            ])
        }
        return table
    }

    private var shownServers: ShownTable {
        var table = ShownTable(columns: ["id", "user", "shard", "state", "status", "session", "pid", "prepared_statements", "age_seconds"])
        for index in 0..<links.highWater {
            let link = links.at(index)
            guard link.pointee.isOpen else { continue }
            table.rows.append([
                "\(index)", pools[Int(link.pointee.pool)].user, "\(link.pointee.shard)", "\(link.pointee.state)",
                String(UnicodeScalar(link.pointee.status)), link.pointee.session < 0 ? nil : "\(link.pointee.session)",
                "\(link.pointee.cancelKey.processID)", "\(link.pointee.prepared.count)",
                "\((now - link.pointee.connectedAt).milliseconds / 1000)",
            ])
        }
        return table
    }

    private var shownStatistics: ShownTable {
        let planning = planner.statistics
        let counters: [(String, UInt64)] = [
            ("statements", statistics.statements), ("statements_per_second", statistics.statementsPerSecond),
            ("bytes_to_clients", statistics.bytesToClients), ("scatter_statements", statistics.scatters),
            ("aggregated_statements", statistics.aggregates), ("finished_statements", statistics.finishes),
            ("gathered_statements", statistics.gathers), ("broadcast_statements", statistics.broadcasts),
            ("keyed_requests", statistics.keyedRequests), ("replayed_requests", statistics.replayedRequests),
            ("fetched_write_statements", statistics.fetchedWrites), ("one_phase_commits", statistics.onePhaseCommits),
            ("two_phase_commits", statistics.twoPhaseCommits), ("prepares", statistics.prepares), ("errors", statistics.errors),
            ("queue_timeouts", statistics.queueTimeouts), ("cancels", statistics.cancels), ("gate_waits", statistics.gateWaits),
            ("snapshot_retries", statistics.snapshotRetries), ("deadlock_looks", statistics.deadlockLooks),
            ("deadlocks", statistics.deadlocks),
            ("recovery_rounds", cluster.recoveries), ("recovered_commits", cluster.recoveredCommits),
            ("recovered_rollbacks", cluster.recoveredRollbacks), ("plan_analyses", planning.analyses),
            ("shape_hits", planning.shapes.hits), ("shape_misses", planning.shapes.misses), ("text_hits", planning.texts.hits),
            ("text_misses", planning.texts.misses),
        ]
        return ShownTable(columns: ["counter", "value"], rows: counters.map { [$0.0, "\($0.1)"] })
    }

    private var shownTransactions: ShownTable {
        var table = ShownTable(columns: ["gid", "shard", "owner", "age_seconds", "state", "decider", "client"])
        var commits: [TransactionHash: CommitExecution] = [:]
        for index in 0..<sessions.highWater {
            if let commit = sessions.at(index).pointee.detail?.execution as? CommitExecution, let hash = commit.hash { commits[hash] = commit }
        }
        for hash in cluster.inFlight.sorted() {
            guard let commit = commits[hash] else {
                table.rows.append(["\(hash)", nil, nil, nil, "own, under way", nil, nil])
                continue
            }
            let shards = commit.writingShards.map(\.description).joined(separator: ",")
            let age = commit.transactionStart.map { "\((now - $0).milliseconds / 1000)" }
            let user = sessions.at(commit.session).pointee.detail?.user
            table.rows.append([
                "\(hash)", shards, user, age, "own, under way", commit.decidingShard?.description, "\(cancelKey(of: commit.session).processID)",
            ])
        }
        for entry in cluster.preparedSeen {
            let decider = GlobalTransactionIdentifier(parsing: entry.gid).map { "\($0.decider)" }
            let shard = decider.flatMap { name in cluster.shards.firstIndex { $0.identifier == name } }
            table.rows.append([
                entry.gid, "\(entry.shard)", entry.owner, "\(entry.ageSeconds)", entry.state, shard.map { "\($0)" } ?? decider, nil,
            ])
        }
        return table
    }

    private var shownConfiguration: ShownTable {
        ShownTable(
            columns: ["key", "value"],
            rows: [
                ["cluster", settings.clusterName], ["database", settings.database], ["workers", "\(settings.workerCount)"],
                ["auth", settings.authentication.rawValue], ["pool_mode", settings.poolMode.rawValue],
                ["pool_size", "\(settings.poolSize)"], ["max_clients", "\(settings.maximumClients)"],
                ["query_wait_timeout", "\(settings.queryWaitTimeout.seconds)s"],
                ["client_frame_bytes", "\(settings.limits.clientFrameBytes)"], ["merge_bytes", "\(settings.limits.mergeBytes)"],
                ["merge_row_bytes", "\(settings.limits.mergeRowBytes)"], ["default_key", settings.rules.defaultKeyColumn],
            ])
    }

    private var shownMemory: ShownTable {
        let clients = (0..<sessions.highWater).count { sessions.at($0).pointee.detail?.isAdmitted == true }
        return ShownTable(
            columns: ["what", "count"],
            rows: [
                ["roles", "\(pools.count)"], ["clients", "\(clients)"], ["sessions", "\(sessions.takenCount)"], ["links", "\(links.takenCount)"], ["streams", "\(streams.openCount)"],
                ["blocks", "\(streams.pool.lentBlockCount)"], ["large_bytes", "\(streams.pool.lentLargeBytes)"],
            ])
    }
}
