// Parse: makes a prepared statement from a text.
import Primitives

/// A view of a Parse frame.
public struct ParseMessage {
    /// The statement's name; empty for the unnamed one.
    public let name: UnsafeRawBufferPointer
    public let text: UnsafeRawBufferPointer
    /// The parameter types given, 4 bytes each; fewer than the statement has parameters is allowed.
    @usableFromInline let parameterTypes: UnsafeRawBufferPointer
    /// Everything after the name, to copy under another name.
    @usableFromInline let afterName: UnsafeRawBufferPointer

    /// - Parameter frame: the whole frame, header included.
    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        name = try cursor.string()
        afterName = cursor.rest
        text = try cursor.string()
        parameterTypes = try cursor.bytes(4 * cursor.count())
        try cursor.end()
    }

    @inlinable public var parameterCount: Int { parameterTypes.count / 4 }

    /// The type given for parameter `index` (from 0); 0 leaves it to the server.
    @inlinable
    public func parameterType(_ index: Int) -> UInt32 {
        parameterTypes.integer(at: 4 * index, as: UInt32.self)
    }
}

extension ByteQueue {
    @inlinable
    public mutating func writeParse(
        name: UnsafeRawBufferPointer, text: UnsafeRawBufferPointer, parameterTypes: [UInt32] = []
    ) {
        writeHeader(
            FrontendMessageType.parse, bodyLength: name.count + text.count + 4 + 4 * parameterTypes.count)
        append(cString: name)
        append(cString: text)
        append(count: parameterTypes.count)
        for type in parameterTypes { append(integer: type) }
    }

    public mutating func writeParse(name: String, text: String, parameterTypes: [UInt32] = []) {
        var (name, text) = (name, text)
        name.withUTF8 { name in
            text.withUTF8 { text in
                writeParse(
                    name: UnsafeRawBufferPointer(name), text: UnsafeRawBufferPointer(text),
                    parameterTypes: parameterTypes)
            }
        }
    }

    /// Writes `message` again under another name.
    @inlinable
    public mutating func writeParse(_ message: ParseMessage, renamedTo name: UnsafeRawBufferPointer) {
        writeHeader(FrontendMessageType.parse, bodyLength: name.count + 1 + message.afterName.count)
        append(cString: name)
        append(message.afterName)
    }
}
