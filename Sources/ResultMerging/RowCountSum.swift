// RowCountSum: one CommandComplete out of those of several shards: "UPDATE 2" and "UPDATE 3" are "UPDATE 5". A tag
// without a row count must be the same everywhere and is passed on.
import Primitives
import WireProtocol

/// Adds up the row counts of command tags.
public struct RowCountSum {
    private var command: [UInt8] = []
    private var isEmpty = true

    /// The sum; nil when the command counts no rows or no tag was added.
    public private(set) var rowCount: UInt64?

    public init() {}

    /// Adds a whole CommandComplete frame. Throws XX000 when its command differs from those before.
    public mutating func add(_ frame: UnsafeRawBufferPointer) throws(MergeError) {
        let message: CommandCompleteMessage
        do { message = try CommandCompleteMessage(frame) } catch { throw .malformed(error) }
        guard !isEmpty else {
            isEmpty = false
            command = Array(message.command)
            rowCount = message.rowCount
            return
        }
        guard command.withUnsafeBytes({ $0.hasSameBytes(as: message.command) }),
            (message.rowCount == nil) == (rowCount == nil)
        else { throw .differentCommands(command, message.tag) }
        if let more = message.rowCount { rowCount = (rowCount ?? 0) &+ more }
    }

    /// Writes the CommandComplete for the client; nothing when no tag was added.
    public func write(into output: inout ByteQueue) {
        guard !isEmpty else { return }
        command.withUnsafeBytes { command in
            if let rowCount {
                output.writeCommandComplete(command: command, rowCount: rowCount)
            } else {
                let mark = output.beginFrame(BackendMessageType.commandComplete)
                output.append(cString: command)
                output.endFrame(mark)
            }
        }
    }
}
