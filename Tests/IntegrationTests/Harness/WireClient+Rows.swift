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

    /// What comes up to ReadyForQuery.
    func answer(deadlineSeconds: Double = WireClient.deadlineSeconds) throws -> [[String?]] {
        var rows: [[String?]] = []
        var failure: ServerError?
        while let frame = try next(deadlineSeconds: deadlineSeconds) {
            switch frame.letter {
            case "D":
                try frame.bytes.withUnsafeBytes { bytes in
                    var row: [String?] = []
                    try DataRowMessage(bytes).forEachField { _, field in row.append(field.map { String(decoding: $0, as: UTF8.self) }) }
                    rows.append(row)
                }
            case "E":
                if failure == nil { failure = ServerError(message: try frame.bytes.withUnsafeBytes { try DatabaseMessage(frame: $0) }) }
            case "Z":
                if let failure { throw failure }
                return rows
            default: break
            }
        }
        throw WireClientError(description: "the server closed the connection")
    }
}
