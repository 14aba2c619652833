// LimitValue: a bound LIMIT or OFFSET, read as PostgreSQL reads a bigint.
import WireProtocol

enum LimitValue {
    case null
    case rows(Int64)
    /// Not an integer in a form known here.
    case unreadable

    /// int8, int2, int4
    private static let integerTypes: [UInt32] = [20, 21, 23]

    /// Reads parameter `$number` of a Bind frame.
    /// - Parameter type: OID of the type it has, 0 where LIMIT gives it one.
    static func read(_ frame: UnsafeRawBufferPointer, _ number: Int, type: UInt32) -> LimitValue {
        guard let message = try? BindMessage(frame), number >= 1, number <= message.parameterCount else { return .unreadable }
        let parameter = message.parameter(number - 1)
        guard let value = parameter.value else { return .null }
        if parameter.format == .text {
            return Int64(value.text.trimming { $0.isWhitespace }).map { .rows($0) } ?? .unreadable
        }
        guard type == 0 || Self.integerTypes.contains(type) else { return .unreadable }
        switch value.count {
        case 2: return .rows(Int64(value.integer(at: 0, as: Int16.self)))
        case 4: return .rows(Int64(value.integer(at: 0, as: Int32.self)))
        case 8: return .rows(value.integer(at: 0, as: Int64.self))
        default: return .unreadable
        }
    }
}
