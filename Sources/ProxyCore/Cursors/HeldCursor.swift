// HeldCursor: a cursor whose rows were put together when it was declared. They stay those of that moment, and outlive the block WITH HOLD.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class HeldCursor: ShardedCursor {
    /// All columns are in this format.
    let format: FormatCode
    private let scrolling: CursorScrolling
    /// The rows, with what else the query answered.
    private let answer: PortalBuffer
    /// Where each row begins in `answer`.
    private let starts: [Int]

    /// - Parameters:
    ///   - answer: all that the query has answered.
    ///   - other: takes what is neither a row nor about rows: notices.
    init(_ declaration: CursorDeclaration, format: FormatCode, answer: PortalBuffer, other: (UnsafeRawBufferPointer) -> Void) {
        self.format = format
        scrolling = declaration.scrolling
        self.answer = answer
        var fields: [FieldDescription] = []
        var starts: [Int] = []
        let bytes = answer.stream.pointee.output.readable
        var offset = 0
        while case .frame(let header) = FrameScanner.frame(in: bytes, at: offset, limit: .max) {
            let frame = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + header.length])
            switch header.type {
            case BackendMessageType.dataRow: starts.append(offset)
            case BackendMessageType.rowDescription: fields = (try? RowDescriptionMessage(frame))?.fields ?? []
            case BackendMessageType.commandComplete: break
            default: other(frame)
            }
            offset += header.length
        }
        self.starts = starts
        super.init(name: declaration.name, isBinary: declaration.isBinary, fields: fields)
    }

    override var heldBytes: Int { answer.stream.pointee.output.count + starts.count * MemoryLayout<Int>.stride }
    override var isForwardOnly: Bool { scrolling == .noScroll }

    /// Moves, and tells which rows that gives.
    func move(_ movement: CursorMovement) -> CursorRows { position.move(movement, total: Int64(starts.count)) }

    /// The DataRow frame of a row, from 1; valid until the cursor is closed.
    func row(_ number: Int64) -> UnsafeRawBufferPointer {
        let start = starts[Int(number - 1)]
        let bytes = answer.stream.pointee.output.readable
        let length = Int(bytes.integer(at: start + 1, as: Int32.self)) + 1
        return UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])
    }
}
