// Writers of Bind: a new one from values, and a client's one under other names or with other result formats.
import Primitives

extension ByteQueue {
    /// Writes a Bind.
    /// - Parameters:
    ///   - parameterFormats: none (all text), one (for all), or one for each value.
    ///   - values: nil is NULL.
    ///   - resultFormats: none (all text), one (for all), or one for each column.
    public mutating func writeBind(
        portal: String = "", statement: String = "", parameterFormats: [FormatCode] = [], values: [[UInt8]?] = [],
        resultFormats: [FormatCode] = []
    ) {
        let mark = beginFrame(FrontendMessageType.bind)
        append(cString: portal)
        append(cString: statement)
        append(formats: parameterFormats)
        append(count: values.count)
        for value in values { append(value: value) }
        append(formats: resultFormats)
        endFrame(mark)
    }

    /// Opens a Bind whose values the caller writes with `append(value:)`, exactly `parameterCount` of them; then
    /// `append(formats:)` with the result formats and `endFrame`.
    public mutating func beginBind(
        portal: UnsafeRawBufferPointer, statement: UnsafeRawBufferPointer, parameterFormats: [FormatCode],
        parameterCount: Int
    ) -> FrameMark {
        let mark = beginFrame(FrontendMessageType.bind)
        append(cString: portal)
        append(cString: statement)
        append(formats: parameterFormats)
        append(count: parameterCount)
        return mark
    }

    /// Writes `message` again with other names.
    @inlinable
    public mutating func writeBind(
        _ message: BindMessage, portal: UnsafeRawBufferPointer, statement: UnsafeRawBufferPointer
    ) {
        let bodyLength = portal.count + statement.count + 2 + message.afterNames.count
        // Room for all at once: appending the parts one by one costs 150 instructions more.
        var place = prepare(FrameHeader.bytes + bodyLength).baseAddress.unsafelyUnwrapped
        place.storeBytes(of: FrontendMessageType.bind, as: UInt8.self)
        place.storeBytes(of: Int32(bodyLength + 4).bigEndian, toByteOffset: 1, as: Int32.self)
        place += FrameHeader.bytes
        ByteQueue.write(portal, terminatedAt: &place)
        ByteQueue.write(statement, terminatedAt: &place)
        place.copyMemory(from: message.afterNames.baseAddress.unsafelyUnwrapped, byteCount: message.afterNames.count)
        commit(FrameHeader.bytes + bodyLength)
    }

    /// Writes a name and its terminator, and moves behind it.
    @inlinable @inline(__always)
    static func write(_ name: UnsafeRawBufferPointer, terminatedAt place: inout UnsafeMutableRawPointer) {
        if name.count > 0, let source = name.baseAddress { place.copyMemory(from: source, byteCount: name.count) }
        place.storeBytes(of: 0, toByteOffset: name.count, as: UInt8.self)
        place += name.count + 1
    }

    /// Writes `message` again with other names and result formats.
    public mutating func writeBind(
        _ message: BindMessage, portal: UnsafeRawBufferPointer, statement: UnsafeRawBufferPointer,
        resultFormats: [FormatCode]
    ) {
        let mark = beginFrame(FrontendMessageType.bind)
        append(cString: portal)
        append(cString: statement)
        append(message.parametersPart)
        append(formats: resultFormats)
        endFrame(mark)
    }

    /// Appends a count and that many format codes.
    @inlinable
    public mutating func append(formats: [FormatCode]) {
        append(count: formats.count)
        for format in formats { append(integer: format.rawValue) }
    }

    /// Appends a value with its length word, or -1 for NULL.
    public mutating func append(value: [UInt8]?) {
        guard let value else { return appendNull() }
        append(integer: Int32(value.count))
        append(value)
    }
}
