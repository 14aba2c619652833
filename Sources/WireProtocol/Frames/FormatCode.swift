// FormatCode: whether a value travels as text or in the type's binary form.

/// A format code. Other values than text and binary may arrive; PostgreSQL refuses them only where they are used
/// (22023 "unsupported format code: %d"), so a reader keeps them.
public struct FormatCode: RawRepresentable, Hashable, Sendable {
    public let rawValue: Int16

    @inlinable public init(rawValue: Int16) { self.rawValue = rawValue }
    @inlinable public static var text: FormatCode { FormatCode(rawValue: 0) }
    @inlinable public static var binary: FormatCode { FormatCode(rawValue: 1) }
}
