// CommandComplete: which command ended and how many rows it touched, in a short text.
import Primitives

/// A view of a CommandComplete frame.
public struct CommandCompleteMessage {
    /// The tag, such as "INSERT 0 5", "SELECT 10" or "BEGIN".
    public let tag: UnsafeRawBufferPointer

    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        tag = try cursor.string()
        try cursor.end()
    }

    /// The number at the end of the tag; nil if the command counts no rows or the number does not fit.
    @inlinable
    public var rowCount: UInt64? {
        guard let start = rowCountStart else { return nil }
        var value: UInt64 = 0
        for index in start..<tag.count {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(tag[index] &- UInt8(ascii: "0")))
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }

    /// The tag without the row count: "INSERT 0", "SELECT", "CREATE TABLE".
    @inlinable
    public var command: UnsafeRawBufferPointer {
        guard let start = rowCountStart else { return tag }
        return tag.part(from: 0, length: start - 1)
    }

    /// Where the trailing digits begin, if a space stands before them.
    @usableFromInline var rowCountStart: Int? {
        var start = tag.count
        while start > 0, tag[start - 1] >= UInt8(ascii: "0"), tag[start - 1] <= UInt8(ascii: "9") { start -= 1 }
        return start > 1 && start < tag.count && tag[start - 1] == UInt8(ascii: " ") ? start : nil
    }
}

extension ByteQueue {
    public mutating func writeCommandComplete(_ tag: String) {
        let mark = beginFrame(BackendMessageType.commandComplete)
        append(cString: tag)
        endFrame(mark)
    }

    /// Writes the tag of a command that counts rows.
    /// - Parameter command: the tag before the count: "SELECT", "UPDATE", "INSERT 0" (the 0 was an OID once).
    public mutating func writeCommandComplete(command: UnsafeRawBufferPointer, rowCount: UInt64) {
        let mark = beginFrame(BackendMessageType.commandComplete)
        append(command)
        append(UInt8(ascii: " "))
        append(decimal: rowCount)
        append(UInt8(0))
        endFrame(mark)
    }

    public mutating func writeCommandComplete(command: StaticString, rowCount: UInt64) {
        writeCommandComplete(
            command: UnsafeRawBufferPointer(start: command.utf8Start, count: command.utf8CodeUnitCount),
            rowCount: rowCount)
    }

    /// Appends a number in decimal digits. Allocates nothing.
    public mutating func append(decimal number: UInt64) {
        var divisor: UInt64 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }
}
