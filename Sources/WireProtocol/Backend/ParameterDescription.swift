// ParameterDescription: the types of a prepared statement's parameters.
import Primitives

/// A view of a ParameterDescription frame.
public struct ParameterDescriptionMessage {
    @usableFromInline let types: UnsafeRawBufferPointer

    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        types = try cursor.bytes(4 * cursor.count())
        try cursor.end()
    }

    @inlinable public var parameterCount: Int { types.count / 4 }

    /// The type of parameter `index` (from 0).
    @inlinable
    public func parameterType(_ index: Int) -> UInt32 { types.integer(at: 4 * index, as: UInt32.self) }

    public var parameterTypes: [UInt32] { (0..<parameterCount).map { parameterType($0) } }
}

extension ByteQueue {
    public mutating func writeParameterDescription(_ parameterTypes: [UInt32]) {
        writeHeader(BackendMessageType.parameterDescription, bodyLength: 2 + 4 * parameterTypes.count)
        append(count: parameterTypes.count)
        for type in parameterTypes { append(integer: type) }
    }
}
