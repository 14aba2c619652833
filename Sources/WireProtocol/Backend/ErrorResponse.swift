// ErrorResponse and NoticeResponse: the same list of fields under two letters.
import Primitives

extension DatabaseMessage {
    /// Reads an ErrorResponse or NoticeResponse frame. Fields are copied: they outlive the frame.
    public init(frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        fields = []
        while true {
            let code = try cursor.byte()
            if code == 0 { break }
            fields.append(Field(code: code, value: Array(try cursor.string())))
        }
        try cursor.end()
    }
}

extension ByteQueue {
    public mutating func writeErrorResponse(_ message: DatabaseMessage) {
        writeMessageFields(BackendMessageType.errorResponse, message)
    }

    public mutating func writeNoticeResponse(_ message: DatabaseMessage) {
        writeMessageFields(BackendMessageType.noticeResponse, message)
    }

    /// A zero byte inside a value would end it early on the wire, so what follows it is left out.
    private mutating func writeMessageFields(_ type: UInt8, _ message: DatabaseMessage) {
        let mark = beginFrame(type)
        for field in message.fields {
            append(field.code)
            append(Array(field.value.prefix { $0 != 0 }))
            append(UInt8(0))
        }
        append(UInt8(0))
        endFrame(mark)
    }
}

/// A view of an ErrorResponse that answers single questions without copying the fields.
public struct ErrorResponseView {
    @usableFromInline let frame: UnsafeRawBufferPointer

    public init(_ frame: UnsafeRawBufferPointer) { self.frame = frame }

    /// The bytes of field `code`, or nil if it is not there (or the frame is broken before it).
    public func field(_ code: UInt8) -> UnsafeRawBufferPointer? {
        guard var cursor = try? MessageCursor(frame: frame) else { return nil }
        while let found = try? cursor.byte(), found != 0, let value = try? cursor.string() {
            if found == code { return value }
        }
        return nil
    }
}
