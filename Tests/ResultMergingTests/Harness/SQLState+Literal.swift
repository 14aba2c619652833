// Lets tests write a SQLSTATE as a string.
import WireProtocol

extension SQLState: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self.init(value) }
}
