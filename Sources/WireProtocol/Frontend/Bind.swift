// Bind: gives a prepared statement its parameters and makes a portal of it. The view finds the four parts of the
// message once and checks their extent; parameters are then walked without further checks of the whole.

/// A view of a Bind frame.
public struct BindMessage {
    /// The portal to make; empty for the unnamed one.
    public let portal: UnsafeRawBufferPointer
    /// The prepared statement to take; empty for the unnamed one.
    public let statement: UnsafeRawBufferPointer
    public let parameterCount: Int
    @usableFromInline let parameterFormats: UnsafeRawBufferPointer
    @usableFromInline let values: UnsafeRawBufferPointer
    @usableFromInline let resultFormats: UnsafeRawBufferPointer
    /// Everything after the two names, to copy under other names.
    @usableFromInline let afterNames: UnsafeRawBufferPointer
    /// The same without the result formats.
    @usableFromInline let parametersPart: UnsafeRawBufferPointer

    /// Reads and checks a whole frame. O(parameters).
    /// - Parameter frame: the whole frame, header included.
    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        portal = try cursor.string()
        statement = try cursor.string()
        let atFormats = cursor
        afterNames = cursor.rest
        parameterFormats = try cursor.bytes(2 * cursor.count())
        parameterCount = try cursor.count()
        let atValues = cursor
        for _ in 0..<parameterCount { _ = try cursor.value() }
        values = cursor.bytes(since: atValues)
        parametersPart = cursor.bytes(since: atFormats)
        resultFormats = try cursor.bytes(2 * cursor.count())
        try cursor.end()
        let formatCount = parameterFormats.count / 2
        guard formatCount <= 1 || formatCount == parameterCount else {
            throw BindMessage.formatMismatch(formatCount, parameterCount)
        }
    }

    @usableFromInline @inline(never)
    static func formatMismatch(_ formats: Int, _ parameters: Int) -> ProtocolViolation {
        ProtocolViolation("bind message has \(formats) parameter formats but \(parameters) parameters")
    }

    /// One parameter; `value` is nil for NULL.
    public struct Parameter {
        public let format: FormatCode
        public let value: UnsafeRawBufferPointer?

        @inlinable
        init(format: FormatCode, value: UnsafeRawBufferPointer?) {
            self.format = format
            self.value = value
        }
    }

    /// The format of parameter `index` (from 0): none given means text, one given holds for all.
    @inlinable @inline(__always)
    public func parameterFormat(_ index: Int) -> FormatCode {
        switch parameterFormats.count {
        case 0: return .text
        case 2: return FormatCode(rawValue: parameterFormats.integer(at: 0, as: Int16.self))
        default: return FormatCode(rawValue: parameterFormats.integer(at: 2 * index, as: Int16.self))
        }
    }

    /// Parameter `index` (from 0, below `parameterCount`). O(index).
    @inlinable @inline(__always)
    public func parameter(_ index: Int) -> Parameter {
        precondition(index >= 0 && index < parameterCount, "parameter index out of range")
        var walk = ValueWalk(values)
        for _ in 0..<index { _ = walk.next() }
        return Parameter(format: parameterFormat(index), value: walk.next())
    }

    /// Calls `body` with each parameter in order.
    @inlinable
    public func forEachParameter(_ body: (Int, Parameter) -> Void) {
        var walk = ValueWalk(values)
        for index in 0..<parameterCount {
            body(index, Parameter(format: parameterFormat(index), value: walk.next()))
        }
    }

    @inlinable public var resultFormatCount: Int { resultFormats.count / 2 }

    /// Result format `index` as it stands in the message.
    @inlinable
    public func resultFormatCode(_ index: Int) -> FormatCode {
        FormatCode(rawValue: resultFormats.integer(at: 2 * index, as: Int16.self))
    }

    /// The format asked for result column `column` (from 0): none given means text, one given holds for all.
    /// Columns beyond the formats given answer text; PostgreSQL refuses such a Bind when it knows the columns.
    @inlinable
    public func resultFormat(column: Int) -> FormatCode {
        if resultFormatCount == 1 { return resultFormatCode(0) }
        return column < resultFormatCount ? resultFormatCode(column) : .text
    }
}
