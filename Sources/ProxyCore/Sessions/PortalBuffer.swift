// PortalBuffer: the rows of a portal that is read in pieces although its statement runs over several shards.
//
// The first Execute runs the statement with its answers diverted here, bounded by `mergeBytes`; each Execute then takes as
// many rows as it asks for.
import Primitives
import WireProtocol

/// Answers of one statement, waiting to be fetched.
final class PortalBuffer {
    /// Stands in for the client's stream while the statement runs.
    let stream: UnsafeMutablePointer<Stream>
    private var returnsRows = false
    /// It was executed and returns no rows: PostgreSQL runs such a portal once only.
    private(set) var isSpent = false

    /// The settings by which its rows are written.
    var textStyles: [String?] = []

    /// Bytes held elsewhere under the same limit.
    let reservedBytes: Int

    init(pool: BlockPool.Reference, reservedBytes: Int = 0) {
        self.reservedBytes = reservedBytes
        stream = .allocate(capacity: 1)
        stream.initialize(to: Stream(pool: pool))
    }

    deinit {
        stream.pointee.output.free()
        stream.pointee.input.free()
        stream.deinitialize(count: 1)
        stream.deallocate()
    }

    /// A row is next.
    var holdsRows: Bool {
        guard case .frame(let header) = FrameScanner.frame(in: stream.pointee.output.readable, at: 0, limit: .max) else { return false }
        return header.type == BackendMessageType.dataRow
    }

    /// Moves up to `maximumRows` rows to the client, then PortalSuspended, or CommandComplete when there are no more (0: all
    /// rows). Commands that return rows count those of this call, others all rows they changed (PostgreSQL: PortalRun in
    /// pquery.c). Anything else on the way (notices) goes along.
    func fetch(_ maximumRows: Int32, into output: inout ByteQueue) {
        var rows: UInt64 = 0
        while case .frame(let header) = FrameScanner.frame(in: stream.pointee.output.readable, at: 0, limit: .max) {
            if header.type == BackendMessageType.dataRow, maximumRows > 0, rows == UInt64(maximumRows) {
                return output.writePortalSuspended()
            }
            let frame = UnsafeRawBufferPointer(rebasing: stream.pointee.output.readable[0..<header.length])
            if header.type == BackendMessageType.commandComplete {
                if maximumRows > 0, rows == UInt64(maximumRows) { return output.writePortalSuspended() }
                // It stays for the next Execute, which finds no rows before it.
                return writeTag(of: frame, rows, into: &output)
            }
            if header.type == BackendMessageType.dataRow {
                rows += 1
                returnsRows = true
            }
            output.append(frame)
            stream.pointee.output.consume(header.length)
        }
    }

    private func writeTag(of frame: UnsafeRawBufferPointer, _ rows: UInt64, into output: inout ByteQueue) {
        guard let message = try? CommandCompleteMessage(frame), message.rowCount != nil else { return output.append(frame) }
        returnsRows = returnsRows || message.command.text == "SELECT"
        isSpent = !returnsRows
        if isSpent { return output.append(frame) }
        output.writeCommandComplete(command: message.command, rowCount: rows)
    }
}
