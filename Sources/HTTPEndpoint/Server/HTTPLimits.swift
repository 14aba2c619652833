// HTTPLimits: what the endpoint spends on its clients at most.

/// Bounds of the HTTP server. Durations are in seconds.
public struct HTTPLimits: Sendable {
    /// Open at a time. Who comes when all are in use takes the place of whoever has been longest without a whole request, or waits in the kernel.
    public var connections = 32
    /// Request line and header fields together.
    public var requestBytes = 8 << 10
    /// From the connection to the end of the request.
    public var requestSeconds = 5.0
    /// From the request until it is answered with what is known by then.
    public var answerSeconds = 4.0
    /// From the answer until the client has taken all of it.
    public var responseSeconds = 10.0
    /// From the last byte of the answer until the client has closed.
    public var lingerSeconds = 1.0

    public init() {}
}
