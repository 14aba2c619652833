// CopyInExecution: COPY FROM STDIN whose rows belong to several shards: each row goes to the shard of its key while it
// comes, all or nothing. CopyOutExecution: COPY TO STDOUT from several shards, joined into one stream.
import Primitives
import QueryPlanning
import RowSplitting
import WireProtocol

extension CopyOptions {
    /// The same in the terms of RowSplitting.
    var dataFormat: CopyDataFormat {
        switch format {
        case .text: .text(delimiter: delimiter, null: Array(null.utf8), hasHeader: hasHeader)
        case .csv: .csv(delimiter: delimiter, null: Array(null.utf8), quote: quote, escape: escape, hasHeader: hasHeader)
        case .binary: .binary
        }
    }
}

final class CopyInExecution: MultiShardExecution {
    private let plan: CopyInPlan
    private var splitter: CopySplitter
    private var parts: [ByteQueue]
    private var response: [UInt8] = []
    private var respondedCount = 0
    private var isReceiving = false
    private var isClientDone = false
    /// The client sent CopyFail.
    private var isClientFailing = false

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, plan: CopyInPlan, shards: [ShardIndex]) {
        self.plan = plan
        var key = plan.key.map { CopyKeyColumn(column: $0.column, type: $0.placement.keyType, method: $0.placement.method) }
        key?.limit = plan.key?.limit
        splitter = CopySplitter(
            options: CopySplitterOptions(format: plan.options.dataFormat, columnNames: plan.columns, key: key),
            map: worker.cluster.map, pool: worker.streams.pool.reference)
        parts = (0..<worker.shardCount).map { _ in ByteQueue(pool: worker.streams.pool.reference) }
        super.init(worker: worker, session: session, parent: parent, call: call, shards: shards)
    }

    deinit {
        splitter.free()
        for index in parts.indices { parts[index].free() }
    }

    override var needsTransaction: Bool { shards.count > 1 }

    override func send(_ leg: Int) { ask(leg, plan.shardText) }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        switch type {
        case BackendMessageType.copyInResponse:
            respondedCount += 1
            if response.isEmpty { response = Array(frame) }
            if respondedCount == legs.count { begin() }
        case BackendMessageType.errorResponse:
            let isFirst = failure == nil
            collect(frame, type: type, leg: leg)
            if let line = isClientFailing ? splitter.lineNumber + 1 : originalLine(leg), let message = legs[leg].error, isFirst { failure = moved(message, leg, to: line) }
            if isFirst { failOthers(except: leg) }
        default: collect(frame, type: type, leg: leg)
        }
    }

    /// All shards are ready for data: the client may send.
    private func begin() {
        guard failure == nil, worker.sessions.at(session).pointee.phase != .leaving else {
            return failOthers(except: nil)
        }
        isReceiving = true
        response.withUnsafeBytes { worker.output(ofSession: session).pointee.output.append($0) }
        worker.unpause(session)
    }

    override var wantsClientFrames: Bool { isReceiving && !isClientDone }

    override func clientFrame(_ frame: UnsafeRawBufferPointer, type: UInt8) -> Bool {
        guard isReceiving, !isClientDone else { return false }
        switch type {
        case FrontendMessageType.copyData:
            if failure != nil { return true }
            guard !isAnyLinkFull else { return false }
            feed(UnsafeRawBufferPointer(rebasing: frame[FrameHeader.bytes...]))
            return true
        case FrontendMessageType.copyDone:
            isClientDone = true
            finishData()
            return true
        case FrontendMessageType.copyFail:
            isClientDone = true
            isClientFailing = true
            let reason = (try? CopyFailMessage(frame))?.reason.text ?? ""
            for leg in legs.indices { fail(leg, reason: reason) }
            return true
        // Behind an error, which is told as soon as all shards have answered, any message is one outside COPY.
        case _ where failure != nil: return false
        case FrontendMessageType.sync, FrontendMessageType.flush: return true
        default:
            worker.loseSynchronization(session, type: type)
            return true
        }
    }

    private func feed(_ data: UnsafeRawBufferPointer) {
        do throws(CopyError) {
            try splitter.feed(data, into: &parts)
        } catch {
            return dataFailed(error)
        }
        passParts()
    }

    private func finishData() {
        if failure == nil {
            do throws(CopyError) {
                try splitter.finish(into: &parts)
                passParts()
            } catch {
                dataFailed(error)
            }
        }
        if failure == nil {
            for leg in legs where leg.outstanding > 0 {
                worker.output(ofLink: leg.link).pointee.output.writeCopyDone()
                worker.streams.markDirty(worker.links.at(leg.link).pointee.stream.index)
            }
        }
    }

    /// Frames what the splitter made for each shard.
    private func passParts() {
        for leg in legs {
            let shard = leg.shard.int
            guard !parts[shard].isEmpty else { continue }
            let stream = worker.output(ofLink: leg.link)
            stream.pointee.output.writeCopyData(parts[shard].readable)
            parts[shard].consume(parts[shard].count)
            worker.streams.markDirty(worker.links.at(leg.link).pointee.stream.index)
        }
    }

    private var isAnyLinkFull: Bool {
        var isFull = false
        for leg in legs where leg.outstanding > 0 {
            let stream = worker.output(ofLink: leg.link)
            if stream.pointee.output.count > worker.settings.limits.outputHighWaterBytes {
                stream.pointee.wantsDrained = true
                isFull = true
            }
        }
        return isFull
    }

    private func dataFailed(_ error: CopyError) {
        var message = DatabaseMessage(error: SQLState(error.sqlState), error.message, hint: error.hint)
        message.context = error.context(tableName: plan.tableName)
        noteFailure(message)
        failOthers(except: nil)
    }

    private func failOthers(except: Int?) {
        for leg in legs.indices where leg != except { fail(leg, reason: "another shard failed") }
        worker.unpause(session)
    }

    private func fail(_ leg: Int, reason: String) {
        guard legs[leg].outstanding > 0, legs[leg].error == nil else { return }
        worker.output(ofLink: legs[leg].link).pointee.output.writeCopyFail(reason: reason)
        worker.streams.markDirty(worker.links.at(legs[leg].link).pointee.stream.index)
    }

    override func clientLeft() {
        isClientDone = true
        for leg in legs.indices { fail(leg, reason: "the client left") }
    }

    private func originalLine(_ leg: Int) -> Int? {
        guard let context = legs[leg].error?.context, let place = context.firstRange(of: ", line ") else { return nil }
        let digits = context[place.upperBound...].prefix { $0.isNumber }
        return Int(digits).flatMap { splitter.originalLine(shard: legs[leg].shard, line: $0) }
    }

    private func moved(_ message: DatabaseMessage, _ leg: Int, to line: Int) -> DatabaseMessage {
        var message = message
        guard let context = message.context, let place = context.firstRange(of: ", line ") else { return message }
        let digits = context[place.upperBound...].prefix { $0.isNumber }
        message.context = context[..<place.upperBound] + "\(line)" + context[digits.endIndex...]
        return message
    }

    override func succeeded() { commitOwn() }

    override func committed() {
        let count = plan.key == nil
            ? legs.first?.tag.split(separator: " ").last.map(String.init) ?? "0"
            : "\(legs.reduce(0) { $0 &+ (UInt64($1.tag.split(separator: " ").last ?? "") ?? 0) })"
        worker.tellComplete(session, "COPY \(count)")
        conclude(.success)
    }
}

final class CopyOutExecution: MultiShardExecution {
    private let text: [UInt8]
    private var joiner: CopyJoiner
    private var isResponded = false
    private var rowCount: UInt64 = 0

    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, text: [UInt8], options: CopyOptions,
        shards: [ShardIndex]
    ) {
        self.text = text
        joiner = CopyJoiner(format: options.dataFormat)
        super.init(worker: worker, session: session, parent: parent, call: call, shards: shards)
    }

    override var needsStableSnapshot: Bool { true }
    override var snapshotMoment: SnapshotMoment { .firstAnswer }

    override func lockingText(_ leg: Int) -> [UInt8]? { nil }

    override func send(_ leg: Int) { ask(leg, String(decoding: text, as: UTF8.self)) }

    private var isClientGone: Bool { worker.sessions.at(session).pointee.phase == .leaving }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        switch type {
        case BackendMessageType.copyOutResponse:
            guard !isResponded, !isClientGone else { return }
            isResponded = true
            worker.output(ofSession: session).pointee.output.append(frame)
        case BackendMessageType.copyData where failure == nil && !isClientGone: pass(frame, leg)
        case BackendMessageType.copyData, BackendMessageType.copyDone: break
        case BackendMessageType.commandComplete: rowCount &+= (try? CommandCompleteMessage(frame))?.rowCount ?? 0
        case BackendMessageType.errorResponse:
            let isFirst = failure == nil
            collect(frame, type: type, leg: leg)
            if isFirst { cancelLegs() }
        default: collect(frame, type: type, leg: leg)
        }
    }

    private func pass(_ frame: UnsafeRawBufferPointer, _ leg: Int) {
        let payload = joiner.pass(UnsafeRawBufferPointer(rebasing: frame[FrameHeader.bytes...]), from: legs[leg].shard)
        guard payload.count > 0 else { return }
        let client = worker.output(ofSession: session)
        client.pointee.output.writeCopyData(payload)
        guard client.pointee.output.count > worker.settings.limits.outputHighWaterBytes else { return }
        client.pointee.wantsDrained = true
        worker.streams.at(worker.links.at(legs[leg].link).pointee.stream.index).pointee.isReadPaused = true
    }

    override func clientDrained() {
        if isClientGone { cancelLegs() }
        for leg in legs where leg.outstanding > 0 {
            let stream = worker.links.at(leg.link).pointee.stream
            if worker.streams.at(stream.index).pointee.isReadPaused { worker.resumeReading(stream) }
        }
    }

    override func succeeded() { commitOwn() }

    override func committed() {
        if !isClientGone {
            let client = worker.output(ofSession: session)
            let trailer = joiner.trailer
            if !trailer.isEmpty { trailer.withUnsafeBytes { client.pointee.output.writeCopyData($0) } }
            client.pointee.output.writeCopyDone()
            client.pointee.output.writeCommandComplete("COPY \(rowCount)")
        }
        conclude(.success)
    }
}
