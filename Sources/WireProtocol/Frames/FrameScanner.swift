// FrameScanner: finds frames in a stream without copying. A frame is a type byte, a length word that counts itself
// but not the type, and the body. Five bytes tell everything a forwarder needs, so a large frame can be passed on
// while it still arrives.

/// The type and extent of a frame.
public struct FrameHeader: Equatable, Sendable {
    public let type: UInt8
    /// Bytes of the whole frame: the type byte, the length word and the body.
    public let length: Int

    @inlinable
    public init(type: UInt8, length: Int) {
        self.type = type
        self.length = length
    }

    /// Bytes before the body.
    @inlinable public static var bytes: Int { 5 }
    @inlinable public var bodyLength: Int { length - FrameHeader.bytes }
}

/// What stands at a place in the stream.
public enum FrameScan: Equatable, Sendable {
    case frame(FrameHeader)
    /// More bytes must arrive.
    case incomplete
    /// The length word is below 4 or the frame is over the limit: the stream cannot be trusted any more.
    case violation(FrameHeader)
}

public enum FrameScanner {
    /// The header at `offset`; needs only its five bytes to be there.
    /// - Parameter limit: the largest whole frame to accept, in bytes.
    @inlinable
    public static func header(in bytes: UnsafeRawBufferPointer, at offset: Int, limit: Int) -> FrameScan {
        guard bytes.count - offset >= FrameHeader.bytes else { return .incomplete }
        let length = Int(bytes.integer(at: offset + 1, as: Int32.self))
        let header = FrameHeader(type: bytes[offset], length: length + 1)
        return length >= 4 && length < limit ? .frame(header) : .violation(header)
    }

    /// The header at `offset`, once the whole frame is there.
    /// - Parameter limit: the largest whole frame to accept, in bytes.
    @inlinable
    public static func frame(in bytes: UnsafeRawBufferPointer, at offset: Int, limit: Int) -> FrameScan {
        let scan = header(in: bytes, at: offset, limit: limit)
        if case .frame(let header) = scan, header.length > bytes.count - offset { return .incomplete }
        return scan
    }
}
