// Describe and Close: both name a prepared statement or a portal, in the same layout.
import Primitives

/// Which of the two kinds of name a Describe or Close means.
public enum NamedObject: UInt8, Sendable {
    case statement = 0x53
    case portal = 0x50
}

/// A view of a Describe frame.
public struct DescribeMessage {
    public let kind: NamedObject
    public let name: UnsafeRawBufferPointer

    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        (kind, name) = try readNamedObject(frame, verb: "DESCRIBE")
    }
}

/// A view of a Close frame.
public struct CloseMessage {
    public let kind: NamedObject
    public let name: UnsafeRawBufferPointer

    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        (kind, name) = try readNamedObject(frame, verb: "CLOSE")
    }
}

@usableFromInline
func readNamedObject(
    _ frame: UnsafeRawBufferPointer, verb: StaticString
) throws(ProtocolViolation) -> (NamedObject, UnsafeRawBufferPointer) {
    var cursor = try MessageCursor(frame: frame)
    let code = try cursor.byte()
    let name = try cursor.string()
    try cursor.end()
    guard let kind = NamedObject(rawValue: code) else {
        throw ProtocolViolation("invalid \(verb) message subtype \(code)")
    }
    return (kind, name)
}

extension ByteQueue {
    @inlinable
    public mutating func writeDescribe(_ kind: NamedObject, name: UnsafeRawBufferPointer) {
        writeNamedObject(FrontendMessageType.describe, kind, name)
    }

    @inlinable
    public mutating func writeClose(_ kind: NamedObject, name: UnsafeRawBufferPointer) {
        writeNamedObject(FrontendMessageType.close, kind, name)
    }

    public mutating func writeDescribe(_ kind: NamedObject, name: String) {
        var name = name
        name.withUTF8 { writeDescribe(kind, name: UnsafeRawBufferPointer($0)) }
    }

    public mutating func writeClose(_ kind: NamedObject, name: String) {
        var name = name
        name.withUTF8 { writeClose(kind, name: UnsafeRawBufferPointer($0)) }
    }

    @inlinable
    mutating func writeNamedObject(_ type: UInt8, _ kind: NamedObject, _ name: UnsafeRawBufferPointer) {
        writeHeader(type, bodyLength: name.count + 2)
        append(kind.rawValue)
        append(cString: name)
    }
}
