// ClientNonce: the random bytes that a client brings to a SCRAM login.

public enum ClientNonce {
    /// Eighteen bytes from the system's source of randomness.
    public static func make() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<18).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
}
