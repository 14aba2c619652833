// Simple queries of a WireClient, for tests that look at rows and not at frames.
import WireProtocol

/// An ErrorResponse.
struct ServerError: Error, CustomStringConvertible {
    let message: DatabaseMessage
    var description: String { "\(message.sqlState.rawValue) \(message.message) \(message.detail ?? "") \(message.hint ?? "")" }
}

extension WireClient {
    /// The rows of a simple Query, as text; nil is NULL.
    /// - Throws: `ServerError` with the first error, after ReadyForQuery.
    @discardableResult
    func rows(_ text: String, deadlineSeconds: Double = WireClient.deadlineSeconds) throws -> [[String?]] {
        try send(FrontendFrame.query(text))
        return try answer(deadlineSeconds: deadlineSeconds)
    }

    /// The rows of what comes up to ReadyForQuery.
    func answer(deadlineSeconds: Double = WireClient.deadlineSeconds) throws -> [[String?]] {
        let outcome = try outcome(deadlineSeconds: deadlineSeconds)
        if let error = outcome.error { throw ServerError(message: error) }
        if outcome.isCutOff { throw WireClientError(description: "the server closed the connection") }
        return outcome.rows
    }
}
