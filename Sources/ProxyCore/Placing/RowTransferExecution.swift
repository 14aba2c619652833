// RowTransferExecution: the rows of a sharded table, from each shard to those that shall have them too, within one transaction.
//
// One shard after the other gives its rows by COPY; meanwhile the other shards take theirs by COPY, on the links that the
// transaction has. Nothing is kept but what waits for a slow shard, up to `limits.output_high_water`: then the giving shard pauses.
// The rows that a shard has just taken are not among those it gives in its turn: it gives those whose old key is its own.
import Primitives
import QueryPlanning
import RowSplitting
import WireProtocol

final class RowTransferExecution: Execution {
    private let change: PlacementChange
    private let links: [Int32]
    private var splitter: CopySplitter
    /// What the present rows are for each shard.
    private var parts: [ByteQueue]
    /// The leg that gives; before the first: -1.
    private var source = -1
    private var readyTargetCount = 0

    /// - Parameter links: the transaction's, one a shard, in the order of the shards.
    init(worker: Worker, session: Int32, parent: Execution?, change: PlacementChange, links: [Int32]) {
        self.change = change
        self.links = links
        splitter = Self.splitter(change, worker)
        parts = (0..<worker.shardCount).map { _ in ByteQueue(pool: worker.streams.pool.reference) }
        super.init(worker: worker, session: session, parent: parent)
    }

    deinit {
        splitter.free()
        for index in parts.indices { parts[index].free() }
    }

    private static func splitter(_ change: PlacementChange, _ worker: Worker) -> CopySplitter {
        let key = change.newKey.map { CopyKeyColumn(column: $0.column, type: $0.placement.keyType, method: $0.placement.method) }
        var options = CopySplitterOptions(format: .text(), columnNames: change.copiedNames, key: key)
        options.rememberedLines = 1
        return CopySplitter(options: options, map: worker.cluster.map, pool: worker.streams.pool.reference)
    }

    override func resume() {
        guard source < 0 else { return }
        for link in links { _ = addLeg(link: link) }
        takeNextSource()
    }

    private func takeNextSource() {
        source += 1
        guard source < legs.count else { return finish(.success) }
        splitter.free()
        splitter = Self.splitter(change, worker)
        readyTargetCount = 0
        for leg in legs.indices where leg != source { ask(leg, change.copyIn) }
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        switch type {
        case BackendMessageType.copyInResponse:
            if failure != nil { return fail(leg) }
            readyTargetCount += 1
            if readyTargetCount == legs.count - 1 {
                ask(source, change.copyOut(shard: legs[source].shard.int, of: worker.shardCount))
            }
        case BackendMessageType.copyData where failure == nil: pass(UnsafeRawBufferPointer(rebasing: frame[FrameHeader.bytes...]))
        case BackendMessageType.copyDone where failure == nil: endData()
        case BackendMessageType.copyData, BackendMessageType.copyDone, BackendMessageType.copyOutResponse: break
        case BackendMessageType.errorResponse:
            collect(frame, type: type, leg: leg)
            stop()
        default: collect(frame, type: type, leg: leg)
        }
    }

    private func pass(_ rows: UnsafeRawBufferPointer) {
        do throws(CopyError) {
            try splitter.feed(rows, into: &parts)
        } catch {
            return dataFailed(error)
        }
        passParts()
    }

    private func endData() {
        do throws(CopyError) {
            try splitter.finish(into: &parts)
        } catch {
            return dataFailed(error)
        }
        passParts()
        for leg in legs.indices where leg != source && legs[leg].outstanding > 0 {
            worker.output(ofLink: legs[leg].link).pointee.output.writeCopyDone()
            worker.streams.markDirty(worker.links.at(legs[leg].link).pointee.stream.index)
        }
    }

    /// Hands the shards their rows; those of the giving shard stay there.
    private func passParts() {
        var isAnyFull = false
        for leg in legs.indices {
            let shard = legs[leg].shard.int
            guard !parts[shard].isEmpty else { continue }
            if leg != source, legs[leg].outstanding > 0 {
                let output = worker.output(ofLink: legs[leg].link)
                output.pointee.output.writeCopyData(parts[shard].readable)
                worker.streams.markDirty(worker.links.at(legs[leg].link).pointee.stream.index)
                if output.pointee.output.count > worker.settings.limits.outputHighWaterBytes {
                    output.pointee.wantsDrained = true
                    isAnyFull = true
                }
            }
            parts[shard].consume(parts[shard].count)
        }
        if isAnyFull { worker.streams.at(worker.links.at(legs[source].link).pointee.stream.index).pointee.isReadPaused = true }
    }

    override func linkDrained(_ link: Int32) {
        let isAnyFull = legs.indices.contains { leg in
            leg != source && legs[leg].outstanding > 0
                && worker.output(ofLink: legs[leg].link).pointee.output.count > worker.settings.limits.outputHighWaterBytes
        }
        if !isAnyFull { readOn() }
    }

    private func readOn() {
        guard legs.indices.contains(source), !legs[source].isLost else { return }
        let stream = worker.links.at(legs[source].link).pointee.stream
        if worker.streams.at(stream.index).pointee.isReadPaused { worker.resumeReading(stream) }
    }

    // MARK: Errors

    private func dataFailed(_ error: CopyError) {
        noteFailure(DatabaseMessage(error: SQLState(error.sqlState), error.message, hint: error.hint))
        stop()
    }

    /// Ends all COPY after an error; the transaction is undone by who began it.
    private func stop() {
        for leg in legs.indices where leg != source { fail(leg) }
        if legs.indices.contains(source), legs[source].outstanding > 0 { worker.sendCancel(toLink: legs[source].link) }
        readOn()
    }

    private func fail(_ leg: Int) {
        guard legs[leg].outstanding > 0, legs[leg].error == nil, !legs[leg].isLost else { return }
        worker.output(ofLink: legs[leg].link).pointee.output.writeCopyFail(reason: "another shard failed")
        worker.streams.markDirty(worker.links.at(legs[leg].link).pointee.stream.index)
    }

    override func lost(_ link: Int32, reason: String) {
        super.lost(link, reason: reason)
        if !isFinished { stop() }
    }

    override func cancelRequested() {
        noteFailure(DatabaseMessage(error: .queryCanceled, "canceling statement due to user request"))
        stop()
    }

    override func allReady() {
        if let failure { return finish(.failure(failure)) }
        takeNextSource()
    }
}
