// AnswerFrames: the messages that answer one statement, taken apart into what is kept and what is said at this moment only.
import Primitives
import WireProtocol

struct AnswerFrames {
    /// RowDescription; empty: it returns no rows.
    private(set) var description: [UInt8] = []
    /// DataRow messages and CommandComplete.
    private(set) var result: [UInt8] = []
    /// Notices.
    private(set) var asides: [UInt8] = []
    private(set) var rowCount = 0
    private(set) var tag = ""

    init(_ bytes: UnsafeRawBufferPointer) {
        var position = 0
        while case .frame(let header) = FrameScanner.frame(in: bytes, at: position, limit: .max) {
            let frame = UnsafeRawBufferPointer(rebasing: bytes[position..<position + header.length])
            position += header.length
            switch header.type {
            case BackendMessageType.rowDescription: description = Array(frame)
            case BackendMessageType.noticeResponse, BackendMessageType.parameterStatus: asides.append(contentsOf: frame)
            default:
                if header.type == BackendMessageType.dataRow { rowCount += 1 }
                if header.type == BackendMessageType.commandComplete { tag = (try? CommandCompleteMessage(frame).tag.text) ?? "" }
                result.append(contentsOf: frame)
            }
        }
    }

    /// What a retry is answered.
    var kept: [UInt8] { description + result }

    /// - Parameter withDescription: of the extended protocol's client asks for that apart.
    func told(withDescription: Bool) -> [UInt8] { asides + (withDescription ? description : []) + result }

    var columns: [FieldDescription] {
        description.withUnsafeBytes { (try? RowDescriptionMessage($0))?.fields } ?? []
    }
}
