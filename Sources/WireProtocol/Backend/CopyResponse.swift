// CopyInResponse, CopyOutResponse, CopyBothResponse: a COPY begins; its format and that of each column.
import Primitives

/// A view of any of the three frames.
public struct CopyResponseMessage {
    /// The format of the whole COPY: text (CSV included) or binary.
    public let format: FormatCode
    @usableFromInline let formats: UnsafeRawBufferPointer

    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        format = FormatCode(rawValue: Int16(Int8(bitPattern: try cursor.byte())))
        formats = try cursor.bytes(2 * cursor.count())
        try cursor.end()
    }

    public var columnCount: Int { formats.count / 2 }

    /// The format of column `index` (from 0).
    public func columnFormat(_ index: Int) -> FormatCode {
        FormatCode(rawValue: formats.integer(at: 2 * index, as: Int16.self))
    }
}

extension ByteQueue {
    public mutating func writeCopyInResponse(format: FormatCode, columnFormats: [FormatCode]) {
        writeCopyResponse(BackendMessageType.copyInResponse, format, columnFormats)
    }

    public mutating func writeCopyOutResponse(format: FormatCode, columnFormats: [FormatCode]) {
        writeCopyResponse(BackendMessageType.copyOutResponse, format, columnFormats)
    }

    public mutating func writeCopyBothResponse(format: FormatCode, columnFormats: [FormatCode]) {
        writeCopyResponse(BackendMessageType.copyBothResponse, format, columnFormats)
    }

    private mutating func writeCopyResponse(_ type: UInt8, _ format: FormatCode, _ columnFormats: [FormatCode]) {
        writeHeader(type, bodyLength: 3 + 2 * columnFormats.count)
        append(UInt8(truncatingIfNeeded: format.rawValue))
        append(formats: columnFormats)
    }
}
