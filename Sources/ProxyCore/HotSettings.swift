// HotSettings: what every query asks of the settings, which are many and mostly of use elsewhere.
import Primitives

/// A copy of some settings, side by side so that a query finds them in one cache line.
struct HotSettings {
    /// Bytes waiting for a peer above which its feeders pause.
    let outputHighWaterBytes: Int
    /// Bytes from a shard that can be passed on in one piece, since no frame within can be too large.
    let plainReplyBytes: Int
    /// The largest frame taken from a client.
    let clientFrameBytes: Int
    /// No span is longer where links live for ever.
    let linkLifetime: Span
    /// As `linkLifetime`.
    let linkIdleTimeout: Span
    let poolsSessions: Bool
    /// Every commit passes the gate, and so does what clients are told.
    let isStrict: Bool

    init(_ settings: ProxySettings) {
        outputHighWaterBytes = settings.limits.outputHighWaterBytes
        plainReplyBytes = min(settings.limits.outputLowWaterBytes, settings.limits.shardFrameBytes)
        clientFrameBytes = settings.limits.clientFrameBytes
        linkLifetime = Self.limit(settings.linkLifetime)
        linkIdleTimeout = Self.limit(settings.linkIdleTimeout)
        poolsSessions = settings.poolMode == .session
        isStrict = settings.consistentReads == .strict
    }

    /// Zero means never.
    private static func limit(_ configured: Span) -> Span { configured > .zero ? configured : Span(nanoseconds: .max) }
}
